"""Chats as OpenAI's responses, held against the document that OpenAI publishes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.edge.wire import responses_answer
from infergate.edge.wire.responses_answer import ResponsesStream
from infergate.edge.wire.responses_request import parse_responses
from infergate.edge.wire.translated import Translated

from tests.support.chat_streams import Said, chunk, said
from tests.support.published import events, faults
from tests.unit.edge.wire.test_blocks import ANYTHING

REQUEST_ID = "req_01M87FWTVDRF7QJF66ABQZSGYT"
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5, "cache_write_1h_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 4},
    "cost": "0.000042",
}
FULL: dict[str, Any] = {
    "instructions": "Be brief.",
    "max_output_tokens": 100,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "reasoning": {"effort": "low", "summary": "auto"},
    "safety_identifier": "s",
    "store": True,
    "temperature": 0.5,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
    "tool_choice": {"type": "function", "name": "f"},
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "custom", "name": "c"}],
    "top_p": 0.9,
    "truncation": "auto",
    "user": "u",
}


def request(**fields: Any) -> Translated:
    return parse_responses(json.dumps({"model": "m", "input": "hello", **fields}).encode(), REQUEST_ID)


def answer(finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "1", "model": "m-1", "choices": [choice], "usage": USAGE}


def streamed(chunks: list[Any], usage: Any = USAGE, **fields: Any) -> list[dict[str, Any]]:
    stream = ResponsesStream(request(**fields))
    return events(b"".join(map(stream.take, chunks)) + stream.end(usage))


def deltas(found: list[dict[str, Any]], kind: str) -> dict[str, str]:
    """By item."""
    joined: dict[str, str] = {}
    for event in found:
        if event["type"] == f"response.{kind}.delta":
            joined[event["item_id"]] = joined.get(event["item_id"], "") + event["delta"]
    return joined


@settings(max_examples=60, deadline=None)
@given(said(), st.booleans())
def test_any_stream_is_as_published_and_says_what_the_chat_said(stream: Said, summarise: bool) -> None:
    found = streamed(stream.chunks, **({"reasoning": {"summary": "auto"}} if summarise else {}))

    assert [fault for event in found for fault in faults("openai", "ResponseStreamEvent", event)] == []
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    reasoning = "reasoning_summary_text" if summarise else "reasoning_text"
    assert "".join(deltas(found, reasoning).values()) == stream.reasoning
    assert "".join(deltas(found, "output_text").values()) == stream.content
    assert "".join(deltas(found, "refusal").values()) == stream.refusal
    assert sorted(deltas(found, "function_call_arguments").values()) == sorted(a for _, _, a in stream.calls)


@settings(max_examples=60, deadline=None)
@given(said())
def test_events_are_nested_and_the_last_one_holds_every_item_as_it_was_done(stream: Said) -> None:
    found = streamed(stream.chunks)

    open_item, open_part, done = None, None, []
    for event in found[2:-1]:
        match event["type"]:
            case "response.output_item.added":
                assert (open_item, event["output_index"]) == (None, len(done))
                open_item = event["item"]["id"]
            case "response.output_item.done":
                assert (open_item, open_part) == (event["item"]["id"], None)
                open_item = None
                done.append(event["item"])
            case "response.content_part.added":
                assert (event["item_id"], open_part) == (open_item, None)
                open_part = event["content_index"]
            case "response.content_part.done":
                assert (event["item_id"], event["content_index"]) == (open_item, open_part)
                open_part = None
            case _:
                assert (event["item_id"], event.get("content_index")) == (open_item, open_part)
    assert open_item is None
    assert [event["type"] for event in found[:2]] == ["response.created", "response.in_progress"]
    final = found[-1]["response"]
    assert found[-1]["type"] == f"response.{final['status']}"
    assert [{**item, "status": ""} for item in final["output"]] == [{**item, "status": ""} for item in done]


@settings(max_examples=60, deadline=None)
@given(said())
def test_whole_and_streamed_are_the_same_response(stream: Said) -> None:
    calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in stream.calls]
    message = {"reasoning_content": stream.reasoning, "content": stream.content, "refusal": stream.refusal}
    once = answer(stream.finish, **message, tool_calls=calls)

    whole = responses_answer.whole(request(), once)

    assert faults("openai", "Response", whole) == []
    assert streamed([once])[-1]["response"] == whole


@settings(deadline=None)
@given(st.lists(ANYTHING.filter(lambda v: isinstance(v, dict)), max_size=3), ANYTHING)
def test_no_shape_of_a_provider_breaks_it(chunks: list[Any], usage: Any) -> None:
    streamed(chunks, usage)
    for each in chunks:
        responses_answer.whole(request(), each)


def test_the_response_says_what_was_asked_for_and_that_nothing_is_stored() -> None:
    whole = responses_answer.whole(request(**FULL), answer(content="hi"))

    assert faults("openai", "Response", whole) == []
    same = ("instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "temperature", "top_p", "text")
    assert {name: whole[name] for name in same} == {name: FULL[name] for name in same}
    assert (whole["store"], whole["truncation"], whole["background"]) == (False, "disabled", False)
    assert (whole["id"], whole["created_at"]) == ("resp_01M87FWTVDRF7QJF66ABQZSGYT", 1_795_547_884)
    assert [tool["name"] for tool in whole["tools"]] == ["f", "c"]


def test_usage_is_in_the_names_of_the_format_with_the_cost_beside() -> None:
    whole = responses_answer.whole(request(), answer(content="hi"))

    assert whole["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 7},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 42,
        "cost": "0.000042",
    }


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_an_answer_that_was_cut_is_incomplete_and_says_why(finish: str, status: str, reason: str | None) -> None:
    whole = responses_answer.whole(request(), answer(finish, content="hi"))

    assert whole["status"] == status
    assert (whole["incomplete_details"] or {}).get("reason") == reason
    assert whole["output"][0]["status"] == status


def test_the_service_tier_is_the_one_that_answered() -> None:
    asked = request(service_tier="flex")

    assert responses_answer.whole(asked, answer(content="hi"))["service_tier"] == "flex"
    assert (
        responses_answer.whole(asked, answer(content="hi") | {"service_tier": "default"})["service_tier"] == "default"
    )


def test_reasoning_is_a_summary_for_who_asks_for_one() -> None:
    shown = answer(reasoning_content="hm", content="hi")

    plain = responses_answer.whole(request(), shown)["output"][0]
    asked = responses_answer.whole(request(reasoning={"summary": "auto"}), shown)["output"][0]

    assert plain["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert asked["summary"] == [{"type": "summary_text", "text": "hm"}]


def test_a_custom_tools_input_is_said_as_text() -> None:
    call = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    found = streamed([chunk({"tool_calls": [call]}), chunk({}, "tool_calls")])

    assert [fault for event in found for fault in faults("openai", "ResponseStreamEvent", event)] == []
    item = found[-1]["response"]["output"][0]
    assert (item["type"], item["call_id"], item["input"]) == ("custom_tool_call", "c", "*** Begin")


def test_log_probabilities_come_with_the_text() -> None:
    token = {"token": "hi", "logprob": -0.5, "bytes": [104, 105], "top_logprobs": []}
    shown = answer(content="hi")
    shown["choices"][0]["logprobs"] = {"content": [token]}

    whole = responses_answer.whole(request(include=["message.output_text.logprobs"]), shown)

    assert whole["output"][0]["content"][0]["logprobs"] == [token]
    assert faults("openai", "Response", whole) == []


@pytest.mark.parametrize("started", [False, True])
def test_a_failure_is_the_responses_end_and_an_event_that_sdks_raise(started: bool) -> None:
    stream = ResponsesStream(request())
    before = stream.take(chunk({"content": "half"})) if started else b""
    error = {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_error"}

    found = events(before + stream.fail(error) + stream.end(None))

    assert [fault for event in found for fault in faults("openai", "ResponseStreamEvent", event)] == []
    failed, raised = found[-2:]
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "It broke."}
    assert [item["status"] for item in failed["response"]["output"]] == ["incomplete"] * started
    assert (raised["type"], raised["error"], raised["code"]) == ("error", error, "upstream_error")
