"""Which channels may be used: one breaker a channel that all workers share, and this worker's copy of it.

A request on the hot path reads the copy and waits for nothing; what it does not find fresh it refreshes beside its own
reserve (`due`, `refresh`). A failure is told to all at once, a success only in doubt (rules.succeeded). Every change is
one write on the condition that the version is the one it was made from, so of 64 workers one gets the probe.

No error leaves this module but from `overview`: a store that does not answer must not stop sales. It is alarmed, at
most once a minute.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from infergate.channels import rules
from infergate.channels.keys import HEALTH, channel_pk
from infergate.channels.rules import Breaker, Bucket, ChannelState, Failure
from infergate.kernel.ids import Entropy, new_id
from infergate.kernel.time import Clock
from infergate.store.client import Params, Store, get, get_many
from infergate.store.codec import decode_item, encode_item, record
from infergate.store.errors import Busy, ConditionFailed, Item, OutcomeUnknown, StoreError

FRESH_S = 5
"""A copy younger than this is as good as the shared one."""
USABLE_S = 30
"""Up to this age a copy is used while it is being refreshed."""
LAST_KNOWN_S = 60
"""Where the store does not answer, up to this age a copy is better than none. After it everything counts as closed."""
TRIES = 8
"""How often one change meets somebody else's before it gives up. Five failures open a channel, so few meet more."""
UNTOLD_MAX = 10
"""More of its own successes a worker does not remember: they would be told all at once, and be old."""
KEEP_S = 7 * 86_400
ALARM_EVERY_S = 60


@dataclass(frozen=True, slots=True)
class Copy:
    breaker: Breaker
    read_at: float


@dataclass(frozen=True, slots=True)
class Untold:
    """This worker's successes that the others have not heard of."""

    successes: int = 0
    last_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """What an operator wants to see of one channel; counts are of the last minute."""

    state: ChannelState
    failures: int
    successes_told: int
    openings: int


class Health:
    """For one event loop. `patience_s` bounds what any call of the store may cost a request."""

    def __init__(
        self,
        store: Store,
        table: str,
        clock: Clock,
        log: Callable[[dict[str, Any]], None],
        entropy: Entropy = os.urandom,
        patience_s: float = 1.0,
    ) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._log = log
        self._entropy = entropy
        self._patience_s = patience_s
        self._copies: dict[str, Copy] = {}
        self._untold: dict[str, Untold] = {}
        self._probes: dict[str, str] = {}
        self._reading = asyncio.Lock()
        self._unread_at = float("-inf")
        self._alarmed_at = float("-inf")

    # -- what a request asks --------------------------------------------------------------------------------------

    async def state_of(self, ids: Iterable[str]) -> dict[str, ChannelState]:
        """By id. Reads the store only where a copy is missing or too old to be used."""
        wanted = list(ids)
        if self._oldest_s(wanted) > USABLE_S:
            await self.refresh(wanted)
        now = self._clock()
        return {channel: self._state(channel, now) for channel in wanted}

    def off(self) -> frozenset[str]:
        """The channels that are known to be off, as far as this worker's copy may be used."""
        return frozenset(
            channel for channel, copy in self._copies.items() if copy.breaker.off and self._age_s(channel) <= USABLE_S
        )

    def due(self, ids: Iterable[str]) -> bool:
        """Whether `refresh` would read. Not within FRESH_S of a read that failed."""
        return self._oldest_s(ids) >= FRESH_S and self._clock() - self._unread_at >= FRESH_S

    async def refresh(self, ids: Iterable[str]) -> None:
        """Bring the copies of these up to date, if due. Runs whole within its caller: Lambda freezes what is left behind.

        Where another request is at it, waits for that only if the copies cannot be used until then.
        """
        wanted = list(ids)
        if not self.due(wanted) or (self._reading.locked() and self._oldest_s(wanted) <= USABLE_S):
            return
        async with self._reading:
            if self.due(wanted):
                await self._read([channel for channel in wanted if self._age_s(channel) >= FRESH_S])

    # -- what a request tells -------------------------------------------------------------------------------------

    async def succeeded(self, channel: str) -> None:
        """An attempt was answered, be it with the caller's own mistake. Costs nothing on a channel without failures."""
        probe, now = self._probes.pop(channel, ""), self._clock()
        successes = self._own(channel, now) + 1
        self._untold[channel] = Untold(min(successes, UNTOLD_MAX), now)
        if rules.succeeded(self._known(channel), now, probe=probe, successes=successes) is None:
            return
        del self._untold[channel]
        await self._change(channel, lambda breaker: rules.succeeded(breaker, now, probe=probe, successes=successes))

    async def failed(self, channel: str, kind: Failure, retry_after_s: float | None = None) -> None:
        """An attempt failed in a way that speaks against the channel (rules.failure_of)."""
        probe, now = self._probes.pop(channel, ""), self._clock()
        successes = self._own(channel, now)
        self._untold.pop(channel, None)
        await self._change(
            channel,
            lambda breaker: rules.failed(
                breaker, kind, now, probe=probe, retry_after_s=retry_after_s, successes=successes
            ),
        )

    async def try_probe(self, channel: str) -> bool:
        """Whether this worker may try the half-open channel, as the only one. Then tell how it went, within PROBE_S."""
        now = self._clock()
        token = new_id("probe", now, self._entropy)
        breaker = await self._change(channel, lambda seen: rules.probing(seen, token, now))
        won = breaker is not None and breaker.probe == token
        if won:
            self._probes[channel] = token
        return won

    # -- what the schedule and operators do -----------------------------------------------------------------------

    async def turn_off(self, channel: str, reason: str) -> None:
        await self._change(channel, lambda breaker: rules.turned_off(breaker, reason), look_first=True)

    async def turn_on(self, channel: str) -> None:
        await self._change(channel, rules.turned_on, look_first=True)

    async def reset(self, channel: str) -> None:
        """Close it by hand and forget its failures. What is off stays off."""
        await self._change(channel, rules.reset, look_first=True)

    async def overview(self, ids: Iterable[str]) -> dict[str, Overview]:
        """As of this moment. Raises StoreError."""
        keys = {(channel_pk(channel), HEALTH): channel for channel in ids}
        items = await get_many(self._store, self._table, list(keys), consistent=True)
        now, found = self._clock(), {}
        for key, channel in keys.items():
            breaker = read(items.get(key))
            self._learn(channel, breaker)
            failures, successes = rules.tally(breaker, now)
            found[channel] = Overview(rules.state_of(breaker, now), failures, successes, breaker.openings)
        return found

    # -- the copies -----------------------------------------------------------------------------------------------

    def _state(self, channel: str, now: float) -> ChannelState:
        return rules.state_of(self._known(channel), now)

    def _known(self, channel: str) -> Breaker:
        """The copy; where there is none, or none that is believed any more, a channel in order."""
        return self._copies[channel].breaker if self._age_s(channel) <= LAST_KNOWN_S else Breaker()

    def _own(self, channel: str, now: float) -> int:
        untold = self._untold.get(channel)
        return untold.successes if untold and now - untold.last_at < rules.WINDOW_S else 0

    def _age_s(self, channel: str) -> float:
        copy = self._copies.get(channel)
        return self._clock() - copy.read_at if copy else float("inf")

    def _oldest_s(self, ids: Iterable[str]) -> float:
        return max((self._age_s(channel) for channel in ids), default=0.0)

    def _learn(self, channel: str, breaker: Breaker) -> None:
        self._copies[channel] = Copy(breaker, self._clock())

    async def _read(self, wanted: Sequence[str]) -> None:
        began = self._clock()
        keys = [(channel_pk(channel), HEALTH) for channel in wanted]
        try:
            async with asyncio.timeout(self._patience_s):
                items = await get_many(self._store, self._table, keys)
        except (StoreError, TimeoutError) as error:
            self._unread_at = self._clock()
            self._alarm("channel_health_unread", error)
            return
        for channel, key in zip(wanted, keys, strict=True):
            copy = self._copies.get(channel)
            # What a write of ours has learned meanwhile is newer.
            if copy is None or copy.read_at <= began:
                self._copies[channel] = Copy(read(items.get(key)), began)

    # -- the shared breaker ---------------------------------------------------------------------------------------

    async def _change(
        self, channel: str, step: Callable[[Breaker], Breaker | None], *, look_first: bool = False
    ) -> Breaker | None:
        """Take one step from the shared breaker; returns it as it is then, None where the store does not answer.

        Where the copy says that there is nothing to do, the store is not asked, unless it is to `look_first`.
        """
        seen = self._known(channel)
        if not look_first and step(seen) is None:
            return seen
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._swap(channel, await self._look(channel) if look_first else seen, step)
        except (StoreError, TimeoutError) as error:
            self._alarm("channel_health_unwritten", error)
            return None

    async def _look(self, channel: str) -> Breaker:
        """Raises StoreError."""
        return read(await get(self._store, self._table, channel_pk(channel), HEALTH))

    async def _swap(self, channel: str, seen: Breaker, step: Callable[[Breaker], Breaker | None]) -> Breaker:
        """Raises StoreError."""
        for _ in range(TRIES):
            now = self._clock()
            wanted = step(seen)
            if wanted is None:
                break
            wanted = replace(wanted, version=seen.version + 1, by=new_id("by", now, self._entropy))
            try:
                await self._store.call("PutItem", _put(self._table, channel, wanted, now))
            except ConditionFailed as failed:
                before, seen = seen, read(failed.old)
            except (Busy, OutcomeUnknown):
                before, seen = seen, await self._look(channel)
            else:
                before, seen = seen, wanted
            self._learn(channel, seen)
            if seen.by == wanted.by:
                self._say(channel, before, seen)
                break
        return seen

    def _say(self, channel: str, before: Breaker, after: Breaker) -> None:
        """One line for each change of phase, from the worker that made it."""
        now = self._clock()
        was, is_now = rules.state_of(before, now), rules.state_of(after, now)
        if (was.phase, was.reason) == (is_now.phase, is_now.reason):
            return
        line = {"event": "channel", "channel": channel, "was": was.phase, **asdict(is_now)}
        self._log(line | ({"alarm": True} if is_now.phase == "open" and is_now.reason == "refused our key" else {}))

    def _alarm(self, event: str, error: Exception) -> None:
        now = self._clock()
        if now - self._alarmed_at >= ALARM_EVERY_S:
            self._alarmed_at = now
            self._log({"event": event, "error": type(error).__name__, "alarm": True})


def read(item: Item | None) -> Breaker:
    """From the stored item; None is a channel of which nothing was ever said."""
    if not item:
        return Breaker()
    values = decode_item(item)
    values["buckets"] = tuple(Bucket(*bucket) for bucket in values.get("buckets", []))
    return record(Breaker, values)


def _put(table: str, channel: str, breaker: Breaker, now: float) -> Params:
    """The whole breaker, provided that nobody has changed it since the version before."""
    buckets = [(bucket.start_s, bucket.failures, bucket.successes) for bucket in breaker.buckets]
    item = {"pk": channel_pk(channel), "sk": HEALTH, **asdict(breaker), "buckets": buckets, "ttl": int(now) + KEEP_S}
    before = breaker.version - 1
    return {
        "TableName": table,
        "Item": encode_item(item),
        "ConditionExpression": "version = :before" if before else "attribute_not_exists(version)",
        **({"ExpressionAttributeValues": encode_item({":before": before})} if before else {}),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
