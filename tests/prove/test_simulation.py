"""The simulation at a small scale, and that it notices what is wrong."""

from typing import Any

import pytest
from infergate.ledger import wallet

from tests.prove.simulation import Business


async def test_ledger_receipts_statement_and_wallet_agree_after_three_thousand_requests() -> None:
    business = Business(accounts=10, requests=3_000)

    assert await business.differences(await business.run()) == []
    assert business.served > 2_000
    assert business.died > 10


async def test_a_settle_that_books_too_little_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = wallet.settle

    def wrong(table: str, account: str, hold_id: str, amount: int, cost: int, *rest: Any) -> Any:
        return settle(table, account, hold_id, amount, cost - (cost % 997 == 1), *rest)

    monkeypatch.setattr(wallet, "settle", wrong)
    business = Business(accounts=10, requests=3_000)

    assert await business.differences(await business.run())
