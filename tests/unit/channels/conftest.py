"""Many workers on one store, in an order that is drawn, on a clock that stands until the test moves it."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from infergate.store.client import Params, Store

from tests.support.memory_store import MemoryStore

TABLE = "counters"
T0 = 1_800_000_000.0


class Hands:
    """A clock that stands still."""

    def __init__(self, now: float = T0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Racing:
    """Lets others come between a call's sending, its effect and its answer: each takes a drawn number of turns."""

    def __init__(self, inner: Store, seed: int = 1) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self._draw = random.Random(seed)

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        self.calls[operation] += 1
        await self._turns()
        try:
            return await self.inner.call(operation, params)
        finally:
            await self._turns()

    async def _turns(self) -> None:
        for _ in range(self._draw.randrange(6)):
            await asyncio.sleep(0)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def memory(clock: Hands) -> MemoryStore:
    return MemoryStore([TABLE], clock=clock)


@pytest.fixture
def racing(memory: MemoryStore) -> Racing:
    return Racing(memory)
