"""The random histories find nothing in the product, and find what is planted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from infergate.kernel.money import Nanos
from infergate.kernel.time import NEVER
from infergate.ledger import books as ledger_books
from infergate.ledger import disputes, grants, ledger, plan, receipts, refunds, rules, taken_back, wallet
from infergate.ledger.ledger import Ask
from infergate.ledger.plan import Plan, Planner
from infergate.ledger.rules import Thaw, freeze
from infergate.ledger.types import Grant, Hold, Wallet
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
    monkeypatch.setattr(plan, "plan_lapse", lambda lots, holds, now_s: rules.plan_lapse(lots, (), now_s))


def an_expiry_that_gives_the_unused_part_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet, "lapse_of_unused", lambda unused, due: 0)


def attribution_in_the_wrong_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "burn_order", lambda g: (g.kind == "paid", g.created_at, g.id))


def frozen_credit_that_outlives_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger did this until these histories found it: the credit came back, and no attribution could explain it."""

    def thaw(lots: list[Grant], parts: dict[str, Nanos], now_s: int) -> Thaw:
        return Thaw([freeze(g, -parts.get(g.id, 0)) for g in lots], {})

    monkeypatch.setattr(taken_back, "plan_thaw", thaw)
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


def a_dispute_that_does_not_look_at_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two disputes of one payment were a debt of twice its amount. The last line of defence is off, or it would stop there."""
    monkeypatch.setattr(disputes, "room", lambda lot: lot.granted - lot.refunded - lot.refunding)
    monkeypatch.setattr(plan, "promised", lambda grant: 0)


def a_dispute_beside_a_refund_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was frozen for the refund was not contested, and came back when the refund was rejected."""
    monkeypatch.setattr(disputes.Disputes, "_taken_over", lambda self, plan, lot, refunds, dispute: plan)


def a_failed_refund_that_forgets_the_dispute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refunds, "make_up", lambda table, grants, disputes, available: Plan(list(grants)))


def a_debt_of_what_expired_unspent(monkeypatch: pytest.MonkeyPatch) -> None:
    def claim(grant: Grant) -> Nanos:
        return max(0, real(grant) + (grant.expired if grant.charged_back else 0))

    real = rules.claim
    monkeypatch.setattr(rules, "claim", claim)


def a_correction_that_burns_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan_movement(books: Wallet, lots: list[Grant], planner: Planner, now_s: int) -> Plan | None:
        is_run = planner is grants._nothing_more
        return plan.plan_movement(books if is_run else replace(books, next_expiry=NEVER), lots, planner, now_s)

    monkeypatch.setattr(ledger_books, "plan_movement", plan_movement)


def a_debt_that_nothing_repays_but_a_payment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came back from holds stayed where it was."""

    def repay(lots: list[Grant], available: Nanos) -> dict[str, Nanos]:
        fresh = [g for g in lots if not g.spent and g.left == g.granted and g.kind == "paid"]
        return rules.plan_burn(fresh, min(rules.owed(lots), available)).taken

    monkeypatch.setattr(plan, "plan_repayment", repay)


@pytest.mark.parametrize(
    "plant",
    [
        a_dispute_that_does_not_look_at_the_others,
        a_dispute_beside_a_refund_that_waits,
        a_failed_refund_that_forgets_the_dispute,
        a_debt_of_what_expired_unspent,
        a_correction_that_burns_what_is_due,
        a_debt_that_nothing_repays_but_a_payment,
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
