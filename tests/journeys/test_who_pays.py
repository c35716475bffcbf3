"""The table "who pays when it goes wrong", row by row, through real HTTP, with an upstream that misbehaves as told.

demo-chat costs $0.50 per million input tokens, $0.25 cached, $1.50 output.
"""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
import yaml
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.kernel.money import cost_of, usd
from infergate.ledger.types import Receipt

from tests.support.live import CATALOG, Customer, Live, serve

RATES = {"input": usd("0.50"), "cached_input": usd("0.25"), "output": usd("1.50")}


def events(answer: httpx.Response) -> list[dict[str, object]]:
    """The JSON events of a stream; it must end in [DONE]."""
    datas = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line and not line.startswith(":")]
    assert datas[-1] == "[DONE]"
    return [orjson.loads(data) for data in datas[:-1]]


async def paid(live: Live, customer: Customer, answer: httpx.Response) -> Receipt:
    """The receipt, after checking that the wallet and the books agree with it to the nano-dollar."""
    wallet = await live.wallet(customer)
    receipt = await live.receipt(customer, answer)
    assert wallet.spent == receipt.cost <= receipt.hold
    assert not wallet.holds
    assert (await live.audit(customer)).clean
    return receipt


async def test_a_reported_usage_is_charged_as_reported_streamed_or_not(live: Live) -> None:
    for stream in (False, True):
        customer = await live.customer()

        answer = await live.chat(customer, "demo: tokens=20 prompt=100 cached=40", stream=stream)

        receipt = await paid(live, customer, answer)
        assert receipt.units == {"input": 60, "cached_input": 40, "output": 20}
        assert receipt.cost == cost_of(receipt.units, RATES) == usd("0.00007")
        assert (receipt.reason, receipt.estimated, receipt.loss) == ("completed", False, 0)


async def test_the_cost_stands_in_the_answer_and_in_the_streams_usage_chunk(live: Live) -> None:
    customer = await live.customer()

    whole = await live.chat(customer, "demo: tokens=20 prompt=100")
    streamed = await live.chat(
        customer, "demo: tokens=20 prompt=100", stream=True, stream_options={"include_usage": True}
    )

    assert whole.json()["usage"]["cost"] == whole.headers["x-infergate-cost"] == "0.00008"
    last = events(streamed)[-1]
    assert last["choices"] == []
    assert last["usage"]["cost"] == "0.00008"  # type: ignore[index]


async def test_an_upstream_that_fails_before_any_output_costs_nothing(live: Live) -> None:
    for script in (
        "status=500",
        "status=503 error=overloaded",
        "status=429 retry_after=7",
        "status=401",
        "html=1",
        "empty=body",
    ):
        for stream in (False, True):
            customer = await live.customer()

            answer = await live.chat(customer, f"demo: {script}", stream=stream)

            assert answer.status_code in (429, 502), (script, stream, answer.text)
            receipt = await paid(live, customer, answer)
            assert (receipt.cost, receipt.reason) == (0, "upstream failed before any output")


async def test_a_stream_whose_first_event_is_an_error_costs_nothing_and_is_a_plain_502(live: Live) -> None:
    customer = await live.customer()

    answer = await live.chat(customer, "demo: tokens=9 garbage=nul", stream=True)

    receipt = await paid(live, customer, answer)
    assert answer.status_code in (200, 502)
    assert receipt.cost <= receipt.hold


async def test_a_request_that_no_provider_can_express_is_refused_with_its_field_and_costs_nothing(live: Live) -> None:
    await with_channel(live, kind="groq")
    customer = await live.customer()
    before = len(await live.upstream_requests())

    answer = await live.chat(customer, n=2)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "n")
    receipt = await paid(live, customer, answer)
    assert (receipt.cost, receipt.reason) == (0, "no provider can express it")
    assert len(await live.upstream_requests()) == before


async def test_what_one_provider_cannot_express_goes_to_the_next(live: Live) -> None:
    second = {"channel": "second", "upstream_model": "demo-chat", "price_book": "demo-chat", "priority": 2}
    terms = yaml.safe_load(CATALOG)
    terms["models"]["demo-chat"]["routes"]["demo-chat-b"] = second
    terms["channels"]["second"] = {**terms["channels"]["demo"], "base_url": f"{live.upstream_url}/v1", "enabled": True}
    terms["channels"]["demo"] = {**terms["channels"]["second"], "kind": "groq"}
    await live.house.shelf.apply(compile_file(parse(yaml.safe_dump(terms))), "test")
    customer = await live.customer()

    answer = await live.chat(customer, n=2)

    receipt = await paid(live, customer, answer)
    assert (answer.status_code, receipt.route) == (200, "demo-chat-b")
    assert [attempt["outcome"] for attempt in receipt.attempts] == ["not expressible", "answered"]


async def test_an_empty_answer_costs_nothing(live: Live) -> None:
    for stream in (False, True):
        customer = await live.customer()

        answer = await live.chat(customer, "demo: empty=1 usage=missing", stream=stream)

        receipt = await paid(live, customer, answer)
        assert (receipt.cost, receipt.reason) == (0, "empty answer")


async def test_an_error_in_mid_stream_costs_input_and_what_was_relayed_and_reaches_the_client_as_an_event(
    live: Live,
) -> None:
    for script in ("error_after=5", "cut_after=5", "end=no_done usage=missing"):
        customer = await live.customer()

        answer = await live.chat(customer, f"demo: tokens=20 {script}", stream=True)

        received = events(answer)
        assert received[-1]["error"]["code"] == "upstream_error", script  # type: ignore[index]
        receipt = await paid(live, customer, answer)
        assert receipt.reason == "upstream failed in mid-stream"
        assert receipt.estimated
        assert receipt.units["input"] > 0
        text = "".join(
            choice["delta"].get("content") or ""  # type: ignore[index]
            for event in received[:-1]
            for choice in event["choices"]  # type: ignore[attr-defined]
        )
        assert receipt.units["output"] == -(-len(text.encode()) // 4), "error text never counts"


async def test_a_missing_usage_is_counted_from_what_was_relayed_and_marked_as_estimated(live: Live) -> None:
    for stream in (False, True):
        customer = await live.customer()

        answer = await live.chat(customer, "demo: tokens=40 usage=missing", stream=stream)

        receipt = await paid(live, customer, answer)
        assert receipt.estimated
        assert receipt.reason == "completed"
        assert 0 < receipt.units["output"] <= 80


async def test_an_explicit_zero_stays_zero(live: Live) -> None:
    for stream in (False, True):
        customer = await live.customer()

        answer = await live.chat(customer, "demo: tokens=5 usage=zero", stream=stream)

        receipt = await paid(live, customer, answer)
        assert (receipt.cost, receipt.estimated) == (0, False)


@pytest.mark.parametrize("usage", ["negative", "string", "huge", "float", "1e400"])
async def test_an_absurd_usage_counts_as_not_reported_and_is_alarmed(live: Live, usage: str) -> None:
    for stream in (False, True):
        customer = await live.customer()

        answer = await live.chat(customer, f"demo: tokens=10 usage={usage}", stream=stream)

        receipt = await paid(live, customer, answer)
        assert receipt.estimated
        assert any(flag.startswith("usage refused") for flag in receipt.flags)
        assert any(line.get("alarm") for line in live.lines if line.get("request_id") == receipt.request_id)


async def test_of_two_usages_the_last_counts(live: Live) -> None:
    customer = await live.customer()

    answer = await live.chat(customer, "demo: tokens=20 prompt=100 usage=twice", stream=True)

    assert (await paid(live, customer, answer)).units == {"input": 100, "output": 20}


async def test_a_provider_that_ignores_the_output_limit_is_paid_by_the_house_above_the_hold(live: Live) -> None:
    customer = await live.customer()

    answer = await live.chat(customer, "demo: tokens=10 over=50000 prompt=10", max_tokens=10)

    receipt = await paid(live, customer, answer)
    assert receipt.cost == receipt.hold
    assert receipt.loss == cost_of(receipt.units, RATES) - receipt.hold > 0
    assert any(line.get("loss_nanos") == receipt.loss for line in live.lines)


async def test_the_output_limit_that_the_hold_covers_is_always_sent_upstream(live: Live) -> None:
    customer = await live.customer()

    await live.chat(customer, "no limit given")
    await live.chat(customer, "a limit above the model's", max_tokens=1_000_000)
    await live.chat(customer, "a small limit", max_completion_tokens=7)

    bodies = [request["body"] for request in await live.upstream_requests()][-3:]
    limits = [b.get("max_tokens") or b.get("max_completion_tokens") for b in bodies]
    assert limits == [16384, 16384, 7]


async def test_a_client_that_leaves_pays_the_same_as_if_it_had_stayed(live: Live) -> None:
    customer = await live.customer()
    body = {
        "model": "demo-chat",
        "stream": True,
        "messages": [{"role": "user", "content": "demo: tokens=30 prompt=100 delay_ms=20"}],
    }

    headers = {"authorization": f"Bearer {customer.key}"}
    async with live.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        async for _ in answer.aiter_bytes():
            break

    for _ in range(60):
        if await live.house.ledger.receipt(customer.account, answer.headers["x-request-id"]):
            break
        await asyncio.sleep(0.05)
    receipt = await paid(live, customer, answer)
    assert receipt.units == {"input": 100, "output": 30}
    assert "client gone" in receipt.flags


async def test_a_silent_upstream_is_left_after_the_idle_time_and_what_came_is_charged(live: Live) -> None:
    await with_channel(live, idle_timeout_s=1)
    customer = await live.customer()

    answer = await live.chat(customer, "demo: tokens=20 stall_after=5", stream=True)

    assert "went silent" in events(answer)[-1]["error"]["message"]  # type: ignore[index]
    assert (await paid(live, customer, answer)).reason == "upstream failed in mid-stream"


async def test_an_upstream_that_never_starts_is_a_504_and_costs_nothing(live: Live) -> None:
    await with_channel(live, first_byte_timeout_s=1, answer_timeout_s=1)
    for stream in (False, True):
        customer = await live.customer()

        answer = await live.chat(customer, "demo: ttft_ms=5000", stream=stream)

        assert answer.status_code == 504
        assert (await paid(live, customer, answer)).cost == 0


async def test_a_refused_connection_is_a_502_and_costs_nothing(live: Live) -> None:
    await with_channel(live, base_url="http://127.0.0.1:9/v1")
    customer = await live.customer()

    answer = await live.chat(customer)

    assert answer.status_code == 502
    assert (await paid(live, customer, answer)).cost == 0


@pytest.mark.parametrize("word", ["longline", "event", "comments", "cr", "bom", "nul", "utf8", "bytes", "truncated"])
async def test_a_malformed_stream_gives_valid_sse_and_a_charge_within_the_hold(live: Live, word: str) -> None:
    customer = await live.customer()

    answer = await live.chat(customer, f"demo: tokens=12 garbage={word}", stream=True)

    if answer.status_code == 200:
        events(answer)
    else:
        assert answer.status_code == 502
    await paid(live, customer, answer)


async def test_a_redirect_and_a_compression_bomb_are_not_followed(live: Live) -> None:
    for script in ("redirect=http://127.0.0.1:9/", "bomb=64"):
        customer = await live.customer()

        answer = await live.chat(customer, f"demo: {script}")

        assert answer.status_code == 502
        assert (await paid(live, customer, answer)).cost == 0


async def test_keep_alive_comments_fill_a_silence_and_are_no_events(live: Live) -> None:
    live.house.keep_alive_s = 0.1
    customer = await live.customer()

    answer = await live.chat(customer, "demo: tokens=3 delay_ms=400", stream=True)

    assert ": keep-alive" in answer.text
    assert all("choices" in event for event in events(answer))


async def test_a_prompt_that_cannot_fit_is_refused_before_anything_is_held(live: Live) -> None:
    customer = await live.customer()

    answer = await live.chat(customer, "word " * 120_000)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert (await live.wallet(customer)).spent == 0


async def test_embeddings_are_charged_by_their_input(live: Live) -> None:
    customer = await live.customer()

    body = {"model": "demo-embedding", "input": ["one", "two"], "encoding_format": "base64"}
    answer = await live.post("/v1/embeddings", customer.key, json=body)

    assert answer.status_code == 200
    assert isinstance(answer.json()["data"][0]["embedding"], str)
    receipt = await paid(live, customer, answer)
    assert receipt.units == {"input": answer.json()["usage"]["prompt_tokens"]}
    assert receipt.cost == cost_of(receipt.units, {"input": usd("0.02")}) > 0


async def with_channel(live: Live, **terms: object) -> None:
    """The catalog as it is, with the demo channel's terms changed."""

    overrides = {"channels.demo.base_url": f"{live.upstream_url}/v1", "channels.demo.enabled": "true"}
    overrides |= {"channels.openai.enabled": "false"}
    overrides |= {f"channels.demo.{name}": str(value) for name, value in terms.items()}
    await live.house.shelf.apply(compile_file(parse(CATALOG, overrides)), "test")


async def test_one_connection_to_the_provider_serves_one_stream_after_another(live: Live) -> None:
    ports: list[int] = []

    async def provider(scope: Any, receive: Any, send: Any) -> None:
        """Ends its body a moment after [DONE], as one does across a network."""
        if scope["type"] == "http":
            ports.append(scope["client"][1])
            await receive()
            chunk = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": chunk + b"data: [DONE]\n\n", "more_body": True})
            await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": b""})

    async with serve(provider) as url:
        await with_channel(live, base_url=f"{url}/v1")
        customer = await live.customer()
        for _ in range(4):
            assert (await live.chat(customer, stream=True)).status_code == 200

    assert len(ports) == 4
    assert len(set(ports)) == 1
