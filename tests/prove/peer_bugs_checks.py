"""Small checks for peer bugs that no other test notices without the embedded AWS."""

import asyncio
import os
import random
from typing import Any

import pytest
from infergate.catalog.types import Campaign
from infergate.console.accounts import Desk, open_account
from infergate.edge.chat_request import parse_chat
from infergate.edge.errors import wire_error
from infergate.kernel.errors import InsufficientCredits, InvalidRequest, RateLimited, Unavailable
from infergate.kernel.money import usd
from infergate.ledger.ledger import Held
from infergate.ledger.wallet import request_of
from infergate.limits.rates import Rates
from infergate.limits.rules import Base, resolve
from infergate.store.client import Params, Store
from infergate.store.secrets import Secrets

from tests.support.faults import FaultyStore, Mode
from tests.support.live import FixedSecrets
from tests.support.world import World


class Yielding:
    """Lets others in before and after each call, as any network does."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        await asyncio.sleep(0)
        answer = await self.inner.call(operation, params)
        await asyncio.sleep(0)
        return answer


async def test_credit_for_k_admits_exactly_k_of_fifty_at_once(world: World) -> None:
    anna = await world.account(world.grant("0.7"))
    workers = [World(Yielding(world.store), world.tables, world.clock) for _ in range(50)]

    answers = await asyncio.gather(*(w.ledger.reserve(w.ask(anna, "0.1")) for w in workers))

    assert sum(isinstance(answer, Held) for answer in answers) == 7
    assert await world.balance(anna) == ("0.00", "0.70")


async def test_every_admitted_request_has_its_hold(world: World) -> None:
    anna = await world.account(world.grant("5"))
    for admitted in range(1, 4):
        await world.held(anna, "0.1")
        found = await world.ledger.wallet(anna)
        assert found is not None
        assert len(found.holds) == admitted


async def test_a_payment_whose_answer_was_lost_is_credited_once(world: World) -> None:
    anna = await world.account()
    grant = world.grant("5")
    calls = FaultyStore(world.store)
    await World(calls, world.tables, world.clock).grants.add(
        anna, world.grant("1"), cause="first", actor="t", reason=""
    )
    sent = [call.operation for call in calls.calls].index("TransactWriteItems")

    lossy = FaultyStore(world.store, {sent: Mode.REPLY_LOST})
    await World(lossy, world.tables, world.clock).grants.add(anna, grant, cause="payment:1", actor="t", reason="paid")
    again = World(world.store, world.tables, world.clock)
    await again.grants.add(anna, world.grant("5"), cause="payment:1", actor="t", reason="paid")

    assert await world.balance(anna) == ("6.00", "0.00")
    assert await world.clean(anna)


async def test_two_requests_have_two_receipts(world: World) -> None:
    anna = await world.account(world.grant("5"))
    held = [await world.held(anna, "1") for _ in range(5)]

    await asyncio.gather(*(world.settle(anna, each, "0.25") for each in held))

    for each in held:
        found = await world.ledger.receipt(anna, request_of(each.hold.id))
        assert found is not None
        assert found.hold_id == each.hold.id
    assert await world.clean(anna)


async def test_two_workers_share_one_minute(world: World) -> None:
    limits = resolve(Base("plan starter", 5, 1000, 9), "key_1", {})
    workers = [Rates(world.store, world.tables.counters) for _ in range(2)]
    admitted = 0
    for turn in range(12):
        try:
            await workers[turn % 2].count("acct_A", limits, 10, 1_800_000_000.0)
            admitted += 1
        except RateLimited:
            continue

    assert admitted == 5


@pytest.mark.parametrize("limit", ["-1", "0", "true", "1e3", '"5"', "99999999999999999999"])
def test_a_limit_that_is_no_positive_whole_number_is_refused(limit: str) -> None:
    body = f'{{"model": "m", "max_tokens": {limit}, "messages": [{{"role": "user", "content": "Hello"}}]}}'

    with pytest.raises(InvalidRequest) as refused:
        parse_chat(body.encode(), "req_1")

    assert refused.value.param == "max_tokens"


def test_no_credit_is_a_402() -> None:
    assert wire_error(InsufficientCredits(5, 3, 1)).status == 402


async def test_an_address_that_signs_up_twenty_times_at_once_has_one_trial(world: World) -> None:
    secrets = Secrets(FixedSecrets(), world.clock)

    async def no_wait(_: float) -> None:
        await asyncio.sleep(0)

    desk = Desk(
        Yielding(world.store), world.tables.accounts, secrets, "pepper", world.clock, os.urandom, no_wait, random.random
    )
    trial = Campaign("trial", "trial", usd("20"), 90)

    opened = await asyncio.gather(
        *(open_account(desk, "anna@test.example", name="", plan="starter", trial=trial, actor="t") for _ in range(20)),
        return_exceptions=True,
    )

    accounts = {answer[0].id for answer in opened if isinstance(answer, tuple)}
    wallets = [item for item in world.store.items("accounts") if item["sk"]["S"] == "WALLET"]  # type: ignore[attr-defined]
    assert len(accounts) == len(wallets) == 1


async def test_what_was_reserved_while_a_payment_came_in_is_still_held(world: World) -> None:
    anna = await world.account(world.grant("10"))

    class Busy(Yielding):
        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            if operation == "TransactWriteItems":
                await world.held(anna, "3")
            return await super().call(operation, params)

    slow = World(Busy(world.store), world.tables, world.clock)
    await slow.grants.add(anna, world.grant("1"), cause="payment:1", actor="t", reason="paid")

    assert await world.balance(anna) == ("8.00", "3.00")
    assert await world.clean(anna)


@pytest.mark.parametrize("text", ["", "  ", "changeme"])
async def test_a_secret_that_is_empty_or_a_placeholder_is_none(text: str, world: World) -> None:
    service = FixedSecrets()
    service.values["pepper"] = text

    with pytest.raises(Unavailable):
        await Secrets(service, world.clock).value("pepper")
