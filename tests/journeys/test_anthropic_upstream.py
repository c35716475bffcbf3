"""A model behind Anthropic's Messages API, sold to a client of OpenAI's: real HTTP on both sides, the official OpenAI SDK.

The upstream answers with the recorded replies. demo-chat costs $0.50 per million input tokens, $0.25 cached, $1.50 output.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.kernel.money import cost_of, usd
from infergate.ledger.types import Receipt
from openai import AsyncOpenAI

from tests.support.live import Customer, Live, serve
from tools.local.template import ROOT

RECORDED = Path(__file__).parents[1] / "unit" / "providers" / "recorded" / "anthropic"
RATES = {"input": usd("0.50"), "cached_input": usd("0.25"), "output": usd("1.50")}
HELLO: Any = [{"role": "user", "content": "When is high water?"}]
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("tide", "now")
]


@dataclass
class Upstream:
    """Answers each request with the recorded reply of that name; `asked` is what came in."""

    reply: str = "text"
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        assert (scope["path"], headers[b"x-api-key"]) == ("/v1/messages", b"demo-upstream-key")
        assert headers[b"anthropic-version"] == b"2023-06-01"
        self.asked.append(orjson.loads(body))
        stream = self.status == 200 and self.asked[-1].get("stream") is True
        kind = b"text/event-stream; charset=utf-8" if stream else b"application/json"
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-type", kind)]})
        answer = (RECORDED / f"{self.reply}.{'sse' if stream else 'json'}").read_bytes()
        await send({"type": "http.response.body", "body": answer})


@contextlib.asynccontextmanager
async def behind(live: Live, upstream: Upstream) -> AsyncIterator[tuple[Customer, AsyncOpenAI]]:
    """demo-chat comes from this upstream, by the name claude-haiku-4-5."""
    async with serve(upstream) as url:
        overrides = {
            "channels.demo.kind": "anthropic",
            "channels.demo.base_url": f"{url}/v1",
            "channels.demo.enabled": "true",
            "channels.openai.enabled": "false",
            "models.demo-chat.routes.demo-chat-a.upstream_model": "claude-haiku-4-5",
        }
        await live.house.shelf.apply(
            compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), overrides)), "test"
        )
        live.fresh_minute()
        customer = await live.customer()
        async with AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key=customer.key, max_retries=0) as client:
            yield customer, client


async def read_into(pieces: list[str], client: AsyncOpenAI) -> None:
    async for chunk in await client.chat.completions.create(model="demo-chat", messages=HELLO, stream=True):
        pieces += [choice.delta.content or "" for choice in chunk.choices]


async def settled(live: Live, customer: Customer, request_id: str | None) -> Receipt:
    wallet = await live.wallet(customer)
    receipt = await live.house.ledger.receipt(customer.account, request_id or "")
    assert receipt is not None
    assert wallet.spent == receipt.cost <= receipt.hold
    assert (await live.audit(customer)).clean
    return receipt


async def test_an_answer_is_charged_by_what_anthropic_counted(live: Live) -> None:
    async with behind(live, upstream := Upstream("text")) as (customer, client):
        answer = await client.chat.completions.create(model="demo-chat", messages=HELLO)

        assert (answer.choices[0].message.content or "").startswith("Two tides a day")
        receipt = await settled(live, customer, answer._request_id)
        assert receipt.units == {"input": 21, "output": 17}
        assert receipt.cost == cost_of(receipt.units, RATES)
        assert (receipt.reason, receipt.estimated, receipt.flags) == ("completed", False, [])
        sent = upstream.asked[0]
        assert sent["model"] == "claude-haiku-4-5"
        # The limit that the hold covers always goes out: Anthropic has no default.
        assert sent["max_tokens"] > 0


async def test_cached_tokens_have_their_own_price(live: Live) -> None:
    for stream in (False, True):
        async with behind(live, Upstream("cached")) as (customer, client):
            long = [{"role": "user", "content": "word " * 30_000}]
            raw = await client.chat.completions.with_raw_response.create(
                model="demo-chat",
                messages=long,  # type: ignore[arg-type]
                stream=stream,
                max_tokens=64,
            )
            if stream:
                async for _ in raw.parse():  # type: ignore[attr-defined]
                    pass

            receipt = await settled(live, customer, raw.headers["x-request-id"])
            # demo-chat has no price for cache writes: they count as input.
            assert receipt.units == {"input": 606, "cached_input": 100_000, "output": 5}


async def test_a_stream_is_read_by_openais_sdk_to_its_usage(live: Live) -> None:
    async with behind(live, Upstream("tools")) as (customer, client):
        asked: Any = {"model": "demo-chat", "messages": HELLO, "tools": TOOLS}
        async with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
            async for _ in stream:
                pass
            answer = await stream.get_final_completion()

        message = answer.choices[0].message
        calls = [(c.function.name, orjson.loads(c.function.arguments)) for c in message.tool_calls or ()]
        assert message.content == "I will look."
        assert calls == [("tide", {"harbour": "Brest", "days": 2}), ("tide", {"harbour": "Saint-Malo"}), ("now", {})]
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (412, 131)
        wallet = await live.wallet(customer)
        assert wallet.spent == cost_of({"input": 412, "output": 131}, RATES)


async def test_an_agents_turn_goes_back_with_its_thinking(live: Live) -> None:
    async with behind(live, upstream := Upstream("interleaved")) as (_, client):
        first = await client.chat.completions.create(model="demo-chat", messages=HELLO, tools=TOOLS)
        said = first.choices[0].message
        call = (said.tool_calls or [])[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": "21:04"}
        again: Any = [*HELLO, said.model_dump(exclude_none=True), result]
        await client.chat.completions.create(model="demo-chat", messages=again, tools=TOOLS)

        answered = orjson.loads((RECORDED / "interleaved.json").read_bytes())["content"]
        assert upstream.asked[1]["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "When is high water?"}]},
            {"role": "assistant", "content": answered},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21:04"}]},
        ]


async def test_what_cannot_be_expressed_is_a_400_that_names_the_field_and_costs_nothing(live: Live) -> None:
    async with behind(live, upstream := Upstream()) as (customer, client):
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as refused:
                await client.chat.completions.create(model="demo-chat", messages=HELLO, seed=7, stream=stream)
            assert refused.value.param == "seed"

        assert upstream.asked == []
        wallet = await live.wallet(customer)
        assert (wallet.spent, wallet.holds) == (0, {})
        assert (await live.audit(customer)).clean


async def test_anthropics_words_about_a_bad_request_reach_the_caller(live: Live) -> None:
    async with behind(live, Upstream("error", status=400)) as (customer, client):
        with pytest.raises(openai.BadRequestError, match="roles must alternate"):
            await client.chat.completions.create(model="demo-chat", messages=HELLO)

        assert (await live.wallet(customer)).spent == 0


async def test_an_overload_in_mid_stream_is_an_error_event_and_what_was_said_is_paid(live: Live) -> None:
    async with behind(live, Upstream("overloaded")) as (customer, client):
        pieces: list[str] = []
        with pytest.raises(openai.APIError):
            await read_into(pieces, client)

        assert "".join(pieces) == "Tides"
        assert (await live.wallet(customer)).spent > 0
        assert (await live.audit(customer)).clean
