"""The parsers of requests attacked: valid bodies, changed at random, in their values and in their bytes.

A parser may accept or raise InvalidRequest or BodyTooLarge, and nothing else. What it accepts can be sent on: it has a form in
JSON, its numbers that cost money are in range, and an answer to it can be said in the caller's format.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from infergate.chat.types import InferenceRequest
from infergate.edge.chat_request import CHOICES_MAX, OUTPUT_MAX, Parser
from infergate.edge.openai import POSTS
from infergate.edge.wire.messages_request import parse_count
from infergate.edge.wire.voices import Speech, voice_of
from infergate.kernel.errors import BodyTooLarge, InvalidRequest
from infergate.providers.wire_json import dump_json

from tests.openapi.document import Json, document, operations, resolved

REQUEST_ID = "req_01JDF3Z9G00000000000000000"
PARSERS: dict[str, Parser] = {**POSTS, "/v1/messages/count_tokens": parse_count}
RICH: dict[str, tuple[Json, ...]] = {
    "/v1/chat/completions": (
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.b/c"}}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
                {"role": "tool", "tool_call_id": "c", "content": "r"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "service_tier": "flex",
            "n": 2,
        },
    ),
    "/v1/responses": (
        {
            "model": "m",
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
                {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "i"},
                {"type": "custom_tool_call_output", "call_id": "d", "output": "r"},
            ],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
            "reasoning": {"effort": "high", "summary": "auto"},
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "tools": [{"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark"}}],
            "metadata": {"k": "v"},
            "include": ["message.output_text.logprobs"],
        },
    ),
    "/v1/messages": (
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t", "signature": "s"},
                        {"type": "redacted_thinking", "data": "d"},
                        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "c",
                            "is_error": True,
                            "content": [
                                {"type": "text", "text": "r"},
                                {"type": "image", "source": {"type": "url", "url": "https://a.b/c"}},
                            ],
                        }
                    ],
                },
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            "thinking": {"type": "enabled", "budget_tokens": 5000},
            "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {}}},
            "stop_sequences": ["x"],
            "metadata": {"user_id": "u"},
        },
    ),
}
RICH["/v1/messages/count_tokens"] = RICH["/v1/messages"]
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 20, 128, 129, 2**53, 2**63, 2**64, -(2**70), 10_000_001, 0.5, -0.0, 1e308, 5e-324),
    *(
        "",
        "a",
        "auto",
        "default",
        "text",
        "function",
        "custom",
        "x" * 201,
        "\x00",
        "\ud800",
        "\U0001f600",
        "data:image/",
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        {"": None},
        ["text"],
        [1, "a", None],
        {"type": []},
        {"type": {}},
        [True],
        {"a": {"b": {"c": []}}},
    ),
)
TOKENS = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"NaN",
    b"-Infinity",
)
TOKENS += (b"1e999", b"9" * 5000, b"[" * 70, b'{"a":' * 65, b'"model":"m",', b"null", b" ", b"\r\n", b"\xed\xa0\x80")
ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": "0.00"},
    }
)


@dataclass(slots=True)
class Fuzzed:
    """`outcomes` counts by path and outcome: accepted, refused. `violations` has the bodies that must not have had theirs."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def fuzz(inputs: int, seed: int) -> Fuzzed:
    chance, done = random.Random(seed), Fuzzed()
    seeds, names = _seeds(), _names()
    for at in range(inputs):
        path = chance.choice(list(PARSERS))
        body = _mutated(chance.choice(seeds[path]), names, chance)
        outcome = _outcome(PARSERS[path], body)
        if outcome not in ("accepted", "refused"):
            done.violations.append(f"{path}, input {at} of seed {seed}: {outcome}: {body[:500]!r}")
        done.outcomes[path, outcome] += 1
    return done


def _seeds() -> dict[str, list[Json]]:
    """The document's examples, and richer ones."""
    found = {path: list(RICH.get(path, ())) for path in PARSERS}
    for (_, path), operation in operations().items():
        if path in found:
            examples = operation["requestBody"]["content"]["application/json"]["examples"]
            found[path] += [example["value"] for example in examples.values()]
    return found


def _names() -> list[str]:
    """Every field that the document has."""
    schemas = map(resolved, document()["components"]["schemas"].values())
    return sorted({name for schema in schemas for name in schema.get("properties", {})})


def _mutated(value: Json, names: list[str], chance: random.Random) -> bytes:
    copy = orjson.loads(orjson.dumps(value))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
        chance.choice(_CHANGES)(chance.choice(_inner(copy)), names, chance)
    # Half of a surrogate pair is written as an escape, and as bytes that are no UTF-8.
    ascii_only = chance.random() < 0.5
    body = json.dumps(copy, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for _ in range(chance.choice((0, 0, 0, 0, 1, 2))):
        at = chance.randrange(len(body) + 1)
        cut = at + chance.choice((0, 0, 1, 5, 10**9))
        body = body[:at] + chance.choice((*TOKENS, b"")) + body[cut:]
    return body


def _inner(value: Any) -> list[Any]:
    """Every object and list in it, itself first."""
    found = [value]
    for each in found:
        children = each.values() if isinstance(each, dict) else each
        found += [child for child in children if isinstance(child, dict | list)]
    return found


def _put(holder: Any, names: list[str], chance: random.Random) -> None:
    """An odd value where there was another."""
    if holder:
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        holder[key] = _odd(chance)


def _add(holder: Any, names: list[str], chance: random.Random) -> None:
    """A field that the document has elsewhere, or one more element."""
    if isinstance(holder, dict):
        holder[chance.choice(names)] = _odd(chance)
    else:
        holder.append(_odd(chance))


def _drop(holder: Any, names: list[str], chance: random.Random) -> None:
    if holder:
        del holder[chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))]


def _double(holder: Any, names: list[str], chance: random.Random) -> None:
    if isinstance(holder, list) and len(holder) < 50:
        holder += json.loads(dump_json(holder))


def _odd(chance: random.Random) -> Any:
    return json.loads(json.dumps(chance.choice(ODD)))


_CHANGES: tuple[Callable[[Any, list[str], random.Random], None], ...] = (_put, _put, _add, _add, _drop, _double)


def _outcome(parser: Parser, body: bytes) -> str:
    try:
        request = parser(body, REQUEST_ID)
    except InvalidRequest as refused:
        return _refusal(refused)
    except BodyTooLarge:
        return "refused"
    except Exception as error:
        return f"raised {error!r}"
    try:
        return _accepted(request)
    except Exception as error:
        return f"accepted, then {error!r}"


def _refusal(refused: InvalidRequest) -> str:
    """Its words go into an answer, so they have a form in UTF-8."""
    try:
        orjson.dumps([refused.message, refused.param, refused.code])
    except TypeError:
        return f"refused in words that cannot be sent: {refused!r}"
    return "refused"


def _accepted(request: InferenceRequest) -> str:
    if json.loads(dump_json(request.body)) != request.body:
        return "accepted, and changed on its way"
    if not 1 <= request.choices <= CHOICES_MAX or not 1 <= (request.max_output or 1) <= OUTPUT_MAX:
        return f"accepted with {request.choices} choices of {request.max_output} tokens"
    if not 1 <= len(request.model) <= 200 or request.input_bytes < 1:
        return f"accepted with the model {request.model!r} and {request.input_bytes} bytes"
    voice = voice_of(request)
    if voice is not None:
        orjson.loads(Speech(voice).whole(ANSWER))
    return "accepted"
