"""Scripted faults: each mode does to a call what its name says, and only to the call it was planned for."""

import asyncio
from typing import Any

import pytest
from infergate.store.client import Params
from infergate.store.errors import Busy, ConditionFailed, OutcomeUnknown, TransactionFailed

from tests.support.faults import Call, Crash, FaultyStore, Mode
from tests.support.memory_store import MemoryStore

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
ADD: Params = {
    "TableName": "t",
    "Key": KEY,
    "UpdateExpression": "ADD n :one",
    "ExpressionAttributeValues": {":one": {"N": "1"}},
}
GET: Params = {"TableName": "t", "Key": KEY, "ConsistentRead": True}
BOTH: Params = {"TransactItems": [{"Update": ADD}, {"Delete": {"TableName": "u", "Key": KEY}}]}


@pytest.fixture
def inner() -> MemoryStore:
    return MemoryStore(["t", "u"])


def added(inner: MemoryStore) -> int:
    items = inner.items("t")
    return int(items[0]["n"]["N"]) if items else 0


async def test_without_a_plan_every_call_passes_and_is_logged(inner: MemoryStore) -> None:
    store = FaultyStore(inner)

    await store.call("UpdateItem", ADD)
    answer = await store.call("GetItem", GET)
    await store.call("TransactWriteItems", BOTH)
    asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "p"}}}
    await store.call("Query", {"TableName": "t", **asked})
    await store.call("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY]}}})

    assert answer["Item"]["n"] == {"N": "1"}
    assert store.calls == [
        Call("UpdateItem", "t", "p s"),
        Call("GetItem", "t", "p s"),
        Call("TransactWriteItems", "t, u", "p s, p s"),
        Call("Query", "t", "p"),
        Call("BatchGetItem", "t", "p s"),
    ]


@pytest.mark.parametrize(
    ("mode", "error", "applied"),
    [
        (Mode.CRASH_BEFORE, Crash, 0),
        (Mode.CRASH_AFTER, Crash, 1),
        (Mode.REPLY_LOST, OutcomeUnknown, 1),
        (Mode.NEVER_SENT, OutcomeUnknown, 0),
        (Mode.THROTTLED, Busy, 0),
        (Mode.CONFLICT, Busy, 0),
        (Mode.LATE, OutcomeUnknown, 0),
    ],
)
async def test_each_mode_applies_the_write_or_not_and_says_so_or_not(
    inner: MemoryStore, mode: Mode, error: type[BaseException], applied: int
) -> None:
    store = FaultyStore(inner, {1: mode})
    await store.call("UpdateItem", ADD)

    with pytest.raises(error):
        await store.call("UpdateItem", ADD)

    assert added(inner) == 1 + applied
    assert len(store.calls) == 2


@pytest.mark.parametrize("mode", [mode for mode in Mode if "crash" not in mode])
async def test_the_calls_after_a_fault_pass(inner: MemoryStore, mode: Mode) -> None:
    store = FaultyStore(inner, {0: mode})
    with pytest.raises((Busy, OutcomeUnknown)):
        await store.call("GetItem", GET)

    await store.call("UpdateItem", ADD)

    assert added(inner) == 1


@pytest.mark.parametrize("mode", [Mode.CRASH_BEFORE, Mode.CRASH_AFTER])
async def test_a_dead_process_reaches_the_store_neither_in_a_handler_nor_in_finally(
    inner: MemoryStore, mode: Mode
) -> None:
    store = FaultyStore(inner, {0: mode})
    handled = []

    async def flow() -> None:
        try:
            await store.call("GetItem", GET)
        except Exception as error:
            handled.append(error)
        finally:
            await store.call("UpdateItem", ADD)

    with pytest.raises(Crash):
        await flow()

    assert handled == []
    assert added(inner) == 0
    assert store.dead
    assert len(store.calls) == 1, "what a dead process tries is no call"


async def test_other_tasks_of_a_dead_process_are_dead_too(inner: MemoryStore) -> None:
    store = FaultyStore(inner, {0: Mode.CRASH_AFTER})

    answers = await asyncio.gather(*(store.call("UpdateItem", ADD) for _ in range(5)), return_exceptions=True)

    assert all(isinstance(answer, Crash) for answer in answers)
    assert added(inner) == 1


async def test_a_late_write_arrives_as_it_was_sent_and_once(inner: MemoryStore) -> None:
    store = FaultyStore(inner, {0: Mode.LATE})
    params: dict[str, Any] = {**ADD, "ExpressionAttributeValues": {":one": {"N": "1"}}}
    with pytest.raises(OutcomeUnknown):
        await store.call("UpdateItem", params)
    params["ExpressionAttributeValues"][":one"]["N"] = "100"

    assert await store.deliver_late() == 1
    assert await store.deliver_late() == 0

    assert added(inner) == 1


async def test_late_writes_arrive_after_the_death_of_their_process_and_their_refusals_are_nobodys(
    inner: MemoryStore,
) -> None:
    store = FaultyStore(inner, {0: Mode.LATE, 1: Mode.LATE, 2: Mode.CRASH_BEFORE})
    for refused in ({"ConditionExpression": "attribute_exists(pk)"}, {}):
        with pytest.raises(OutcomeUnknown):
            await store.call("UpdateItem", ADD | refused)
    with pytest.raises(Crash):
        await store.call("GetItem", GET)

    assert await store.deliver_late() == 2

    assert added(inner) == 1


async def test_a_late_read_is_never_delivered(inner: MemoryStore) -> None:
    store = FaultyStore(inner, {0: Mode.LATE})
    with pytest.raises(OutcomeUnknown):
        await store.call("GetItem", GET)

    assert store.delayed == []


async def test_a_refusal_whose_reply_is_lost_is_an_unknown_outcome(inner: MemoryStore) -> None:
    store = FaultyStore(inner, {1: Mode.REPLY_LOST})
    refused = ADD | {"ConditionExpression": "attribute_exists(pk)"}
    with pytest.raises(ConditionFailed):
        await store.call("UpdateItem", refused)

    with pytest.raises(OutcomeUnknown):
        await store.call("UpdateItem", refused)


async def test_a_transaction_in_conflict_is_cancelled_and_known_to_be_worth_another_try(inner: MemoryStore) -> None:
    store = FaultyStore(inner, {0: Mode.CONFLICT})

    with pytest.raises(TransactionFailed) as failed:
        await store.call("TransactWriteItems", BOTH)

    assert failed.value.reasons == [("TransactionConflict", None), ("None", None)]
    assert failed.value.conflicted
    assert added(inner) == 0
