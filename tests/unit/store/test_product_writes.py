"""What the product itself writes and reads, by its own code, hits and misses: the store in memory answers as the engines do.

A twin raises AssertionError at the first call that is answered otherwise.
"""

import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.channels.capacity import CLOCKS_S, Capacity, Caps, Entered, Full
from infergate.channels.health import Health
from infergate.channels.rules import FAILURES_MIN, OPEN_S
from infergate.chat.idempotency import Claim
from infergate.console import accounts, api_keys, sign_up
from infergate.console.api_keys import Terms
from infergate.kernel.errors import IdempotencyMismatch, InvalidRequest, NotFound, RateLimited, Refused
from infergate.kernel.ids import new_id
from infergate.kernel.money import usd
from infergate.ledger import receipts, wallet
from infergate.ledger.ledger import Held, Tables
from infergate.ledger.types import Hold
from infergate.ledger.wallet import AlreadyHeld, CreditDue, Missing, NotActive, NotEnough, Stale, TooManyInFlight
from infergate.limits.rates import Rates
from infergate.limits.rules import Base, resolve
from infergate.store.errors import ConditionFailed
from infergate.store.secrets import Secrets
from infergate.usage.cells import cells_between
from infergate.usage.count import Count
from infergate.wiring.rooms import Rooms, rooms

from tests.support.live import FixedSecrets, Time, environment
from tests.support.twin_store import Engine, TwinStore
from tests.support.world import World, no_wait, receipt
from tools.local.template import ROOT


@pytest.fixture
async def twin(engine: Engine) -> AsyncIterator[TwinStore]:
    """What it holds is the same on both sides when the test ends."""
    twin = engine.twin()
    yield twin
    assert await twin.differences() == []
    assert twin.calls


@pytest.fixture
def world(twin: TwinStore) -> World:
    names = Tables(twin.tables["ACCOUNTS_TABLE"], twin.tables["RECEIPTS_TABLE"], twin.tables["COUNTERS_TABLE"])
    return World(twin, names, Time())


@pytest.fixture
async def house(twin: TwinStore) -> Rooms:
    """With the catalog of the repository in force."""
    clock = Time()
    built = rooms(environment(twin.tables), store=twin, secrets=Secrets(FixedSecrets(), clock), clock=clock)
    await built.shelf.apply(compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), {})), "test")
    built.shelf._snapshot = None
    assert await built.shelf.current()
    return built


async def test_reserving_for_every_reason_to_be_refused(world: World) -> None:
    anna = await world.account(world.grant("1", days=1), world.grant("1"))
    assert isinstance(await world.ledger.reserve(world.ask("acct_0", "0.1")), Missing)
    assert isinstance(await world.ledger.reserve(world.ask(anna, "0.1", epoch=7)), Stale)
    assert isinstance(await world.ledger.reserve(world.ask(anna, "9")), NotEnough)
    held = [await world.held(anna, "0.1") for _ in range(3)]
    assert isinstance(await world.ledger.reserve(world.ask(anna, "0.1", room=3)), TooManyInFlight)

    now_s = int(world.clock())
    again = wallet.reserve(world.tables.accounts, anna, held[0].hold, epoch=1, room=9, now_s=now_s)
    with pytest.raises(ConditionFailed) as failed:
        await world.store.call("UpdateItem", again)
    refused = wallet.why_refused(failed.value.old, held[0].hold, epoch=1, room=9, now_s=now_s)
    assert isinstance(refused, AlreadyHeld)

    for one in held:
        await world.settle(anna, one, "0.03")
    assert await world.settle(anna, held[0], "0.03") is None
    world.clock.advance(2 * 86_400)
    assert isinstance(await world.ledger.reserve(world.ask(anna, "0.1")), CreditDue)
    await world.expire.run()
    assert isinstance(await world.ledger.reserve(world.ask(anna, "0.1")), Held)
    assert await world.clean(anna)


async def test_credit_that_expires_under_open_holds(world: World) -> None:
    anna = await world.account(world.grant("1", days=1), world.grant("2", days=2), world.grant("1"))
    first, second = await world.held(anna, "1.50"), await world.held(anna, "1.20")
    world.clock.advance(86_400 + 60)
    await world.grants.expire(anna)
    await world.settle(anna, first, "0.40")
    await world.ledger.release(anna, second.hold)
    await world.grants.attribute(anna)
    late = await world.held(anna, "0.20")
    world.clock.advance(1800)
    await world.sweep.run(look_back_s=3600)
    world.clock.advance(86_400)
    await world.expire.run()
    assert await world.ledger.settle(receipt(anna, late.hold, "0.01")) is None
    assert await world.clean(anna)


async def test_grants_and_cases_of_every_kind(world: World) -> None:
    anna = await world.account(world.grant("20", kind="trial", days=90), world.grant("40"))
    for _ in range(2):
        gift = world.grant("5", kind="goodwill")
        await world.grants.add(anna, gift, cause="gift:1", actor="op", reason="sorry")
    with pytest.raises(NotFound):
        await world.grants.add("acct_0", world.grant("5"), cause="gift:2", actor="op", reason="sorry")

    await world.refunds.request(anna, "r1", usd("8"), actor="anna", reason="")
    await world.refunds.approve(anna, "r1", actor="op")
    await world.refunds.sent(anna, "r1", actor="op")
    await world.refunds.refunded(anna, "r1", reference="re_1", actor="provider")
    await world.refunds.request(anna, "r2", usd("3"), actor="anna", reason="")
    await world.refunds.reject(anna, "r2", actor="op", reason="")
    with pytest.raises(Refused):
        await world.refunds.approve(anna, "r2", actor="op")

    await world.adjustments.propose(anna, "a1", usd("-3"), actor="op1", reason="billed twice")
    await world.adjustments.propose(anna, "a2", usd("150"), actor="op1", reason="outage")
    await world.adjustments.approve(anna, "a2", actor="op2")

    paid = replace(world.grant("10"), source="payment:pi_1")
    await world.grants.add(anna, paid, cause="payment:pi_1", actor="provider", reason="")
    await world.disputes.opened(anna, "d1", "payment:pi_1", usd("10"), actor="provider")
    assert isinstance(await world.ledger.reserve(world.ask(anna, "0.1")), NotActive)
    await world.disputes.won(anna, "d1", actor="provider")
    assert await world.books.entries(anna, 3, newest_first=True)
    assert await world.clean(anna)


async def test_accounts_and_keys_from_sign_up_to_revocation(house: Rooms) -> None:
    desk = house.desk
    anna = await sign_up.confirmed(desk, house.shelf, "sub-1", "anna@example.com", "Anna")
    assert await sign_up.confirmed(desk, house.shelf, "sub-1", "anna@example.com", "Anna") == anna
    assert await sign_up.account_of(desk, "sub-1") == anna
    made = [await api_keys.create(desk, anna, name="one", actor="anna", limits={"requests_per_minute": 3})]
    made.append(await api_keys.rotate(desk, anna, made[0].key.id, grace_s=60, actor="anna"))
    await api_keys.change_terms(desk, anna, Terms(keep_answers=True), actor="anna", reason="")
    for _ in range(2):
        await api_keys.revoke(desk, anna, made[1].key.id, actor="anna")
    await accounts.set_status(desk, anna, "suspended", actor="op", reason="abuse")
    await accounts.set_status(desk, anna, "active", actor="op", reason="a mistake")
    with pytest.raises(NotFound):
        await api_keys.revoke(desk, anna, "key_none", actor="anna")
    with pytest.raises(InvalidRequest):
        await accounts.set_status(desk, anna, "frozen", actor="op", reason="x")

    assert len(await api_keys.list_keys(desk, anna)) == 2


async def test_limits_counted_and_taken_back_up_to_the_last_and_past_it(world: World) -> None:
    rates = Rates(world.store, world.tables.counters)
    limits = resolve(Base("plan starter", 5, 1000, 9), "key_1", {"requests_per_minute": 4, "tokens_per_minute": 700})
    now_s = 1_800_000_000.0
    refused = 0
    for tokens in (100, 300, 400, 300, 0, 0, 0):
        try:
            counted = await rates.count("acct_1", limits, tokens, now_s)
        except RateLimited:
            refused += 1
        else:
            if tokens == 100:
                await rates.undo(counted)
    assert refused == 2
    assert (await rates.look("acct_1", limits, now_s)).tokens.remaining == 0
    assert (await rates.look("acct_1", limits, now_s + 60)).requests.used == 0


async def test_an_idempotency_key_claimed_kept_and_given_up(world: World) -> None:
    stand_in: Any = SimpleNamespace(store=world.store, clock=world.clock, ledger=world.ledger, request_s_max=600)

    def claim(body: bytes) -> Claim:
        return Claim(cast("Any", stand_in), world.tables.counters, "acct_1", "chat", "key-1", body)

    first, second = (new_id("req", world.clock(), random.randbytes) for _ in range(2))
    assert await claim(b"{}").take(first) is None
    with pytest.raises(IdempotencyMismatch):
        await claim(b"[]").take(second)
    with pytest.raises(Refused):
        await claim(b"{}").take(second)
    await claim(b"{}").keep(first, "application/json", b"answer")
    kept = await claim(b"{}").take(second)
    assert kept is not None
    await claim(b"{}").give_up(second)
    await claim(b"{}").give_up(first)
    assert await claim(b"[]").take(second) is None
    world.clock.advance(3600)
    third = new_id("req", world.clock(), random.randbytes)
    assert await claim(b"[]").take(third) is None


async def test_usage_counted_once_however_often_its_receipts_come(twin: TwinStore, world: World) -> None:
    count = Count(twin, twin.tables["ROLLUPS_TABLE"], time.time, no_wait, lambda: 0.5)
    at_s = 1_795_521_600
    written = []
    for number in range(12):
        request = new_id("req", at_s + number * 600, random.Random(number).randbytes)
        hold = Hold(f"{request}.1", usd("1"), at_s)
        put = receipts.put(world.tables.receipts, receipt("acct_1", hold, "0.01"))
        await twin.call("PutItem", put)
        written.append((request, put["Item"]))

    first = await count.run(written[:8])
    second = await count.run(written)

    assert (first.counted, second.counted, second.again) == (8, 4, 8)
    cells = await cells_between(twin, twin.tables["ROLLUPS_TABLE"], "acct_1", "hour", "202611", "202611~")
    assert cells


async def test_a_channels_breaker_from_the_first_failure_to_the_probe(world: World) -> None:
    table, lines = world.tables.counters, list[dict[str, Any]]()
    one, other = (Health(world.store, table, world.clock, lines.append) for _ in range(2))
    assert (await one.state_of(["a", "b"]))["a"].phase == "closed"
    for _ in range(FAILURES_MIN):
        await one.failed("a", "server error")
    await other.failed("a", "timed out")
    world.clock.advance(OPEN_S + 1)

    assert [await one.try_probe("a"), await other.try_probe("a")] == [True, False]
    await one.succeeded("a")
    await other.turn_off("b", "secret missing")
    await one.turn_on("b")
    await one.reset("a")

    assert [seen.state.phase for seen in (await other.overview(["a", "b"])).values()] == ["closed", "closed"]
    assert len(lines) == 4


async def test_a_channels_caps_full_and_freed_and_taken_from_the_dead(world: World) -> None:
    lines = list[dict[str, Any]]()
    world.clock.advance(60 - world.clock() % 60)  # no minute ends in mid-test
    capacity = Capacity(world.store, world.tables.counters, world.clock, lines.append)
    caps, deadline = Caps(requests_per_minute=1000, tokens_per_minute=10_000, concurrency=2), int(world.clock()) + 10
    held = [await capacity.enter("a", caps, f"req_{i}", 10, deadline) for i in range(3)]
    assert held[2] == Full(1, "requests in flight")
    assert isinstance(held[0], Entered)
    await capacity.leave(held[0])
    await capacity.leave(held[0])
    assert isinstance(await capacity.enter("a", caps, "req_4", 10, deadline), Entered)
    over = await capacity.enter("a", Caps(tokens_per_minute=20), "req_5", 10, deadline)
    assert isinstance(over, Full)
    assert isinstance(await capacity.enter("a", Caps(tokens_per_minute=5), "req_6", 10, deadline), Full)

    world.clock.advance(11 + CLOCKS_S)
    assert isinstance(await capacity.enter("a", caps, "req_7", 10, int(world.clock()) + 10), Entered)
    assert lines == []
