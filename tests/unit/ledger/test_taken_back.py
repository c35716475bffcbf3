"""One payment refunded, disputed, or both: never more of it goes back than was paid, and nothing that was lost is kept."""

from itertools import permutations

import pytest
from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import format_usd, usd
from infergate.ledger.cases import DISPUTE, REFUND, read, waiting

from tests.support.buyers import activate, asked_back, buy, buyer, disputed, lot_of, standing
from tests.support.world import World

DAY_S = 86_400


# -- one payment disputed more than once -------------------------------------------------------------------------------


async def test_two_disputes_of_one_spent_payment_leave_its_amount_as_the_debt_and_not_twice_that(world: World) -> None:
    anna = await buyer(world, spend="10")

    first, second = await disputed(world, anna), await disputed(world, anna, case="d2")
    for case in ("d1", "d2"):
        await world.disputes.lost(anna, case, actor="bank")

    assert (first.amount, second.amount, second.demanded) == (usd("10"), 0, usd("10"))
    assert await standing(world, anna) == ("0.00", "10.00", "suspended")
    lot = await lot_of(world, anna)
    assert (lot.contested, lot.charged_back) == (0, usd("10"))


async def test_a_lost_dispute_leaves_nothing_to_contest_to_a_later_one(world: World) -> None:
    anna = await buyer(world, spend="10")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")

    later = await disputed(world, anna, "4", "d2")
    await world.disputes.lost(anna, "d2", actor="bank")

    assert later.amount == 0
    assert await standing(world, anna) == ("0.00", "10.00", "suspended")


@pytest.mark.parametrize("lost_first", [True, False])
async def test_a_dispute_that_found_too_little_is_made_up_when_the_other_is_won(world: World, lost_first: bool) -> None:
    anna = await buyer(world, spend="7")
    await disputed(world, anna)
    await disputed(world, anna, "6", "d2")

    if lost_first:
        await world.disputes.lost(anna, "d2", actor="bank")
        await world.disputes.won(anna, "d1", actor="bank")
    else:
        await world.disputes.won(anna, "d1", actor="bank")
        assert (await read(world.store, world.tables.accounts, DISPUTE, anna, "d2")).amount == usd("6")
        assert await standing(world, anna) == ("0.00", "0.00", "disputed")
        await world.disputes.lost(anna, "d2", actor="bank")

    # Paid 10, 6 of it gone back: of the 7 used, 3 are owed.
    assert await standing(world, anna) == ("0.00", "3.00", "suspended")


async def test_two_partial_disputes_and_a_won_one_restore_to_the_unit(world: World) -> None:
    anna = await buyer(world, spend="2")
    await disputed(world, anna, "5")
    await disputed(world, anna, "5", "d2")

    await world.disputes.lost(anna, "d2", actor="bank")
    await world.disputes.won(anna, "d1", actor="bank")

    # Paid 10, 5 of it gone back, 2 used.
    assert await standing(world, anna) == ("3.00", "0.00", "suspended")


@pytest.mark.parametrize("order", list(permutations(("d1", "d2"))))
async def test_what_repaid_a_debt_was_used_and_is_owed_again_when_it_is_charged_back(
    world: World, order: tuple[str, str]
) -> None:
    anna = await buyer(world, spend="10")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    await buy(world, anna, "10", "payment:pi_2")
    assert await standing(world, anna) == ("0.00", "0.00", "suspended")

    await disputed(world, anna, case="d2", payment="payment:pi_2")
    await world.disputes.lost(anna, "d2", actor="bank")

    assert await standing(world, anna) == ("0.00", "10.00", "suspended")


# -- a refund and a dispute of one payment ------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [(), ("approve",)])
async def test_a_dispute_takes_over_what_was_frozen_for_a_refund_that_nobody_was_asked_for(
    world: World, steps: tuple[str, ...]
) -> None:
    anna = await buyer(world)
    await asked_back(world, anna, "4", *steps)

    case = await disputed(world, anna)

    assert (case.amount, sum(case.parts.values())) == (usd("10"), usd("10"))
    assert anna not in {c.account for c in await waiting(world.store, world.tables.accounts, REFUND)}
    refund = await world.refunds.reject(anna, "r1", actor="op", reason="too late")
    assert (refund.state, refund.reference) == ("rejected", "dispute:d1")
    release = next(e for e in await world.books.entries(anna) if e.kind == "refund_release")
    assert (release.amount, release.reason) == (usd("4"), "disputed")
    with pytest.raises(InvalidRequest, match="is rejected"):
        await world.refunds.failed(anna, "r1", actor="op", reason="x")
    await world.disputes.lost(anna, "d1", actor="bank")
    assert await standing(world, anna) == ("0.00", "0.00", "suspended")


async def test_what_is_taken_over_and_not_contested_is_spendable_once_the_dispute_is_won(world: World) -> None:
    anna = await buyer(world)
    await buy(world, anna, "3", "payment:pi_2")
    await asked_back(world, anna, "12")

    await disputed(world, anna, "5")
    assert await standing(world, anna) == ("8.00", "0.00", "disputed")
    await world.disputes.won(anna, "d1", actor="bank")

    assert await standing(world, anna) == ("13.00", "0.00", "active")


async def test_a_refund_of_another_payment_goes_on(world: World) -> None:
    anna = await buyer(world, amount="3", days=30)
    await buy(world, anna, "10", "payment:pi_2")
    await asked_back(world, anna, "9")

    await disputed(world, anna, "3")

    await world.disputes.won(anna, "d1", actor="bank")
    assert (await world.refunds.approve(anna, "r1", actor="op")).state == "approved"
    assert await standing(world, anna) == ("4.00", "0.00", "active")


async def test_credit_that_expired_while_it_was_frozen_is_contested_but_not_frozen_again(world: World) -> None:
    anna = await buyer(world, days=1)
    await asked_back(world, anna, "4")
    world.clock.advance(DAY_S)

    case = await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")

    assert (case.amount, sum(case.parts.values())) == (usd("10"), 0)
    assert await standing(world, anna) == ("0.00", "0.00", "suspended")


async def test_what_the_provider_was_asked_to_pay_back_is_not_contested_as_well(world: World) -> None:
    anna = await buyer(world)
    await asked_back(world, anna, "4", "approve", "sent")

    case = await disputed(world, anna)
    await world.refunds.refunded(anna, "r1", reference="re_1", actor="provider")
    await world.disputes.lost(anna, "d1", actor="bank")

    assert case.amount == usd("6")
    assert await standing(world, anna) == ("0.00", "0.00", "suspended")
    lot = await lot_of(world, anna)
    assert (lot.refunded, lot.charged_back) == (usd("4"), usd("6"))


@pytest.mark.parametrize("spend", ["0", "5"])
@pytest.mark.parametrize("outcome", ["lost, failed", "failed, lost", "failed, won"])
async def test_a_refund_that_fails_in_the_end_goes_to_the_dispute(world: World, spend: str, outcome: str) -> None:
    anna = await buyer(world, spend=spend)
    await asked_back(world, anna, "4", "approve", "sent")
    await disputed(world, anna)

    for step in outcome.split(", "):
        if step == "failed":
            await world.refunds.failed(anna, "r1", actor="provider", reason="account closed")
        else:
            await getattr(world.disputes, step)(anna, "d1", actor="bank")

    left = format_usd(usd("10") - usd(spend))
    if outcome == "failed, won":
        assert await standing(world, anna) == (left, "0.00", "active")
    else:
        assert await standing(world, anna) == ("0.00", format_usd(usd(spend)), "suspended")
    case = await read(world.store, world.tables.accounts, DISPUTE, anna, "d1")
    assert case.amount == usd("10")


async def test_a_refund_that_fails_pays_the_debt_of_another_lost_dispute(world: World) -> None:
    anna = await buyer(world, spend="10")
    await buy(world, anna, "4", "payment:pi_2")
    await asked_back(world, anna, "4", "approve", "sent")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    assert await standing(world, anna) == ("0.00", "10.00", "suspended")

    await world.refunds.failed(anna, "r1", actor="provider", reason="no")

    assert await standing(world, anna) == ("0.00", "6.00", "suspended")


async def test_what_was_charged_back_is_not_refundable_and_what_was_paid_since_is(world: World) -> None:
    anna = await buyer(world)
    held = await world.held(anna, "10")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    await buy(world, anna, "11", "payment:pi_2")
    await world.settle(anna, held, "0")
    await activate(world, anna)
    assert await standing(world, anna) == ("11.00", "0.00", "active")

    case = await world.refunds.request(anna, "r1", usd("11"), actor="anna", reason="")

    assert case.parts == {(await lot_of(world, anna, "payment:pi_2")).id: usd("11")}
    assert await standing(world, anna) == ("0.00", "0.00", "active")
