"""Refunds, disputes, adjustments, removals and the statement: each movement once, whatever is repeated or raced."""

import asyncio
import csv
import io
import json
from dataclasses import replace

import pytest
from infergate.kernel.errors import AccountNotActive, InvalidRequest, NotFound
from infergate.kernel.money import usd
from infergate.ledger.cases import ADJUST, REFUND, waiting
from infergate.ledger.grants import bump_epoch
from infergate.ledger.statement import Sums, csv_header, csv_row, json_row, rows, sums_object
from infergate.ledger.wallet import NotActive, NotEnough
from infergate.store.errors import TransactionFailed

from tests.support.world import World


async def status(world: World, account: str) -> str:
    wallet = await world.ledger.wallet(account)
    assert wallet is not None
    return wallet.status


async def make(world: World, account: str, to: str) -> None:
    await world.store.call("TransactWriteItems", {"TransactItems": [bump_epoch(world.tables.accounts, account, to)]})


async def paid_account(world: World, paid: str = "10", trial: str = "20") -> str:
    return await world.account(world.grant(trial, kind="trial", days=90), world.grant(paid))


# -- refunds -----------------------------------------------------------------------------------------------------------


async def test_a_refund_freezes_first_and_never_more_than_is_paid_and_unspent(world: World) -> None:
    anna = await paid_account(world)

    case = await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="no longer needed")

    assert case.state == "requested"
    assert await world.balance(anna) == ("22.00", "0.00")
    with pytest.raises(InvalidRequest, match=r"\$2\.00 is paid and unspent"):
        await world.refunds.request(anna, "r2", usd("2.01"), actor="anna", reason="")
    assert [c.id for c in await waiting(world.store, world.tables.accounts, REFUND) if c.account == anna] == ["r1"]
    assert await world.clean(anna)


async def test_trial_and_promotional_credit_is_never_refunded(world: World) -> None:
    anna = await world.account(world.grant("20", kind="trial"), world.grant("5", kind="promo"))

    with pytest.raises(InvalidRequest):
        await world.refunds.request(anna, "r1", 1, actor="anna", reason="")


async def test_a_refund_that_is_paid_back_takes_its_credit_for_good(world: World) -> None:
    anna = await paid_account(world)
    await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")
    await world.refunds.approve(anna, "r1", actor="op")
    await world.refunds.sent(anna, "r1", actor="op")

    ended = await asyncio.gather(
        *(world.refunds.refunded(anna, "r1", reference="re_1", actor="provider") for _ in range(4))
    )

    assert {(c.state, c.reference) for c in ended} == {("refunded", "re_1")}
    assert await world.balance(anna) == ("22.00", "0.00")
    paid = next(g for g in await world.grants.attribute(anna) if g.kind == "paid")
    assert (paid.refunded, paid.frozen, paid.left) == (usd("8"), 0, usd("2"))
    assert not [c for c in await waiting(world.store, world.tables.accounts, REFUND) if c.account == anna]
    assert await world.clean(anna)


async def test_a_failed_or_rejected_refund_unfreezes_once(world: World) -> None:
    for steps in (("reject",), ("approve", "failed"), ("approve", "sent", "failed")):
        anna = await paid_account(world)
        await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")
        for step in steps[:-1]:
            await getattr(world.refunds, step)(anna, "r1", actor="op")
        last = getattr(world.refunds, steps[-1])

        await asyncio.gather(*(last(anna, "r1", actor="op", reason="x") for _ in range(4)))

        assert await world.balance(anna) == ("30.00", "0.00")
        assert await world.clean(anna)


async def test_of_two_contrary_decisions_one_wins_and_the_other_is_told(world: World) -> None:
    anna = await paid_account(world)
    await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")
    await world.refunds.approve(anna, "r1", actor="op")
    await world.refunds.sent(anna, "r1", actor="op")

    answers = await asyncio.gather(
        world.refunds.refunded(anna, "r1", reference="re_1", actor="p"),
        world.refunds.failed(anna, "r1", actor="p", reason="no"),
        return_exceptions=True,
    )

    assert sum(isinstance(a, InvalidRequest) for a in answers) == 1
    assert await world.clean(anna)


async def test_a_refund_moves_only_along_its_arrows(world: World) -> None:
    anna = await paid_account(world)
    await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")

    with pytest.raises(InvalidRequest, match="is requested"):
        await world.refunds.sent(anna, "r1", actor="op")
    with pytest.raises(InvalidRequest, match="is requested"):
        await world.refunds.refunded(anna, "r1", reference="x", actor="op")
    await world.refunds.reject(anna, "r1", actor="op", reason="")
    with pytest.raises(InvalidRequest, match="is rejected"):
        await world.refunds.approve(anna, "r1", actor="op")
    with pytest.raises(NotFound):
        await world.refunds.approve(anna, "r9", actor="op")


async def test_a_suspended_account_gets_no_refund_at_any_step(world: World) -> None:
    anna = await paid_account(world)
    await world.refunds.request(anna, "r1", usd("1"), actor="anna", reason="")
    await make(world, anna, "suspended")

    with pytest.raises(AccountNotActive):
        await world.refunds.request(anna, "r2", usd("1"), actor="anna", reason="")
    with pytest.raises(AccountNotActive):
        await world.refunds.approve(anna, "r1", actor="op")
    await make(world, anna, "active")
    await world.refunds.approve(anna, "r1", actor="op")
    await make(world, anna, "suspended")
    with pytest.raises(AccountNotActive):
        await world.refunds.sent(anna, "r1", actor="op")


async def test_200_refunds_at_once_never_freeze_more_than_was_paid(world: World) -> None:
    anna = await paid_account(world, paid="3")

    answers = await asyncio.gather(
        *(world.refunds.request(anna, f"r{n}", usd("1"), actor="anna", reason="") for n in range(12)),
        return_exceptions=True,
    )

    frozen = sum(g.frozen for g in await world.grants.attribute(anna))
    assert frozen == usd("3")
    assert sum(not isinstance(a, BaseException) for a in answers) == 3
    assert await world.clean(anna)


# -- disputes ----------------------------------------------------------------------------------------------------------


async def disputed(world: World, *, spend: str = "0", other: str = "0") -> str:
    lot = replace(world.grant("10"), source="payment:pi_1")
    account = await world.account()
    await world.grants.add(account, lot, cause="payment:pi_1", actor="provider", reason="bought")
    if usd(spend):
        await world.settle(account, await world.held(account, spend), spend)
    if usd(other):
        more = replace(world.grant(other), source="payment:pi_2")
        await world.grants.add(account, more, cause="payment:pi_2", actor="provider", reason="bought")
    await world.disputes.opened(account, "dp_1", "payment:pi_1", usd("10"), actor="provider")
    return account


async def test_between_a_disputes_opening_and_won_nothing_is_admitted_and_then_all_is_restored(world: World) -> None:
    anna = await disputed(world, spend="4")
    assert await world.balance(anna) == ("0.00", "0.00")
    wallet = await world.ledger.wallet(anna)
    assert wallet is not None
    assert await world.ledger.reserve(world.ask(anna, "0", epoch=wallet.epoch)) == NotActive("disputed")
    with pytest.raises(TransactionFailed):
        await make(world, anna, "active")

    await asyncio.gather(*(world.disputes.won(anna, "dp_1", actor="provider") for _ in range(3)))

    assert (await world.balance(anna), await status(world, anna)) == (("6.00", "0.00"), "active")
    assert await world.clean(anna)


async def test_a_lost_dispute_takes_the_frozen_then_other_paid_credit_and_the_rest_is_a_debt(world: World) -> None:
    anna = await disputed(world, spend="7", other="2")

    await world.disputes.lost(anna, "dp_1", actor="provider")

    wallet = await world.ledger.wallet(anna)
    assert wallet is not None
    assert (wallet.available, wallet.debt, wallet.status) == (0, usd("5"), "suspended")
    with pytest.raises(TransactionFailed):
        await make(world, anna, "active")
    assert await world.clean(anna)

    await world.grants.add(anna, world.grant("6"), cause="payment:pi_3", actor="provider", reason="bought")
    await make(world, anna, "active")
    assert await world.balance(anna) == ("1.00", "0.00")
    assert await world.clean(anna)


async def test_what_was_refunded_cannot_be_charged_back_as_well(world: World) -> None:
    account = await world.account()
    lot = replace(world.grant("10"), source="payment:pi_1")
    await world.grants.add(account, lot, cause="payment:pi_1", actor="p", reason="")
    await world.refunds.request(account, "r1", usd("6"), actor="a", reason="")
    await world.refunds.approve(account, "r1", actor="op")
    await world.refunds.sent(account, "r1", actor="op")
    await world.refunds.refunded(account, "r1", reference="re", actor="p")

    case = await world.disputes.opened(account, "dp_1", "payment:pi_1", usd("10"), actor="p")
    await world.disputes.lost(account, "dp_1", actor="p")

    assert case.amount == usd("4")
    wallet = await world.ledger.wallet(account)
    assert wallet is not None
    assert (wallet.available, wallet.debt) == (0, 0)
    assert await world.clean(account)


async def test_a_dispute_of_an_unknown_payment_is_refused(world: World) -> None:
    with pytest.raises(NotFound):
        await world.disputes.opened(await paid_account(world), "dp", "payment:none", usd("1"), actor="p")


async def test_a_suspended_account_stays_suspended_when_its_dispute_is_won(world: World) -> None:
    anna = await disputed(world)
    await make(world, anna, "suspended")

    await world.disputes.won(anna, "dp_1", actor="p")

    assert await status(world, anna) == "suspended"
    assert await world.clean(anna)


# -- adjustments and removals ------------------------------------------------------------------------------------------


async def test_a_small_adjustment_applies_at_once_and_a_large_one_waits_for_a_second_person(world: World) -> None:
    anna = await paid_account(world)

    await world.adjustments.propose(anna, "a1", usd("-3"), actor="op1", reason="billed twice")
    waits = await world.adjustments.propose(anna, "a2", usd("150"), actor="op1", reason="outage")

    assert await world.balance(anna) == ("27.00", "0.00")
    assert waits.state == "proposed"
    assert [c.id for c in await waiting(world.store, world.tables.accounts, ADJUST) if c.account == anna] == ["a2"]
    with pytest.raises(InvalidRequest, match="second person"):
        await world.adjustments.approve(anna, "a2", actor="op1")
    await asyncio.gather(*(world.adjustments.approve(anna, "a2", actor="op2") for _ in range(3)))
    assert await world.balance(anna) == ("177.00", "0.00")
    assert await world.clean(anna)


async def test_a_rejected_adjustment_moves_nothing_and_cannot_be_approved(world: World) -> None:
    anna = await paid_account(world)
    await world.adjustments.propose(anna, "a1", usd("150"), actor="op1", reason="x")

    await world.adjustments.reject(anna, "a1", actor="op2")

    with pytest.raises(InvalidRequest, match="is rejected"):
        await world.adjustments.approve(anna, "a1", actor="op2")
    assert await world.balance(anna) == ("30.00", "0.00")
    assert await world.clean(anna)


async def test_an_adjustment_never_takes_more_than_is_available(world: World) -> None:
    anna = await paid_account(world)
    await world.held(anna, "25")

    with pytest.raises(InvalidRequest, match=r"\$5\.00 is available"):
        await world.adjustments.propose(anna, "a1", usd("-6"), actor="op", reason="x")
    with pytest.raises(InvalidRequest):
        await world.adjustments.propose(anna, "a2", usd("1"), actor="op", reason="  ")


async def test_a_campaigns_gift_is_removed_by_its_terms_but_not_what_is_held_of_it(world: World) -> None:
    gift = replace(world.grant("5", kind="promo", priority=1), source="campaign:spring")
    anna = await world.account(world.grant("2"))
    await world.grants.add(anna, gift, cause="g", actor="t", reason="")
    held = await world.held(anna, "4")

    assert await world.grants.remove_campaign(anna, "spring", actor="op", reason="fraud") == usd("1")
    assert await world.grants.remove_campaign(anna, "spring", actor="op", reason="fraud") == 0
    await world.settle(anna, held, "3")

    assert await world.balance(anna) == ("2.00", "0.00")
    assert await world.clean(anna)


# -- the statement -----------------------------------------------------------------------------------------------------


async def test_the_statement_lists_every_movement_adds_up_and_is_the_same_every_time(world: World) -> None:
    anna = await world.account(world.grant("5"))
    start = int(world.clock()) - 60
    world.clock.advance(10)
    await world.settle(anna, await world.held(anna, "1"), "0.25")
    world.clock.advance(10)
    await world.adjustments.propose(anna, "a1", usd("1"), actor="=cmd()", reason="=HYPERLINK(1)")
    world.clock.advance(10)
    await world.settle(anna, await world.held(anna, "1"), "0.50")
    end = int(world.clock()) + 60

    async def export() -> tuple[str, str, Sums]:
        sums, text, lines = Sums(), csv_header(), ""
        async for row in rows(world.books, world.ledger, anna, start, end, sums):
            text, lines = text + csv_row(row), lines + json_row(row)
        return text, lines, sums

    text, lines, sums = await export()

    table = list(csv.DictReader(io.StringIO(text)))
    assert [(r["kind"], r["amount"], r["balance"]) for r in table] == [
        ("paid", "5.00", "5.00"),
        ("usage", "-0.25", "4.75"),
        ("adjustment", "1.00", "5.75"),
        ("usage", "-0.50", "5.25"),
    ]
    assert table[2]["reason"] == "'=HYPERLINK(1)"
    assert json.loads(lines.splitlines()[1])["balance"] == "4.75"
    assert sums_object(anna, start, end, sums)["closing"] == "5.25"
    assert (await export())[0] == text
    assert await world.balance(anna) == ("5.25", "0.00")


async def test_a_later_statement_opens_where_the_earlier_one_closed(world: World) -> None:
    anna = await world.account(world.grant("5"))
    await world.settle(anna, await world.held(anna, "1"), "0.25")
    world.clock.advance(3 * 86_400)
    middle = int(world.clock()) - 86_400
    await world.settle(anna, await world.held(anna, "1"), "0.50")
    first, second = Sums(), Sums()

    before = [row async for row in rows(world.books, world.ledger, anna, middle - 9 * 86_400, middle, first)]
    after = [row async for row in rows(world.books, world.ledger, anna, middle, middle + 5 * 86_400, second)]

    assert (len(before), len(after)) == (2, 1)
    assert first.closing == second.opening == usd("4.75")
    assert second.closing == usd("4.25")


async def test_nothing_can_be_reserved_of_what_is_frozen(world: World) -> None:
    anna = await world.account(world.grant("10"))
    await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")

    assert await world.ledger.reserve(world.ask(anna, "2.01")) == NotEnough(usd("2"), ())
