"""Anthropic's answers in OpenAI's form, and what their usage comes to."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.anthropic import Anthropic
from infergate.providers.anthropic_answer import openai_usage
from infergate.providers.types import USAGE_MAX
from infergate.providers.wire_json import dump_json

LAW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RECORDED = Path(__file__).parent / "recorded" / "anthropic"
PROVIDER = Anthropic(lambda: 1_795_000_000.9)
COUNT = st.integers(0, USAGE_MAX // 8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def answered(raw: bytes) -> dict[str, Any] | None:
    return PROVIDER.answer("chat/completions", {}, raw)


def recorded(name: str) -> dict[str, Any]:
    answer = answered((RECORDED / f"{name}.json").read_bytes())
    assert answer is not None
    return answer


def of(usage: Any) -> dict[str, Any]:
    message = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": usage}
    answer = answered(json.dumps(message).encode())
    assert answer is not None
    return answer


def said(name: str) -> tuple[Any, Any]:
    choice = recorded(name)["choices"][0]
    return choice["message"], choice["finish_reason"]


def test_an_answer_of_text_is_a_chat_completion() -> None:
    assert recorded("text") == {
        "id": "msg_01TextExample",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": "claude-sonnet-4-5-20250929",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Two tides a day, near enough: the Moon pulls, the Earth turns. 🌊",
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 21,
            "completion_tokens": 17,
            "total_tokens": 38,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "cache_write_1h_tokens": 0},
        },
    }


def test_tool_calls_have_their_arguments_as_text() -> None:
    message, reason = said("tools")

    assert reason == "tool_calls"
    assert message["content"] == "I will look at both harbours."
    calls = [(call["id"], call["type"], call["function"]["name"]) for call in message["tool_calls"]]
    assert calls == [
        ("toolu_01A", "function", "tide"),
        ("toolu_01B", "function", "tide"),
        ("toolu_01C", "function", "now"),
    ]
    arguments = [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]]
    assert arguments == [{"harbour": "Brest", "days": 2}, {"harbour": "Saint-Malo"}, {}]


def test_thinking_is_told_and_can_be_sent_back() -> None:
    message, reason = said("thinking")
    recorded_blocks = json.loads((RECORDED / "thinking.json").read_bytes())["content"]

    assert (message["content"], reason) == ("At new moon.", "stop")
    assert message["reasoning_content"] == "The caller asks for a spring tide, so the Moon is new or full."
    assert message["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": recorded_blocks[0]["thinking"],
            "signature": recorded_blocks[0]["signature"],
            "format": "anthropic-claude-v1",
            "index": 0,
        },
        {
            "type": "reasoning.encrypted",
            "data": recorded_blocks[1]["data"],
            "format": "anthropic-claude-v1",
            "index": 1,
        },
    ]


def test_a_refusal_says_why_and_is_filtered_content() -> None:
    message, reason = said("refusal")

    assert reason == "content_filter"
    assert (message["content"], message["refusal"]) == (None, "This request was blocked by a policy.")


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_reason_of_tomorrow", "stop"),
        (None, "stop"),
        ([], "stop"),
    ],
)
def test_every_reason_to_stop_has_a_finish_reason(stop: Any, finish: str) -> None:
    answer = answered(json.dumps({"type": "message", "content": [], "stop_reason": stop}).encode())

    assert answer is not None
    assert answer["choices"][0]["finish_reason"] == finish
    assert answer["choices"][0]["message"]["content"] == ""
    assert "usage" not in answer


def test_blocks_of_other_types_stay_out() -> None:
    blocks = [{"type": "text", "text": "A"}, {"type": "of_tomorrow", "text": "x"}, {"type": "text", "text": "B"}, {}]
    answer = answered(json.dumps({"type": "message", "content": blocks}).encode())

    assert answer is not None
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "AB", "refusal": None}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b'"message"',
        b"{}",
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        b'{"type":"message"}',
        b'{"type":"message","content":"Hello"}',
        b'{"type":"message","content":["Hello"]}',
        b'{"choices":[]}',
    ],
)
def test_what_is_not_a_message_is_no_answer(raw: bytes) -> None:
    assert answered(raw) is None


@LAW
@given(st.dictionaries(st.sampled_from(["id", "model", "content", "stop_reason", "stop_details", "usage"]), JSON))
def test_whatever_a_message_holds_the_answer_can_be_written(message: dict[str, Any]) -> None:
    answer = answered(json.dumps({"type": "message", **message}).encode())

    if answer is not None:
        dump_json(answer)
        with contextlib.suppress(ValueError):
            PROVIDER.usage(answer)


@LAW
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "text", "thinking", "signature", "data", "id", "name", "input"]), JSON
        ),
        max_size=3,
    ),
    st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "other"]),
)
def test_whatever_a_block_holds_the_answer_can_be_written(blocks: list[dict[str, Any]], kind: str) -> None:
    answer = answered(
        json.dumps({"type": "message", "content": [{**block, "type": kind} for block in blocks]}).encode()
    )

    assert answer is not None
    assert dump_json(answer)


def test_a_tool_call_of_any_depth_is_answered() -> None:
    for depth in (200, 900, 1100, 3000, 9000, 20_000):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        answer = answered(
            b'{"type":"message","content":[{"type":"tool_use","id":"a","name":"f","input":' + deep + b"}]}"
        )
        if depth < 1000:
            assert answer is not None
            assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].encode() == deep


# -- usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("text", {"input": 21, "output": 17}),
        ("thinking", {"input": 48, "output": 29, "reasoning": 201}),
        ("cached", {"input": 50, "cached_input": 100_000, "cache_write": 456, "cache_write_1h": 100, "output": 5}),
        ("refusal", {"input": 18, "output": 5}),
        ("truncated", {"input": 21, "output": 4}),
    ],
)
def test_usage_comes_in_these_buckets(name: str, units: dict[str, int]) -> None:
    answer = recorded(name)
    usage = PROVIDER.usage(answer)

    assert usage is not None
    assert usage.units == units
    assert usage.wire is answer["usage"]


def test_cached_tokens_are_part_of_the_prompt_as_openai_counts() -> None:
    assert recorded("cached")["usage"] == {
        "prompt_tokens": 100_606,
        "completion_tokens": 5,
        "total_tokens": 100_611,
        "prompt_tokens_details": {"cached_tokens": 100_000, "cache_write_tokens": 456, "cache_write_1h_tokens": 100},
    }


@LAW
@given(COUNT, COUNT, COUNT, COUNT, st.data())
def test_buckets_are_disjoint_and_add_up(fresh: int, read: int, short: int, long: int, data: st.DataObject) -> None:
    output = data.draw(COUNT)
    thinking = data.draw(st.integers(0, output))
    wire: dict[str, Any] = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": thinking},
    }
    if data.draw(st.booleans()):
        wire["cache_creation_input_tokens"] = short + long

    usage = PROVIDER.usage(of(wire))

    assert usage is not None
    names = ("input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning")
    expected = (fresh, read, short, long, output - thinking, thinking)
    assert tuple(usage.units.get(name, 0) for name in names) == expected


@pytest.mark.parametrize("details", [None, {"cache_creation": None}, {"cache_read_input_tokens": None}])
def test_details_that_are_left_out_are_none(details: dict[str, Any] | None) -> None:
    usage = PROVIDER.usage(of({"input_tokens": 3, "output_tokens": 1, **(details or {})}))

    assert usage is not None
    assert usage.units == {"input": 3, "output": 1}


def test_a_cache_write_without_its_kinds_is_one_of_five_minutes() -> None:
    usage = PROVIDER.usage(of({"input_tokens": 3, "cache_creation_input_tokens": 7, "output_tokens": 1}))

    assert usage is not None
    assert usage.units == {"input": 3, "cache_write": 7, "output": 1}


def test_no_usage_is_not_zero_usage() -> None:
    assert PROVIDER.usage(of(None)) is None


ABSURD = [-1, 1.5, True, "5", [5], {"n": 5}, USAGE_MAX + 1, 10**30, "secret prompt"]


@pytest.mark.parametrize("value", ABSURD, ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "ephemeral_1h_input_tokens",
        "thinking_tokens",
    ],
)
def test_an_absurd_count_is_refused(name: str, value: Any) -> None:
    wire: dict[str, Any] = {"input_tokens": 100, "cache_read_input_tokens": 0, "output_tokens": 50}
    if name == "ephemeral_1h_input_tokens":
        wire["cache_creation"] = {name: value}
    elif name == "thinking_tokens":
        wire["output_tokens_details"] = {name: value}
    else:
        wire[name] = value

    with pytest.raises(ValueError, match=r"tokens") as refused:
        PROVIDER.usage(of(wire))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": -1, "cache_read_input_tokens": 50},
        {"input_tokens": 50, "cache_read_input_tokens": -1},
        {"input_tokens": 50, "cache_creation_input_tokens": -1},
        {"input_tokens": 50, "cache_creation": {"ephemeral_5m_input_tokens": -1, "ephemeral_1h_input_tokens": 5}},
        {"input_tokens": 50, "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": -1}},
    ],
)
def test_a_negative_count_is_not_hidden_in_the_sum(counts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        PROVIDER.usage(of({"output_tokens": 1, **counts}))


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens"])
def test_a_count_that_is_missing_is_refused(name: str) -> None:
    wire = {"input_tokens": 3, "output_tokens": 1}
    del wire[name]

    with pytest.raises(ValueError, match="is NoneType"):
        PROVIDER.usage(of(wire))


@pytest.mark.parametrize(
    "wire",
    [
        {"input_tokens": 3, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}},
        {
            "input_tokens": 3,
            "output_tokens": 1,
            "cache_creation_input_tokens": 1,
            "cache_creation": {"ephemeral_1h_input_tokens": 2},
        },
    ],
)
def test_a_part_that_is_more_than_its_whole_is_refused(wire: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        PROVIDER.usage(of(wire))


@pytest.mark.parametrize("wire", [5, "5", [], True])
def test_usage_that_is_no_object_is_refused(wire: Any) -> None:
    with pytest.raises(ValueError, match="not an object"):
        PROVIDER.usage(of(wire))


@LAW
@given(JSON)
def test_whatever_is_called_usage_can_be_translated(wire: Any) -> None:
    dump_json(openai_usage(wire))
