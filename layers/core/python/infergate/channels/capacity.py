"""What a provider lets a channel do, kept exactly by all workers: requests and tokens a minute, requests in flight.

Only a channel with a cap pays for it: one write for its minute, and two (a lease, and its end) for requests in flight.
Where the store does not answer, the request goes through and it is alarmed: a provider that is asked too much says 429,
which cools the channel; a gateway that does not sell says nothing.

A lease is a promise to be gone by a deadline. Whoever finds no room takes the place of leases whose deadline is more than
a minute past: their workers died. A lease id is never used twice, so that a write that comes late frees nobody's place.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from infergate.channels.keys import LEASES, MINUTE_S, key, minute_key
from infergate.kernel.time import Clock
from infergate.store.client import Params, Store
from infergate.store.codec import decode, encode
from infergate.store.counting import Counter, count, numbers_of, take_back
from infergate.store.errors import Busy, ConditionFailed, Item, OutcomeUnknown, StoreError

TRIES = 4
"""How often one lease is asked for, where others take the place of the same dead one or a write's outcome is unknown."""
CLOCKS_S = 60
"""How far workers' clocks may differ: a lease ends this long after its deadline."""
COUNTER_KEEP_S = 600
RECLAIMED_MAX = 20
"""Leases of dead workers that one write takes away."""

type Which = Literal["requests per minute", "tokens per minute", "requests in flight"]


@dataclass(frozen=True, slots=True)
class Caps:
    """None: no cap."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """A place that was taken; `lease` is empty where there is none to give back. Hand it to `leave`."""

    channel: str
    lease: str = ""


@dataclass(frozen=True, slots=True)
class Full:
    retry_after_s: int
    which: Which


FREE = Caps()
_REQUESTS, _TOKENS = "requests", "tokens"


class Capacity:
    """`patience_s` bounds what the store may cost a request."""

    def __init__(
        self,
        store: Store,
        table: str,
        clock: Clock,
        log: Callable[[dict[str, Any]], None],
        patience_s: float = 1.0,
    ) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._log = log
        self._patience_s = patience_s
        self._entries = itertools.count()

    async def enter(self, channel: str, caps: Caps, request_id: str, tokens: int, deadline: int) -> Entered | Full:
        """Take a place for a request of `tokens` tokens that is over by `deadline` (epoch seconds), under all caps or none.

        A request id belongs to one process. Raises nothing.
        """
        if caps == FREE:
            return Entered(channel)
        now = self._clock()
        minute, counters = minute_key(channel, now), _counters(caps, tokens)
        lease = f"{request_id}.{next(self._entries)}" if caps.concurrency is not None else ""
        entered = Entered(channel, lease)
        counted, leased = await asyncio.gather(
            self._tried(channel, self._count(minute, counters, now), []),
            self._tried(channel, self._lease(entered, caps.concurrency or 0, deadline), None),
        )
        if isinstance(counted, Full):
            if leased is None:
                await self.leave(entered)
            return counted
        if leased is not None and counted:
            await self._uncount(minute, counted)
        return leased or entered

    async def leave(self, entered: Entered) -> None:
        """Give the place back; any number of times. If it fails, the place is free when the lease ends."""
        if not entered.lease:
            return
        write = _update(
            self._table,
            entered.channel,
            "REMOVE leases.#lease",
            "attribute_exists(leases.#lease)",
            {"#lease": entered.lease},
            {},
        )
        try:
            async with asyncio.timeout(self._patience_s):
                await self._again(write)
        except ConditionFailed:
            return
        except (StoreError, TimeoutError) as error:
            self._log({"event": "channel_lease_left", "channel": entered.channel, "error": type(error).__name__})

    # -- a minute's requests and tokens -----------------------------------------------------------------------------

    async def _count(self, minute: Params, counters: list[Counter], now: float) -> Full | list[Counter]:
        """What was counted. Raises StoreError."""
        if not counters:
            return []
        try:
            # Sent again, it may count twice: the cap holds all the same.
            await self._again(count(self._table, minute, counters, int(now) + COUNTER_KEEP_S))
        except ConditionFailed as failed:
            used = numbers_of(failed.old)
            over = next((c.name for c in counters if used.get(c.name, 0) + c.more > c.ceiling), counters[0].name)
            which: Which = "tokens per minute" if over == _TOKENS else "requests per minute"
            return Full(MINUTE_S - int(now) % MINUTE_S, which)
        return counters

    async def _uncount(self, minute: Params, counters: list[Counter]) -> None:
        """Once: if its answer is lost, the channel may be counted one too many for a minute, never one too few."""
        try:
            await self._store.call("UpdateItem", take_back(self._table, minute, counters))
        except StoreError:
            return

    # -- requests in flight -----------------------------------------------------------------------------------------

    async def _lease(self, entered: Entered, room: int, deadline: int) -> Full | None:
        """Raises StoreError."""
        if not entered.lease:
            return None
        dead: dict[str, int] = {}
        for _ in range(TRIES):
            try:
                await self._store.call("UpdateItem", _take(self._table, entered, room, deadline, dead))
                return None
            except ConditionFailed as failed:
                if failed.old is None:
                    await self._begin(entered.channel)
                    continue
                leases = _leases(failed.old)
                if entered.lease in leases:
                    return None  # it was applied and its answer was lost
                dead = self._dead(leases)
                if len(leases) - len(dead) >= room:
                    return Full(1, "requests in flight")
            except (Busy, OutcomeUnknown):
                continue
        raise Busy("leases")

    def _dead(self, leases: dict[str, int]) -> dict[str, int]:
        over = [(deadline, lease) for lease, deadline in leases.items() if deadline + CLOCKS_S < self._clock()]
        return {lease: deadline for deadline, lease in sorted(over)[:RECLAIMED_MAX]}

    async def _begin(self, channel: str) -> None:
        """The item with no leases, unless it is there."""
        item = {**key(channel, LEASES), "leases": {"M": {}}}
        put = {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
        try:
            await self._store.call("PutItem", put)
        except (ConditionFailed, Busy, OutcomeUnknown):
            return

    # -- sending ----------------------------------------------------------------------------------------------------

    async def _again(self, write: Params) -> None:
        """An UpdateItem whose repetition does no harm. Raises StoreError."""
        for _ in range(2):
            try:
                await self._store.call("UpdateItem", write)
                return
            except (Busy, OutcomeUnknown):
                continue
        await self._store.call("UpdateItem", write)

    async def _tried[T](self, channel: str, asked: Awaitable[T], otherwise: T) -> T:
        """Open where the store fails."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await asked
        except (StoreError, TimeoutError) as error:
            line = {"event": "channel_capacity_unknown", "channel": channel, "error": type(error).__name__}
            self._log(line | {"alarm": True})
            return otherwise


def _counters(caps: Caps, tokens: int) -> list[Counter]:
    asked = ((_REQUESTS, 1, caps.requests_per_minute), (_TOKENS, tokens, caps.tokens_per_minute))
    return [Counter(name, more, cap) for name, more, cap in asked if cap is not None]


def _take(table: str, entered: Entered, room: int, deadline: int, dead: dict[str, int]) -> Params:
    """A lease, in the place of `dead` ones if there are any, provided that there is room then."""
    names, values = {"#lease": entered.lease}, {":deadline": deadline, ":room": room + len(dead)}
    update = "SET leases.#lease = :deadline"
    condition = "attribute_not_exists(leases.#lease) AND size(leases) < :room"
    for i, (lease, ended) in enumerate(dead.items()):
        names[f"#dead{i}"], values[f":dead{i}"] = lease, ended
        condition += f" AND leases.#dead{i} = :dead{i}"
    if dead:
        update += " REMOVE " + ", ".join(f"leases.#dead{i}" for i in range(len(dead)))
    return _update(table, entered.channel, update, condition, names, values)


def _update(
    table: str, channel: str, update: str, condition: str, names: dict[str, str], values: dict[str, int]
) -> Params:
    return {
        "TableName": table,
        "Key": key(channel, LEASES),
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": {name: encode(value) for name, value in values.items()}} if values else {}),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _leases(item: Item) -> dict[str, int]:
    leases: dict[str, int] = decode(item["leases"])
    return leases
