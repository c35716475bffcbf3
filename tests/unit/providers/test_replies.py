"""Foreign answers and streams, whatever comes: nothing raises, nothing good is changed, nothing bad passes as good."""

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.openai import OpenAI
from infergate.providers.quirks import KINDS
from infergate.providers.replies import error_of
from infergate.providers.sse import SseReader

LAW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MENDED = sorted(kind for kind, quirks in KINDS.items() if quirks.replies is not None)
NAMES = st.sampled_from(
    [
        *("choices", "usage", "error", "delta", "message", "content", "reasoning", "tool_calls", "finish_reason"),
        *("index", "id", "function", "name", "x_groq", "object", "detail", "thinking", "text", "type", "code"),
        *("total_tokens", "prompt_tokens", "completion_tokens", "cached_tokens", "completion_tokens_details"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**60)
    | st.text(max_size=5)
    | st.sampled_from(["stop", "error", "eos"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)


def fed(kind: str, *chunks: Any) -> list[Any]:
    reader = OpenAI(KINDS[kind]).events({})
    data = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    return [orjson.loads(event) for event in reader.feed(data)]


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize("kind", ["openai", "azure"])
def test_where_nothing_differs_the_reader_is_the_bare_one(kind: str) -> None:
    assert type(OpenAI(KINDS[kind]).events({})) is SseReader


@pytest.mark.parametrize("kind", MENDED)
def test_a_chunk_in_openais_form_passes_to_the_byte(kind: str) -> None:
    data = b'{ "id":"c", "choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}] }'

    assert OpenAI(KINDS[kind]).events({}).feed(b"data: " + data + b"\n\ndata: [DONE]\n\n") == [data, b"[DONE]"]


@LAW
@given(st.sampled_from(MENDED), st.lists(JSON, max_size=4))
def test_whatever_a_provider_sends_as_a_chunk_something_readable_comes_out(kind: str, chunks: list[Any]) -> None:
    for event in fed(kind, *chunks):
        with contextlib.suppress(ValueError):
            OpenAI(KINDS[kind]).usage(event if isinstance(event, dict) else {})


@LAW
@given(st.sampled_from(MENDED), JSON)
def test_whatever_a_provider_answers_is_an_answer_an_error_or_none(kind: str, said: Any) -> None:
    provider = OpenAI(KINDS[kind])

    answer = provider.answer("chat/completions", {}, orjson.dumps(said))
    provider.refusal(orjson.dumps(said))

    assert answer is None or isinstance(answer, dict)


@pytest.mark.parametrize("kind", MENDED)
@pytest.mark.parametrize("raw", [b"", b"<html>", b"\xff", b"[", b"null"])
def test_what_is_not_json_is_no_answer(kind: str, raw: bytes) -> None:
    assert OpenAI(KINDS[kind]).answer("chat/completions", {}, raw) is None
    assert OpenAI(KINDS[kind]).events({}).feed(b"data: " + raw + b"\n\n") == [raw]


@pytest.mark.parametrize("kind", ["gemini", "ollama"])
def test_calls_are_numbered_apart_in_each_choice(kind: str) -> None:
    def call(id_: str | None, name: str | None, arguments: str = "", **more: Any) -> dict[str, Any]:
        return {"id": id_, "function": {"name": name, "arguments": arguments}, **more}

    mended = fed(
        kind,
        chunk({"tool_calls": [call("a", "f", "{}", index=0), call("b", "g", "{}", index=0)]}),
        chunk({"tool_calls": [call(None, "h", "{"), call(None, None, "}")]}),
        chunk({"tool_calls": [call("a", None, " ")]}),
        chunk({"tool_calls": [{"extra_content": {"google": {"thought_signature": "s"}}}]}),
        {"choices": [{"index": 1, "delta": {"tool_calls": [call("c", "f")]}}]},
        chunk({}, "stop"),
    )

    indices = [[t["index"] for t in c["choices"][0]["delta"].get("tool_calls", ())] for c in mended]
    assert indices == [[0, 1], [2, 2], [0], [2], [0], []]
    assert mended[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_an_answer_that_ends_in_tool_calls_says_so() -> None:
    message = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}
    raw = orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    answer = OpenAI(KINDS["gemini"]).answer("chat/completions", {}, raw)

    assert answer is not None
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_a_list_of_errors_in_mid_stream_is_an_error_event() -> None:
    assert fed("gemini", [{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}]) == [
        {"error": {"code": "UNAVAILABLE", "message": "overloaded", "status": "UNAVAILABLE"}}
    ]


@pytest.mark.parametrize(
    "said",
    [
        *(
            None,
            [],
            {},
            5,
            "error",
            [[]],
            {"error": None},
            {"error": ""},
            {"error": {}},
            {"choices": [], "message": "x"},
        ),
        *({"data": [], "message": "x"}, {"detail": [{}]}, {"detail": 5}, {"choices": [], "error": None}),
    ],
)
def test_what_says_no_error_is_none(said: Any) -> None:
    assert error_of(said) is None
