"""Several ways to one model: which one a request takes, what it costs there, and what happens when one of them fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.channels.rules import FAILURES_MIN, OPEN_S
from infergate.console.api_keys import Terms, change_terms
from infergate.kernel.money import cost_of, usd
from infergate.ledger.types import Receipt

from tests.support.live import Customer, Live, serve
from tools.local.upstream import app as upstream_app

CATALOG = """
models:
  many:
    kind: chat
    owned_by: us
    created: 2026-11-01
    context: 100000
    max_output: 1000
    routes:
      many-a: {channel: a, upstream_model: demo-chat, price_book: cheap}
      many-b: {channel: b, upstream_model: demo-chat, price_book: dear, priority: 2}
  lone:
    kind: chat
    owned_by: us
    created: 2026-11-01
    context: 100000
    max_output: 1000
    routes:
      lone-a: {channel: a, upstream_model: demo-chat, price_book: cheap}
aliases: {nick: many}
channels:
  a: {kind: openai, base_url: "http://127.0.0.1:1/v1", secret: demo, region: us}
  b: {kind: openai, base_url: "http://127.0.0.1:1/v1", secret: demo, region: eu, keeps_prompts: false}
price_books:
  cheap:
    input: "1.00"
    output: "2.00"
    above: {"1000": {input: "5.00", output: "10.00"}}
    service_tiers: {flex: {input: "0.50", output: "1.00"}, priority: {input: "2.00", output: "4.00"}}
  dear: {input: "3.00", output: "6.00"}
plans:
  starter: {requests_per_minute: 10000, tokens_per_minute: 200000000, concurrency: 100}
  small: {requests_per_minute: 10000, tokens_per_minute: 200000000, concurrency: 100, models: [lone]}
campaigns:
  trial: {kind: trial, amount: "20.00", expires_after_days: 90}
"""


class Failing:
    """A provider that answers every request with this status, and counts them."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.status = status
        self.headers = headers or []
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.asked += 1
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"{}"})


@pytest.fixture
async def ways(live: Live) -> AsyncIterator[Live]:
    """The gateway with this catalog, both of whose channels lead to the demo upstream."""
    before = await live.house.shelf.current()
    await in_force(live)
    for channel in ("a", "b"):
        await live.house.health.reset(channel)
    yield live
    await live.house.shelf.apply(before, "test")


async def in_force(live: Live, **more: str) -> None:
    """`a="http://…"` puts that channel elsewhere; a dotted path is one value of the catalog."""
    values = {f"channels.{name}.base_url": f"{more.pop(name, live.upstream_url)}/v1" for name in ("a", "b")}
    await live.house.shelf.apply(compile_file(parse(CATALOG, values | more)), "test")


@contextlib.asynccontextmanager
async def broken(live: Live, provider: Failing) -> AsyncIterator[None]:
    """Channel `a` leads to this provider."""
    async with serve(provider) as url:
        await in_force(live, a=url)
        yield


async def asked(live: Live, customer: Customer, content: str = "demo: tokens=10 prompt=100", **fields: Any) -> Receipt:
    """The receipt of an answered request."""
    answer = await live.chat(customer, content, **({"model": "many"} | fields))
    assert answer.status_code == 200, answer.text
    receipt = await live.receipt(customer, answer)
    await live.wallet(customer)
    return receipt


# -- which route, at which price -----------------------------------------------------------------------------------------


async def test_the_best_priority_is_taken_and_paid_at_its_price(ways: Live) -> None:
    receipt = await asked(ways, await ways.customer())

    assert (receipt.route, receipt.channel) == ("many-a", "a")
    assert receipt.cost == cost_of({"input": 100, "output": 10}, {"input": usd("1"), "output": usd("2")})


@pytest.mark.parametrize(
    ("options", "route"),
    [
        ({"only": ["b"]}, "many-b"),
        ({"ignore": ["many-a"]}, "many-b"),
        ({"order": ["b"]}, "many-b"),
        ({"data_collection": "deny"}, "many-b"),
        ({"max_price": {"prompt": 1, "completion": "2.00"}}, "many-a"),
    ],
)
async def test_a_request_chooses_among_the_routes(ways: Live, options: dict[str, Any], route: str) -> None:
    assert (await asked(ways, await ways.customer(), provider=options)).route == route


async def test_a_request_that_no_route_fits_is_told_why_of_each_and_costs_nothing(ways: Live) -> None:
    customer = await ways.customer()

    answer = await ways.chat(customer, model="many", provider={"only": ["a"], "max_price": {"prompt": "0.5"}})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "provider", "no_route")
    assert "many-a: its price for input is above `provider.max_price`" in error["message"]
    assert "many-b: `provider.only` leaves it out" in error["message"]
    assert (await ways.wallet(customer)).spent == 0


async def test_a_long_request_is_paid_by_the_rates_for_long_ones_as_a_whole(ways: Live) -> None:
    customer = await ways.customer()

    at_most, above = [
        await asked(
            ways,
            customer,
            messages=[
                {"role": "system", "content": "x" * 2000},
                {"role": "user", "content": f"demo: tokens=10 prompt={prompt}"},
            ],
        )
        for prompt in (1000, 1001)
    ]

    assert at_most.cost == cost_of({"input": 1000, "output": 10}, {"input": usd("1"), "output": usd("2")})
    assert above.cost == cost_of({"input": 1001, "output": 10}, {"input": usd("5"), "output": usd("10")})


async def test_a_service_tier_is_paid_at_its_own_price_and_only_over_routes_that_have_one(ways: Live) -> None:
    customer = await ways.customer()

    receipt = await asked(ways, customer, service_tier="flex", provider={"order": ["b"]})

    assert (receipt.route, receipt.service_tier) == ("many-a", "flex")
    assert receipt.cost == cost_of({"input": 100, "output": 10}, {"input": usd("0.5"), "output": usd("1")})
    refused = await ways.chat(customer, model="many", service_tier="scale")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "service_tier")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_was_done_in_the_default_tier_is_paid_by_default(ways: Live, stream: bool) -> None:
    receipt = await asked(ways, await ways.customer(), service_tier="priority", stream=stream)

    assert receipt.service_tier == "default"
    assert receipt.hold >= cost_of({"output": 1000}, {"output": usd("4")})
    assert receipt.cost == cost_of({"input": 100, "output": 10}, {"input": usd("1"), "output": usd("2")})


async def test_an_alias_is_called_as_its_model(ways: Live) -> None:
    assert (await asked(ways, await ways.customer(), model="nick")).model == "many"


# -- an account's own terms ------------------------------------------------------------------------------------------------


async def change(live: Live, customer: Customer, **terms: Any) -> None:
    await change_terms(live.rooms.desk, customer.account, Terms(**terms), actor="test", reason="test")


async def test_an_accounts_own_price_is_in_force_at_its_next_request_and_everywhere_shown(ways: Live) -> None:
    customer = await ways.customer()
    before = await asked(ways, customer)
    await change(ways, customer, price_bp=9_000)

    after = await asked(ways, customer)

    assert after.cost * 10 == before.cost * 9
    assert after.price_version == before.price_version + "*0.9"
    shown = {m["id"]: m for m in (await ways.get("/v1/models", customer.key)).json()["data"]}
    assert shown["many"]["pricing"]["input"] == "0.90"
    assert shown["many"]["pricing"]["version"] == after.price_version


async def test_an_accounts_settings_rule_routes_out_at_its_next_request(ways: Live) -> None:
    customer = await ways.customer()
    assert (await asked(ways, customer)).route == "many-a"
    await change(ways, customer, regions=["eu"])

    assert (await asked(ways, customer)).route == "many-b"
    refused = await ways.chat(customer, model="lone")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_enabled")
    assert "region" in refused.json()["error"]["message"]
    assert [m["id"] for m in (await ways.get("/v1/models", customer.key)).json()["data"]] == ["many"]


async def test_a_new_plan_is_in_force_at_the_next_request(ways: Live) -> None:
    customer = await ways.customer()
    await asked(ways, customer)
    await change(ways, customer, plan="small")

    refused = await ways.chat(customer, model="many")

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_enabled")
    assert (await asked(ways, customer, model="lone")).route == "lone-a"


# -- when a channel fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [401, 408, 409, 429, 500, 503])
async def test_the_next_route_answers_on_the_same_hold_where_one_fails(ways: Live, status: int, stream: bool) -> None:
    customer = await ways.customer()
    async with broken(ways, Failing(status)):
        receipt = await asked(ways, customer, stream=stream)

    assert receipt.route == "many-b"
    assert [attempt["route"] for attempt in receipt.attempts] == ["many-a", "many-b"]
    assert receipt.cost == cost_of({"input": 100, "output": 10}, {"input": usd("3"), "output": usd("6")})


async def test_without_fallbacks_a_failure_is_told_and_costs_nothing(ways: Live) -> None:
    customer = await ways.customer()
    async with broken(ways, Failing(500)):
        answer = await ways.chat(customer, model="many", provider={"allow_fallbacks": False})

    assert answer.status_code == 502
    assert (await ways.wallet(customer)).spent == 0


async def test_a_channel_that_fails_for_everybody_is_left_alone_by_every_gateway(ways: Live) -> None:
    provider, customer = Failing(500), await ways.customer()
    async with broken(ways, provider):
        for _ in range(FAILURES_MIN + 3):
            await asked(ways, customer)

        assert provider.asked == FAILURES_MIN
        last = await asked(ways, customer)
        assert [a["outcome"] for a in last.attempts] == ["open: server error", "answered"]


async def test_where_every_channel_rests_nothing_is_held_and_the_caller_is_told_when_to_come_back(ways: Live) -> None:
    provider, customer = Failing(401), await ways.customer()
    async with broken(ways, provider):
        await ways.chat(customer, model="lone")

        answer = await ways.chat(customer, model="lone")

        assert provider.asked == 1
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["retry-after"]) <= OPEN_S + 1
        found = await ways.house.ledger.receipt(customer.account, answer.headers["x-request-id"])
        assert found is None, "nothing was held, so there is nothing to receipt"


async def test_a_model_whose_only_channel_is_off_is_not_listed_and_not_called(ways: Live) -> None:
    customer = await ways.customer()
    await ways.house.health.turn_off("a", "secret missing")

    listed = (await ways.get("/v1/models", customer.key)).json()["data"]
    refused = await ways.chat(customer, model="lone")

    assert [(m["id"], [r["id"] for r in m["routes"]]) for m in listed] == [("many", ["many-b"])]
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_enabled")
    assert (await asked(ways, customer)).route == "many-b"

    await ways.house.health.turn_on("a")
    assert (await asked(ways, customer, model="lone")).route == "lone-a"


async def test_a_rate_limited_channel_cools_for_as_long_as_its_provider_says(ways: Live) -> None:
    provider, customer = Failing(429, [(b"retry-after", b"7")]), await ways.customer()
    async with broken(ways, provider):
        await ways.chat(customer, model="lone")
        answer = await ways.chat(customer, model="lone")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "8")

        ways.clock.advance(8)
        await ways.chat(customer, model="lone")

    assert provider.asked == 2


async def test_of_many_requests_one_tries_a_channel_again_and_its_success_opens_it_to_all(ways: Live) -> None:
    provider, customer = Failing(401), await ways.customer()
    async with broken(ways, provider):
        await asked(ways, customer)
        ways.clock.advance(OPEN_S + 1)

        receipts = await asyncio.gather(*(asked(ways, customer) for _ in range(20)))

        assert provider.asked == 2
        assert {receipt.route for receipt in receipts} == {"many-b"}
    await in_force(ways)
    ways.clock.advance(2 * OPEN_S + 1)
    await asked(ways, customer)
    assert (await asked(ways, customer)).route == "many-a"


class Locked:
    """A provider that takes one key, and answers as the demo upstream does."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if (b"authorization", f"Bearer {self.key}".encode()) in scope["headers"]:
            await upstream_app(scope, receive, send)
            return
        self.refused += 1
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("current", "previous", "refused"),
    [("good", "old", 1), ("not in force yet", "good", 2)],
    ids=["the kept one is gone", "the newest is not in force yet"],
)
async def test_both_versions_of_a_key_are_live_while_it_is_rotated(
    ways: Live, current: str, previous: str, refused: int, stream: bool
) -> None:
    customer, provider = await ways.customer(), Locked("good")
    await asked(ways, customer)
    ways.secrets.values["channels/demo"], ways.secrets.previous["channels/demo"] = current, previous
    async with serve(provider) as url:
        await in_force(ways, a=url)

        receipts = [await asked(ways, customer, stream=stream) for _ in range(3)]

    assert {receipt.route for receipt in receipts} == {"many-a"}
    assert provider.refused == refused, "the first request finds the good one, and it is kept"


# -- what a channel takes --------------------------------------------------------------------------------------------------


async def test_a_channels_cap_holds_over_all_accounts_and_the_rest_goes_elsewhere(ways: Live) -> None:
    await in_force(ways, **{"channels.a.requests_per_minute": "3"})
    ways.fresh_minute()
    customers = [await ways.customer() for _ in range(4)]

    receipts = await asyncio.gather(*(asked(ways, customer) for customer in customers * 3))

    assert sorted(receipt.route for receipt in receipts) == ["many-a"] * 3 + ["many-b"] * 9


async def test_a_channels_places_in_flight_are_given_back(ways: Live) -> None:
    await in_force(ways, **{"channels.a.concurrency": "2"})
    customer = await ways.customer()

    at_once = await asyncio.gather(
        *(asked(ways, customer, "demo: tokens=10 delay_ms=30", stream=True) for _ in range(6))
    )
    later = [await asked(ways, customer, stream=stream) for stream in (False, True, False, True)]

    assert sum(receipt.route == "many-a" for receipt in at_once) == 2
    assert {receipt.route for receipt in later} == {"many-a"}
