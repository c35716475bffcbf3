"""Where a refund or a dispute meets an expiry. Found by tests/prove/machine.py; each of these once broke an account's books."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import format_usd, usd
from infergate.ledger.rules import plan_thaw
from infergate.ledger.types import Grant

from tests.support.world import World

DAY_S = 86_400


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9), st.booleans())
def test_a_thaw_gives_back_all_of_what_lives_and_nothing_of_what_has_expired(
    left: int, frozen: int, expires_at: int, lapsing: bool
) -> None:
    grant = Grant("g", "paid", left + frozen, left, 0, expires_at, frozen=frozen, lapsing=lapsing and expires_at <= 5)

    thaw = plan_thaw([grant], {"g": frozen}, now_s=5)

    (after,) = thaw.grants
    gone = frozen if expires_at <= 5 else 0
    assert (after.left, after.frozen, after.expired) == (left + frozen - gone, 0, gone)
    assert (thaw.gone, after.difference) == (gone, 0)


async def test_expired_credit_is_not_refundable_although_no_run_has_taken_it(world: World) -> None:
    anna = await world.account(world.grant("10", days=1), world.grant("2"))
    world.clock.advance(DAY_S + 1)

    with pytest.raises(InvalidRequest, match=r"\$2\.00 is paid and unspent"):
        await world.refunds.request(anna, "r1", usd("2.01"), actor="anna", reason="")

    assert (await world.refunds.request(anna, "r2", usd("2"), actor="anna", reason="")).state == "requested"
    assert [(e.kind, format_usd(e.amount)) for e in await world.books.entries(anna)][-2:] == [
        ("expiry", "-10.00"),
        ("refund_freeze", "-2.00"),
    ]
    assert await world.clean(anna)


@pytest.mark.parametrize("expired_first", [True, False])
async def test_credit_that_expires_while_frozen_for_a_refund_does_not_come_back(
    world: World, expired_first: bool
) -> None:
    anna = await world.account(world.grant("10", days=1), world.grant("3", kind="bonus"))
    await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")
    world.clock.advance(DAY_S + 1)
    if expired_first:
        await world.grants.expire(anna)

    await world.refunds.reject(anna, "r1", actor="op", reason="no")
    await world.grants.expire(anna)

    assert await world.balance(anna) == ("3.00", "0.00")
    kinds = [(e.kind, format_usd(e.amount)) for e in await world.books.entries(anna)][2:]
    assert ("refund_release", "8.00") in kinds
    assert ("expiry", "-8.00") in kinds
    await world.settle(anna, await world.held(anna, "3"), "3")
    assert [g.left for g in await world.grants.attribute(anna)] == [0, 0], "and what is spent is attributed"
    assert await world.clean(anna)


async def test_a_dispute_that_is_won_restores_what_has_not_expired_since(world: World) -> None:
    anna = await world.account()
    await world.grants.add(anna, replace(world.grant("10", days=1), source="p1"), cause="p1", actor="p", reason="")
    await world.disputes.opened(anna, "dp_1", "p1", usd("10"), actor="p")
    world.clock.advance(DAY_S + 1)

    await world.disputes.won(anna, "dp_1", actor="p")

    assert await world.balance(anna) == ("0.00", "0.00")
    assert await world.clean(anna)


@pytest.mark.parametrize("ends", ["won", "lost"])
async def test_a_dispute_takes_nothing_that_a_hold_has_reserved_of_expired_credit(world: World, ends: str) -> None:
    anna = await world.account(world.grant("3"))
    await world.grants.add(anna, replace(world.grant("10", days=1), source="p1"), cause="p1", actor="p", reason="")
    held = await world.held(anna, "10")
    world.clock.advance(DAY_S + 1)
    await world.grants.expire(anna)

    await world.disputes.opened(anna, "dp_1", "p1", usd("10"), actor="p")
    assert await world.balance(anna) == ("3.00", "10.00")
    await (world.disputes.won if ends == "won" else world.disputes.lost)(anna, "dp_1", actor="p")
    await world.settle(anna, held, "4")

    expired, good = await world.grants.attribute(anna)
    assert (expired.spent, expired.expired, expired.left) == (usd("4"), usd("6"), 0)
    assert good.spent == 0
    assert await world.clean(anna)
