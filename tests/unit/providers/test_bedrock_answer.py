"""What Bedrock answers, whole and in pieces: as OpenAI's, the same in both forms, whatever a provider sends."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.bedrock import Bedrock
from infergate.providers.bedrock_answer import CALLS_MAX, THOUGHT_MAX
from infergate.providers.types import USAGE_MAX, BrokenStream, Usage
from infergate.store.signing import Credentials
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.support.bedrock_model import CONVERSE, event_shape, understood
from tests.support.eventstream import event, exception, header, message

LAW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RECORDED = Path(__file__).parent / "recorded" / "bedrock"
ANSWERS: dict[str, Any] = json.loads((RECORDED / "answers.json").read_text())
STREAMS: dict[str, Any] = json.loads((RECORDED / "streams.json").read_text())
REFUSALS: list[Any] = json.loads((RECORDED / "refusals.json").read_text())
PROVIDER = Bedrock(Credentials("AKID", "secret"), lambda: 1_795_536_000.5, lambda count: b"\7" * count)
BODY: dict[str, Any] = {"model": "ours", "messages": []}
HEAD = {"id": "chatcmpl-01M874J5FM0W3GE1R70W3GE1R7", "created": 1_795_536_000, "model": "ours"}


def answered(reply: Any) -> dict[str, Any]:
    answer = PROVIDER.answer("chat/completions", BODY, json.dumps(reply).encode())
    assert answer is not None
    ChatCompletion.model_validate(answer, strict=True)
    return answer


def said(reply: Any) -> dict[str, Any]:
    message = answered(reply)["choices"][0]["message"]
    assert isinstance(message, dict)
    return message


def framed(events: list[Any]) -> bytes:
    return b"".join(event(kind, payload) for kind, payload in events)


def streamed(*pieces: bytes, body: dict[str, Any] | None = None) -> list[Any]:
    """The events as JSON; "[DONE]" is itself."""
    reader = PROVIDER.events(body or BODY)
    events = [one for piece in pieces for one in reader.feed(piece)]
    return [one.decode() if one == b"[DONE]" else json.loads(one) for one in events]


def deltas(events: list[Any]) -> list[dict[str, Any]]:
    return [one["choices"][0]["delta"] for one in streamed(framed(events)) if one != "[DONE]" and one["choices"]]


def usage(**counts: Any) -> Usage | None:
    return PROVIDER.usage(answered({**ANSWERS["text"], "usage": counts}))


# -- the shapes are real -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ANSWERS)
def test_botocore_understands_every_part_of_an_answer(name: str) -> None:
    assert understood(CONVERSE.output_shape, ANSWERS[name]) == ANSWERS[name]


@pytest.mark.parametrize("name", STREAMS)
def test_botocore_understands_every_part_of_an_event_but_its_padding(name: str) -> None:
    for kind, payload in STREAMS[name]:
        bare = {key: value for key, value in payload.items() if key != "p"}
        assert understood(event_shape(kind), bare) == bare


# -- whole -------------------------------------------------------------------------------------------------------------
def test_text_is_the_content() -> None:
    assert answered(ANSWERS["text"]) == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Here are three songs from Köln.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 125,
            "completion_tokens": 60,
            "total_tokens": 185,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "cache_write_1h_tokens": 0},
        },
    }


def test_tool_calls_have_their_arguments_as_text() -> None:
    message = said(ANSWERS["tool_use"])

    assert message["content"] == "Let me look."
    assert [(call["id"], call["function"]["name"]) for call in message["tool_calls"]] == [
        ("tooluse_hbTgdi0CSLq", "top_song"),
        ("tooluse_2", "now"),
    ]
    arguments = [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]]
    assert arguments == [{"sign": "WZPZ", "größe": 1.5}, {}]


def test_thoughts_are_readable_and_can_be_sent_back() -> None:
    message = said(ANSWERS["reasoning"])

    assert (message["content"], message["reasoning_content"]) == ("Three.", "Nine is three times three.")
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Nine is three times three.", "signature": "EqoBCkgIARABGAIi", "index": 0},
        {"type": "reasoning.encrypted", "data": "RXJvQkNrWUlBUkFC", "index": 1},
    ]


def test_a_thought_without_a_signature_is_only_read() -> None:
    content = [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "x"}]
    message = said({**ANSWERS["text"], "output": {"message": {"role": "assistant", "content": content}}})

    assert message["reasoning_content"] == "hm"
    assert "reasoning_details" not in message


def test_text_with_citations_is_text() -> None:
    assert said(ANSWERS["cited"])["content"] == "It is four metres wide."


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *(("end_turn", "stop"), ("stop_sequence", "stop"), ("tool_use", "tool_calls"), ("max_tokens", "length")),
        *(("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter")),
        ("content_filtered", "content_filter"),
    ],
)
def test_a_reason_to_stop_has_openais_word(theirs: str, ours: str) -> None:
    choice = answered({**ANSWERS["text"], "stopReason": theirs})["choices"][0]

    assert choice["finish_reason"] == ours
    assert "native_finish_reason" not in choice


@pytest.mark.parametrize("theirs", ["malformed_model_output", "malformed_tool_use", "something_new"])
def test_a_reason_that_openai_has_no_word_for_stands_beside_a_stop(theirs: str) -> None:
    choice = answered({**ANSWERS["text"], "stopReason": theirs})["choices"][0]

    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", theirs)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"{}", b'{"output":{}}', b'{"output":{"message":{"content":"x"}}}', b'{"message":"no"}']
)
def test_what_is_no_answer_is_none(raw: bytes) -> None:
    assert PROVIDER.answer("chat/completions", BODY, raw) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "toolUse", "name", "toolUseId", "input", "reasoningContent", "reasoningText", "signature"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@LAW
@given(st.lists(JSON, max_size=3), JSON, JSON)
def test_whatever_blocks_come_the_answer_is_openais_or_none(content: list[Any], counts: Any, reason: Any) -> None:
    reply = {"output": {"message": {"content": content}}, "usage": counts, "stopReason": reason}

    answer = PROVIDER.answer("chat/completions", BODY, json.dumps(reply).encode())

    assert answer is not None
    ChatCompletion.model_validate({**answer, "usage": None}, strict=True)
    with contextlib.suppress(ValueError):
        PROVIDER.usage(answer)


def test_an_answer_of_nothing_is_an_empty_text() -> None:
    assert said({**ANSWERS["text"], "output": {"message": {"role": "assistant", "content": []}}})["content"] == ""


# -- usage -------------------------------------------------------------------------------------------------------------
def test_cached_tokens_come_on_top_of_the_others() -> None:
    assert PROVIDER.usage(answered(ANSWERS["cached"])) == Usage(
        {"input": 20, "cached_input": 3000, "cache_write": 600, "cache_write_1h": 1500, "output": 5},
        {
            "prompt_tokens": 5120,
            "completion_tokens": 5,
            "total_tokens": 5125,
            "prompt_tokens_details": {"cached_tokens": 3000, "cache_write_tokens": 600, "cache_write_1h_tokens": 1500},
        },
    )


def test_every_token_that_bedrock_counts_is_in_the_total() -> None:
    for reply in ANSWERS.values():
        assert answered(reply)["usage"]["total_tokens"] == reply["usage"]["totalTokens"]


def test_tokens_written_without_details_are_written_for_five_minutes() -> None:
    reported = usage(inputTokens=1, outputTokens=1, cacheReadInputTokens=None, cacheWriteInputTokens=9)

    assert reported is not None
    assert reported.units == {"input": 1, "cache_write": 9, "output": 1}


def test_without_usage_there_is_none() -> None:
    reply = {name: part for name, part in ANSWERS["text"].items() if name != "usage"}

    assert PROVIDER.usage(answered(reply)) is None


@pytest.mark.parametrize(
    "counts",
    [
        {"outputTokens": 1},
        {"inputTokens": 1},
        {"inputTokens": "1", "outputTokens": 1},
        {"inputTokens": -5, "outputTokens": 1},
        {"inputTokens": 1, "outputTokens": True},
        {"inputTokens": 1, "outputTokens": USAGE_MAX + 1},
        {"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokens": -1},
        {"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokens": "x"},
        {
            "inputTokens": 1,
            "outputTokens": 1,
            "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 6}],
        },
    ],
)
def test_usage_that_cannot_be_is_refused(counts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        usage(**counts)


def test_the_tier_that_it_was_done_in_is_reported_whole_and_in_pieces() -> None:
    done_in = {"serviceTier": {"type": "flex"}}
    counted = {"metrics": {"latencyMs": 5}, "usage": ANSWERS["text"]["usage"]}

    assert understood(CONVERSE.output_shape, {**ANSWERS["text"], **done_in})["serviceTier"] == {"type": "flex"}
    assert answered({**ANSWERS["text"], **done_in})["service_tier"] == "flex"
    assert streamed(event("metadata", {**counted, **done_in}))[0]["service_tier"] == "flex"
    assert "service_tier" not in answered(ANSWERS["text"])


# -- in pieces ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    *chunks, done = streamed(framed(STREAMS[name]))
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
    joined = state.current_completion_snapshot.to_dict()
    whole = answered(ANSWERS[name])

    assert done == "[DONE]"
    assert joined["usage"] == whole["usage"]
    ours, theirs = joined["choices"][0], whole["choices"][0]  # type: ignore[index]
    assert ours["finish_reason"] == theirs["finish_reason"]
    for call in ours["message"].get("tool_calls") or ():
        call.pop("index", None)
        call["function"] = {key: call["function"][key] for key in ("name", "arguments")}
    for part in ("content", "tool_calls", "reasoning_content", "reasoning_details"):
        assert ours["message"].get(part) == theirs["message"].get(part), part


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_at_any_byte_says_the_same(name: str) -> None:
    stream = framed(STREAMS[name])
    whole = streamed(stream)

    assert all(streamed(stream[:at], stream[at:]) == whole for at in range(len(stream)))
    assert streamed(*(stream[at : at + 1] for at in range(len(stream)))) == whole


def test_every_chunk_has_the_same_head() -> None:
    for one in streamed(framed(STREAMS["tool_use"]))[:-1]:
        assert {name: one[name] for name in HEAD} == HEAD
        assert one["object"] == "chat.completion.chunk"


def test_the_role_comes_with_the_first_piece_and_not_before_it() -> None:
    started, *rest = STREAMS["text"]

    assert streamed(event(*started)) == []
    assert ["role" in delta for delta in deltas([started, *rest])] == [True, False, False]


def test_with_include_usage_every_chunk_but_the_last_has_a_null() -> None:
    asked = {**BODY, "stream_options": {"include_usage": True}}

    *chunks, last, _done = streamed(framed(STREAMS["text"]), body=asked)

    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert last["usage"]["total_tokens"] == 185
    assert all("usage" not in one for one in streamed(framed(STREAMS["text"]))[:-2])


def test_a_call_without_arguments_has_an_empty_object_of_them() -> None:
    pieces = [call["function"] for delta in deltas(STREAMS["tool_use"]) for call in delta.get("tool_calls", ())]

    assert pieces[-2:] == [{"name": "now", "arguments": ""}, {"arguments": "{}"}]


@pytest.mark.parametrize(
    "kind",
    ["throttlingException", "internalServerException", "modelStreamErrorException", "validationException"],
)
def test_an_exception_in_the_stream_is_an_error_event(kind: str) -> None:
    stream = framed(STREAMS["text"][:2]) + exception(kind, "Too many.")

    assert streamed(stream)[-1] == {
        "error": {"message": "Too many.", "type": "server_error", "param": None, "code": kind}
    }


def test_an_error_in_headers_alone_is_an_error_event() -> None:
    headers = ((":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "Sorry."))
    raw = message(b"".join(header(name, 7, value.encode()) for name, value in headers), b"")

    assert streamed(raw)[0]["error"] | {"type": ""} == {
        "message": "Sorry.",
        "type": "",
        "param": None,
        "code": "InternalFailure",
    }


def test_events_of_no_known_kind_and_blocks_that_nobody_asked_for_say_nothing() -> None:
    other = [
        ["somethingNew", {"a": 1}],
        ["contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}],
        ["contentBlockDelta", {"contentBlockIndex": 0, "delta": {"image": {"source": {"bytes": "AAAA"}}}}],
        ["contentBlockDelta", {"contentBlockIndex": 7, "delta": {"toolUse": {"input": "of a call that never began"}}}],
        [
            "contentBlockStart",
            {
                "contentBlockIndex": 1,
                "start": {"toolUse": {"toolUseId": "s", "name": "nova", "type": "server_tool_use"}},
            },
        ],
        ["contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}],
        ["contentBlockStop", {"contentBlockIndex": 1}],
    ]

    assert streamed(framed(other)) == []


def test_without_usage_a_stream_is_done_all_the_same() -> None:
    assert streamed(event("metadata", {"metrics": {"latencyMs": 5}})) == ["[DONE]"]


@pytest.mark.parametrize(
    "raw",
    [
        message(header(":message-type", 7, b"event") + header(":event-type", 7, b"messageStart"), b"{"),
        message(header(":message-type", 7, b"event") + header(":event-type", 7, b"messageStart"), b"[]"),
        message(header(":message-type", 7, b"other"), b"{}"),
        message(b"", b"{}"),
        event("contentBlockStop", {}),
        event("contentBlockStop", {"contentBlockIndex": "0"}),
        event("contentBlockStart", {"contentBlockIndex": [], "start": {"toolUse": {"toolUseId": "a", "name": "b"}}}),
    ],
)
def test_what_is_no_event_breaks_the_stream(raw: bytes) -> None:
    with pytest.raises(BrokenStream):
        streamed(raw)


def test_a_thought_and_the_number_of_calls_are_bounded() -> None:
    thinks = event(
        "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "x" * 100_000}}}
    )
    signs = event(
        "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "x" * 100_000}}}
    )
    for one in (thinks, signs):
        with pytest.raises(BrokenStream, match="thought"):
            streamed(*[one] * (THOUGHT_MAX // 100_000 + 1))
    starts = [
        event("contentBlockStart", {"contentBlockIndex": i, "start": {"toolUse": {"toolUseId": "a", "name": "b"}}})
        for i in range(CALLS_MAX + 1)
    ]
    with pytest.raises(BrokenStream, match="calls"):
        streamed(*starts)


PAYLOADS = st.dictionaries(
    st.sampled_from(["contentBlockIndex", "delta", "start", "usage", "stopReason", "role"]), JSON, max_size=4
)


@settings(LAW, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([kind for kind, _ in STREAMS["tool_use"]]), PAYLOADS), max_size=6))
def test_whatever_events_come_the_chunks_are_openais_or_the_stream_is_broken(events: list[Any]) -> None:
    with contextlib.suppress(BrokenStream):
        for one in streamed(framed(events)):
            if one != "[DONE]":
                ChatCompletionChunk.model_validate({**one, "usage": None}, strict=True)


# -- refusals ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("body", "text", "code", "param"), REFUSALS)
def test_a_refusal_says_what_bedrock_says(
    body: dict[str, Any], text: str | None, code: str | None, param: str | None
) -> None:
    refusal = PROVIDER.refusal(json.dumps(body).encode())

    assert (refusal.message, refusal.code, refusal.param) == (text, code, param)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null"])
def test_what_is_no_refusal_says_nothing(raw: bytes) -> None:
    refusal = PROVIDER.refusal(raw)

    assert (refusal.message, refusal.code, refusal.param) == (None, None, None)
