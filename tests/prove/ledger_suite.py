"""The ledger's behaviour to the edge of every comparison, on a store in memory: what mutation testing asked for.

Fast on purpose (a mutant must fall in tenths of a second), and collected by pytest through test_ledger_suite.py.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from infergate.kernel.errors import AccountNotActive, InvalidRequest, Unavailable
from infergate.kernel.ids import made_at_ms, new_id
from infergate.kernel.money import usd
from infergate.kernel.time import NEVER
from infergate.ledger import cases, entries, keys, receipts, wallet
from infergate.ledger.adjustments import Adjustments
from infergate.ledger.books import Books
from infergate.ledger.cases import ADJUST, DISPUTE, REFUND, Case
from infergate.ledger.grants import bump_epoch, opening
from infergate.ledger.ledger import Held, Ledger
from infergate.ledger.plan import Draft, Plan, Unbalanced
from infergate.ledger.rules import Share, Thaw, plan_attribution, plan_lapse, plan_thaw
from infergate.ledger.statement import Sums, rows, sums_object
from infergate.ledger.types import Entry, Grant, Hold, Receipt, Wallet
from infergate.ledger.wallet import AlreadyHeld, CreditDue, NotEnough, TooManyInFlight
from infergate.schedules.sweep import Swept
from infergate.store.client import Params, Store
from infergate.store.errors import Busy, ConditionFailed, OutcomeUnknown, TransactionFailed

from tests.support.faults import FaultyStore, Mode
from tests.support.world import World, receipt

START = 1_800_000_000


class Still:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def still(world: World, store: Store | None = None) -> World:
    return World(store or world.store, world.tables, Still())  # type: ignore[arg-type]


async def the_wallet(world: World, account: str) -> Wallet:
    found = await world.ledger.wallet(account)
    assert found is not None
    return found


async def grants_of(world: World, account: str) -> dict[str, Grant]:
    return {grant.kind: grant for grant in await world.grants.attribute(account)}


async def send(world: World, *members: Params) -> None:
    await world.store.call("TransactWriteItems", {"TransactItems": list(members)})


# -- reserve -----------------------------------------------------------------------------------------------------------


async def test_all_that_is_available_can_be_held_and_then_nothing_more(world: World) -> None:
    anna = await world.account(world.grant("1"))

    held = await world.held(anna, "1")

    assert held.available == 0
    assert await world.ledger.reserve(world.ask(anna, "0.000000001")) == NotEnough(0, ())
    assert await world.ledger.reserve(world.ask(anna, "0", room=1)) == TooManyInFlight(1)


async def test_a_wallet_that_is_full_says_so_although_there_is_just_enough(world: World) -> None:
    anna = await world.account(world.grant("2"))
    await world.held(anna, "1")

    assert await world.ledger.reserve(world.ask(anna, "1", room=1)) == TooManyInFlight(1)
    assert isinstance(await world.ledger.reserve(world.ask(anna, "1", room=2)), Held)


async def test_credit_is_due_in_the_very_second_of_its_expiry(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("1", days=1))
    world.clock.advance(86_399)
    assert isinstance(await world.ledger.reserve(world.ask(anna, "0.1")), Held)

    world.clock.advance(1)

    assert await world.ledger.reserve(world.ask(anna, "0.1")) == CreditDue()
    assert await world.grants.expire(anna) == usd("0.9")


async def test_the_same_reserve_twice_holds_once_and_says_that_it_is_held(world: World) -> None:
    anna = await world.account(world.grant("1"))
    hold = Hold(wallet.hold_id(new_id("req", START, bytes), 1), usd("0.4"), START + 600)
    write = wallet.reserve(world.tables.accounts, anna, hold, epoch=1, room=9, now_s=START)
    await world.store.call("UpdateItem", write)

    with pytest.raises(ConditionFailed) as refused:
        await world.store.call("UpdateItem", write)

    assert wallet.why_refused(refused.value.old, hold, epoch=1, room=9, now_s=START) == AlreadyHeld(usd("0.6"))
    assert await world.balance(anna) == ("0.60", "0.40")


async def test_every_attempt_has_a_number_of_its_own(world: World) -> None:
    anna = await world.account(world.grant("1"))
    ask = world.ask(anna, "0.1")

    held = [await world.ledger.reserve(ask) for _ in range(2)]

    assert [h.hold.id for h in held if isinstance(h, Held)] == [f"{ask.request_id}.1", f"{ask.request_id}.2"]
    assert {wallet.request_of(name) for name in (await the_wallet(world, anna)).holds} == {ask.request_id}
    assert {hold.deadline for hold in (await the_wallet(world, anna)).holds.values()} == {ask.deadline}


class Refusing:
    """A store that cannot do one kind of operation, and counts how often it was asked."""

    def __init__(self, inner: Store, operation: str, error: type[Exception]) -> None:
        self.inner, self.operation, self.error, self.asked = inner, operation, error, 0

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation != self.operation or params.get("TableName") == "nowhere":
            return await self.inner.call(operation, params)
        self.asked += 1
        raise self.error()


@pytest.mark.parametrize("error", [Busy, OutcomeUnknown])
async def test_what_stays_unknown_is_given_up_after_five_tries_with_longer_and_longer_waits(
    error: type[Exception], world: World
) -> None:
    anna = await world.account(world.grant("1"))
    held = await world.held(anna, "0.5")
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    def ledger(operation: str) -> tuple[Ledger, Refusing]:
        store = Refusing(world.store, operation, error)
        waits.clear()
        return Ledger(store, world.tables, world.clock, wait, lambda: 1.0), store

    tried, store = ledger("PutItem")
    with pytest.raises(Unavailable, match="receipt cannot be written"):
        await tried.write_receipt(receipt(anna, held.hold, "0.1"))
    assert (waits, store.asked) == ([0.05, 0.1, 0.2, 0.4, 0.8], 5)

    with pytest.raises(Unavailable, match="counters"):
        await ledger("PutItem")[0].reserve(world.ask(anna, "0.1"))
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8]

    tried, store = ledger("UpdateItem")
    with pytest.raises(Unavailable, match="wallet is busy"):
        await tried.settle(receipt(anna, held.hold, "0.1"))
    assert (waits, store.asked) == ([0.05, 0.1, 0.2, 0.4, 0.8], 5)

    tried, store = ledger("UpdateItem")
    await tried.release(anna, held.hold)
    assert store.asked == 5
    assert await world.balance(anna) == ("0.50", "0.50")

    with pytest.raises(Unavailable, match="wallet is busy"):
        await ledger("UpdateItem")[0].reserve(world.ask(anna, "0.1"))
    if error is Busy:
        assert waits == [0.05, 0.1, 0.2, 0.4, 0.8]


async def test_a_receipt_that_is_there_and_cannot_be_read_is_nobodys_decision(world: World) -> None:
    class Silent(Refusing):
        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            raise ConditionFailed(None)

    anna = await world.account(world.grant("1"))
    held = await world.held(anna, "0.5")

    with pytest.raises(Unavailable, match="cannot be read"):
        await World(Silent(world.store, "", Busy), world.tables, world.clock).ledger.write_receipt(
            receipt(anna, held.hold, "0.1")
        )


async def test_an_account_is_marked_once_a_window_before_its_first_hold(world: World) -> None:
    calls = FaultyStore(world.store)
    busy = still(world, calls)
    anna = await busy.account(busy.grant("9"))
    window = START // 600

    for _ in range(3):
        await busy.held(anna, "1")
    busy.clock.advance(600)
    await busy.held(anna, "1")

    marks = world.store.items(world.tables.counters)  # type: ignore[attr-defined]
    found = {(mark["pk"]["S"].rpartition("#")[0], mark["sk"]["S"], int(mark["ttl"]["N"])) for mark in marks}
    week = 7 * 86_400
    assert found == {
        (f"ACTIVE#{window}", anna, (window + 1) * 600 + week),
        (f"ACTIVE#{window + 1}", anna, (window + 2) * 600 + week),
    }
    assert [call.operation for call in calls.calls].count("PutItem") == 2
    first = next(i for i, call in enumerate(calls.calls) if call.operation == "PutItem")
    assert calls.calls[first + 1].operation == "UpdateItem"


# -- receipts ----------------------------------------------------------------------------------------------------------


async def test_a_receipt_reads_as_it_was_written_whatever_was_left_out(world: World) -> None:
    request = new_id("req", START, bytes)
    small = Receipt("acct_A", request, f"{request}.1", 9, 0, "abandoned", START * 1000)
    full = Receipt(
        "acct_B", request, f"{request}.1", 9, 5, "completed", START * 1000, key_id="key_1", model="m", units={"input": 3},
        rates={"input": 7}, estimated=True, loss=2, stream=True, latency_ms=5, first_token_ms=4,
        attempts=[{"route": "a", "ms": 3}], flags=["f"],
    )  # fmt: skip

    for written in (small, full):
        assert await world.ledger.write_receipt(written) == written
        assert await world.ledger.receipt(written.account, request) == written
    assert await world.ledger.receipt("acct_C", request) is None
    read = await world.ledger.receipt("acct_A", request)
    assert read is not None
    assert (read.estimated, read.stream, read.loss, read.latency_ms, read.first_token_ms) == (False, False, 0, 0, 0)
    assert (read.units, read.rates, read.attempts, read.flags) == ({}, {}, [], [])


async def test_receipts_of_a_period_are_those_begun_from_its_first_second_to_before_its_last(world: World) -> None:
    world = still(world)
    begin = START - START % 3600 + 1800
    moments = [begin - 1, begin, begin + 1, begin + 3600, begin + 7199, begin + 7200]
    for number, at in enumerate(moments):
        request = new_id("req", at, lambda n, number=number: bytes(n - 1) + bytes([number]))  # type: ignore[misc]
        await world.ledger.write_receipt(Receipt("acct_A", request, f"{request}.1", 1, 1, "completed", at * 1000))

    async def found(since: int, until: int | None = None) -> list[int]:
        return [
            made_at_ms(r.request_id) // 1000
            for r in await world.ledger.receipts("acct_A", since_s=since, until_s=until)
        ]

    assert await found(begin, begin + 7200) == [begin, begin + 1, begin + 3600, begin + 7199]
    world.clock.advance(begin + 1 - world.clock())
    assert await found(begin) == [begin, begin + 1]
    world.clock.advance(begin + 3600 - world.clock())
    assert await found(begin) == [begin, begin + 1, begin + 3600]


# -- where things lie --------------------------------------------------------------------------------------------------


def test_keys_are_what_their_docstring_says() -> None:
    request = new_id("req", START, lambda n: bytes(n - 1) + b"\x06")

    assert keys.receipt_pk("acct_A", request) == "acct_A#2027011508#2"
    assert keys.receipt_pk_of_hour("acct_A", START, 3) == "acct_A#2027011508#3"
    assert keys.active_pk(keys.window_of(START + 599.9), 1) == "ACTIVE#3000000#1"
    assert keys.due_pk(START, 2) == "DUE#20270115#2"
    assert keys.due_sk(99, "acct_A", "g") == "000000000099#acct_A#g"
    assert keys.entry_sk(7) == "ENTRY#000000000007"
    assert (keys.RECEIPT_SPREAD, keys.ACTIVE_SPREAD, keys.DUE_SPREAD, keys.WINDOW_S) == (4, 4, 4, 600)


async def test_a_grant_that_ends_is_marked_under_its_day_and_one_that_does_not_is_not(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("1"), world.grant("2", days=3))

    marks = [i for i in world.store.items(world.tables.accounts) if i["pk"]["S"].startswith("DUE#")]  # type: ignore[attr-defined]

    ends = START + 3 * 86_400
    assert [(m["pk"]["S"][:12], m["sk"]["S"].split("#")[:2], m["account"]["S"]) for m in marks] == [
        ("DUE#20270118", [f"{ends:012d}", anna], anna)
    ]


async def test_a_new_wallet_is_whole(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("1"), world.grant("2", days=3))

    found = await the_wallet(world, anna)

    assert found == Wallet(
        anna, usd("3"), usd("3"), 0, 0, "active", 1, START + 3 * 86_400, 2, version=1, attributed=0, debt=0, disputes=0
    )
    assert [(e.number, e.amount, e.balance_after) for e in await world.books.entries(anna)] == [
        (1, usd("1"), usd("1")),
        (2, usd("2"), usd("3")),
    ]
    assert [g.priority for g in await world.books.grants(anna)] == [100, 100]
    assert Grant("g", "paid", 1, 1, 0, 0).priority == 100


async def test_an_account_that_has_a_wallet_gets_no_second_one(world: World) -> None:
    anna = await world.account()

    with pytest.raises(TransactionFailed):
        await send(world, *opening(world.tables.accounts, anna, [], START, "t"))


# -- guards: each by itself ----------------------------------------------------------------------------------------------


async def test_a_movement_fails_when_anything_it_was_planned_from_is_different(world: World) -> None:
    anna = await world.account(world.grant("5"))
    await world.held(anna, "1")
    now = await the_wallet(world, anna)

    def update(before: Wallet, *, guard: bool = False, **add: int) -> Params:
        return entries.update_wallet(world.tables.accounts, before, add=add, put={"version": 9}, guard_holds=guard)

    for change in ({"version": 2}, {"spent": 1}, {"status": "suspended"}):
        with pytest.raises(TransactionFailed):
            await send(world, update(dataclasses.replace(now, **change)))
    with pytest.raises(TransactionFailed):
        await send(world, update(dataclasses.replace(now, holds={}), guard=True))
    with pytest.raises(TransactionFailed):
        await send(world, update(now, available=-usd("4") - 1))
    await send(world, update(dataclasses.replace(now, holds={}), available=-usd("4"), debited=usd("4")))

    found = await the_wallet(world, anna)
    assert (found.available, found.debited, found.version) == (0, usd("4"), 9)
    assert (await the_wallet(world, anna)).held == usd("1")


async def test_a_movement_fails_when_something_lapsed_meanwhile(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("2", days=1, kind="promo"))
    held = await world.held(anna, "2")
    world.clock.advance(86_400)
    await world.grants.expire(anna)
    await world.settle(anna, held, "0")
    now = await the_wallet(world, anna)
    assert now.lapsed == usd("2")

    before = dataclasses.replace(now, lapsed=0)
    update = entries.update_wallet(world.tables.accounts, before, add={}, put={"version": 9}, guard_holds=True)
    with pytest.raises(TransactionFailed):
        await send(world, update)


async def test_a_grant_is_replaced_only_as_it_was(world: World) -> None:
    anna = await world.account(world.grant("5"))
    (grant,) = await world.books.grants(anna)

    for change in ({"left": 1}, {"frozen": 1}):
        before = dataclasses.replace(grant, **change)  # type: ignore[arg-type]
        with pytest.raises(TransactionFailed):
            await send(world, entries.replace_grant(world.tables.accounts, anna, before, grant))
    await send(world, entries.replace_grant(world.tables.accounts, anna, grant, dataclasses.replace(grant, frozen=3)))

    assert [g.frozen for g in await world.books.grants(anna)] == [3]


async def test_no_entry_cause_grant_or_case_is_written_over(world: World) -> None:
    table = world.tables.accounts
    entry = Entry(1, "paid", 1, 1, "c", "t", "", START)
    grant = Grant("grant_A", "paid", 1, 1, START, NEVER)
    case = Case("c1", ADJUST, "acct_A", "proposed", 1, START, "t", "")
    for members in (
        [entries.put_entry(table, "acct_A", entry)],
        [entries.put_cause(table, "acct_A", "c", 1)],
        entries.put_grant(table, "acct_A", grant),
        cases.open_members(table, case),
    ):
        await send(world, *members)
        with pytest.raises(TransactionFailed):
            await send(world, *members)


async def test_a_case_steps_only_from_the_state_it_was_read_in_and_leaves_the_queue_at_its_end(world: World) -> None:
    table = world.tables.accounts
    case = Case("c1", ADJUST, "acct_A", "proposed", 1, START, "t", "", reference="old")
    await send(world, *cases.open_members(table, case))

    with pytest.raises(TransactionFailed):
        await send(world, *cases.step_members(table, dataclasses.replace(case, state="open"), "applied", closes=False))
    await send(world, *cases.step_members(table, case, "seen", closes=False))
    assert [c.state for c in await cases.waiting(world.store, table, ADJUST)] == ["seen"]
    await send(
        world, *cases.step_members(table, dataclasses.replace(case, state="seen"), "done", closes=True, reference="n")
    )

    assert await cases.waiting(world.store, table, ADJUST) == []
    assert await cases.read(world.store, table, ADJUST, "acct_A", "c1") == dataclasses.replace(
        case, state="done", reference="n"
    )


async def test_an_epoch_goes_up_by_one_and_nothing_without_a_wallet_has_one(world: World) -> None:
    anna = await world.account(world.grant("1"))

    await send(world, bump_epoch(world.tables.accounts, anna))
    assert (await the_wallet(world, anna)).epoch == 2
    await send(world, bump_epoch(world.tables.accounts, anna, "suspended"))
    await send(world, bump_epoch(world.tables.accounts, anna, "active"))

    assert (await the_wallet(world, anna)).epoch == 4
    with pytest.raises(TransactionFailed):
        await send(world, bump_epoch(world.tables.accounts, "acct_NONE"))


# -- books ---------------------------------------------------------------------------------------------------------------


async def test_books_that_stay_busy_are_given_up_after_twelve_tries(world: World) -> None:
    anna = await world.account(world.grant("1"))
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    store = Refusing(world.store, "TransactWriteItems", Busy)
    books = Books(store, world.tables, world.clock, wait, lambda: 1.0)
    with pytest.raises(Unavailable, match="books are busy"):
        await books.move(anna, lambda _, grants: Plan(grants, [Draft("x", 0)]), cause="", actor="t", reason="")

    assert waits == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, *[1.28] * 6])


async def test_a_cause_that_has_happened_returns_what_it_made(world: World) -> None:
    anna = await world.account()
    first = await world.grants.add(anna, world.grant("5"), cause="payment:1", actor="t", reason="paid")

    again = await world.grants.add(anna, world.grant("7"), cause="payment:1", actor="u", reason="again")

    assert again == first
    assert (await the_wallet(world, anna)).version == 2
    assert (await the_wallet(world, anna)).entries == 1


WRONG: dict[str, Callable[[Wallet, list[Grant]], Plan]] = {
    "a grant that does not add up": lambda _, g: Plan([dataclasses.replace(g[0], spent=1), *g[1:]], [Draft("x", 0)]),
    "credit from nowhere": lambda _, g: Plan(g, [Draft("x", 5)], {"available": 5, "credited": 5}),
    "an entry of another amount": lambda _, g: Plan(g, [Draft("x", 5)]),
    "more credited than there is": lambda _, g: Plan(g, [Draft("x", 0)], {"credited": 5}),
    "a negative debt": lambda _, g: Plan(g, [Draft("x", 0, debt=-1)], {"debt": -1}),
    "a debt without an entry": lambda _, g: Plan(g, [Draft("x", 0)], {"debt": 1}),
    "one grant twice": lambda _, g: Plan([*g, dataclasses.replace(g[0], left=0, spent=g[0].granted)], [Draft("x", 0)]),
    "less than nothing left": lambda _, g: Plan(
        [dataclasses.replace(g[0], left=-5, spent=g[0].granted + 5)], [Draft("x", -usd("1") - 5)],
        {"available": -usd("1") - 5, "debited": usd("1") + 5},
    ),
    "less than nothing frozen": lambda _, g: Plan(
        [dataclasses.replace(g[0], frozen=-5, spent=5)], [Draft("x", 0)]
    ),
    "less than nothing removed": lambda _, g: Plan(
        [dataclasses.replace(g[0], removed=-5, spent=5)], [Draft("x", 0)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", list(WRONG))
async def test_a_plan_that_would_break_the_books_is_never_sent(how: str, world: World) -> None:
    anna = await world.account(world.grant("1"))
    before = await the_wallet(world, anna)

    with pytest.raises(Unbalanced):
        await world.books.move(anna, WRONG[how], cause="", actor="t", reason="")

    assert await the_wallet(world, anna) == before


async def test_a_debt_may_be_repaid_to_nothing(world: World) -> None:
    anna = await account_of(world, await paid(world, "0.000000003", "pay_1"))
    await world.settle(anna, await world.held(anna, "0.000000003"), "0.000000003")
    await world.disputes.opened(anna, "d1", "pay_1", 3, actor="t")
    await world.disputes.lost(anna, "d1", actor="t")

    entry = await world.grants.add(anna, world.grant("0.000000002"), cause="p1", actor="t", reason="")
    assert (entry.amount, (await the_wallet(world, anna)).debt) == (2, 1)
    await world.grants.add(anna, world.grant("0.000000004"), cause="p2", actor="t", reason="")

    found = await the_wallet(world, anna)
    assert (found.debt, found.available) == (0, 3)
    assert await world.clean(anna)


async def test_what_lapsed_is_an_entry_of_its_own_before_the_next_movement(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("2", days=1, kind="promo"), world.grant("1"))
    first = await world.held(anna, "1.5")
    world.clock.advance(1)
    second = await world.held(anna, "1")
    world.clock.advance(86_400)
    assert await world.grants.expire(anna) == 0
    await world.settle(anna, first, "0.5")
    await world.grants.attribute(anna)
    await world.settle(anna, second, "0.25")
    await world.grants.add(anna, world.grant("4"), cause="p", actor="t", reason="paid")

    made = await world.books.entries(anna)
    assert [(e.number, e.kind, e.amount) for e in made[2:]] == [
        (3, "expiry", -usd("1")),
        (4, "expiry", -usd("0.25")),
        (5, "paid", usd("4")),
    ]
    assert made[-1].balance_after == usd("5")
    left = await world.grants.attribute(anna)
    assert [(g.kind, g.left, g.spent, g.expired, g.lapsing) for g in left if g.left < usd("4")] == [
        ("promo", 0, usd("0.75"), usd("1.25"), True),
        ("paid", usd("1"), 0, 0, False),
    ]
    assert await world.clean(anna)


async def test_a_sliced_hold_gives_back_from_its_end_first(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("2", days=1, kind="promo"), world.grant("1"))
    held = await world.held(anna, "2.5")
    world.clock.advance(86_400)
    await world.grants.expire(anna)
    ((length, after),) = (await the_wallet(world, anna)).holds[held.hold.id].due
    assert (length, after) == (usd("2"), usd("0.5"))

    stale = wallet.settle(world.tables.accounts, anna, held.hold.id, held.hold.amount, 0, ((length, after + 1),))
    with pytest.raises(ConditionFailed):
        await world.store.call("UpdateItem", stale)
    assert await world.settle(anna, held, "1") == usd("1")

    assert await world.balance(anna) == ("1.00", "0.00"), "0.50 came back, 1.00 expired"
    found = await the_wallet(world, anna)
    assert (found.lapsed, found.due_spent, found.spent, found.debited) == (usd("1"), usd("1"), usd("1"), usd("1"))
    left = await grants_of(world, anna)
    assert (left["promo"].spent, left["promo"].expired, left["paid"].left) == (usd("1"), usd("1"), usd("1"))
    assert await world.clean(anna)


async def test_a_hold_of_expired_credit_alone_that_cost_nothing_lapses_whole(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("2", days=1, kind="promo"))
    held = await world.held(anna, "2")
    world.clock.advance(86_400)
    await world.grants.expire(anna)
    await world.settle(anna, held, "0")
    assert (await the_wallet(world, anna)).lapse_attributed == 0

    left = await grants_of(world, anna)

    assert (left["promo"].expired, left["promo"].left) == (usd("2"), 0)
    assert (await the_wallet(world, anna)).lapse_attributed == usd("2")
    before = (await the_wallet(world, anna)).version
    await world.grants.attribute(anna)
    assert (await the_wallet(world, anna)).version == before, "what is booked is not booked again"
    assert await world.clean(anna)


class Before:
    """Lets something happen right before the first transaction is sent."""

    def __init__(self, inner: Store, happens: Callable[[], Awaitable[Any]]) -> None:
        self.inner, self.happens, self.happened = inner, happens, False

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation == "TransactWriteItems" and not self.happened:
            self.happened = True
            await self.happens()
        return await self.inner.call(operation, params)


async def test_a_hold_made_while_an_expiry_is_written_is_laid_under_it(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("2", days=1, kind="promo"), world.grant("1"))
    early = world.ask(anna, "0.5")
    world.clock.advance(86_400)

    async def arrives() -> None:
        hold = Hold(wallet.hold_id(early.request_id, 1), early.amount, early.deadline)
        late = wallet.reserve(world.tables.accounts, anna, hold, epoch=1, room=9, now_s=START)
        await world.store.call("UpdateItem", late)

    slow = World(Before(world.store, arrives), world.tables, world.clock)
    assert await slow.grants.expire(anna) == usd("1.5")

    assert await world.balance(anna) == ("1.00", "0.50")
    assert await world.clean(anna)


async def test_a_cause_that_happened_while_it_was_planned_returns_what_it_made(world: World) -> None:
    anna = await world.account(world.grant("5"))

    class Twin:
        done = False

        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            answer = await world.store.call(operation, params)
            if operation == "GetItem" and not self.done:
                self.done = True
                first = [Draft("refund_freeze", 0, cause="c1")]
                await world.books.move(anna, lambda _, g: Plan(g, first), cause="c1", actor="t", reason="")
            return answer

    late = World(Twin(), world.tables, world.clock)
    made = await late.books.move(anna, WRONG["credit from nowhere"], cause="c1", actor="t", reason="")

    assert [entry.kind for entry in made] == ["refund_freeze"]
    assert (await the_wallet(world, anna)).version == 2


# -- expiry and removal ----------------------------------------------------------------------------------------------------


async def test_an_expiry_run_with_nothing_due_changes_nothing(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("2", days=1, kind="promo"), world.grant("1", days=2))
    world.clock.advance(86_399)

    assert await world.grants.expire(anna) == 0
    assert (await the_wallet(world, anna)).version == 1
    world.clock.advance(1)
    assert await world.grants.expire(anna) == usd("2")

    found = await the_wallet(world, anna)
    assert (found.version, found.next_expiry) == (2, START + 2 * 86_400)
    assert await world.grants.expire(anna) == 0
    assert (await the_wallet(world, anna)).version == 2


async def test_what_is_used_up_never_falls_due(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("1", days=1, kind="promo"), world.grant("1", days=2))
    await world.settle(anna, await world.held(anna, "1"), "1")
    await world.grants.attribute(anna)
    assert (await the_wallet(world, anna)).next_expiry == START + 2 * 86_400
    world.clock.advance(86_400)

    assert await world.grants.expire(anna) == 0
    assert isinstance(await world.ledger.reserve(world.ask(anna, "1")), Held)


async def test_the_last_nano_dollar_falls_due_too(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("0.000000001", days=1, kind="promo"), world.grant("1"))
    await world.grants.add(anna, world.grant("1"), cause="p", actor="t", reason="")
    assert (await the_wallet(world, anna)).next_expiry == START + 86_400
    world.clock.advance(86_400)

    assert await world.grants.expire(anna) == 1


async def test_due_credit_that_was_spent_unbooked_is_tidied_without_an_entry(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("1", days=1, kind="promo"))
    await world.settle(anna, await world.held(anna, "1"), "1")
    world.clock.advance(86_400)
    assert (await the_wallet(world, anna)).next_expiry == START + 86_400

    assert await world.grants.expire(anna) == 0

    assert (await the_wallet(world, anna)).next_expiry == NEVER
    assert [e.kind for e in await world.books.entries(anna)] == ["promo"]


async def test_a_campaigns_removal_takes_its_gifts_and_nothing_that_was_paid(world: World) -> None:
    anna = await world.account()
    for kind, source in (("promo", "campaign:may"), ("paid", "campaign:may"), ("promo", "campaign:june")):
        grant = dataclasses.replace(world.grant("1", kind=kind), source=source)
        await world.grants.add(anna, grant, cause=f"{kind}:{source}", actor="t", reason="")

    assert await world.grants.remove_campaign(anna, "may", actor="t", reason="it ended") == usd("1")
    assert await world.grants.remove_campaign(anna, "may", actor="t", reason="it ended") == 0

    left = {(g.kind, g.source): g.left for g in await world.grants.attribute(anna)}
    assert left == {
        ("promo", "campaign:may"): 0,
        ("paid", "campaign:may"): usd("1"),
        ("promo", "campaign:june"): usd("1"),
    }
    assert [e.kind for e in await world.books.entries(anna)][-1] == "removal"
    assert await world.clean(anna)


# -- arithmetic ------------------------------------------------------------------------------------------------------------


def lot(name: str, left: int, expires_at: int = NEVER, **more: Any) -> Grant:
    return Grant(name, "promo", 50, left, 0, expires_at, **more)


def test_a_lapse_has_no_empty_parts() -> None:
    lots = [lot("a", 10, 5), lot("b", 10, 6), lot("c", 10, 7)]
    holds = [Hold("req.1", 10, 0), Hold("req.2", 5, 0)]

    lapse = plan_lapse(lots, holds, 6)

    assert lapse.expired == {"b": 5}
    assert lapse.held == {"req.1": ((10, 0),), "req.2": ((5, 0),)}
    assert plan_lapse(lots, [], 5).expired == {"a": 10}
    assert plan_lapse([lot("a", 10, 5), lot("b", 10, 9)], [Hold("req.1", 20, 0)], 5).held == {"req.1": ((10, 10),)}
    assert plan_lapse([lot("a", 10, 5)], [Hold("req.1", 10, 0)], 5).expired == {}


def test_spend_that_no_grant_covers_is_an_error_whatever_it_is_of() -> None:
    books = Wallet("a", 0, 20, 0, 0, "active", 1, NEVER, 0)

    def attributed(**change: int) -> dict[str, Share]:
        lots = [lot("old", 3, 1, lapsing=True), lot("new", 4)]
        return plan_attribution(dataclasses.replace(books, **change), lots)  # type: ignore[arg-type]

    assert attributed(spent=4) == {"new": Share(4, 0)}
    assert attributed(spent=2, due_spent=2) == {"old": Share(2, 0)}
    assert attributed(spent=1, due_spent=1, lapsed=2) == {"old": Share(1, 2)}
    assert attributed(spent=9, attributed=6) == {"new": Share(3, 0)}
    for change in ({"spent": 5}, {"spent": 4, "due_spent": 4}, {"lapsed": 4}):
        with pytest.raises(ValueError, match="not covered"):
            attributed(**change)
    assert attributed() == {}


def test_thawed_credit_whose_time_has_come_is_expired_and_the_rest_is_left() -> None:
    gone, kept, other = lot("a", 10, 5, frozen=7), lot("b", 10, 6, frozen=7), lot("c", 1, 5, frozen=2)

    thaw = plan_thaw([gone, kept, other], {"a": 4, "b": 3}, 5)

    assert thaw == Thaw([lot("a", 10, 5, frozen=3, expired=4), lot("b", 13, 6, frozen=4), other], {"a": 4})
    assert thaw.gone == 4


# -- refunds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0, -1])
async def test_a_refund_of_nothing_is_refused(amount: int, world: World) -> None:
    anna = await world.account(world.grant("5"))

    with pytest.raises(InvalidRequest):
        await world.refunds.request(anna, "r1", amount, actor="t", reason="")


async def test_a_refund_takes_the_credit_that_would_burn_last_from_as_many_lots_as_it_needs(world: World) -> None:
    world = still(world)
    soon, later, never = world.grant("1", days=1), world.grant("1", days=2), world.grant("1")
    anna = await world.account(soon, later, never)

    case = await world.refunds.request(anna, "r1", usd("1.5"), actor="t", reason="")

    assert case.parts == {never.id: usd("1"), later.id: usd("0.5")}
    assert await world.refunds.request(anna, "r2", 1, actor="t", reason="") is not None
    assert await world.balance(anna) == ("1.499999999", "0.00")


async def test_credit_due_in_this_second_is_not_refundable(world: World) -> None:
    world = still(world)
    anna = await world.account(world.grant("1", days=1), world.grant("1"))
    world.clock.advance(86_400)

    with pytest.raises(InvalidRequest):
        await world.refunds.request(anna, "r1", usd("1") + 1, actor="t", reason="")
    assert (await world.refunds.request(anna, "r1", usd("1"), actor="t", reason="")).state == "requested"


async def test_a_refunds_steps_return_the_case_as_it_is_then_and_repeat_harmlessly(world: World) -> None:
    anna = await world.account(world.grant("5"))
    table = world.tables.accounts
    await world.refunds.request(anna, "r1", usd("2"), actor="t", reason="")

    for _ in range(2):
        assert (await world.refunds.approve(anna, "r1", actor="o")).state == "approved"
    for _ in range(2):
        assert (await world.refunds.sent(anna, "r1", actor="o")).state == "sent"
    assert [c.id for c in await cases.waiting(world.store, table, REFUND)] == ["r1"]
    for _ in range(2):
        assert (await world.refunds.refunded(anna, "r1", reference="re_1", actor="o")).reference == "re_1"

    assert await cases.waiting(world.store, table, REFUND) == []
    (grant,) = await world.books.grants(anna)
    assert (grant.refunded, grant.frozen, grant.left) == (usd("2"), 0, usd("3"))
    assert await world.clean(anna)


@pytest.mark.parametrize("how", ["rejected", "failed"])
async def test_a_refund_that_comes_to_nothing_leaves_the_queue_and_gives_back_what_has_not_expired(
    how: str, world: World
) -> None:
    world = still(world)
    anna = await world.account(world.grant("1", days=1), world.grant("1"))
    await world.refunds.request(anna, "r1", usd("1.75"), actor="t", reason="")
    if how == "failed":
        await world.refunds.approve(anna, "r1", actor="o")
    world.clock.advance(86_400)

    end = world.refunds.reject if how == "rejected" else world.refunds.failed
    for _ in range(2):
        assert (await end(anna, "r1", actor="o", reason="no")).state == how

    assert await world.balance(anna) == ("1.00", "0.00")
    assert [(e.kind, e.amount) for e in await world.books.entries(anna)][-3:] == [
        ("expiry", -usd("0.25")),
        ("refund_release", usd("1.75")),
        ("expiry", -usd("0.75")),
    ]
    assert await cases.waiting(world.store, world.tables.accounts, REFUND) == []
    assert await world.clean(anna)


async def test_who_is_suspended_may_still_be_told_no_and_given_the_credit_back(world: World) -> None:
    anna = await world.account(world.grant("5"))
    await world.refunds.request(anna, "r1", usd("2"), actor="t", reason="")
    await send(world, bump_epoch(world.tables.accounts, anna, "suspended"))

    with pytest.raises(AccountNotActive):
        await world.refunds.approve(anna, "r1", actor="o")
    assert (await world.refunds.reject(anna, "r1", actor="o", reason="no")).state == "rejected"

    assert await world.balance(anna) == ("5.00", "0.00")
    with pytest.raises(InvalidRequest):
        await world.refunds.refunded(anna, "r1", reference="x", actor="o")


async def test_a_decision_that_was_overtaken_is_told_so(world: World) -> None:
    anna = await world.account(world.grant("5"))
    await world.refunds.request(anna, "r1", usd("2"), actor="t", reason="")

    class Overtaken:
        done = False

        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            if operation == "TransactWriteItems" and not self.done:
                self.done = True
                await world.refunds.reject(anna, "r1", actor="o", reason="no")
            return await world.store.call(operation, params)

    late = World(Overtaken(), world.tables, world.clock)
    await world.refunds.approve(anna, "r1", actor="o")
    with pytest.raises(InvalidRequest):
        await late.refunds.reject(anna, "r1", actor="p", reason="no")

    ben = await world.account(world.grant("5"))
    await world.refunds.request(ben, "r1", usd("2"), actor="t", reason="")
    await world.refunds.approve(ben, "r1", actor="o")
    await world.refunds.sent(ben, "r1", actor="o")

    class Failed(Overtaken):
        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            if operation == "TransactWriteItems" and not self.done:
                self.done = True
                await world.refunds.failed(ben, "r1", actor="o", reason="no")
            return await world.store.call(operation, params)

    with pytest.raises(InvalidRequest):
        await World(Failed(), world.tables, world.clock).refunds.refunded(ben, "r1", reference="x", actor="p")
    assert await world.balance(ben) == ("5.00", "0.00")


# -- disputes --------------------------------------------------------------------------------------------------------------


async def paid(world: World, amount: str, source: str, **more: Any) -> Grant:
    return dataclasses.replace(world.grant(amount, **more), source=source)


async def account_of(world: World, *grants: Grant) -> str:
    anna = await world.account()
    for grant in grants:
        await world.grants.add(anna, grant, cause=grant.source, actor="t", reason="")
    return anna


async def test_what_is_contested_is_what_was_neither_refunded_nor_is_on_its_way_back(world: World) -> None:
    anna = await account_of(world, await paid(world, "10", "pay_1"))
    await world.adjustments.propose(anna, "a1", -usd("1"), actor="t", reason="wrong")
    await world.refunds.request(anna, "r1", usd("2"), actor="t", reason="")
    await world.refunds.approve(anna, "r1", actor="o")
    await world.refunds.sent(anna, "r1", actor="o")
    await world.refunds.refunded(anna, "r1", reference="re", actor="o")
    await world.refunds.request(anna, "r2", usd("3"), actor="t", reason="")
    await world.refunds.approve(anna, "r2", actor="o")
    await world.refunds.sent(anna, "r2", actor="o")
    await world.settle(anna, await world.held(anna, "1"), "0.5")
    await world.held(anna, "0.25")

    case = await world.disputes.opened(anna, "d1", "pay_1", usd("10"), actor="t")

    assert case.amount == usd("5"), "10 less 2 refunded, 3 on their way"
    assert sum(case.parts.values()) == usd("3.25"), "less 1.00 removed, 0.50 spent and 0.25 held"
    assert await world.balance(anna) == ("0.00", "0.25")
    assert await world.clean(anna)


async def test_a_payment_that_goes_back_whole_has_nothing_to_contest(world: World) -> None:
    anna = await account_of(world, await paid(world, "10", "pay_1"))
    await world.refunds.request(anna, "r1", usd("10"), actor="t", reason="")
    await world.refunds.approve(anna, "r1", actor="o")
    await world.refunds.sent(anna, "r1", actor="o")

    case = await world.disputes.opened(anna, "d1", "pay_1", usd("10"), actor="t")

    assert (case.amount, sum(case.parts.values())) == (0, 0)
    await world.disputes.lost(anna, "d1", actor="t")
    assert (await the_wallet(world, anna)).debt == 0


async def test_each_turn_of_a_dispute_raises_the_epoch_by_one_and_counts_the_open_ones(world: World) -> None:
    anna = await account_of(world, await paid(world, "4", "pay_1"), await paid(world, "6", "pay_2"))
    states = []

    async def note() -> None:
        found = await the_wallet(world, anna)
        states.append((found.status, found.epoch, found.disputes, found.available))

    await world.disputes.opened(anna, "d1", "pay_1", usd("4"), actor="t")
    await note()
    await world.disputes.opened(anna, "d2", "pay_2", usd("5"), actor="t")
    await note()
    assert (await world.disputes.won(anna, "d1", actor="t")).state == "won"
    await note()
    assert (await world.disputes.won(anna, "d2", actor="t")).state == "won"
    await note()

    assert states == [
        ("disputed", 2, 1, usd("6")),
        ("disputed", 3, 2, usd("1")),
        ("disputed", 4, 1, usd("5")),
        ("active", 5, 0, usd("10")),
    ]
    assert await cases.waiting(world.store, world.tables.accounts, DISPUTE) == []
    assert (await world.disputes.won(anna, "d2", actor="t")).state == "won"
    with pytest.raises(InvalidRequest):
        await world.disputes.lost(anna, "d2", actor="t")
    assert await world.clean(anna)


async def test_a_lost_dispute_takes_other_paid_credit_only_as_far_as_it_was_spent(world: World) -> None:
    anna = await account_of(
        world,
        await paid(world, "4", "pay_1", days=1),
        await paid(world, "6", "pay_2"),
        await paid(world, "3", "gift", kind="promo"),
    )
    spent = await world.held(anna, "7")
    await world.settle(anna, spent, "7")
    assert {g.source: g.left for g in await world.grants.attribute(anna)} == {"pay_1": 0, "gift": 0, "pay_2": usd("6")}

    await world.disputes.opened(anna, "d1", "pay_1", usd("4"), actor="t")
    lost = await world.disputes.lost(anna, "d1", actor="t")

    assert lost.state == "lost"
    found = await the_wallet(world, anna)
    assert (found.status, found.epoch, found.disputes, found.debt) == ("suspended", 3, 0, 0)
    assert found.available == usd("2")
    assert {g.source: (g.left, g.removed) for g in await world.books.grants(anna)} == {
        "pay_1": (0, 0),
        "gift": (0, 0),
        "pay_2": (usd("2"), usd("4")),
    }
    assert await cases.waiting(world.store, world.tables.accounts, DISPUTE) == []
    assert await world.clean(anna)


async def test_a_lost_dispute_leaves_gifts_alone_and_becomes_a_debt(world: World) -> None:
    gift = dataclasses.replace(await paid(world, "3", "gift", kind="promo"), priority=200)
    anna = await account_of(world, await paid(world, "4", "pay_1"), gift)
    await world.settle(anna, await world.held(anna, "4"), "4")

    await world.disputes.opened(anna, "d1", "pay_1", usd("4"), actor="t")
    await world.disputes.lost(anna, "d1", actor="t")

    found = await the_wallet(world, anna)
    assert (found.debt, found.available, found.status) == (usd("4"), usd("3"), "suspended")
    assert await world.clean(anna)


async def test_a_won_dispute_does_not_bring_back_what_expired_meanwhile(world: World) -> None:
    world = still(world)
    anna = await account_of(world, await paid(world, "4", "pay_1", days=1), await paid(world, "1", "pay_2"))
    await world.disputes.opened(anna, "d1", "pay_1", usd("4"), actor="t")
    world.clock.advance(86_400)

    await world.disputes.won(anna, "d1", actor="t")

    assert await world.balance(anna) == ("1.00", "0.00")
    assert [(e.kind, e.amount) for e in await world.books.entries(anna)][-2:] == [
        ("dispute_release", usd("4")),
        ("expiry", -usd("4")),
    ]
    assert await world.clean(anna)


# -- adjustments -----------------------------------------------------------------------------------------------------------


async def test_an_adjustment_is_of_something_for_a_reason(world: World) -> None:
    anna = await world.account(world.grant("5"))
    for amount, reason in ((0, "x"), (1, " ")):
        with pytest.raises(InvalidRequest):
            await world.adjustments.propose(anna, "a1", amount, actor="t", reason=reason)

    assert (await world.adjustments.propose(anna, "a2", 1, actor="t", reason="x")).state == "applied"
    assert (await world.adjustments.propose(anna, "a3", -1, actor="t", reason="x")).state == "applied"
    assert await world.balance(anna) == ("5.00", "0.00")


async def test_up_to_the_limit_one_person_suffices_and_above_it_two_are_needed(world: World) -> None:
    anna = await world.account(world.grant("5"))
    alone = Adjustments(world.books, alone_max=usd("2"))

    assert (await alone.propose(anna, "a1", usd("2"), actor="t", reason="x")).state == "applied"
    assert (await alone.propose(anna, "a2", -usd("2"), actor="t", reason="x")).state == "applied"
    assert (await alone.propose(anna, "a3", usd("2") + 1, actor="t", reason="x")).state == "proposed"
    assert (await alone.propose(anna, "a4", -usd("2") - 1, actor="t", reason="x")).state == "proposed"
    assert await world.balance(anna) == ("5.00", "0.00")
    assert [c.id for c in await cases.waiting(world.store, world.tables.accounts, ADJUST)] == ["a3", "a4"]

    for _ in range(2):
        assert (await alone.approve(anna, "a3", actor="u")).state == "applied"
    for _ in range(2):
        assert (await alone.reject(anna, "a4", actor="u")).state == "rejected"
    assert await world.balance(anna) == ("7.000000001", "0.00")
    assert await cases.waiting(world.store, world.tables.accounts, ADJUST) == []
    assert await world.clean(anna)


async def test_an_adjustment_can_take_all_there_is_and_not_one_unit_more(world: World) -> None:
    anna = await world.account(world.grant("5"))
    await world.held(anna, "1")

    with pytest.raises(InvalidRequest):
        await world.adjustments.propose(anna, "a1", -usd("4") - 1, actor="t", reason="x")
    await world.adjustments.propose(anna, "a2", -usd("4"), actor="t", reason="x")

    assert await world.balance(anna) == ("0.00", "1.00")
    (grant,) = await world.books.grants(anna)
    assert (grant.removed, grant.left) == (usd("4"), usd("1"))


# -- the statement -----------------------------------------------------------------------------------------------------------


async def test_a_statements_sums_are_those_of_its_rows_and_of_what_came_before(world: World) -> None:
    world = still(world)
    world.clock.advance(-(START % 86_400))
    anna = await world.account(world.grant("5"))
    await world.settle(anna, await world.held(anna, "1"), "0.25")
    world.clock.advance(86_400)
    begin = int(world.clock())
    await world.grants.add(anna, world.grant("2"), cause="p", actor="t", reason="")
    await world.settle(anna, await world.held(anna, "1"), "0.5")
    await world.settle(anna, await world.held(anna, "1"), "0.125")
    world.clock.advance(100)
    await world.adjustments.propose(anna, "a1", -usd("1"), actor="t", reason="x")
    end = int(world.clock())

    async def sums(since: int, until: int) -> tuple[Sums, int]:
        total = Sums()
        found = [row async for row in rows(world.books, world.ledger, anna, since, until, total)]
        return total, len(found)

    assert await sums(begin, end + 1) == (Sums(usd("4.75"), usd("2"), usd("1"), usd("0.625"), 2), 4)
    assert await sums(begin, end) == (Sums(usd("4.75"), usd("2"), 0, usd("0.625"), 2), 3)
    assert await sums(begin + 1, end + 1) == (Sums(usd("6.125"), 0, usd("1"), 0, 0), 1)
    assert await sums(begin - 86_400, begin) == (Sums(0, usd("5"), 0, usd("0.25"), 1), 2)
    whole, _ = await sums(begin - 86_400, end + 1)
    assert whole.closing == usd("5.125")
    assert sums_object(anna, begin, end, whole)["debits"] == "1.00"


# -- lost answers, and what the sweep makes of them ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.LATE, Mode.THROTTLED, Mode.CONFLICT])
async def test_whichever_call_of_a_request_goes_wrong_it_is_charged_once(mode: Mode, world: World) -> None:
    for broken in range(1, 5):
        anna = await world.account(world.grant("1"))
        calls = FaultyStore(world.store, {broken: mode})
        hasty = World(calls, world.tables, world.clock)
        held = await hasty.ledger.reserve(hasty.ask(anna, "0.5"))
        assert isinstance(held, Held)
        await hasty.settle(anna, held, "0.2")
        await calls.deliver_late()

        world.clock.advance(800)
        await world.sweep.account(anna, Swept())

        assert await world.balance(anna) == ("0.80", "0.00")
        assert await world.clean(anna)


def test_a_receipt_is_stored_under_its_account_hour_and_request() -> None:
    request = new_id("req", START, lambda n: bytes(n))
    stored = receipts.put("t", Receipt("acct_A", request, f"{request}.1", 9, 5, "completed", START * 1000))

    assert stored["Item"]["pk"] == {"S": "acct_A#2027011508#0"}
    assert stored["Item"]["sk"] == {"S": request}
    assert stored["Item"]["cost"] == {"N": "5"}
    assert set(stored["Item"]) == {
        "pk", "sk", "account", "request_id", "hold_id", "hold", "cost", "reason", "created_at_ms", "service_tier",
    }  # fmt: skip
