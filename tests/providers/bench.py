"""One gateway with a channel to each upstream of each kind, and a customer's visit to one of its models."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import boto3
import httpx
import openai
import yaml
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.chat.price import fit
from infergate.kernel.money import cost_of, usd
from infergate.ledger.types import Receipt
from infergate.schedules.audit import audit
from infergate.transport.http1 import HttpClient, Response
from infergate.transport.request import Origin

from tests.providers.kinds import KINDS, Kind
from tests.providers.upstreams import Upstreams, upstreams
from tests.support.live import Customer, Live, live_house
from tools.local.aws import EmbeddedAws
from tools.local.template import create_tables

PRICES = {"input": "1.00", "cached_input": "0.25", "cache_write": "1.25", "output": "4.00"}
RATES = {bucket: usd(price) for bucket, price in PRICES.items()}
KEY = "a-vendors-key"
FAULTS = ("/429", "/429-stream", "/500", "/500-stream", "/cut")
"""A channel that fails is left alone for a while: each fault has a channel of its own."""
_marks = itertools.count()


@dataclass
class Shown:
    """What a client put together from a stream."""

    text: str = ""
    reasoning: str = ""
    tools: dict[int, list[str]] = field(default_factory=dict)
    finish: str | None = None
    usage: Any = None
    error: openai.APIError | None = None


@dataclass(frozen=True)
class Sent:
    headers: dict[str, str]
    body: bytes


class Tap:
    """The gateway's way out, listened to: the mock's own journal keeps neither keys nor all of a foreign format."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.sent: list[Sent] = []

    async def send(
        self, origin: Origin, method: str, path: str, headers: list[tuple[str, str]], body: bytes, **how: Any
    ) -> Response:
        self.sent.append(Sent(dict(headers), body))
        return await self._http.send(origin, method, path, headers, body, **how)


class Visit:
    """A fresh customer with credit, a real OpenAI client, one model behind one upstream."""

    def __init__(self, bench: "Bench", kind: Kind, model: str, customer: Customer) -> None:
        self.bench = bench
        self.kind = kind
        self.model = model
        self.customer = customer
        self.mark = f"mark-{next(_marks)}"
        """In every question, so that what was sent for it can be found."""
        self.client = bench.client.with_options(api_key=customer.key)
        self.spent = 0

    def ask(self, case: str) -> dict[str, Any]:
        return {"role": "user", "content": f"{case} {self.mark}"}

    async def whole(self, messages: list[Any], **terms: Any) -> tuple[Any, Receipt]:
        raw = await self.client.chat.completions.with_raw_response.create(model=self.model, messages=messages, **terms)
        answer = raw.parse()
        receipt = await self.settled(raw.headers["x-request-id"])
        assert raw.headers["x-infergate-cost"] == answer.usage.model_extra["cost"]
        return answer, receipt

    async def stream(self, messages: list[Any], **terms: Any) -> tuple[Shown, Receipt]:
        raw = await self.client.chat.completions.with_raw_response.create(
            model=self.model, messages=messages, stream=True, stream_options={"include_usage": True}, **terms
        )
        shown = Shown()
        try:
            async for chunk in raw.parse():
                shown.usage = chunk.usage or shown.usage
                for choice in chunk.choices:
                    _add(shown, choice)
        except openai.APIError as error:
            shown.error = error
        return shown, await self.settled(raw.headers["x-request-id"])

    async def refused(self, messages: list[Any], **terms: Any) -> tuple[openai.APIStatusError, Receipt]:
        try:
            await self.client.chat.completions.create(model=self.model, messages=messages, **terms)
        except openai.APIStatusError as error:
            return error, await self.settled(error.response.headers["x-request-id"])
        raise AssertionError("it was not refused")

    async def settled(self, request_id: str) -> Receipt:
        """The receipt, once the wallet agrees with it to the nano-dollar."""
        wallet = await self.bench.live.wallet(self.customer)
        receipt = await self.bench.live.house.ledger.receipt(self.customer.account, request_id)
        assert receipt is not None
        self.spent += receipt.cost
        assert wallet.spent == self.spent
        assert not wallet.holds
        assert receipt.cost <= receipt.hold
        return receipt

    def sent(self) -> list[Sent]:
        """What went out to the upstream for this visit, oldest first."""
        return [sent for sent in self.bench.tap.sent if self.mark.encode() in sent.body]


def charged(receipt: Receipt, units: dict[str, int]) -> None:
    """Exactly these units were charged for, at the book's prices."""
    expected = fit({bucket: tokens for bucket, tokens in units.items() if tokens}, RATES)
    assert (receipt.units, receipt.estimated) == (expected, False)
    assert receipt.cost == cost_of(expected, RATES) > 0
    assert (receipt.reason, receipt.loss) == ("completed", 0)


def _add(shown: Shown, choice: Any) -> None:
    shown.finish = choice.finish_reason or shown.finish
    shown.text += choice.delta.content or ""
    shown.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
    for call in choice.delta.tool_calls or ():
        known = shown.tools.setdefault(call.index, ["", "", ""])
        known[0] = call.id or known[0]
        known[1] += (call.function and call.function.name) or ""
        known[2] += (call.function and call.function.arguments) or ""


@dataclass
class Bench:
    live: Live
    upstreams: Upstreams
    client: openai.AsyncOpenAI
    plain: httpx.AsyncClient
    """For what does not go through the gateway."""
    tap: Tap

    async def visit(self, kind: Kind, upstream: str) -> Visit:
        """`upstream` is mock, llama, or the name of a recorded reply."""
        return Visit(self, kind, model_name(kind, upstream), await self.live.customer("20"))


def model_name(kind: Kind, upstream: str) -> str:
    return f"{kind.name}/{upstream}"


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    with EmbeddedAws() as aws:
        tables = create_tables(boto3.client("dynamodb", **aws.client_arguments()), "providers-")
        async with upstreams() as found, live_house(aws.endpoint, tables) as live:
            live.secrets.values["channels/vendor"] = KEY
            await live.house.shelf.apply(compile_file(parse(yaml.safe_dump(_catalog(found)))), "test")
            live.house.http = tap = Tap(live.house.http)  # type: ignore[assignment]
            async with (
                openai.AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key="none", max_retries=0, timeout=20) as client,
                httpx.AsyncClient() as plain,
            ):
                yield Bench(live, found, client, plain, tap)
            books = await audit(live.house.ledger._store, live.rooms.tables)
            assert books.clean, books.broken


def _catalog(found: Upstreams) -> dict[str, Any]:
    channels: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for kind in KINDS:
        places = {f"mock{fault}": found.mock + kind.mock_path for fault in ("", *FAULTS)} | {
            name: f"{found.recorded}/{kind.kind}/{name}" for name in kind.recorded_names()
        }
        if found.llama and kind.kind == "llamacpp":
            places["llama"] = f"{found.llama}/v1"
        for upstream, base_url in places.items():
            name = model_name(kind, upstream)
            channels[name] = {
                "kind": kind.kind,
                "base_url": base_url,
                "secret": "" if kind.keyless else "vendor",
                **({"options": kind.options} if kind.options else {}),
            }
            for sort, model in (("chat", name), ("embedding", f"{name}/embedding")):
                models[model] = {
                    "kind": sort,
                    "owned_by": kind.kind,
                    "created": date(2026, 11, 1),
                    "context": 200_000,
                    **({"max_output": 50_000, "image_tokens": 2000} if sort == "chat" else {}),
                    "routes": {model: {"channel": name, "upstream_model": kind.upstream_model, "price_book": "book"}},
                }
    return {
        "models": models,
        "channels": channels,
        "price_books": {"book": PRICES},
        "plans": {"starter": {"requests_per_minute": 6000, "tokens_per_minute": 10**8, "concurrency": 20}},
        "campaigns": {"trial": {"kind": "trial", "amount": "1", "expires_after_days": 1}},
    }
