"""The wallet on a real store: one conditional write each, whatever is lost, late or repeated."""

import asyncio
from typing import Any

import pytest
from infergate.kernel.errors import NotFound, Unavailable
from infergate.kernel.money import usd
from infergate.ledger import wallet
from infergate.ledger.grants import bump_epoch
from infergate.ledger.ledger import Ask
from infergate.ledger.types import Hold
from infergate.ledger.wallet import AlreadyHeld, CreditDue, Missing, NotActive, NotEnough, Stale, TooManyInFlight
from infergate.schedules.sweep import Swept
from infergate.store.client import Store
from infergate.store.codec import encode_item
from infergate.store.errors import Busy, OutcomeUnknown

from tests.support.world import World, receipt


async def test_a_hold_is_a_ceiling_not_a_price(world: World) -> None:
    anna = await world.account(world.grant("20"))
    held = await world.held(anna, "0.50")
    assert await world.balance(anna) == ("19.50", "0.50")

    await world.settle(anna, held, "0.18")

    assert await world.balance(anna) == ("19.82", "0.00")
    assert await world.clean(anna)


async def test_settling_any_number_of_times_books_once(world: World) -> None:
    anna = await world.account(world.grant("20"))
    held = await world.held(anna, "0.50")

    answers = await asyncio.gather(*(world.settle(anna, held, "0.18") for _ in range(8)))

    assert [a for a in answers if a is not None] == [usd("19.82")]
    assert await world.balance(anna) == ("19.82", "0.00")


async def test_the_first_receipt_is_the_decision(world: World) -> None:
    anna = await world.account(world.grant("20"))
    held = await world.held(anna, "0.50")

    first = await world.ledger.write_receipt(receipt(anna, held.hold, "0.10"))
    second = await world.ledger.write_receipt(receipt(anna, held.hold, "0.40"))

    assert second == first


async def test_a_charge_above_its_hold_cannot_be_written(world: World) -> None:
    with pytest.raises(ValueError, match="against a hold"):
        wallet.settle("t", "acct", "h", 5, 6)
    with pytest.raises(ValueError, match="against a hold"):
        wallet.settle("t", "acct", "h", 5, -1)


async def test_each_clause_of_the_reserve_says_that_it_failed(world: World) -> None:
    anna = await world.account(world.grant("1"))
    due = await world.account(world.grant("1", days=1))
    gone = await world.account(world.grant("1"))
    members = [bump_epoch(world.tables.accounts, gone, "suspended")]
    await world.store.call("TransactWriteItems", {"TransactItems": members})
    await world.held(anna, "0.25")

    async def refusal(ask: Ask) -> object:
        return await world.ledger.reserve(ask)

    assert await refusal(world.ask("acct_NONE", "0.1")) == Missing()
    assert await refusal(world.ask(gone, "0.1", epoch=2)) == NotActive("suspended")
    assert await refusal(world.ask(anna, "0.1", epoch=9)) == Stale(1)
    assert await refusal(world.ask(anna, "0.1", room=1)) == TooManyInFlight(1)
    assert await refusal(world.ask(anna, "0.76")) == NotEnough(usd("0.75"), ())
    world.clock.advance(86_401)
    assert await refusal(world.ask(due, "0.1")) == CreditDue()
    assert await world.balance(anna) == ("0.75", "0.25")


class Lossy:
    """A store whose n-th wallet write is lost in one of the ways in which a write can be."""

    def __init__(self, inner: Store, mode: str, nth: int = 0) -> None:
        self.inner, self.mode, self.nth = inner, mode, nth
        self.late: list[tuple[str, dict[str, Any]]] = []

    async def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        if operation == "UpdateItem":
            self.nth -= 1
            if self.nth == -1:
                if self.mode == "reply lost":
                    await self.inner.call(operation, params)
                if self.mode == "late":
                    self.late.append((operation, params))
                raise Busy() if self.mode == "throttled" else OutcomeUnknown()
        return await self.inner.call(operation, params)

    async def deliver(self) -> None:
        for operation, params in self.late:
            await self.inner.call(operation, params)


@pytest.mark.parametrize("mode", ["reply lost", "never sent", "late", "throttled"])
async def test_a_reserve_whose_answer_is_lost_holds_once_in_the_end(world: World, mode: str) -> None:
    anna = await world.account(world.grant("1"))
    lossy = Lossy(world.store, mode)
    hasty = World(lossy, world.tables, world.clock)

    held = await hasty.held(anna, "0.60")
    await hasty.settle(anna, held, "0.10")
    await lossy.deliver()

    world.clock.advance(1200)
    await world.sweep.account(anna, Swept())
    assert await world.balance(anna) == ("0.90", "0.00")
    assert await world.clean(anna)


async def test_a_reserve_that_lands_after_its_settle_is_a_stray_and_not_a_second_charge(world: World) -> None:
    anna = await world.account(world.grant("1"))
    lossy = Lossy(world.store, "late")
    hasty = World(lossy, world.tables, world.clock)
    held = await hasty.held(anna, "0.40")
    await hasty.settle(anna, held, "0.10")

    await lossy.deliver()
    assert await world.balance(anna) == ("0.50", "0.40")

    world.clock.advance(1200)
    swept = Swept()
    await world.sweep.account(anna, swept)
    assert swept.released == 1
    assert await world.balance(anna) == ("0.90", "0.00")


@pytest.mark.parametrize("mode", ["reply lost", "never sent", "throttled"])
async def test_a_settle_whose_answer_is_lost_books_once(world: World, mode: str) -> None:
    anna = await world.account(world.grant("1"))
    held = await world.held(anna, "0.60")

    await World(Lossy(world.store, mode), world.tables, world.clock).settle(anna, held, "0.10")

    assert await world.balance(anna) == ("0.90", "0.00")


async def test_a_store_that_stays_busy_is_given_up_after_five_tries(world: World) -> None:
    class Full:
        tries = 0

        async def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
            if operation == "UpdateItem":
                self.tries += 1
                raise Busy()
            return {}

    full = Full()
    with pytest.raises(Unavailable):
        await World(full, world.tables, world.clock).ledger.reserve(world.ask("acct_X", "0.1"))
    assert full.tries == 5


async def test_a_dead_workers_hold_is_swept_at_no_charge_and_its_late_receipt_finds_that(world: World) -> None:
    anna = await world.account(world.grant("1"))
    held = await world.held(anna, "0.60")

    world.clock.advance(500)
    await world.sweep.run()
    assert await world.balance(anna) == ("0.40", "0.60"), "before its deadline a hold is left alone"
    world.clock.advance(300)
    swept = await world.sweep.run()

    assert swept.abandoned >= 1
    assert await world.balance(anna) == ("1.00", "0.00")
    late = await world.ledger.write_receipt(receipt(anna, held.hold, "0.33"))
    assert (late.cost, late.reason) == (0, "abandoned")
    assert await world.ledger.settle(late) is None
    assert await world.clean(anna)


async def test_a_worker_that_died_between_receipt_and_settle_is_settled_by_its_receipt(world: World) -> None:
    anna = await world.account(world.grant("1"))
    held = await world.held(anna, "0.60")
    await world.ledger.write_receipt(receipt(anna, held.hold, "0.33"))

    world.clock.advance(800)
    await asyncio.gather(world.sweep.run(), world.sweep.run())

    assert await world.balance(anna) == ("0.67", "0.00")
    assert await world.clean(anna)


async def test_the_sweep_forgets_an_account_only_when_no_hold_of_that_time_is_left(world: World) -> None:
    anna = await world.account(world.grant("1"))
    await world.held(anna, "0.60")
    world.clock.advance(2400)

    await world.sweep.run()
    assert await world.balance(anna) == ("1.00", "0.00")
    again = await world.sweep.run()

    assert again.abandoned == 0


async def test_a_grant_is_credited_once_per_cause_however_often_it_is_asked_for(world: World) -> None:
    anna = await world.account()
    grants = [world.grant("5") for _ in range(6)]

    made = await asyncio.gather(
        *(world.grants.add(anna, g, cause="payment:pi_1", actor="t", reason="paid") for g in grants)
    )

    assert {entry.number for entry in made} == {1}
    assert await world.balance(anna) == ("5.00", "0.00")
    assert await world.clean(anna)


async def test_parallel_grants_and_spending_lose_nothing(world: World) -> None:
    anna = await world.account(world.grant("10"))

    async def spend() -> None:
        await world.settle(anna, await world.held(anna, "0.05"), "0.01")

    async def top_up(n: int) -> None:
        await world.grants.add(anna, world.grant("1"), cause=f"c{n}", actor="t", reason="")

    await asyncio.gather(*(spend() for _ in range(20)), *(top_up(n) for n in range(5)))

    assert await world.balance(anna) == ("14.80", "0.00")
    assert await world.clean(anna)
    assert [e.number for e in await world.books.entries(anna)] == [1, 2, 3, 4, 5, 6], "numbered without gaps"


async def test_crediting_an_account_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(NotFound):
        await world.grants.add("acct_NONE", world.grant("1"), cause="c", actor="t", reason="")


async def test_spend_is_booked_to_the_credit_that_dies_first(world: World) -> None:
    trial, paid = world.grant("2", days=5, kind="trial"), world.grant("3")
    anna = await world.account(paid, trial)
    await world.settle(anna, await world.held(anna, "2.50"), "2.40")

    left = {g.kind: g.left for g in await world.grants.attribute(anna)}

    assert left == {"trial": 0, "paid": usd("2.6")}
    assert await world.clean(anna)


async def test_expired_credit_is_never_reserved_although_no_schedule_has_run(world: World) -> None:
    anna = await world.account(world.grant("2", days=1, kind="promo"), world.grant("1"))
    world.clock.advance(86_401)

    assert await world.ledger.reserve(world.ask(anna, "1.50")) == CreditDue()
    assert await world.grants.expire(anna) == usd("2")

    assert await world.ledger.reserve(world.ask(anna, "1.50")) == NotEnough(usd("1"), ())
    assert await world.balance(anna) == ("1.00", "0.00")
    assert await world.clean(anna)


async def test_a_hold_across_an_expiry_may_spend_what_it_reserved_and_gives_the_rest_to_expiry(world: World) -> None:
    anna = await world.account(world.grant("2", days=1, kind="promo"), world.grant("1"))
    held = await world.held(anna, "1.50")
    world.clock.advance(86_401)

    assert await world.grants.expire(anna) == usd("0.5")
    assert await world.balance(anna) == ("1.00", "1.50")
    await world.settle(anna, held, "0.20")

    assert await world.balance(anna) == ("1.00", "0.00"), "the unused 1.30 expired"
    left = {g.kind: (g.spent, g.expired, g.left) for g in await world.grants.attribute(anna)}
    assert left == {"promo": (usd("0.2"), usd("1.8"), 0), "paid": (0, 0, usd("1"))}
    assert await world.clean(anna)


async def test_the_expiry_run_is_idempotent_and_takes_its_marks_away(world: World) -> None:
    anna = await world.account(world.grant("2", days=1, kind="promo"))
    world.clock.advance(2 * 86_400)

    first = await asyncio.gather(world.expire.run(), world.expire.run())
    again = await world.expire.run()

    assert sum(e.amount for e in first) >= usd("2")
    assert again.marks == 0
    assert await world.balance(anna) == ("0.00", "0.00")
    assert [e.amount for e in await world.books.entries(anna)] == [usd("2"), -usd("2")]
    assert await world.clean(anna)


def test_the_refusal_of_a_hold_that_is_there_says_so() -> None:

    hold = Hold("req_a.1", 5, 9)
    old = encode_item(
        {
            "pk": "ACCOUNT#a", "sk": "WALLET", "available": 1, "credited": 6, "debited": 0, "spent": 0, "attributed": 0,
            "status": "active", "epoch": 1, "entries": 1, "next_expiry": 99, "holds": {"req_a.1": {"amount": 5, "deadline": 9}},
        }
    )  # fmt: skip

    assert wallet.why_refused(old, hold, epoch=1, room=9, now_s=1) == AlreadyHeld(1)
