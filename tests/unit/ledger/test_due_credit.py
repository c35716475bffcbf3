"""What is due has expired, whatever movement comes first; and a movement says what it moved although its answer was lost."""

from dataclasses import replace

import pytest
from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import format_usd, usd

from tests.support.faults import FaultyStore, Mode
from tests.support.world import World

DAY_S = 86_400


async def movements(world: World, account: str) -> list[tuple[str, str, str]]:
    return [(e.kind, format_usd(e.amount), e.reason) for e in await world.books.entries(account)]


async def test_a_negative_adjustment_takes_nothing_of_what_is_due(world: World) -> None:
    anna = await world.account(world.grant("5", kind="promo", days=1), world.grant("10"))
    world.clock.advance(DAY_S)

    with pytest.raises(InvalidRequest, match=r"\$10\.00 is available"):
        await world.adjustments.propose(anna, "a1", -usd("10") - 1, actor="op", reason="x")
    await world.adjustments.propose(anna, "a2", -usd("3"), actor="op", reason="billed twice")

    assert await world.balance(anna) == ("7.00", "0.00")
    assert (await movements(world, anna))[2:] == [
        ("expiry", "-5.00", "its time had come"),
        ("adjustment", "-3.00", "billed twice"),
    ]
    assert await world.grants.expire(anna) == 0
    assert await world.clean(anna)


async def test_an_approved_adjustment_takes_nothing_of_what_fell_due_meanwhile(world: World) -> None:
    anna = await world.account(world.grant("200", kind="promo", days=1), world.grant("150"))
    await world.adjustments.propose(anna, "a1", -usd("120"), actor="op", reason="x")
    world.clock.advance(DAY_S)

    await world.adjustments.approve(anna, "a1", actor="second")

    assert await world.balance(anna) == ("30.00", "0.00")
    assert await world.clean(anna)


async def test_who_looks_at_the_grants_sees_what_is_due_as_expired(world: World) -> None:
    anna = await world.account(world.grant("5", kind="promo", days=1))
    world.clock.advance(DAY_S)

    (gift,) = await world.grants.attribute(anna)

    assert (gift.left, gift.expired) == (0, usd("5"))


async def test_what_is_due_when_a_campaign_is_removed_has_expired_and_the_rest_is_removed(world: World) -> None:
    anna = await world.account(world.grant("1"))
    for amount, days in (("2", 1), ("4", 9)):
        gift = replace(world.grant(amount, kind="promo", days=days), source="campaign:may")
        await world.grants.add(anna, gift, cause=gift.id, actor="t", reason="")
    await world.grants.add(anna, world.grant("8", kind="bonus", days=1), cause="bonus", actor="t", reason="")
    world.clock.advance(DAY_S)

    assert await world.grants.remove_campaign(anna, "may", actor="op", reason="fraud") == usd("4")

    assert sorted((await movements(world, anna))[-3:]) == [
        ("expiry", "-2.00", "its time had come"),
        ("expiry", "-8.00", "its time had come"),
        ("removal", "-4.00", "fraud"),
    ]
    assert await world.balance(anna) == ("1.00", "0.00")
    assert await world.clean(anna)


class NthTransaction:
    """A store whose first transaction meets a fault."""

    def __init__(self, world: World, mode: Mode) -> None:
        self._plain, self._faulty, self._met = world.store, FaultyStore(world.store, {0: mode}), False

    async def call(self, operation: str, params: dict[str, object]) -> dict[str, object]:
        if operation != "TransactWriteItems" or self._met:
            if operation == "TransactWriteItems" and self._faulty.delayed:
                await self._faulty.deliver_late()
            return await self._plain.call(operation, params)
        self._met = True
        return await self._faulty.call(operation, params)


@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.LATE, Mode.THROTTLED])
@pytest.mark.parametrize("what", ["expire", "remove"])
async def test_a_movement_whose_answer_was_lost_still_says_what_it_moved(world: World, mode: Mode, what: str) -> None:
    gift = replace(world.grant("3", kind="promo", days=1), source="campaign:may")
    anna = await world.account(world.grant("1"))
    await world.grants.add(anna, gift, cause="gift", actor="t", reason="")
    world.clock.advance(DAY_S if what == "expire" else 1)
    hasty = World(NthTransaction(world, mode), world.tables, world.clock)

    if what == "expire":
        moved = await hasty.grants.expire(anna)
    else:
        moved = await hasty.grants.remove_campaign(anna, "may", actor="op", reason="over")

    assert moved == usd("3")
    assert await world.balance(anna) == ("1.00", "0.00")
    assert await world.clean(anna)
