"""What a request would hold and cost, asked before it is made: the same figures that the request then has."""

import pytest
from infergate.kernel.money import format_usd

from tests.support.live import Live

ASK = {"model": "demo-chat", "messages": [{"role": "user", "content": "demo: tokens=10"}]}


async def test_an_estimate_is_what_the_request_then_holds_and_within_what_it_may_cost(live: Live) -> None:
    customer = await live.customer()
    asked = ASK | {"max_tokens": 50, "n": 2}

    estimate = (await live.post("/v1/estimate", customer.key, json=asked)).json()
    answer = await live.post("/v1/chat/completions", customer.key, json=asked)

    assert answer.status_code == 200
    receipt = await live.receipt(customer, answer)
    assert (estimate["admitted"], estimate["status"], estimate["error"]) == (True, 200, None)
    assert estimate["max_output_tokens"] == 50
    assert estimate["hold"] == format_usd(receipt.hold)
    low, likely, high = (float(estimate["cost"][name]["cost"]) for name in ("low", "likely", "high"))
    assert low < likely <= high <= float(estimate["hold"])
    assert estimate["cost"]["high"]["lines"][1] == {"bucket": "output", "units": 100, "rate": "1.50", "per": "1M"}
    assert estimate["price_version"] == receipt.price_version


async def test_an_estimate_holds_nothing_counts_nothing_and_asks_no_provider(live: Live) -> None:
    customer = await live.customer()
    asked_before = len(await live.upstream_requests())

    await live.post("/v1/estimate", customer.key, json=ASK)

    wallet = await live.wallet(customer)
    assert (wallet.spent, wallet.holds) == (0, {})
    assert len(await live.upstream_requests()) == asked_before
    limits = (await live.get("/v1/limits", customer.key)).json()["limits"]
    assert [limit["used"] for limit in limits] == [0, 0, 0]


@pytest.mark.parametrize(
    ("credit", "limits", "fields", "status", "code"),
    [
        ("0", None, {"max_tokens": 100}, 402, "insufficient_credits"),
        ("0.00001", None, {}, 402, "insufficient_credits"),
        ("5", {"tokens_per_minute": 5}, {"max_tokens": 100}, 429, "rate_limit_exceeded"),
    ],
)
async def test_an_estimate_says_what_would_stop_the_request_as_the_request_itself_does(
    live: Live, credit: str, limits: dict[str, int] | None, fields: dict[str, int], status: int, code: str
) -> None:
    live.fresh_minute()
    customer = await live.customer(credit, limits=limits)

    estimate = await live.post("/v1/estimate", customer.key, json=ASK | fields)
    answer = await live.post("/v1/chat/completions", customer.key, json=ASK | fields)

    assert estimate.status_code == 200
    assert not estimate.json()["admitted"]
    assert (estimate.json()["status"], estimate.json()["error"]["code"]) == (status, code)
    assert answer.status_code == status
    assert answer.json()["error"] == estimate.json()["error"]


async def test_who_set_no_limit_is_told_the_answer_that_the_balance_allows(live: Live) -> None:
    customer = await live.customer("0.001")

    estimate = (await live.post("/v1/estimate", customer.key, json=ASK)).json()
    answer = await live.post("/v1/chat/completions", customer.key, json=ASK)

    assert estimate["admitted"]
    assert estimate["max_output_tokens"] == int(answer.headers["x-infergate-max-tokens"]) < 1000


async def test_credit_that_is_due_to_expire_is_no_credit_in_an_estimate(live: Live) -> None:
    customer = await live.customer("0")
    await live.credit(customer.account, "5", kind="promo", expires_at=int(live.clock()) + 60)
    live.clock.advance(61)

    estimate = (await live.post("/v1/estimate", customer.key, json=ASK | {"max_tokens": 10})).json()

    assert estimate["error"]["code"] == "insufficient_credits"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "nothing"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"n": 0}, 400, "n"),
        ({"provider": {"only": ["nobody"]}}, 400, "provider"),
    ],
)
async def test_a_request_that_could_never_be_made_has_no_estimate(
    live: Live, fields: dict[str, object], status: int, param: str
) -> None:
    customer = await live.customer()

    answer = await live.post("/v1/estimate", customer.key, json=ASK | fields)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


async def test_an_estimate_needs_a_key_and_a_post(live: Live) -> None:
    customer = await live.customer()

    assert (await live.post("/v1/estimate", None, json=ASK)).status_code == 401
    assert (await live.get("/v1/estimate", customer.key)).status_code == 405
