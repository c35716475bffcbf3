"""Each receipt once: under repetition, bisecting, interleaving, crashes, lost answers and late writes. On a real store."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.ledger.types import Receipt
from infergate.store.client import Params, Store
from infergate.store.errors import Busy, OutcomeUnknown, Rejected, StoreError, TransactionFailed
from infergate.usage.count import TRIES

from tests.unit.usage.conftest import NOON, Books, Through, batch, counter, new_account, receipt, sums


class Died(BaseException):
    """The worker was killed: no handler of ours sees it."""


class Faulty(Through):
    """Does `fault` to the call number `at`, and nothing to the others."""

    def __init__(self, store: Store, at: int, fault: Callable[[Store, str, Params], Awaitable[dict[str, Any]]]) -> None:
        super().__init__(store)
        self.at = at
        self.fault = fault

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if len(self.calls) == self.at:
            self.calls.append((operation, params))
            return await self.fault(self.store, operation, params)
        return await super().call(operation, params)


async def die_before(store: Store, operation: str, params: Params) -> dict[str, Any]:
    raise Died


async def die_after(store: Store, operation: str, params: Params) -> dict[str, Any]:
    await store.call(operation, params)
    raise Died


async def lose_the_answer(store: Store, operation: str, params: Params) -> dict[str, Any]:
    await store.call(operation, params)
    raise OutcomeUnknown("no answer")


async def never_arrive(store: Store, operation: str, params: Params) -> dict[str, Any]:
    raise OutcomeUnknown("no answer")


async def throttle(store: Store, operation: str, params: Params) -> dict[str, Any]:
    raise Busy("ThrottlingException")


async def conflict(store: Store, operation: str, params: Params) -> dict[str, Any]:
    raise TransactionFailed([("TransactionConflict", None), *[("None", None)] * (len(params["TransactItems"]) - 1)])


def a_lively_account() -> list[Receipt]:
    """130 receipts in 6 cells: more than one transaction."""
    account = new_account()
    return [
        receipt(account, NOON + i, cost=i, model=f"m{i % 3}", reason="completed" if i % 5 else "upstream failed")
        for i in range(130)
    ]


async def test_each_receipt_of_a_batch_is_added_to_its_hour_and_its_day(books: Books) -> None:
    some = a_lively_account()

    counted = await books.count.run(batch(some))

    assert (counted.counted, counted.again, counted.stuck, counted.malformed) == (130, 0, {}, {})
    assert await books.totals(some[0].account) == sums(some)


async def test_a_batch_delivered_again_adds_nothing(books: Books) -> None:
    some = a_lively_account()
    await books.count.run(batch(some))

    counted = await books.count.run(batch(some))

    assert (counted.counted, counted.again) == (0, 130)
    assert await books.totals(some[0].account) == sums(some)


async def test_a_receipt_that_comes_twice_in_one_batch_is_added_once(books: Books) -> None:
    one = receipt(new_account())

    counted = await books.count.run(batch([one, one, one]))

    assert (counted.counted, counted.again) == (1, 2)
    assert await books.totals(one.account) == sums([one])


async def test_a_batch_that_comes_again_with_new_receipts_adds_only_those(books: Books) -> None:
    some = a_lively_account()
    await books.count.run(batch(some[40:90]))

    counted = await books.count.run(batch(some))

    assert (counted.counted, counted.again) == (80, 50)
    assert await books.totals(some[0].account) == sums(some)


async def test_older_receipts_that_come_after_newer_ones_are_added(books: Books) -> None:
    some = a_lively_account()

    await books.count.run(batch(reversed(some[65:])))
    await books.count.run(batch(some[:65]))

    assert await books.totals(some[0].account) == sums(some)


async def test_workers_that_count_the_same_receipts_at_once_add_them_once(books: Books) -> None:
    some = a_lively_account()[:60]

    done = await asyncio.gather(*(books.count.run(batch(some[i * 10 : 30 + i * 10])) for i in range(4)))

    assert sum(one.counted for one in done) == 60
    assert await books.totals(some[0].account) == sums(some)


@pytest.mark.parametrize("fault", [die_before, die_after, lose_the_answer, never_arrive, throttle, conflict])
@pytest.mark.parametrize("redelivered", ["whole", "second half first", "from the middle"])
async def test_a_fault_at_any_write_leaves_every_receipt_counted_once(
    books: Books, fault: Callable[[Store, str, Params], Awaitable[dict[str, Any]]], redelivered: str
) -> None:
    accounts = [new_account() for _ in range(3)]
    for at in range(4):
        some = [receipt(account, NOON - 3600 * at + i) for account in accounts for i in range(3)]
        before = {account: await books.totals(account) for account in accounts}
        with contextlib.suppress(Died):
            await counter(Faulty(books.store, at, fault), books.rollups).run(batch(some))

        for part in {
            "whole": [some],
            "second half first": [some[5:], some[:5]],
            "from the middle": [some[4:], some],
        }[redelivered]:
            await books.count.run(batch(part))

        grown = {account: await books.totals(account) for account in accounts}
        for account in accounts:
            expected = sums(r for r in some if r.account == account)
            day = next(cell for cell in expected if cell.span == "day")
            assert grown[account][day]["requests"] - before[account].get(day, {"requests": 0})["requests"] == 3
            hour = next(cell for cell in expected if cell.span == "hour")
            assert grown[account][hour] == expected[hour]


async def test_a_write_that_arrives_after_its_retry_changes_nothing(books: Books) -> None:
    one = receipt(new_account())
    slow = Faulty(books.store, 0, never_arrive)
    await counter(slow, books.rollups).run(batch([one]))

    with pytest.raises(TransactionFailed):
        await books.store.call(*slow.calls[0])

    assert await books.totals(one.account) == sums([one])


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_delivery_of_the_stream_gives_the_sum_of_its_receipts(books: Books, data: st.DataObject) -> None:
    """Shards are read side by side, each at least once: in runs that go back, are cut anywhere and die anywhere."""
    account = new_account()
    some = [
        receipt(account, NOON + data.draw(st.integers(-7200, 90_000)), model=data.draw(st.sampled_from("ab")), cost=i)
        for i in range(data.draw(st.integers(1, 14)))
    ]
    shards = [some[shard::3] for shard in range(3)]
    reached = [0, 0, 0]
    faults = st.sampled_from([None, None, die_before, die_after, lose_the_answer, throttle])
    while any(at < len(shard) for at, shard in zip(reached, shards, strict=True)):
        shard = data.draw(st.sampled_from([i for i in range(3) if reached[i] < len(shards[i])]))
        start = data.draw(st.integers(0, reached[shard]))
        end = data.draw(st.integers(reached[shard] + 1, len(shards[shard])))
        fault = data.draw(faults)
        store = Faulty(books.store, 0, fault) if fault else books.store
        with contextlib.suppress(Died):
            counted = await counter(store, books.rollups).run(batch(shards[shard][start:end]))
            reached[shard] = reached[shard] if counted.stuck else end

    assert await books.totals(account) == sums(some)


class Refusing(Through):
    """Refuses what is written for one account, for good."""

    def __init__(self, store: Store, account: str, error: StoreError) -> None:
        super().__init__(store)
        self.account = account
        self.error = error

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        answer = self.store.call(operation, params) if self.account not in str(params) else None
        self.calls.append((operation, params))
        if answer is None:
            raise self.error
        return await answer


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (Busy("x"), TRIES),
        (OutcomeUnknown("x"), TRIES),
        (Rejected("x"), 1),
        (TransactionFailed([("ValidationError", None)]), 1),
    ],
)
async def test_an_account_that_cannot_be_written_stops_no_other(books: Books, error: StoreError, tries: int) -> None:
    bad, good = receipt(new_account()), receipt(new_account())
    store = Refusing(books.store, bad.account, error)

    counted = await counter(store, books.rollups).run(batch([bad, good]))

    assert counted.stuck == {bad.request_id: type(error).__name__}
    assert len(store.calls) == tries + 1
    assert await books.totals(good.account) == sums([good])
    assert await books.totals(bad.account) == {}


async def test_a_malformed_receipt_is_named_and_the_others_are_counted(books: Books) -> None:
    good = receipt(new_account())
    ((name, image),) = batch([receipt(good.account)])

    counted = await books.count.run([(name, image | {"cost": {"S": "?"}}), *batch([good])])

    assert counted.malformed == {name: "cost"}
    assert await books.totals(good.account) == sums([good])


async def test_a_mark_outlives_its_receipt_by_a_week(books: Books) -> None:
    ((name, image),) = batch([receipt(new_account())])
    store = Through(books.store)

    await counter(store, books.rollups).run([(name, image)])

    mark = store.calls[0][1]["TransactItems"][0]["Update"]
    assert int(mark["ExpressionAttributeValues"][":ttl"]["N"]) == int(image["ttl"]["N"]) + 7 * 86_400
