"""The totals against the receipts: verify, replay, rebuild. On a real store."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from infergate.ledger.types import Receipt
from infergate.store.client import Params, Store
from infergate.usage.keys import cell_sk, cells_pk
from infergate.usage.rebuild import Rebuild
from infergate.usage.types import Cell, Malformed
from infergate.wiring.rollups import rebuild, receipts_of

from tests.unit.usage.conftest import DAY, NOON, Books, Through, batch, new_account, receipt, stored, sums


def rebuild_of(books: Books, store: Store | None = None) -> Rebuild:
    environment = {"ROLLUPS_TABLE": books.rollups, "RECEIPTS_TABLE": books.receipts}
    return rebuild(store or books.store, environment, lambda: NOON + 3600.0)


async def some_receipts(books: Books) -> list[Receipt]:
    """Over the whole day, and one just before and just after it."""
    account = new_account()
    midnight = NOON - 12 * 3600
    times = [midnight, midnight + 1, NOON, NOON + 1, NOON + 5000, midnight + 86_399.999]
    for at in (midnight - 0.001, midnight + 86_400):
        await books.put(receipt(account, at))
    return [await books.put(receipt(account, at, cost=1000 + i, model=f"m{i % 2}")) for i, at in enumerate(times)]


async def spoil(books: Books, account: str, cell: Cell, by: int) -> None:
    await books.store.call(
        "UpdateItem",
        {
            "TableName": books.rollups,
            "Key": {"pk": {"S": cells_pk(account, cell.span, cell.start)}, "sk": {"S": cell_sk(cell)}},
            "UpdateExpression": "ADD cost :by",
            "ExpressionAttributeValues": {":by": {"N": str(by)}},
        },
    )


async def test_streamed_totals_are_what_a_rebuild_makes_of_the_receipts(books: Books) -> None:
    some = await some_receipts(books)
    await books.count.run(batch(some))
    streamed = await books.totals(some[0].account)

    rebuilt = await rebuild_of(books).rebuild(some[0].account, DAY)

    assert (rebuilt.counted, rebuilt.overwritten) == (0, {})
    assert await books.totals(some[0].account) == streamed == sums(some)
    assert await rebuild_of(books).verify(some[0].account, DAY) == {}


async def test_a_day_without_any_totals_is_rebuilt_from_its_receipts(books: Books) -> None:
    some = await some_receipts(books)

    rebuilt = await rebuild_of(books).rebuild(some[0].account, DAY)

    assert rebuilt.counted == len(some)
    assert await books.totals(some[0].account) == sums(some)


async def test_a_replay_counts_what_the_stream_lost_and_the_stream_does_not_count_it_again(books: Books) -> None:
    some = await some_receipts(books)
    await books.count.run(batch(some[:2]))
    difference = await rebuild_of(books).verify(some[0].account, DAY)

    assert sum(d["requests"] for cell, d in difference.items() if cell.span == "day") == -4
    assert await rebuild_of(books).replay(some[0].account, DAY) == 4
    assert (await books.count.run(batch(some))).again == len(some)
    assert await books.totals(some[0].account) == sums(some)


async def test_a_rebuild_overwrites_a_total_that_is_wrong_and_says_by_how_much(books: Books) -> None:
    some = await some_receipts(books)
    await books.count.run(batch(some))
    day = Cell("day", DAY, "m0", "key_a", "small-a")
    await spoil(books, some[0].account, day, -7)

    rebuilt = await rebuild_of(books).rebuild(some[0].account, DAY)

    assert rebuilt.overwritten == {day: {"cost": -7}}
    assert await rebuild_of(books).verify(some[0].account, DAY) == {}


async def test_a_total_of_receipts_that_never_were_becomes_zero(books: Books) -> None:
    some = await some_receipts(books)
    await books.count.run(batch([*some, receipt(some[0].account, model="ghost")]))

    await rebuild_of(books).rebuild(some[0].account, DAY)

    assert await rebuild_of(books).verify(some[0].account, DAY) == {}


class Meanwhile(Through):
    """Does something once, just before the first operation of a kind."""

    def __init__(self, store: Store, operation: str, does: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(store)
        self.operation: str | None = operation
        self.does = does

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation == self.operation:
            self.operation = None
            await self.does()
        return await super().call(operation, params)


@pytest.mark.parametrize("when", ["PutItem", "TransactWriteItems", "Query"])
async def test_a_receipt_that_is_streamed_during_a_rebuild_is_counted_once(books: Books, when: str) -> None:
    some = await some_receipts(books)
    late = receipt(some[0].account, NOON + 7, model="m0")
    await books.count.run(batch(some))
    for span, start in (("day", DAY), ("hour", f"{DAY}12")):
        await spoil(books, late.account, Cell(span, start, "m0", "key_a", "small-a"), 5)  # type: ignore[arg-type]

    async def stream() -> None:
        await books.count.run(batch([await books.put(late)]))

    await rebuild_of(books, Meanwhile(books.store, when, stream)).rebuild(late.account, DAY)

    assert await books.totals(late.account) == sums([*some, late])


@pytest.mark.parametrize("when", ["PutItem", "TransactWriteItems", "Query"])
async def test_a_receipt_written_during_a_rebuild_and_streamed_after_it_is_counted_once(
    books: Books, when: str
) -> None:
    some = await some_receipts(books)
    late = receipt(some[0].account, NOON + 7, model="m0")
    await books.count.run(batch(some))
    await spoil(books, late.account, Cell("day", DAY, "m0", "key_a", "small-a"), 5)

    await rebuild_of(books, Meanwhile(books.store, when, lambda: books.put(late))).rebuild(late.account, DAY)
    await books.count.run(batch([late]))

    assert await books.totals(late.account) == sums([*some, late])


async def test_a_receipt_that_is_none_stops_a_rebuild_before_it_writes(books: Books) -> None:
    one = await books.put(receipt(new_account()))
    broken = stored(one) | {"cost": {"S": "?"}}
    await books.store.call("PutItem", {"TableName": books.receipts, "Item": broken})

    with pytest.raises(Malformed):
        await rebuild_of(books).rebuild(one.account, DAY)

    assert await books.totals(one.account) == {}


async def test_the_receipts_of_a_day_are_those_of_its_24_hours(books: Books) -> None:
    some = await some_receipts(books)

    found = [item["sk"]["S"] async for item in receipts_of(books.store, books.receipts)(some[0].account, DAY)]

    assert sorted(found) == sorted(one.request_id for one in some)
