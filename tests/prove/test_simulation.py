"""Days of business add up, and would not if the ledger or the statement had a fault."""

from collections.abc import Callable
from typing import Any

import pytest
from infergate.kernel.errors import Unavailable
from infergate.kernel.money import format_usd
from infergate.ledger import ledger, receipts, statement, wallet
from infergate.ledger.books import Books
from infergate.ledger.ledger import Ledger
from infergate.ledger.plan import Unbalanced
from infergate.ledger.types import Entry, Hold, Receipt
from infergate.store.client import Params
from infergate.usage import count

from tests.prove import simulation


def test_every_way_to_add_up_what_was_spent_agrees() -> None:
    outcome = simulation.simulate(60, 8_000)

    assert outcome.violations == []
    assert outcome.requests == 8_000
    assert outcome.receipts > 7_000
    assert not any(outcome.differences.values())
    assert len(outcome.differences) == 15
    for what in (
        "workers died",
        "writes late",
        "holds swept",
        "marks expired",
        "refunded",
        "disputes lost",
        "disputes won",
        "adjustments",
        "removals",
    ):
        assert outcome.happened[what] > 0, what


def test_the_same_seed_is_the_same_history() -> None:
    first, again, other = (simulation.simulate(5, 300, seed=seed) for seed in (3, 3, 4))

    assert (first.spent, first.happened) == (again.spent, again.happened)
    assert first.spent != other.spent


def a_settle_that_books_one_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    real = wallet.settle

    def settle(table: str, account: str, hold_id: str, amount: int, cost: int, *due: Any) -> Params:
        return real(table, account, hold_id, amount, min(amount, cost + 1), *due)

    monkeypatch.setattr(wallet, "settle", settle)


def a_receipt_that_replaces_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    real = receipts.put

    def put(*given: Any) -> Params:
        write = real(*given)
        del write["ConditionExpression"]
        return write

    monkeypatch.setattr(receipts, "put", put)


def a_grant_for_every_telling_of_a_payment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(self: Books, account: str, cause: str) -> Entry | None:
        return None

    monkeypatch.setattr(Books, "made_by", none)


def a_stray_hold_charged_like_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ledger.Ledger.release

    async def release(self: Ledger, account: str, hold: Hold) -> None:
        await self._settle(account, hold.id, hold.amount, hold.amount // 2)
        await real(self, account, hold)

    monkeypatch.setattr(Ledger, "release", release)


def a_statement_that_misses_an_hour_of_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ledger.Ledger.receipts

    async def read(self: Ledger, account: str, *, since_s: int, until_s: int | None = None) -> list[Receipt]:
        return await real(self, account, since_s=since_s + 3600, until_s=until_s)

    monkeypatch.setattr(Ledger, "receipts", read)


def a_statement_that_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "format_usd", lambda nanos: format_usd(nanos // 1000 * 1000))


def usage_that_counts_a_receipt_as_often_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = count._mark

    def mark(*given: Any) -> Params:
        write = real(*given)
        del write["Update"]["ConditionExpression"]
        return write

    monkeypatch.setattr(count, "_mark", mark)


@pytest.mark.parametrize(
    "plant",
    [
        usage_that_counts_a_receipt_as_often_as_it_comes,
        a_settle_that_books_one_too_much,
        a_receipt_that_replaces_the_first,
        a_grant_for_every_telling_of_a_payment,
        a_stray_hold_charged_like_the_real_one,
        a_statement_that_misses_an_hour_of_receipts,
        a_statement_that_rounds,
    ],
    ids=lambda plant: plant.__name__.replace("_", " "),
)
def test_it_finds(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a sum that is off, or because the product itself stops at books that do not add up."""
    plant(monkeypatch)
    try:
        found = simulation.simulate(20, 3_000).violations
    except (Unbalanced, Unavailable, ValueError, AssertionError) as stopped:
        found = [repr(stopped)]

    assert found
