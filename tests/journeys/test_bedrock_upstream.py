"""A model on Amazon Bedrock, sold to a client of OpenAI's: real HTTP on both sides, the official OpenAI SDK.

The upstream answers with the recorded replies, to requests that the role signed. demo-chat costs $0.50 per million input
tokens, $0.25 cached, $1.50 output.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.kernel.money import cost_of, usd
from infergate.ledger.types import Receipt
from openai import AsyncOpenAI

from tests.support.eventstream import event, exception
from tests.support.live import Customer, Live, serve
from tools.local.template import ROOT

RECORDED = Path(__file__).parents[1] / "unit" / "providers" / "recorded" / "bedrock"
ANSWERS, STREAMS = (json.loads((RECORDED / f"{name}.json").read_text()) for name in ("answers", "streams"))
RATES = {"input": usd("0.50"), "cached_input": usd("0.25"), "output": usd("1.50")}
MODEL = "eu.amazon.nova-lite-v1:0"
HELLO: Any = [{"role": "user", "content": "Which songs are from Köln?"}]
TOOLS: Any = [{"type": "function", "function": {"name": name}} for name in ("top_song", "now")]


@dataclass
class Upstream:
    """Answers each request with the recorded reply of that name. A stream may break off with an exception after some events."""

    reply: str = "text"
    status: int = 200
    events: int = 100
    breaks: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.asked.append(json.loads(body))
        assert b"/eu-central-1/bedrock/aws4_request" in dict(scope["headers"])[b"authorization"]
        stream = scope["raw_path"].endswith(b"/converse-stream")
        assert scope["raw_path"].startswith(b"/model/eu.amazon.nova-lite-v1%3A0/converse")
        if self.status != 200:
            kind, answer = b"application/json", b'{"message":"Input is too long for requested model."}'
        elif stream:
            kind, answer = b"application/vnd.amazon.eventstream", self._stream()
        else:
            kind, answer = b"application/json", json.dumps(ANSWERS[self.reply]).encode()
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": answer})

    def _stream(self) -> bytes:
        events = b"".join(event(kind, payload) for kind, payload in STREAMS[self.reply][: self.events])
        return events + (exception(self.breaks, "Sorry.") if self.breaks else b"")


@contextlib.asynccontextmanager
async def behind(live: Live, upstream: Upstream) -> AsyncIterator[tuple[Customer, AsyncOpenAI]]:
    """demo-chat comes from this upstream, which the gateway's role opens."""
    async with serve(upstream) as url:
        overrides = {
            "channels.demo.kind": "bedrock",
            "channels.demo.base_url": url,
            "channels.demo.secret": "''",
            "channels.demo.options": "{region: eu-central-1}",
            "channels.demo.enabled": "true",
            "channels.openai.enabled": "false",
            "models.demo-chat.routes.demo-chat-a.upstream_model": MODEL,
        }
        file = parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), overrides)
        await live.house.shelf.apply(compile_file(file), "test")
        live.fresh_minute()
        customer = await live.customer()
        async with AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key=customer.key, max_retries=0) as client:
            yield customer, client


async def settled(live: Live, customer: Customer, request_id: str | None) -> Receipt:
    wallet = await live.wallet(customer)
    receipt = await live.house.ledger.receipt(customer.account, request_id or "")
    assert receipt is not None
    assert wallet.spent == receipt.cost <= receipt.hold
    assert (await live.audit(customer)).clean
    return receipt


async def read_into(pieces: list[str], stream: Any) -> None:
    async for chunk in stream:
        pieces.append(chunk.choices[0].delta.content or "")


async def test_an_answer_is_charged_by_what_bedrock_counted(live: Live) -> None:
    async with behind(live, upstream := Upstream()) as (customer, client):
        answer = await client.chat.completions.create(model="demo-chat", messages=HELLO)

        assert answer.choices[0].message.content == "Here are three songs from Köln."
        receipt = await settled(live, customer, answer._request_id)
        assert receipt.units == {"input": 125, "output": 60}
        assert receipt.cost == cost_of(receipt.units, RATES)
        assert (receipt.reason, receipt.estimated, receipt.flags) == ("completed", False, [])
        # The limit that the hold covers always goes out.
        assert upstream.asked[0]["inferenceConfig"]["maxTokens"] > 0


async def test_a_stream_with_tool_calls_is_joined_by_the_sdk_and_charged(live: Live) -> None:
    async with behind(live, Upstream("tool_use")) as (customer, client):
        options: Any = {"include_usage": True}
        async with client.chat.completions.stream(
            model="demo-chat", messages=HELLO, tools=TOOLS, stream_options=options
        ) as stream:
            async for _ in stream:
                pass
            answer = await stream.get_final_completion()
            request_id = stream._response.headers["x-request-id"]

        calls = answer.choices[0].message.tool_calls or []
        assert [json.loads(call.function.arguments) for call in calls] == [{"sign": "WZPZ", "größe": 1.5}, {}]
        assert answer.choices[0].finish_reason == "tool_calls"
        receipt = await settled(live, customer, request_id)
        assert receipt.units == {"input": 200, "output": 40}
        assert (receipt.reason, receipt.estimated) == ("completed", False)


async def test_what_bedrock_says_about_a_request_reaches_the_caller(live: Live) -> None:
    async with behind(live, Upstream(status=400)) as (customer, client):
        with pytest.raises(openai.BadRequestError) as refusal:
            await client.chat.completions.create(model="demo-chat", messages=HELLO)

        assert refusal.value.code == "context_length_exceeded"
        assert (await live.wallet(customer)).spent == 0


async def test_an_exception_before_any_output_costs_nothing(live: Live) -> None:
    async with behind(live, Upstream(events=1, breaks="throttlingException")) as (customer, client):
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="demo-chat", messages=HELLO, stream=True)

        assert (await live.wallet(customer)).spent == 0


async def test_an_exception_in_mid_stream_is_an_error_after_what_came_and_that_is_charged(live: Live) -> None:
    async with behind(live, Upstream(events=3, breaks="modelStreamErrorException")) as (customer, client):
        stream = await client.chat.completions.create(model="demo-chat", messages=HELLO, stream=True)
        pieces: list[str] = []
        with pytest.raises(openai.APIError) as failure:
            await read_into(pieces, stream)

        assert "".join(pieces) == "Here are three songs from Köln."
        assert failure.value.code == "upstream_error"
        receipt = await settled(live, customer, stream.response.headers["x-request-id"])
        assert (receipt.reason, receipt.estimated) == ("upstream failed in mid-stream", True)
        assert receipt.units["output"] > 0
