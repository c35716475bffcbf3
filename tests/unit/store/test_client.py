"""Reading many items at once, where DynamoDB answers in parts."""

from typing import Any

import pytest
from infergate.store.client import Params, get_many
from infergate.store.errors import Busy

from tests.support.faults import FaultyStore, Mode
from tests.support.memory_store import MemoryStore


class Parts:
    """Reads at most `most` of the keys that it is asked for, as DynamoDB may."""

    def __init__(self, inner: MemoryStore, most: int) -> None:
        self.inner, self.most, self.calls = inner, most, 0

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        self.calls += 1
        ((table, wanted),) = params["RequestItems"].items()
        now, later = wanted["Keys"][: self.most], wanted["Keys"][self.most :]
        answer: dict[str, Any] = {"Responses": {table: []}, "UnprocessedKeys": {}}
        if now:
            answer = await self.inner.call(operation, {"RequestItems": {table: {**wanted, "Keys": now}}})
        return answer | ({"UnprocessedKeys": {table: {"Keys": later}}} if later else {})


@pytest.fixture
async def memory() -> MemoryStore:
    store = MemoryStore(["t"])
    for number in range(250):
        await store.call("PutItem", {"TableName": "t", "Item": {"pk": {"S": f"p{number}"}, "sk": {"S": "s"}}})
    return store


KEYS = [(f"p{number}", "s") for number in range(250)]


async def test_more_keys_than_one_call_takes_are_read_in_as_few_as_it_needs(memory: MemoryStore) -> None:
    store = FaultyStore(memory)

    found = await get_many(store, "t", [*KEYS, KEYS[0], ("absent", "s")])

    assert set(found) == set(KEYS)
    assert found["p7", "s"]["pk"] == {"S": "p7"}
    assert len(store.calls) == 3


async def test_what_was_left_unread_is_asked_for_again(memory: MemoryStore) -> None:
    store = Parts(memory, 40)

    assert set(await get_many(store, "t", KEYS[:100])) == set(KEYS[:100])
    assert store.calls == 3


async def test_who_reads_nothing_is_not_asked_for_ever(memory: MemoryStore) -> None:
    store = Parts(memory, 0)

    with pytest.raises(Busy):
        await get_many(store, "t", KEYS[:100])

    assert store.calls <= 5


async def test_a_read_whose_answer_is_lost_is_read_again(memory: MemoryStore) -> None:
    assert len(await get_many(FaultyStore(memory, {0: Mode.REPLY_LOST}), "t", KEYS[:3])) == 3


async def test_nothing_wanted_is_nothing_read(memory: MemoryStore) -> None:
    store = FaultyStore(memory)

    assert await get_many(store, "t", []) == {}
    assert store.calls == []
