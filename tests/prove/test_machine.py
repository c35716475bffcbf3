"""The random histories find nothing in the product, and find what is planted."""

from collections.abc import Callable
from typing import Any

import pytest
from infergate.kernel.money import Nanos
from infergate.ledger import disputes, grants, ledger, receipts, refunds, rules, wallet
from infergate.ledger.ledger import Ask
from infergate.ledger.rules import Thaw, freeze
from infergate.ledger.types import Grant, Hold
from infergate.store.client import Params

from tests.prove import machine


def test_the_product_equals_the_naive_model() -> None:
    tally, said = machine.run(200)

    assert said == []
    assert tally.sequences >= 200
    assert all(tally.rules.get(rule, 0) > 50 for rule in ("reserve: Held", "settle", "sweep", "expire under holds"))


def a_settle_that_leaves_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    real = wallet.settle

    def settle(*given: Any) -> Params:
        write = real(*given)
        kept = "SET holds.#hold.deadline = holds.#hold.deadline, "
        write["UpdateExpression"] = write["UpdateExpression"].replace(" REMOVE holds.#hold", "").replace("SET ", kept)
        return write

    monkeypatch.setattr(wallet, "settle", settle)


def an_expiry_that_takes_held_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "plan_lapse", lambda lots, holds, now_s: rules.plan_lapse(lots, (), now_s))


def an_expiry_that_gives_the_unused_part_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet, "lapse_of_unused", lambda unused, due: 0)


def attribution_in_the_wrong_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "burn_order", lambda g: (g.kind == "paid", g.created_at, g.id))


def frozen_credit_that_outlives_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger did this until these histories found it: the credit came back, and no attribution could explain it."""

    def thaw(lots: list[Grant], parts: dict[str, Nanos], now_s: int) -> Thaw:
        return Thaw([freeze(g, -parts.get(g.id, 0)) for g in lots], {})

    monkeypatch.setattr(refunds, "plan_thaw", thaw)
    monkeypatch.setattr(disputes, "plan_thaw", thaw)


def a_reserve_that_passes_an_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    always = "(next_expiry > :now OR next_expiry <= :now)"
    monkeypatch.setattr(wallet, "RESERVE", wallet.RESERVE.replace(wallet.UNEXPIRED, always))


def a_reserve_for_a_revoked_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet, "RESERVE", wallet.RESERVE.replace(wallet.FRESH, "(epoch = :epoch OR epoch <> :epoch)"))


def a_receipt_that_replaces_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    real = receipts.put

    def put(*given: Any) -> Params:
        write = real(*given)
        del write["ConditionExpression"]
        return write

    monkeypatch.setattr(receipts, "put", put)


def a_hold_id_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def next_hold(ask: Ask) -> Hold:
        return Hold(wallet.hold_id(ask.request_id, 1), ask.amount, ask.deadline)

    monkeypatch.setattr(ledger.Ask, "next_hold", next_hold)


def a_stray_hold_charged_like_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ledger.Ledger.release

    async def release(self: ledger.Ledger, account: str, hold: Hold) -> None:
        if hold.id.endswith(".1"):
            await self._settle(account, hold.id, hold.amount, hold.amount)
        await real(self, account, hold)

    monkeypatch.setattr(ledger.Ledger, "release", release)


@pytest.mark.parametrize(
    "plant",
    [
        a_settle_that_leaves_the_hold,
        an_expiry_that_takes_held_credit,
        an_expiry_that_gives_the_unused_part_back,
        attribution_in_the_wrong_order,
        frozen_credit_that_outlives_its_time,
        a_reserve_that_passes_an_expiry,
        a_reserve_for_a_revoked_key,
        a_receipt_that_replaces_the_first,
        a_hold_id_used_twice,
        a_stray_hold_charged_like_the_real_one,
    ],
    ids=lambda plant: plant.__name__.replace("_", " "),
)
def test_it_finds(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)

    tally, said = machine.run(machine.SEQUENCES, shrink=False)

    assert said, f"nothing found in {tally.steps} steps"
