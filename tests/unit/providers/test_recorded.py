"""Recorded replies of every kind, read: what the client is shown, what is charged for, what a refusal says."""

from dataclasses import replace

import orjson
import pytest
from infergate.providers.openai import OpenAI
from infergate.providers.quirks import KINDS
from infergate.providers.types import Refusal

from tests.support.recorded import EXPECTED, FOLDER, REFUSALS, names, read_chunks, read_message, reply


def test_every_reply_that_is_recorded_is_read_by_a_test_and_has_a_source() -> None:
    ours = [name for name in names() if name.partition("/")[0] in KINDS]

    assert sorted({*EXPECTED, *REFUSALS}) == ours
    for name in ours:
        raw = (FOLDER / name).read_bytes()
        assert raw.startswith(b": source: ") if name.endswith(".sse") else orjson.loads(raw)["source"]


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith(".json")])
def test_an_answer_shows_and_costs_what_it_should(name: str) -> None:
    kind, file = name.split("/")
    provider = OpenAI(KINDS[kind])

    answer = provider.answer("chat/completions", {}, reply(kind, file).body)

    assert answer is not None
    usage = provider.usage(answer)
    assert usage is not None
    choice = answer["choices"][0]
    shown = read_message(choice["message"], choice["finish_reason"])
    assert replace(shown, units=usage.units) == EXPECTED[name]


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith(".sse")])
def test_a_stream_shows_and_costs_what_it_should_however_it_is_cut_up(name: str, size: int) -> None:
    kind, file = name.split("/")
    provider = OpenAI(KINDS[kind])
    reader = provider.events({"stream": True})
    raw = reply(kind, file).body

    events = [event for at in range(0, len(raw), size) for event in reader.feed(raw[at : at + size])]

    assert events[-1] == b"[DONE]"
    chunks = [orjson.loads(event) for event in events[:-1]]
    errors = [chunk for chunk in chunks if chunk.get("error")]
    usages = [usage for chunk in chunks if (usage := provider.usage(chunk)) is not None]
    shown = read_chunks([chunk for chunk in chunks if not chunk.get("error")])
    assert bool(errors) is EXPECTED[name].broken
    assert replace(shown, units=usages[-1].units if usages else {}, broken=bool(errors)) == EXPECTED[name]


def test_a_signature_that_gemini_wants_back_reaches_the_client() -> None:
    events = OpenAI(KINDS["gemini"]).events({}).feed(reply("gemini", "tools.sse").body)

    call = orjson.loads(events[0])["choices"][0]["delta"]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "c2lnbmVk"}}


@pytest.mark.parametrize("name", ["openrouter/cached.json", "xai/cached.json"])
def test_what_the_house_pays_is_not_told_to_its_customers(name: str) -> None:
    kind, file = name.split("/")

    answer = OpenAI(KINDS[kind]).answer("chat/completions", {}, reply(kind, file).body)

    assert b"cost" not in orjson.dumps(answer)


@pytest.mark.parametrize("kind", ["mistral", "deepseek"])
def test_an_answer_that_the_provider_broke_off_is_an_error(kind: str) -> None:
    reason = {"mistral": "error", "deepseek": "insufficient_system_resource"}[kind]
    raw = orjson.dumps({"choices": [{"index": 0, "message": {"content": "Once"}, "finish_reason": reason}]})

    answer = OpenAI(KINDS[kind]).answer("chat/completions", {}, raw)

    assert answer is not None
    assert answer["error"]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_understood_in_whichever_form_it_comes(name: str) -> None:
    kind, file = name.split("/")

    assert OpenAI(KINDS[kind]).refusal(reply(kind, file).body) == Refusal(*REFUSALS[name])
