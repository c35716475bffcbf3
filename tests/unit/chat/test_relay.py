"""A provider's stream, event by event: what is passed on, what is counted, and that nothing in it can forge an event."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.chat.relay import DONE, KEEP_ALIVE, Relay, answer_bytes, frame, wire_usage
from infergate.providers.openai import OpenAI
from infergate.providers.sse import SseReader
from infergate.providers.types import Usage

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
# Lone surrogates and long integers included: providers send both.
TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DELTAS = st.dictionaries(st.sampled_from(["content", "refusal", "tool_calls", "reasoning", "role"]), JSON, max_size=3)
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(st.builds(lambda delta: {"index": 0, "delta": delta}, DELTAS | JSON), min_size=1, max_size=2)},
    optional={"usage": st.none() | st.just(USAGE) | JSON, "id": TEXT, "model": TEXT, "x": JSON},
)
EVENTS = CHUNKS | st.dictionaries(st.sampled_from(["choices", "usage", "error", "id", "model", "x"]), JSON) | JSON
LAYOUTS = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",\r\r", ":\r")}])


def relay(*, wants_usage: bool = False) -> Relay:
    return Relay(OpenAI(), wants_usage=wants_usage)


def chunk(delta: Any = None, **fields: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta if delta is not None else {"content": "hi"}}], **fields}


def wire(event: Any) -> bytes:
    return json.dumps(event).encode()


def events_of(frames: bytes) -> list[bytes]:
    return SseReader().feed(frames)


def shown(frames: bytes) -> Any:
    (event,) = events_of(frames)
    return json.loads(event)


def encoded(event: Any, layout: dict[str, Any]) -> bytes:
    return json.dumps(event, **layout).encode("utf-8", "replace")


# -- nothing an upstream sends can forge an event ------------------------------------------------------------------------


@settings(LAW, max_examples=400)
@given(EVENTS, LAYOUTS, st.booleans())
def test_an_event_taken_is_at_most_one_event_sent(event: Any, layout: dict[str, Any], wants_usage: bool) -> None:
    reader = relay(wants_usage=wants_usage)

    frames = reader.take(encoded(event, layout))

    assert len(events_of(frames)) == bool(frames)
    assert b"\r" not in frames
    assert frames.count(b"\n") == 2 * bool(frames)
    assert bool(frames) + reader.over <= 1
    for sent in events_of(frames):
        sent.decode()
        json.loads(sent)


@settings(LAW, max_examples=200)
@given(st.lists(EVENTS, max_size=4), LAYOUTS, st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=4, max_size=4))
def test_a_whole_stream_sends_no_more_events_than_it_has(
    sent: list[Any], layout: dict[str, Any], endings: list[str]
) -> None:
    stream = b"".join(
        b"event: x\nid: 1\ndata: " + encoded(event, layout) + ending.encode() * 2
        for event, ending in zip(sent, endings, strict=False)
    )
    upstream, reader, out = SseReader(), relay(), b""

    taken = upstream.feed(stream)
    for event in taken:
        if not reader.over:
            out += reader.take(event)

    assert len(events_of(out)) <= len(taken)
    assert all(line.startswith(b"data: ") for line in out.split(b"\n") if line)


@LAW
@given(st.text('\r\n :adetvnidr{}",\u2028\u0085', max_size=30))
def test_text_with_line_breaks_stays_within_its_event(text: str) -> None:
    for layout in ({}, {"ensure_ascii": False}):
        frames = relay().take(encoded(chunk({"content": text}), layout))

        assert shown(frames)["choices"][0]["delta"]["content"] == text


def test_what_we_write_ourselves_is_one_event_each() -> None:
    assert events_of(DONE) == [b"[DONE]"]
    assert events_of(KEEP_ALIVE) == []
    assert events_of(frame(b"{}")) == [b"{}"]


# -- what is passed on -------------------------------------------------------------------------------------------------


def test_a_chunk_that_needs_no_change_is_passed_on_to_the_byte() -> None:
    data = b'{ "choices": [ {"delta":{"content":"h\\u0069"}} ],  "seed": 1.0 }'

    assert relay().take(data) == b"data: " + data + b"\n\n"


@pytest.mark.parametrize("usage", [USAGE, None])
def test_who_did_not_ask_for_usage_sees_none(usage: Any) -> None:
    assert "usage" not in shown(relay().take(wire(chunk(usage=usage))))


@pytest.mark.parametrize("fields", [{}, {"usage": None}, {"usage": USAGE}])
def test_who_asked_for_usage_sees_null_in_every_chunk_but_the_last(fields: dict[str, Any]) -> None:
    assert shown(relay(wants_usage=True).take(wire(chunk(**fields))))["usage"] is None


@pytest.mark.parametrize("wants_usage", [False, True])
def test_unknown_fields_of_a_chunk_are_kept(wants_usage: bool) -> None:
    event = chunk(usage=USAGE, system_fingerprint="f", x={"y": [1.5, None]})

    sent = shown(relay(wants_usage=wants_usage).take(wire(event)))

    assert {**sent, "usage": USAGE} == event


@pytest.mark.parametrize("wants_usage", [False, True])
@pytest.mark.parametrize("choices", [{"choices": []}, {"choices": None}, {}])
def test_the_providers_usage_chunk_is_read_and_not_passed_on(wants_usage: bool, choices: dict[str, Any]) -> None:
    reader = relay(wants_usage=wants_usage)

    assert reader.take(wire({**HEAD, **choices, "usage": USAGE})) == b""
    assert reader.usage == Usage({"input": 10, "output": 5}, USAGE)
    assert not reader.over


def test_the_last_chunk_carries_usage_and_cost_under_the_streams_id() -> None:
    reader = relay(wants_usage=True)
    reader.take(wire(chunk()))
    reader.take(wire({**HEAD, "choices": [], "usage": USAGE}))

    assert shown(reader.usage_chunk({"input": 10, "output": 5}, 1_230_000)) == {
        **HEAD,
        "choices": [],
        "usage": {**USAGE, "cost": "0.00123"},
    }


def test_without_reported_usage_the_last_chunk_carries_what_was_counted() -> None:
    reader = relay(wants_usage=True)
    reader.take(wire(chunk()))

    usage = shown(reader.usage_chunk({"input": 7, "cached_input": 2, "output": 3}, 0))["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (9, 3, 12)
    assert usage["cost"] == "0.00"


@LAW
@given(st.dictionaries(TEXT, JSON, max_size=3), st.dictionaries(TEXT, JSON, max_size=2))
def test_whatever_stands_in_usage_the_last_chunk_can_be_written(more: dict[str, Any], head: dict[str, Any]) -> None:
    reader = relay(wants_usage=True)
    reader.take(wire({**head, "choices": [], "usage": {**more, **USAGE}}))

    assert shown(reader.usage_chunk({}, 5))["usage"] == {**more, **USAGE, "cost": "0.000000005"}


@pytest.mark.parametrize("fields", [{}, {"usage": None}])
@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_character_cut_in_two_by_the_provider_is_passed_on_in_two(wants_usage: bool, fields: dict[str, Any]) -> None:
    reader = relay(wants_usage=wants_usage)

    halves = [
        shown(reader.take(wire(chunk(**fields)).replace(b'"hi"', half)))["choices"][0]["delta"]["content"]
        for half in (b'"\\ud83d"', b'"\\ude00"')
    ]

    assert "".join(halves).encode("utf-16", "surrogatepass").decode("utf-16") == "😀"


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_done_ends_the_stream_without_a_word() -> None:
    reader = relay()

    assert reader.take(b"[DONE]") == b""
    assert reader.done
    assert reader.over
    assert reader.failure is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "boom", "code": "server_error", "type": "x"}, "server_error"),
        ({"message": "boom", "code": 502}, None),
        ({"code": None}, None),
        ("boom", None),
        (["boom"], None),
        (True, None),
    ],
)
def test_an_error_event_ends_the_stream_and_none_of_its_text_is_repeated(error: Any, code: str | None) -> None:
    reader = relay()

    assert reader.take(wire({"error": error})) == b""
    assert reader.over
    assert not reader.done
    assert reader.failure_code == code
    assert "boom" not in (reader.failure or "")


def test_an_error_beside_choices_counts_as_an_error() -> None:
    reader = relay()

    assert reader.take(wire(chunk(error={"message": "boom"}))) == b""
    assert reader.failure
    assert reader.relayed_bytes == 0


@pytest.mark.parametrize("error", [None, "", {}, False, 0])
def test_an_empty_error_is_none(error: Any) -> None:
    assert relay().take(wire(chunk(error=error)))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"<html>502</html>", b"Internal Server Error", b"[DONE", b"null", b"5", b'"x"', b"[]", b"NaN"),
        *(b'{"choices":[{}],"a":NaN}', b'{"choices":[{"delta":{"content":"\xff"}}]}', b'{"choices":"x"}', b'{"choices":5}'),
        *(b'{"choices":[{"delta":{"content":"\xed\xa0\x80"}}]}', wire(chunk()).decode().encode("utf-16")),
        *(b'{"choices":{"0":{}}}', b'{"a":' * 100_000, b"\xef\xbb\xbf" + wire(chunk())),
    ],
)  # fmt: skip
def test_what_is_no_chunk_ends_the_stream_and_is_not_passed_on(data: bytes) -> None:
    reader = relay()

    assert reader.take(data) == b""
    assert reader.failure
    assert "<" not in reader.failure


# -- what is counted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delta", "size"),
    [
        ({"role": "assistant", "content": ""}, 0),
        ({"content": "hello"}, 5),
        ({"content": "é😀"}, 6),
        ({"content": None}, 0),
        ({"content": 5}, 0),
        ({"refusal": "no"}, 2),
        ({"reasoning_content": "hmm"}, 3),
        ({"reasoning": "hmm"}, 3),
        ({"content": "a", "refusal": "b", "reasoning": "c"}, 3),
        ({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]}, 1),
        ({"tool_calls": [{"index": 0, "function": {"arguments": '{"é":1}'}}]}, 8),
        ({"tool_calls": [{"function": {"arguments": "ab"}}, {"function": {"arguments": "c"}}]}, 3),
        ({"tool_calls": [{"type": "custom", "custom": {"name": "f", "input": "abc"}}]}, 4),
        ({"tool_calls": [{"function": None}, {"function": "x"}, None, 5, {}]}, 0),
        ({"tool_calls": 5}, 0),
        ({"tool_calls": True}, 0),
        ({"tool_calls": {"function": {}}}, 0),
        ("x", 0),
        ([], 0),
    ],
)
def test_the_bytes_of_relayed_text_are_counted(delta: Any, size: int) -> None:
    reader = relay()

    reader.take(wire(chunk(delta)))

    assert reader.relayed_bytes == size
    assert answer_bytes({"choices": [{"message": delta}]}) == size


def test_all_choices_and_all_chunks_are_counted() -> None:
    reader = relay()

    for _ in range(3):
        reader.take(wire({"choices": [{"delta": {"content": "ab"}}, {"delta": {"content": "c"}}, None, {}]}))

    assert reader.relayed_bytes == 9


@pytest.mark.parametrize("choices", [None, [], {}, "x", 5, [None], [5], [[]]])
def test_an_answer_without_text_has_no_bytes(choices: Any) -> None:
    assert answer_bytes({"choices": choices}) == 0


def test_of_several_usages_the_last_valid_one_counts_and_is_flagged() -> None:
    reader = relay()
    for count in (1, 2, 3):
        reader.take(wire(chunk(usage={**USAGE, "completion_tokens": count})))
    reader.take(wire({"choices": [], "usage": {**USAGE, "completion_tokens": -1}}))

    assert reader.usage is not None
    assert reader.usage.units["output"] == 3
    assert reader.flags == ["usage reported: more than once", "usage refused: completion_tokens is -1"]


def test_the_same_usage_twice_is_no_contradiction() -> None:
    reader = relay()
    for _ in range(2):
        reader.take(wire({"choices": [], "usage": USAGE}))

    assert reader.flags == []


def test_explicit_zero_usage_is_usage() -> None:
    reader = relay()
    reader.take(wire({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}))

    assert reader.usage is not None
    assert reader.usage.units == {}


@pytest.mark.parametrize("value", [b"-1", b'"5"', b"true", b"1e400", b"1.5", b"1" * 30, b"null"])
def test_absurd_usage_is_as_if_not_reported_and_flagged(value: bytes) -> None:
    reader = relay()

    assert reader.take(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":%s}}' % value) == b""
    assert reader.usage is None
    assert not reader.over
    assert [flag.partition(":")[0] for flag in reader.flags] == ["usage refused"]


def test_a_million_absurd_usages_are_few_flags() -> None:
    reader = relay()
    for i in range(1000):
        reader.take(wire({"choices": [], "usage": {**USAGE, "completion_tokens": -i - 1}}))

    assert len(reader.flags) == 1
    assert len(reader.flags[0]) < 100


@LAW
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_counted_units_become_openais_usage(uncached: int, cached: int, output: int) -> None:
    usage = wire_usage({"input": uncached, "cached_input": cached, "output": output})

    read = OpenAI().usage({"choices": [], "usage": usage})

    assert read is not None
    assert read.units == {n: c for n, c in {"input": uncached, "cached_input": cached, "output": output}.items() if c}
    assert usage["total_tokens"] == uncached + cached + output
