"""Anthropic's streams as OpenAI's chunks: the same however the bytes arrive, and an error of one kind for all nonsense."""

import contextlib
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.anthropic import Anthropic
from infergate.providers.anthropic_stream import THINKING_MAX, AnthropicEvents
from infergate.providers.types import BrokenStream

LAW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RECORDED = Path(__file__).parent / "recorded" / "anthropic"
STREAMS = {path.stem: path.read_bytes() for path in sorted(RECORDED.glob("*.sse"))}
PROVIDER = Anthropic(lambda: 1_795_000_000.9)
START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}},
}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
THINKING = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "thinking", "thinking": "", "signature": ""},
}
TOOL = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
}
STOP_BLOCK = {"type": "content_block_stop", "index": 0}
STOP = {"type": "message_stop"}


def reader(**body: Any) -> AnthropicEvents:
    events = PROVIDER.events(body)
    assert isinstance(events, AnthropicEvents)
    return events


def wire(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def delta(**change: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": change}


def read(stream: bytes, /, **body: Any) -> list[Any]:
    return [event if event == b"[DONE]" else json.loads(event) for event in reader(**body).feed(stream)]


def deltas(stream: bytes) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in read(stream) if chunk != b"[DONE]" and chunk.get("choices")]


def joined(stream: bytes, name: str) -> str:
    return "".join(change.get(name) or "" for change in deltas(stream))


def test_a_text_is_a_role_its_pieces_the_end_and_the_usage() -> None:
    chunks = read(STREAMS["text"])
    head = {
        "id": "msg_01TextStream",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": "claude-sonnet-4-5-20250929",
    }
    said = [
        {"role": "assistant", "content": ""},
        *({"content": text} for text in ("Tides", " turn twice", " a day 🌊.")),
    ]
    assert chunks == [
        *({**head, "choices": [{"index": 0, "delta": change, "finish_reason": None}]} for change in said),
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {
            **head,
            "choices": [],
            "usage": {
                "prompt_tokens": 25,
                "completion_tokens": 15,
                "total_tokens": 40,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "cache_write_1h_tokens": 0},
            },
        },
        b"[DONE]",
    ]


def test_tool_calls_are_numbered_from_zero_and_their_arguments_are_json() -> None:
    calls: dict[int, dict[str, Any]] = {}
    for change in deltas(STREAMS["tools"]):
        for call in change.get("tool_calls", ()):
            if "id" in call:
                assert call["index"] == len(calls)
                assert call["type"] == "function"
                calls[call["index"]] = {"id": call["id"], "name": call["function"]["name"], "arguments": ""}
            calls[call["index"]]["arguments"] += call["function"]["arguments"]

    found = [(call["id"], call["name"], json.loads(call["arguments"])) for call in calls.values()]
    assert found == [
        ("toolu_01A", "tide", {"harbour": "Brest", "days": 2}),
        ("toolu_01B", "tide", {"harbour": "Saint-Malo"}),
        ("toolu_01C", "now", {}),
    ]
    assert read(STREAMS["tools"])[-3]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_call_whose_input_comes_whole_is_passed_on_whole() -> None:
    start = {**TOOL, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}}

    arguments = [
        c["function"]["arguments"]
        for d in deltas(wire(START, start, STOP_BLOCK, STOP))
        for c in d.get("tool_calls", ())
    ]

    assert [json.loads(part) for part in arguments] == [{"a": 1}]


def test_thinking_is_told_in_pieces_and_once_whole_with_its_signature() -> None:
    stream = STREAMS["thinking"]
    thought = "A spring tide, so the Moon is new or full."
    details = [detail for change in deltas(stream) for detail in change.get("reasoning_details", ())]

    assert joined(stream, "reasoning_content") == thought
    assert joined(stream, "content") == "At new moon."
    assert [(d["type"], d["index"], d["format"]) for d in details] == [
        ("reasoning.text", 0, "anthropic-claude-v1"),
        ("reasoning.encrypted", 1, "anthropic-claude-v1"),
    ]
    assert details[0]["text"] == thought
    assert details[0]["signature"].encode() in stream
    assert details[1]["data"].encode() in stream


def test_a_refusal_says_why_in_its_last_chunk() -> None:
    last = read(STREAMS["refusal"])[-3]["choices"][0]

    assert last == {
        "index": 0,
        "delta": {"refusal": "This request was refused due to a policy."},
        "finish_reason": "content_filter",
    }


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("text", {"input": 25, "output": 15}),
        ("tools", {"input": 412, "output": 131}),
        ("thinking", {"input": 47, "output": 29, "reasoning": 201}),
        ("cached", {"input": 50, "cached_input": 100_000, "cache_write": 456, "cache_write_1h": 100, "output": 5}),
        ("refusal", {"input": 20, "output": 12}),
    ],
)
def test_the_usage_is_the_last_running_total(name: str, units: dict[str, int]) -> None:
    usage = PROVIDER.usage(read(STREAMS[name])[-2])

    assert usage is not None
    assert usage.units == units


def test_counts_that_come_only_at_the_end_are_taken() -> None:
    start = {"type": "message_start", "message": {"id": "m", "model": "claude"}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 12, "output_tokens": 6},
    }

    usage = PROVIDER.usage(read(wire(start, TEXT, end, STOP))[-2])

    assert usage is not None
    assert usage.units == {"input": 12, "output": 6}


def test_a_count_that_is_null_at_the_end_stays_what_it_was() -> None:
    start = {
        "type": "message_start",
        "message": {"id": "m", "usage": {"input_tokens": 9, "cache_read_input_tokens": 4}},
    }
    counts = {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 6}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts}

    usage = PROVIDER.usage(read(wire(start, TEXT, end, STOP))[-2])

    assert usage is not None
    assert usage.units == {"input": 9, "cached_input": 4, "output": 6}


def test_a_stream_without_any_usage_reports_none() -> None:
    start = {"type": "message_start", "message": {"id": "m", "model": "claude"}}

    chunks = read(wire(start, TEXT, STOP))

    assert not any("usage" in chunk for chunk in chunks if chunk != b"[DONE]")
    assert chunks[-1] == b"[DONE]"


def test_with_include_usage_each_chunk_has_a_usage() -> None:
    chunks = read(STREAMS["tools"], stream=True, stream_options={"include_usage": True})

    assert [chunk["usage"] is None for chunk in chunks[:-1]] == [True] * (len(chunks) - 2) + [False]
    assert not any("usage" in chunk for chunk in read(STREAMS["tools"], stream=True)[:-2])


def test_nothing_is_written_before_the_first_block() -> None:
    """Until then another route may be tried."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    assert read(wire(START, {"type": "ping"}, error)) == [
        {
            "error": {
                "message": "Overloaded",
                "type": "overloaded_error",
                "param": None,
                "code": "overloaded_error",
            }
        }
    ]


def test_an_error_in_the_middle_is_the_last_event() -> None:
    later = STREAMS["overloaded"] + STREAMS["text"]

    assert read(later) == read(STREAMS["overloaded"])
    assert read(later)[-1]["error"]["code"] == "overloaded_error"


@pytest.mark.parametrize("error", [None, "bad", {}, {"type": 5, "message": ["x"]}])
def test_an_error_without_words_is_an_error(error: Any) -> None:
    assert read(wire({"type": "error", "error": error}))[-1]["error"]["code"] == "api_error"


def test_a_stream_that_is_cut_off_has_no_done() -> None:
    whole = STREAMS["text"]
    at = whole.index(b"event: message_stop")

    assert read(whole[:at]) == read(whole)[:-2]


def test_what_comes_after_the_end_is_not_read() -> None:
    assert read(STREAMS["text"] + STREAMS["tools"] + b"data: nonsense\n\n") == read(STREAMS["text"])


def test_events_and_blocks_of_tomorrow_say_nothing() -> None:
    known = wire(START, TEXT, delta(type="text_delta", text="Hi"), STOP_BLOCK, STOP)
    other = {"type": "content_block_start", "index": 1, "content_block": {"type": "of_tomorrow", "data": "x"}}
    piece = {"type": "content_block_delta", "index": 1, "delta": {"type": "tomorrow_delta", "data": "x"}}
    cited = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}}
    mixed = wire(
        {"type": "of_tomorrow"},
        START,
        TEXT,
        {"type": "ping"},
        cited,
        delta(type="text_delta", text="Hi"),
        STOP_BLOCK,
        other,
        piece,
        {"type": "content_block_stop", "index": 1},
        STOP,
    )

    assert read(mixed) == read(known)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("usage", [False, True])
def test_a_stream_cut_at_any_byte_is_the_same_stream(name: str, usage: bool) -> None:
    body = {"stream": True, "stream_options": {"include_usage": usage}}
    whole = reader(**body).feed(STREAMS[name])
    for at in range(len(STREAMS[name]) + 1):
        cut = reader(**body)
        assert cut.feed(STREAMS[name][:at]) + cut.feed(STREAMS[name][at:]) == whole
    bytewise = reader(**body)
    assert [event for byte in STREAMS[name] for event in bytewise.feed(bytes([byte]))] == whole


@pytest.mark.parametrize(
    "events",
    [
        [5],
        ["x"],
        [{}],
        [{"type": 5}],
        [{"type": ["ping"]}],
        [STOP],
        [TEXT],
        [delta(type="text_delta", text="Hi")],
        [{"type": "message_start"}],
        [{"type": "message_start", "message": "m"}],
        [START, {"type": "content_block_start", "content_block": {"type": "text"}}],
        [START, {"type": "content_block_start", "index": "0", "content_block": {"type": "text"}}],
        [START, {"type": "content_block_start", "index": True, "content_block": {"type": "text"}}],
        [START, {"type": "content_block_start", "index": -1, "content_block": {"type": "text"}}],
        [START, {"type": "content_block_start", "index": 0}],
        [START, {"type": "content_block_delta", "index": 0}],
        [START, {"type": "content_block_stop"}],
        [START, TEXT, delta(type="input_json_delta", partial_json="{")],
        [START, THINKING, delta(type="input_json_delta", partial_json="{")],
        [START, TOOL, delta(type="thinking_delta", thinking="hm")],
        [START, TOOL, delta(type="signature_delta", signature="s")],
        [START, THINKING, STOP_BLOCK, delta(type="thinking_delta", thinking="hm")],
        [START, {"type": "message_delta"}],
    ],
    ids=str,
)
def test_nonsense_breaks_the_stream(events: list[Any]) -> None:
    with pytest.raises(BrokenStream):
        read(wire(*events))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=5,
)
KINDS = st.sampled_from(
    [
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "text_delta",
        "input_json_delta",
        "thinking_delta",
        "signature_delta",
    ]
)
PARTS = st.dictionaries(
    st.sampled_from(["text", "thinking", "signature", "data", "id", "name", "input", "partial_json", "stop_reason"]),
    VALUES,
)
HOLDERS = VALUES | st.builds(lambda part, kind: {**part, "type": kind}, PARTS, KINDS)
ODD = st.builds(
    lambda kind, index, fields: {"type": kind, "index": index, **fields},
    st.sampled_from(
        [
            "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
            "message_stop", "error", "ping", "x",
        ]
    ),
    st.integers(0, 2) | VALUES,
    st.dictionaries(st.sampled_from(["message", "content_block", "delta", "usage", "error"]), HOLDERS),
)  # fmt: skip
USUAL = st.sampled_from([START, TEXT, THINKING, TOOL, STOP_BLOCK, STOP, delta(type="text_delta", text="Hi")])


def pieces_or_broken(stream: bytes) -> None:
    try:
        found = reader().feed(stream)
    except BrokenStream:
        return
    for event in found:
        assert b"\n" not in event
        if event != b"[DONE]":
            chunk = json.loads(event)
            assert isinstance(chunk, dict)
            with contextlib.suppress(ValueError):
                PROVIDER.usage(chunk)


@LAW
@given(st.lists(USUAL | ODD, max_size=12))
def test_whatever_events_come_they_are_chunks_or_a_broken_stream(events: list[Any]) -> None:
    pieces_or_broken(wire(*events))


@LAW
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_whatever_bytes_come_they_are_chunks_or_a_broken_stream(name: str, data: st.DataObject) -> None:
    stream = bytearray(STREAMS[name])
    for at in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=4)):
        stream[at] = data.draw(st.integers(0, 255))

    pieces_or_broken(bytes(stream))


def test_a_tool_call_of_any_depth_breaks_nothing() -> None:
    for depth in (200, 900, 1100, 3000, 9000, 20_000):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        block = b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","input":' + deep + b"}}"
        pieces_or_broken(wire(START) + b"data: " + block + b"\n\n")


def test_half_of_a_character_passes() -> None:
    half = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83c"}}\n\n'

    assert read(wire(START, TEXT) + half)[-1]["choices"][0]["delta"]["content"] == "\ud83c"


def test_thinking_without_end_breaks_the_stream_in_bounded_memory() -> None:
    events = reader()
    events.feed(wire(START, THINKING))
    piece = wire(delta(type="thinking_delta", thinking="x" * 65_536))
    tracemalloc.start()
    try:
        for _ in range(THINKING_MAX // 65_536):
            events.feed(piece)
        with pytest.raises(BrokenStream):
            events.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 3 * THINKING_MAX
    finally:
        tracemalloc.stop()


def test_blocks_that_never_end_break_the_stream() -> None:
    opened = [{**TOOL, "index": index} for index in range(1000)]

    with pytest.raises(BrokenStream):
        read(wire(START, *opened))


def test_an_event_costs_little() -> None:
    """A few microseconds; the bound is loose, for slow machines. Its point is that the cost does not grow with the stream."""
    piece = wire(delta(type="text_delta", text=" token"))
    events = reader()
    events.feed(wire(START, TEXT))
    best = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(2000):
            events.feed(piece)
        best.append((time.perf_counter() - began) / 2000)

    assert min(best) < 100e-6
