"""What is looked at, the same for every client: what it was told, what went upstream, and what was charged."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from infergate.kernel.money import format_usd
from infergate.ledger.types import Receipt

from tests.compat.bench import EMBEDDING, Bench, broken
from tests.compat.client import DEGREES, PICTURE_URL, PIXEL, WEATHER, Answer, Client, Refused
from tests.compat.snippets import run_snippet
from tools.local.upstream_answers import DIMENSIONS, vector

type Check = Callable[[Client, Bench], Awaitable[None]]

UNICODE = 'Grüße, 世界 🌍 👩‍👩‍👧 שלום e\u0301 "quoted" \\ back \t tab <&>'
MEGABYTE = 1 << 20
TOKENS_PER_MEGABYTE = MEGABYTE // 4
"""As the demo upstream counts."""


async def greeting(client: Client, bench: Bench) -> tuple[Answer, str, Receipt]:
    """A client's first answer, what it must be, and its receipt."""

    async def ask() -> tuple[Answer, str, Receipt]:
        visit = await bench.visit()
        answer = await client.ask(visit.place, f"Hello {visit.mark}")
        (receipt,) = await visit.receipts()
        return answer, f'You said: "Hello {visit.mark}". A pleasure to hear from you.', receipt

    if client.slug not in bench.greetings:
        bench.greetings[client.slug] = asyncio.ensure_future(ask())
    # Who is first may run out of time; the others still want it.
    found: tuple[Answer, str, Receipt] = await asyncio.shield(bench.greetings[client.slug])
    return found


async def chat(client: Client, bench: Bench) -> None:
    answer, expected, receipt = await greeting(client, bench)

    assert answer.text == expected
    assert receipt.cost > 0


async def request_id(client: Client, bench: Bench) -> None:
    answer, _, receipt = await greeting(client, bench)

    assert answer.request_id == receipt.request_id


async def usage(client: Client, bench: Bench) -> None:
    answer, _, receipt = await greeting(client, bench)

    assert answer.tokens == (receipt.units["input"], receipt.units["output"])


async def cost(client: Client, bench: Bench) -> None:
    answer, _, receipt = await greeting(client, bench)

    assert answer.cost == format_usd(receipt.cost)


async def models(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    listed = await client.models(visit.place)

    snapshot = await bench.live.house.shelf.current()
    assert sorted(listed) == sorted(snapshot.models)


async def stream(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    pieces = await client.stream(visit.place, f"Hello {visit.mark}")

    assert "".join(pieces) == f'You said: "Hello {visit.mark}". A pleasure to hear from you.'
    assert len(pieces) > 3
    (sent,) = visit.sent()
    assert sent["body"]["stream"] is True
    (receipt,) = await visit.receipts()
    assert receipt.cost > 0


async def tools(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    text = await client.tools(visit.place, f"Use {WEATHER} for Oslo {visit.mark}")

    assert DEGREES in text
    first, second = visit.sent()
    assert first["body"]["tools"][0]["function"]["name"] == WEATHER
    *_, call, result = second["body"]["messages"]
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert len(await visit.receipts()) == 2


async def structured(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    value = await client.structured(visit.place, f"The weather in Oslo? {visit.mark}")

    assert value == {"city": "demo", "degrees": 1}
    (sent,) = visit.sent()
    assert sent["body"]["response_format"]["type"] == "json_schema"


async def images(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    await client.look(visit.place, f"What is it? {visit.mark}")

    (sent,) = visit.sent()
    parts = [part for part in sent["body"]["messages"][-1]["content"] if part["type"] == "image_url"]
    assert {part["image_url"]["url"] for part in parts} == {PICTURE_URL, f"data:image/png;base64,{PIXEL}"}
    assert len(await visit.receipts()) == 1


async def embeddings(client: Client, bench: Bench) -> None:
    for encoding in client.encodings:
        visit = await bench.visit()
        texts = [f"Grüße {visit.mark}", f"世界 {visit.mark}"]

        vectors = await client.embed(visit.elsewhere(model=EMBEDDING), texts, encoding)

        assert vectors == [pytest.approx(vector(text, DIMENSIONS, False), rel=1e-6) for text in texts]
        sent = visit.sent()
        assert all(encoding in (None, entry["body"]["encoding_format"]) for entry in sent)
        receipts = await visit.receipts()
        assert len(receipts) == len(sent) > 0
        assert all(receipt.cost > 0 for receipt in receipts)


async def errors(client: Client, bench: Bench) -> None:
    rich, poor = await bench.visit(), await bench.visit("0")
    slow = await bench.visit(limits={"tokens_per_minute": 1})
    cases = {
        401: (rich.elsewhere(key="sk-ig-nonsense"), "Hello", "No valid API key"),
        402: (poor.place, "Hello", "Buy credits"),
        404: (rich.elsewhere(model="no-such-model"), "Hello", "`no-such-model` does not exist"),
        429: (slow.place, "Hello", "the limit is 1 tokens"),
        502: (rich.elsewhere(model=broken(client.slug)), "demo: status=500", "provider"),
    }
    for status, (place, text, words) in cases.items():
        with pytest.raises(Exception) as caught:  # noqa: PT011  whatever class it is, is looked at below
            await client.ask(place, text)
        raised = caught.value
        expected = client.refusals[status]
        told = raised.name if isinstance(raised, Refused) else raised
        assert told == expected or (isinstance(expected, type) and isinstance(told, expected)), f"{status}: {raised!r}"
        assert getattr(raised, "status_code", None) in (status, None), f"{status}: {raised!r}"
        assert words in str(raised), f"{status}: {raised}"
    for visit in (rich, poor, slow):
        assert sum(receipt.cost for receipt in await visit.receipts()) == 0


async def disconnect(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    pieces = await client.stream(visit.place, "demo: tokens=120 delay_ms=25", leave_after=3)

    assert len(pieces) == 3
    (receipt,) = await visit.receipts()
    # Who leaves pays as who stays: the provider is heard to the end, and nothing is held afterwards.
    assert "client gone" in receipt.flags
    assert receipt.units["output"] == 120


async def long_prompt(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    answer = await client.ask(visit.place, "x" * MEGABYTE)

    assert answer.text.startswith('You said: "xxxx')
    (receipt,) = await visit.receipts()
    assert receipt.units["input"] >= TOKENS_PER_MEGABYTE


async def unicode(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    whole = await client.ask(visit.place, f"{UNICODE} {visit.mark}")
    pieces = await client.stream(visit.place, f"{UNICODE} {visit.mark}")

    assert f'"{UNICODE} {visit.mark}"' in whole.text
    assert "".join(pieces) == whole.text


async def unknown_fields(client: Client, bench: Bench) -> None:
    visit = await bench.visit()

    await client.ask(visit.place, f"Hello {visit.mark}", extra={"an_unknown_field": {"kept": [True]}})

    (sent,) = visit.sent()
    assert sent["body"]["an_unknown_field"] == {"kept": [True]}


async def set_up(client: Client, bench: Bench) -> None:
    """The page's code block for this client, as printed."""
    visit = await bench.visit()

    printed = await run_snippet(client.name, visit.place)

    assert "Hello" in printed, printed
    (receipt,) = await visit.receipts()
    assert receipt.cost > 0


CAPABILITIES: dict[str, Check] = {
    "set-up below": set_up,
    "list models": models,
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "JSON schema": structured,
    "images": images,
    "embeddings": embeddings,
    "errors": errors,
    "request id": request_id,
    "disconnect": disconnect,
    "1 MiB prompt": long_prompt,
    "Unicode": unicode,
    "unknown fields": unknown_fields,
    "usage": usage,
    "cost": cost,
}
