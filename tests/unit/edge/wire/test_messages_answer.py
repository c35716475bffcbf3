"""Chats as Anthropic's messages, held against the document that Anthropic publishes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.edge.wire import messages_answer
from infergate.edge.wire.messages_answer import MessagesStream, anthropic_error

from tests.support.chat_streams import Said, chunk, said
from tests.support.published import events, faults
from tests.unit.edge.wire.test_blocks import ANYTHING
from tests.unit.edge.wire.test_responses_answer import REQUEST_ID, USAGE, answer

ERROR = {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_error"}


def whole(finish: str = "stop", **message: Any) -> dict[str, Any]:
    return messages_answer.whole(answer(finish, **message), REQUEST_ID, "m")


def streamed(chunks: list[Any], usage: Any = USAGE) -> list[dict[str, Any]]:
    stream = MessagesStream(REQUEST_ID, "m")
    return events(b"".join(map(stream.take, chunks)) + stream.end(usage))


@settings(max_examples=60, deadline=None)
@given(said())
def test_any_stream_is_as_published_and_its_blocks_never_overlap(stream: Said) -> None:
    found = streamed(stream.chunks)

    assert [fault for event in found for fault in faults("anthropic", "MessageStreamEvent", event)] == []
    assert [found[0]["type"], *(e["type"] for e in found[-2:])] == ["message_start", "message_delta", "message_stop"]
    open_at, count = None, 0
    for event in found[1:-2]:
        if event["type"] == "content_block_start":
            assert (open_at, event["index"]) == (None, count)
            open_at, count = count, count + 1
        assert event["index"] == open_at
        if event["type"] == "content_block_stop":
            open_at = None
    assert open_at is None


@settings(max_examples=60, deadline=None)
@given(said())
def test_any_stream_says_what_the_chat_said(stream: Said) -> None:
    found = streamed(stream.chunks)

    starts = [event["content_block"] for event in found if event["type"] == "content_block_start"]
    texts: dict[str, str] = {}
    arguments = [""] * len(starts)
    for event in found:
        if event["type"] == "content_block_delta":
            delta = event["delta"]
            name = {"text_delta": "text", "thinking_delta": "thinking"}.get(delta["type"])
            if name:
                texts[name] = texts.get(name, "") + delta[name]
            else:
                arguments[event["index"]] += delta["partial_json"]
    assert texts.get("thinking", "") == stream.reasoning
    assert len(texts.get("text", "")) == len(stream.content + stream.refusal)
    assert set(texts.get("text", "")) == set(stream.content + stream.refusal)
    calls = [(b["id"], b["name"], arguments[i]) for i, b in enumerate(starts) if b["type"] == "tool_use"]
    assert sorted(calls) == sorted(stream.calls)


@settings(max_examples=60, deadline=None)
@given(said())
def test_a_whole_answer_is_as_published(stream: Said) -> None:
    calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in stream.calls]

    message = whole(stream.finish, reasoning_content=stream.reasoning, content=stream.content, tool_calls=calls)

    assert faults("anthropic", "Message", message) == []
    used = [(b["id"], b["name"], b["input"]) for b in message["content"] if b["type"] == "tool_use"]
    assert used == [(i, n, json.loads(a)) for i, n, a in stream.calls]


@settings(deadline=None)
@given(st.lists(ANYTHING.filter(lambda v: isinstance(v, dict)), max_size=3), ANYTHING)
def test_no_shape_of_a_provider_breaks_it(chunks: list[Any], usage: Any) -> None:
    streamed(chunks, usage)
    for each in chunks:
        messages_answer.whole(each, REQUEST_ID, "m")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        *(("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")),
        ("function_call", "tool_use"),
    ],
)
def test_each_end_has_its_stop_reason(finish: str, reason: str) -> None:
    message = whole(finish, content="hi")

    assert (message["stop_reason"], message["stop_sequence"]) == (reason, None)
    assert (message["stop_details"] is not None) == (reason == "refusal")
    assert streamed([chunk({"content": "hi"}, finish)])[-2]["delta"]["stop_reason"] == reason


def test_a_tool_call_is_a_reason_to_stop_even_if_the_provider_says_just_stop() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": ""}}

    message = whole("stop", tool_calls=[call])

    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["input"] == {}


def test_a_stop_word_that_the_provider_names_is_the_stop_sequence() -> None:
    shown = answer(content="hi")
    shown["choices"][0]["stop_reason"] = "END"

    message = messages_answer.whole(shown, REQUEST_ID, "m")

    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


def test_arguments_that_are_no_object_reach_the_client_in_one() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": '{"half'}}

    assert whole(tool_calls=[call])["content"][0]["input"] == {"arguments": '{"half'}


def test_usage_tells_cached_input_apart_and_the_counts_add_up() -> None:
    usage = whole(content="hi")["usage"]

    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (
        13,
        10,
        7,
    )
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 2}
    assert (usage["output_tokens"], usage["output_tokens_details"]) == (12, {"thinking_tokens": 4})
    assert usage["cost"] == "0.000042"


def test_a_stream_ends_with_the_whole_usage() -> None:
    usage = streamed([chunk({"content": "hi"}, "stop")])[-2]["usage"]

    assert usage == {
        "input_tokens": 13,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": 7,
        "output_tokens": 12,
        "output_tokens_details": {"thinking_tokens": 4},
        "server_tool_use": None,
        "cost": "0.000042",
    }


def test_thinking_keeps_its_signature_whole_and_streamed() -> None:
    said = {
        "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "sig"},
            {"type": "reasoning.encrypted", "data": "sealed"},
        ],
        "content": "hi",
    }

    found = streamed([chunk(said, "stop")])

    assert [fault for event in found for fault in faults("anthropic", "MessageStreamEvent", event)] == []
    assert {"type": "signature_delta", "signature": "sig"} in [event.get("delta") for event in found]
    assert whole(**said)["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sealed"},
    ]
    starts = [event["content_block"] for event in found if event["type"] == "content_block_start"]
    assert {"type": "redacted_thinking", "data": "sealed"} in starts


def test_a_failure_is_an_error_event_and_nothing_follows_it() -> None:
    stream = MessagesStream(REQUEST_ID, "m")
    stream.take(chunk({"content": "half"}))

    found = events(stream.fail(ERROR) + stream.end(USAGE))

    assert [event["type"] for event in found] == ["error"]
    assert found[0]["error"]["type"] == "api_error"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error")),
        *((403, "permission_error"), (404, "not_found_error"), (405, "invalid_request_error")),
        *((409, "conflict_error"), (413, "request_too_large"), (422, "invalid_request_error")),
        *((429, "rate_limit_error"), (500, "api_error"), (502, "api_error"), (503, "overloaded_error")),
        *((504, "timeout_error"), (529, "overloaded_error")),
    ],
)
def test_each_status_has_its_type_of_error(status: int, kind: str) -> None:
    error = anthropic_error(status, ERROR, REQUEST_ID)

    assert error["error"] == {"type": kind, "message": "It broke.", "code": "upstream_error"}
    assert (error["type"], error["request_id"]) == ("error", REQUEST_ID)
    if kind not in ("conflict_error", "request_too_large"):  # documented in words only
        assert faults("anthropic", "ErrorResponse", error) == []


def test_an_error_names_the_field_at_fault_in_its_message() -> None:
    error = {"message": "It is a number.", "type": "x", "param": "max_tokens", "code": None}

    assert anthropic_error(400, error, REQUEST_ID)["error"] == {
        "type": "invalid_request_error",
        "message": "max_tokens: It is a number.",
    }
