"""Requests and tokens of a UTC minute, counted for every scope in one conditional write: exact with any number of workers.

counters table:
  RATE#<account>#<minute>   RATE   one number per scope; gone by TTL some time after its minute
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infergate.kernel.errors import RateLimited, Window
from infergate.limits.rules import MINUTE_S, Limit, Limits, Standing, tightest
from infergate.store import counting
from infergate.store.client import Params, Store, get
from infergate.store.counting import Counter, numbers_of
from infergate.store.errors import ConditionFailed, Item, StoreError


@dataclass(frozen=True, slots=True)
class Standings:
    """What the headers say: the tightest limit of each kind, and when the minute ends."""

    requests: Standing
    tokens: Standing
    resets_in_s: int


@dataclass(slots=True)
class Counted:
    """An admitted count, and what it takes to take it back: few requests need that, so its write is not made before."""

    standings: Standings
    key: Params
    limits: Limits
    tokens: int


class Rates:
    def __init__(self, store: Store, table: str) -> None:
        self._store = store
        self._table = table

    async def count(self, account: str, limits: Limits, tokens: int, now_s: float) -> Counted:
        """Count one request of `tokens` tokens against every scope, or against none. Raises RateLimited, StoreError."""
        key = self._key(account, now_s)
        try:
            answer = await self._store.call("UpdateItem", add(self._table, key, limits, tokens, now_s))
        except ConditionFailed as failed:
            raise refusal(limits, failed.old, tokens, now_s) from None
        return Counted(standings(limits, answer["Attributes"], now_s), key, limits, tokens)

    async def undo(self, counted: Counted) -> None:
        """The request was refused for another reason. If this fails, the account is counted one too many for a minute."""
        try:
            write = take_back(self._table, counted.key, counted.limits, counted.tokens)
            await self._store.call("UpdateItem", write)
        except StoreError:
            return

    async def would_refuse(self, account: str, limits: Limits, tokens: int, now_s: float) -> RateLimited | None:
        """What `count` would raise now. Counts nothing. Raises StoreError."""
        item = await self._item(account, now_s)
        return refusal(limits, item, tokens, now_s) if _full(limits, numbers_of(item), tokens) else None

    async def look(self, account: str, limits: Limits, now_s: float) -> Standings:
        """The standings without counting."""
        return standings(limits, await self._item(account, now_s) or {}, now_s)

    async def _item(self, account: str, now_s: float) -> Item | None:
        key = self._key(account, now_s)
        return await get(self._store, self._table, key["pk"]["S"], key["sk"]["S"])

    def _key(self, account: str, now_s: float) -> Params:
        return {"pk": {"S": f"RATE#{account}#{int(now_s) // MINUTE_S}"}, "sk": {"S": "RATE"}}


def add(table: str, key: Params, limits: Limits, tokens: int, now_s: float) -> Params:
    return counting.count(table, key, _counters(limits, tokens), int(now_s) + 600)


def take_back(table: str, key: Params, limits: Limits, tokens: int) -> Params:
    return counting.take_back(table, key, _counters(limits, tokens))


def _counters(limits: Limits, tokens: int) -> list[Counter]:
    requests = [Counter(limit.counter, 1, limit.value) for limit in limits.requests]
    return requests + [Counter(limit.counter, tokens, limit.value) for limit in limits.tokens]


def standings(limits: Limits, item: Item, now_s: float) -> Standings:
    used = numbers_of(item)
    resets_in_s = MINUTE_S - int(now_s) % MINUTE_S
    return Standings(tightest(limits.requests, used), tightest(limits.tokens, used), resets_in_s)


def refusal(limits: Limits, old: Item | None, tokens: int, now_s: float) -> RateLimited:
    """Which limit said no, from the item that came back with the refusal."""
    used = numbers_of(old)
    wait_s = MINUTE_S - int(now_s) % MINUTE_S
    full = _full(limits, used, tokens)
    limit, asked = full[0] if full else (limits.requests[0], 1)
    now = windows_of(standings(limits, old or {}, now_s))
    return RateLimited(limit.name, limit.value, used.get(limit.counter, 0), limit.source, wait_s, asked, now)


def _full(limits: Limits, used: Mapping[str, int], tokens: int) -> list[tuple[Limit, int]]:
    """Each limit that has no room, with what was asked of it."""
    full = [(limit, 1) for limit in limits.requests if used.get(limit.counter, 0) + 1 > limit.value]
    return full + [(limit, tokens) for limit in limits.tokens if used.get(limit.counter, 0) + tokens > limit.value]


def windows_of(now: Standings) -> tuple[Window, ...]:
    """What a refusal tells of both kinds of limit."""
    return tuple(
        Window(kind, standing.limit.value, standing.remaining, now.resets_in_s)
        for kind, standing in (("requests", now.requests), ("tokens", now.tokens))
    )
