"""The recorded replies of providers, and what must be read from each: for the unit tests, and for `tests.providers`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parents[1] / "unit" / "providers" / "recorded"


@dataclass(frozen=True)
class Expected:
    """What a client is shown, and what is charged for."""

    text: str = ""
    reasoning: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    finish: str | None = "stop"
    units: dict[str, int] = field(default_factory=dict)
    broken: bool = False
    """The stream ends in an error of the provider's."""


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    body: bytes


def reply(kind: str, name: str) -> Reply:
    """`name` is that of the file: reasoning.sse, refusal.json."""
    if kind == "bedrock":
        answers = orjson.loads((FOLDER / kind / "answers.json").read_bytes())
        return Reply(200, "application/json", orjson.dumps(answers[name.removesuffix(".json")]))
    raw = (FOLDER / kind / name).read_bytes()
    if name.endswith(".sse"):
        return Reply(200, "text/event-stream", raw)
    record = orjson.loads(raw)
    if "source" not in record:
        return Reply(200, "application/json", raw)
    return Reply(record["status"], "application/json", orjson.dumps(record["body"]))


def names() -> list[str]:
    return sorted(str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*") if path.suffix in {".json", ".sse"})


FOUR = "Two and two are four."
AGAIN = "Again the same."

EXPECTED: dict[str, Expected] = {
    "openai/cached.json": Expected(AGAIN, units={"input": 86, "cached_input": 1920, "output": 300}),
    "openai/reasoning.sse": Expected("Four.", units={"input": 11, "output": 13, "reasoning": 64}),
    "azure/stream.sse": Expected("Hello", units={"input": 156, "cached_input": 1024, "output": 2}),
    "azure/reasoning.json": Expected("Four.", units={"input": 11, "output": 13, "reasoning": 64}),
    "azure/cached.json": Expected(AGAIN, units={"input": 158, "cached_input": 1408, "output": 942, "reasoning": 576}),
    "gemini/reasoning.json": Expected("36", units={"input": 20, "output": 198, "reasoning": 405}),
    "gemini/tools.sse": Expected(
        tools=(("get_weather", '{"city":"Oslo"}'), ("get_weather", '{"city":"Rome"}')),
        finish="tool_calls",
        units={"input": 60, "output": 30, "reasoning": 50},
    ),
    "gemini/blocked.sse": Expected("I", finish="content_filter", units={"input": 9, "output": 1}),
    "gemini/cached.json": Expected(AGAIN, units={"input": 204, "cached_input": 4096, "output": 10}),
    "mistral/reasoning.sse": Expected("4", FOUR, units={"input": 10, "output": 46}),
    "mistral/reasoning.json": Expected("4", FOUR, units={"input": 10, "output": 46}),
    "mistral/cached.json": Expected(AGAIN, units={"input": 5, "cached_input": 1008, "output": 30}),
    "mistral/broken.sse": Expected("Once", finish=None, units={"input": 9, "output": 2}, broken=True),
    "groq/stream.sse": Expected("Hello", units={"input": 23, "output": 19}),
    "groq/reasoning.sse": Expected("4", FOUR, units={"input": 17, "output": 8, "reasoning": 40}),
    "groq/cached.json": Expected(AGAIN, units={"input": 33, "cached_input": 4608, "output": 1817}),
    "groq/broken.sse": Expected("Once", finish=None, broken=True),
    "deepseek/reasoning.sse": Expected(
        "4", FOUR, units={"input": 24, "cached_input": 64, "output": 3, "reasoning": 11}
    ),
    "deepseek/cached.json": Expected(AGAIN, units={"input": 36, "cached_input": 1664, "output": 20}),
    "deepseek/broken.sse": Expected("Once", finish=None, units={"input": 9, "output": 2}, broken=True),
    "xai/reasoning.sse": Expected(
        reasoning="The user wants the weather.",
        tools=(("get_weather", '{"city":"San Francisco"}'),),
        finish="tool_calls",
        units={"input": 1, "cached_input": 290, "output": 26, "reasoning": 196},
    ),
    "xai/cached.json": Expected(AGAIN, units={"input": 9992, "cached_input": 128, "output": 1499, "reasoning": 2809}),
    "together/reasoning.sse": Expected("4", FOUR, units={"input": 7, "cached_input": 12, "output": 13}),
    "together/cached.json": Expected(AGAIN, units={"input": 7, "cached_input": 12, "output": 13}),
    "fireworks/reasoning.sse": Expected("4", FOUR, units={"input": 15, "output": 20}),
    "fireworks/cached.json": Expected(AGAIN, units={"input": 48, "cached_input": 2000, "output": 12}),
    "openrouter/reasoning.sse": Expected("4", FOUR, units={"input": 20, "output": 5, "reasoning": 25}),
    "openrouter/cached.json": Expected(AGAIN, units={"input": 30, "cached_input": 64, "cache_write": 100, "output": 2}),
    "openrouter/broken.sse": Expected("Once", finish=None, broken=True),
    "vllm/reasoning.sse": Expected("4", FOUR, units={"input": 18, "output": 20}),
    "vllm/cached.json": Expected(AGAIN, units={"input": 16, "cached_input": 1024, "output": 4}),
    "vllm/broken.sse": Expected("Once", finish=None, broken=True),
    "ollama/reasoning.sse": Expected("4", FOUR, units={"input": 68, "output": 30}),
    "llamacpp/cached.json": Expected('{\n\t"ok" :true }', units={"input": 1, "cached_input": 23, "output": 27}),
    "llamacpp/reasoning.sse": Expected("4", FOUR, units={"input": 1, "cached_input": 23, "output": 12}),
}

OTHER_FORMATS: dict[str, Expected] = {
    "anthropic/cached.json": Expected(
        "Yes.",
        units={"input": 50, "cached_input": 100_000, "cache_write": 456, "cache_write_1h": 100, "output": 5},
    ),
    "bedrock/cached.json": Expected(
        "Yes.", units={"input": 20, "cached_input": 3000, "cache_write": 600, "cache_write_1h": 1500, "output": 5}
    ),
}
"""Of kinds that speak no dialect of OpenAI's; their own tests read all that is recorded of them."""

REFUSALS: dict[str, tuple[str, str | None, str | None]] = {
    "openai/refusal.json": (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "unsupported_parameter",
        "max_tokens",
    ),
    "azure/refusal.json": (
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "content_filter",
        "prompt",
    ),
    "gemini/refusal.json": (
        'Invalid JSON payload received. Unknown name "frequency_penalty": Cannot find field.',
        "INVALID_ARGUMENT",
        None,
    ),
    "mistral/refusal.json": (
        "max_completion_tokens: Extra inputs are not permitted",
        None,
        "max_completion_tokens",
    ),
    "mistral/refusal_order.json": ("Unexpected role 'user' after role 'tool'", "3230", None),
    "mistral/refusal_detail.json": ("store: Extra inputs are not permitted", None, "store"),
    "groq/refusal.json": (
        "'messages.2' : for 'role:assistant' the following must be satisfied"
        "[('messages.2' : property 'status' is unsupported, did you mean 'name'?)]",
        None,
        None,
    ),
    "deepseek/refusal.json": (
        "Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant `developer`, "
        "expected one of `system`, `user`, `assistant`, `tool` at line 1 column 85",
        "invalid_request_error",
        None,
    ),
    "xai/refusal.json": (
        "Argument not supported on this model: stop",
        "Client specified an invalid argument",
        None,
    ),
    "together/refusal.json": (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.",
        None,
        "max_tokens",
    ),
    "fireworks/refusal.json": (
        "The prompt is too long: 9000, model maximum context length: 8191",
        "invalid_request_error",
        None,
    ),
    "openrouter/refusal.json": ("Provider returned error", None, None),
    "vllm/refusal.json": (
        "This model's maximum context length is 32768 tokens. However, you requested 39197 tokens in the messages, "
        "Please reduce the length of the messages. None",
        None,
        None,
    ),
    "vllm/refusal_old.json": (
        "This model's maximum context length is 2048 tokens. However, you requested 2723 tokens (1699 in the messages, "
        "1024 in the completion). Please reduce the length of the messages or completion.",
        None,
        None,
    ),
    "ollama/refusal.json": ("invalid image input", None, None),
    "llamacpp/refusal.json": ("'messages' is required", None, None),
}


def read_message(message: dict[str, Any], finish: str | None) -> Expected:
    """What a message in OpenAI's form shows."""
    tools = tuple((call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ())
    return Expected(message.get("content") or "", message.get("reasoning_content") or "", tools, finish)


def read_chunks(chunks: list[dict[str, Any]]) -> Expected:
    """What a client puts together from chunks in OpenAI's form: tool calls by their index."""
    text = reasoning = ""
    tools: dict[int, list[str]] = {}
    finish = None
    for choice in (choice for chunk in chunks for choice in chunk.get("choices") or ()):
        delta = choice["delta"]
        text += delta.get("content") or ""
        reasoning += delta.get("reasoning_content") or ""
        finish = choice.get("finish_reason") or finish
        for call in delta.get("tool_calls") or ():
            known = tools.setdefault(call["index"], ["", ""])
            known[0] += call["function"].get("name") or ""
            known[1] += call["function"].get("arguments") or ""
    called = tuple((name, arguments) for _, (name, arguments) in sorted(tools.items()))
    return Expected(text, reasoning, called, finish)
