"""A chat's events, said in the caller's format as they come."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.chat.relay import DONE, KEEP_ALIVE, frame
from infergate.edge.chat_request import parse_chat
from infergate.edge.wire.completions import parse_completions
from infergate.edge.wire.messages_request import parse_messages
from infergate.edge.wire.responses_request import parse_responses
from infergate.edge.wire.voices import Speech, voice_of

from tests.support.chat_streams import Said, chunk, said
from tests.support.published import events
from tests.unit.edge.wire.test_responses_answer import REQUEST_ID, USAGE, answer

BODIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "responses": (parse_responses, {"input": "hello"}),
    "messages": (parse_messages, {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}),
    "completions": (parse_completions, {"prompt": "hello", "stream_options": {"include_usage": True}}),
}
ERROR = {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_error"}
WIRES = pytest.mark.parametrize("wire", BODIES)


def speech(wire: str) -> Speech:
    parse, body = BODIES[wire]
    voice = voice_of(parse(json.dumps({"model": "m", "stream": True, **body}).encode(), REQUEST_ID))
    assert voice is not None
    return Speech(voice)


def framed(chunks: list[Any]) -> list[bytes]:
    usage = {"id": "chatcmpl-1", "model": "m-1", "created": 1_700_000_000, "choices": [], "usage": USAGE}
    return [frame(json.dumps(each).encode()) for each in [*chunks, usage]] + [DONE]


def test_a_chat_has_no_voice() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

    assert voice_of(parse_chat(json.dumps(body).encode(), REQUEST_ID)) is None


@WIRES
@settings(max_examples=40, deadline=None)
@given(stream=said(), at=st.sets(st.integers(0, 30)))
def test_how_a_stream_is_cut_into_writes_changes_nothing(wire: str, stream: Said, at: set[int]) -> None:
    frames = framed(stream.chunks)
    writes: list[bytes] = [b""]
    for i, each in enumerate(frames):
        if i in at:
            writes.append(b"")
        writes[-1] += each
    in_pieces, at_once = speech(wire), speech(wire)

    assert b"".join(map(in_pieces.events, writes)) == at_once.events(b"".join(frames))


@WIRES
def test_nothing_follows_a_failure_but_what_ends_the_stream(wire: str) -> None:
    voice = speech(wire)
    voice.events(frame(json.dumps(chunk({"content": "half"})).encode()))

    failed = voice.events(frame(json.dumps({"error": ERROR}).encode()) + DONE)

    assert b"It broke." in failed
    assert failed.endswith(DONE) == (wire == "completions")
    assert failed.count(b"completed") == failed.count(b"message_stop") == 0
    assert b'"usage"' not in failed


@WIRES
def test_a_quiet_stream_is_kept_alive_in_the_callers_format(wire: str) -> None:
    expected = b'event: ping\ndata: {"type":"ping"}\n\n' if wire == "messages" else KEEP_ALIVE

    assert speech(wire).events(KEEP_ALIVE) == expected


@WIRES
def test_the_usage_of_a_stream_is_said_once_at_its_end(wire: str) -> None:
    frames = framed([chunk({"content": "hi"}, "stop")])
    voice = speech(wire)

    before, last = b"".join(map(voice.events, frames[:-2])), b"".join(map(voice.events, frames[-2:]))

    assert b"0.000042" not in before
    assert last.count(b"0.000042") == 1


@pytest.mark.parametrize(("wire", "last"), [("responses", "response.completed"), ("messages", "message_stop")])
def test_a_stream_without_a_chunk_is_a_whole_empty_answer(wire: str, last: str) -> None:
    found = events(speech(wire).events(DONE))

    assert found[0]["type"] in ("response.created", "message_start")
    assert found[-1]["type"] == last


@WIRES
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"choices": 5}', json.dumps(answer(content="hi")).encode()])
def test_an_answer_in_one_piece_is_an_object_of_the_format_whatever_it_was(wire: str, body: bytes) -> None:
    shown = json.loads(speech(wire).whole(body))

    kinds = {"responses": "response", "messages": "message", "completions": "text_completion"}
    assert shown.get("object", shown.get("type")) == kinds[wire]
