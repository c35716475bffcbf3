"""What an account owes: what was used of payments that were charged back, and repaid by whatever paid credit there is."""

from dataclasses import replace

import pytest
from infergate.kernel.money import format_usd, usd
from infergate.ledger.keys import DUE_SPREAD, due_pk
from infergate.ledger.types import Grant
from infergate.schedules.audit import Books
from infergate.store.client import query

from tests.support.buyers import buyer, disputed, lot_of, movements, standing
from tests.support.world import World

DAY_S = 86_400


async def marks(world: World, account: str) -> int:
    """For the expiry run of today and tomorrow, of this account."""
    found = [
        mark
        for at in (0, DAY_S)
        for spread in range(DUE_SPREAD)
        for mark in await query(world.store, world.tables.accounts, due_pk(int(world.clock()) + at, spread))
    ]
    return sum(mark["account"]["S"] == account for mark in found)


@pytest.mark.parametrize("run_first", [True, False])
async def test_paid_credit_that_expired_unspent_is_no_debt_when_its_dispute_is_lost(
    world: World, run_first: bool
) -> None:
    anna = await buyer(world, spend="4", days=1)
    world.clock.advance(DAY_S)
    if run_first:
        await world.grants.expire(anna)

    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")

    assert await standing(world, anna) == ("0.00", "4.00", "suspended")


async def test_what_a_hold_has_when_the_dispute_is_lost_is_owed_until_it_comes_back_or_expires(world: World) -> None:
    anna = await buyer(world, spend="4", days=1)
    held = await world.held(anna, "6")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    assert await standing(world, anna) == ("0.00", "10.00", "suspended")
    world.clock.advance(DAY_S)
    await world.grants.expire(anna)

    await world.settle(anna, held, "1")
    await world.grants.collect(anna)

    assert await standing(world, anna) == ("0.00", "5.00", "suspended")
    assert (await movements(world, anna))[-1] == ("expiry", "-5.00", "-5.00")


@pytest.mark.parametrize("cost", ["0", "1.5"])
async def test_what_comes_back_from_a_hold_repays_the_debt_with_the_next_movement(world: World, cost: str) -> None:
    anna = await buyer(world, spend="4")
    held = await world.held(anna, "6")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")

    await world.settle(anna, held, cost)
    await world.grants.add(anna, world.grant("3", kind="promo"), cause="gift", actor="t", reason="")

    assert await standing(world, anna) == ("3.00", format_usd(usd("4") + usd(cost)), "suspended")
    assert sum(g.repaid for g in await world.books.grants(anna)) == usd("6") - usd(cost)


async def test_the_expiry_run_collects_what_came_back_once_every_hold_has_ended(world: World) -> None:
    anna = await buyer(world, spend="4")
    held = await world.held(anna, "6")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")

    world.clock.advance(1_799)
    await world.expire.run()
    assert await marks(world, anna) == 1
    world.clock.advance(1)
    await world.expire.run()
    assert await marks(world, anna) == 1, "a hold is still open: look again"
    await world.ledger.release(anna, held.hold)
    await world.expire.run()

    assert await marks(world, anna) == 0
    assert await standing(world, anna) == ("0.00", "4.00", "suspended")


async def test_only_a_debt_that_open_holds_may_repay_leaves_a_mark(world: World) -> None:
    anna, ben = await buyer(world), await buyer(world, spend="10")
    await world.held(anna, "6")
    await world.grants.add(anna, world.grant("1"), cause="p", actor="t", reason="")
    await disputed(world, ben)
    await world.disputes.lost(ben, "d1", actor="bank")

    assert await standing(world, ben) == ("0.00", "10.00", "suspended")
    assert (await marks(world, anna), await marks(world, ben)) == (0, 0)
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    assert await marks(world, anna) == 1


async def test_a_debt_is_repaid_from_the_payment_that_it_is_of_before_any_other(world: World) -> None:
    anna = await buyer(world)
    held = await world.held(anna, "10")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    await world.settle(anna, held, "2")
    early = replace(world.grant("5", priority=1), source="payment:pi_2")
    await world.grants.add(anna, early, cause="payment:pi_2", actor="provider", reason="bought")

    assert await standing(world, anna) == ("3.00", "0.00", "suspended")
    assert ((await lot_of(world, anna)).left, (await lot_of(world, anna, "payment:pi_2")).left) == (0, usd("3"))


async def test_the_auditor_says_when_a_debt_is_not_what_was_used_of_what_was_charged_back(world: World) -> None:
    anna = await buyer(world, spend="4")
    await disputed(world, anna)
    await world.disputes.lost(anna, "d1", actor="bank")
    wallet, grants = await world.books.wallet(anna), await world.books.grants(anna)

    def found(*, debt: int = wallet.debt, lots: list[Grant] = grants) -> dict[str, int]:
        differences = Books(anna, replace(wallet, debt=debt), [], lots).differences()
        return {name: differences[name] for name in ("owed", "taken back")}

    assert found() == {"owed": 0, "taken back": 0}
    assert found(debt=wallet.debt + 1) == {"owed": -1, "taken back": 0}
    assert found(lots=[replace(g, refunded=1) for g in grants])["taken back"] == 1
