"""The product as one process after another runs it, on a store in memory and a clock that the proof moves."""

import random
from collections.abc import Coroutine
from typing import Any

from infergate.kernel.ids import new_id
from infergate.ledger.adjustments import Adjustments
from infergate.ledger.books import Books
from infergate.ledger.disputes import Disputes
from infergate.ledger.grants import Grants, opening
from infergate.ledger.ledger import Ledger, Tables
from infergate.ledger.refunds import Refunds
from infergate.ledger.types import Grant
from infergate.schedules.expire import Expire
from infergate.schedules.sweep import Sweep
from infergate.store.client import Store

from tests.support.memory_store import MemoryStore

TABLES = Tables("accounts", "receipts", "counters")
START_S = 1_767_225_600
"""2026-01-01T00:00:00Z."""


def done[T](work: Coroutine[Any, Any, T]) -> T:
    """Its result, without an event loop: a store in memory never makes anybody wait."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("something waited")


async def _no_wait(_: float) -> None:
    return


class Clock:
    def __init__(self) -> None:
        self.now = float(START_S)

    def __call__(self) -> float:
        return self.now


class Process:
    """All that one process has. It remembers nothing that another needs."""

    def __init__(self, store: Store, clock: Clock, *, alone_max: int) -> None:
        chance = random.Random(7).random
        self.ledger = Ledger(store, TABLES, clock, _no_wait, chance)
        self.books = Books(store, TABLES, clock, _no_wait, chance)
        self.grants = Grants(self.books)
        self.refunds = Refunds(self.books)
        self.disputes = Disputes(self.books)
        self.adjustments = Adjustments(self.books, alone_max=alone_max)
        self.sweep = Sweep(store, self.ledger, TABLES.counters, clock)
        self.expire = Expire(store, self.grants, TABLES.accounts, clock)


class World:
    """`process()` is a new process; `main` one that never dies."""

    def __init__(self, seed: int = 7, *, alone_max: int = 10) -> None:
        self.clock = Clock()
        self.store = MemoryStore((TABLES.accounts, TABLES.receipts, TABLES.counters), clock=self.clock)
        self._random = random.Random(seed)
        self._alone_max = alone_max
        self.main = self.process(self.store)

    def process(self, store: Store) -> Process:
        return Process(store, self.clock, alone_max=self._alone_max)

    def new_id(self, prefix: str) -> str:
        """Ten milliseconds later than the last one, so that they sort as they were made."""
        self.clock.now += 0.01
        return new_id(prefix, self.clock.now, self._random.randbytes)

    def open(self, *grants: Grant) -> str:
        account = self.new_id("acct")
        members = opening(TABLES.accounts, account, grants, int(self.clock.now), "test")
        done(self.store.call("TransactWriteItems", {"TransactItems": members}))
        return account
