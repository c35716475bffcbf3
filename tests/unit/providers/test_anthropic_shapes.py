"""The vendors' own types as judges: what goes out is a request of Anthropic's SDK, what comes back is an answer of OpenAI's,
and the recorded replies are real shapes."""

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import ErrorResponse, Message, RawMessageStreamEvent, message_create_params
from infergate.providers.anthropic import Anthropic
from infergate.providers.types import Target
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

RECORDED = Path(__file__).parent / "recorded" / "anthropic"
MESSAGES = sorted(path.stem for path in RECORDED.glob("*.json") if path.stem != "error")
STREAMS = sorted(path.stem for path in RECORDED.glob("*.sse"))
PROVIDER = Anthropic(lambda: 1_795_000_000)
REQUEST: TypeAdapter[Any] = TypeAdapter(message_create_params.MessageCreateParamsNonStreaming)
STREAMED: TypeAdapter[Any] = TypeAdapter(message_create_params.MessageCreateParamsStreaming)
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"], "additionalProperties": False}
TOOL = {
    "type": "function",
    "function": {"name": "tide", "description": "When", "parameters": SCHEMA, "strict": True},
    "cache_control": {"type": "ephemeral", "ttl": "1h"},
}
ASKED = [{"role": "user", "content": "Hello"}]
CALLED = {"id": "toolu_1", "type": "function", "function": {"name": "tide", "arguments": '{"at": "Brest"}'}}
LONG = [
    {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ],
    },
    {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [CALLED],
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0},
            {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "index": 1},
        ],
    },
    {
        "role": "tool",
        "tool_call_id": "toolu_1",
        "content": [
            {"type": "text", "text": "21:04", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "https://x.example/b.png"}},
        ],
    },
    {"role": "user", "content": "And then?"},
]
SENT: list[tuple[str, dict[str, Any]]] = [
    ("claude-haiku-4-5", {"messages": ASKED}),
    ("claude-haiku-4-5", {"messages": ASKED, "temperature": 0.5, "top_k": 5, "stop": ["END"], "user": "u-1"}),
    ("claude-haiku-4-5", {"messages": LONG, "tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False}),
    ("claude-haiku-4-5", {"messages": LONG, "tools": [TOOL], "tool_choice": "none", "reasoning_effort": "high"}),
    ("claude-haiku-4-5", {"messages": LONG, "tools": [TOOL], "tool_choice": "required", "service_tier": "default"}),
    ("claude-opus-4-8", {"messages": LONG, "tools": [TOOL], "tool_choice": CALLED | {"function": {"name": "tide"}}}),
    ("claude-opus-4-8", {"messages": ASKED, "reasoning_effort": "xhigh", "cache_control": {"type": "ephemeral"}}),
    ("claude-sonnet-5-5", {"messages": ASKED, "reasoning_effort": "none"}),
    ("claude-opus-4-6", {"messages": ASKED, "thinking": {"type": "enabled", "budget_tokens": 2048}}),
    (
        "claude-opus-4-6",
        {
            "messages": ASKED,
            "reasoning_effort": "max",
            "response_format": {"type": "json_schema", "json_schema": {"name": "tide", "schema": SCHEMA}},
        },
    ),
]


def read_whole(value: Any) -> Any:
    """pydantic reads the items of an Iterable only as they are asked for."""
    if isinstance(value, dict):
        return {name: read_whole(part) for name, part in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [read_whole(part) for part in value]


@pytest.mark.parametrize(("model", "body"), SENT)
@pytest.mark.parametrize("stream", [False, True])
def test_what_goes_out_is_a_request_of_anthropics_sdk_and_nothing_else(
    model: str, body: dict[str, Any], stream: bool
) -> None:
    target = Target("https://provider.example/v1", model, "s3cret")
    call = PROVIDER.call("chat/completions", {"max_tokens": 4096, "stream": stream, **body}, target)
    sent = json.loads(call.body)
    # The SDK speaks the API's version of October 2026, which takes no sampling parameters. Ours is the one that does.
    for name in ("temperature", "top_p", "top_k"):
        sent.pop(name, None)

    # A name that the type does not have is left out by the reading.
    assert read_whole((STREAMED if stream else REQUEST).validate_python(sent)) == sent


@pytest.mark.parametrize("name", MESSAGES)
def test_a_recorded_message_is_one_of_anthropics_sdk(name: str) -> None:
    message = json.loads((RECORDED / f"{name}.json").read_bytes())

    assert Message.model_validate(message, strict=True).model_dump(mode="json", exclude_unset=True) == message


def test_the_recorded_error_is_one_of_anthropics_sdk() -> None:
    error = json.loads((RECORDED / "error.json").read_bytes())

    assert ErrorResponse.model_validate(error).model_dump(mode="json", exclude_unset=True) == error


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_has_events_of_anthropics_sdk(name: str) -> None:
    for frame in (RECORDED / f"{name}.sse").read_text().strip().split("\n\n"):
        kind, data = (line.partition(": ")[2] for line in frame.split("\n"))
        event = json.loads(data)
        assert event["type"] == kind
        # The SDK reads pings and errors by other means.
        if kind not in ("ping", "error"):
            assert EVENT.dump_python(EVENT.validate_python(event), mode="json", exclude_unset=True) == event


@pytest.mark.parametrize("name", MESSAGES)
def test_an_answer_is_one_of_openais_sdk(name: str) -> None:
    answer = PROVIDER.answer("chat/completions", {}, (RECORDED / f"{name}.json").read_bytes())

    assert ChatCompletion.model_validate(answer, strict=True).model_dump(mode="json", exclude_unset=True) == answer


@pytest.mark.parametrize("name", STREAMS)
def test_a_chunk_is_one_of_openais_sdk(name: str) -> None:
    for event in PROVIDER.events({"stream": True}).feed((RECORDED / f"{name}.sse").read_bytes()):
        if event != b"[DONE]" and b'"error"' not in event:
            chunk = json.loads(event)
            assert (
                ChatCompletionChunk.model_validate(chunk, strict=True).model_dump(mode="json", exclude_unset=True)
                == chunk
            )
