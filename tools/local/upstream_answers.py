"""What the demo upstream says: pure functions from a request to OpenAI's wire shapes; nothing here is random.

A token is 4 characters, and at least 1 per text: messages, tool calls and the tool list are counted so; a picture or a
sound is 85 tokens. A streamed chunk holds one token.
"""

import base64
import hashlib
import math
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tools.local.upstream_script import Json, dump, spoil

CHARS_PER_TOKEN = 4
TOKENS_PER_MEDIA = 85
DIMENSIONS = 1536
DONE = b"data: [DONE]\n\n"

type Chunk = Callable[[list[Json], Json | None], bytes]


class ApiError(Exception):
    """An answer in OpenAI's error shape."""

    def __init__(self, status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = {}
        self.body: Json = {"error": {"message": message, "type": kind, "param": None, "code": code}}


@dataclass(frozen=True, slots=True)
class Answer:
    pieces: list[str]  # of the text, or of the tool call's arguments; one token each
    finish: str
    tool: str | None = None
    reasoning: int = 0


def plan(request: Json, script: Json) -> Answer:
    tool = wanted_tool(request)
    text = compose(request, script, tool)
    limit = whole_number(request, "max_completion_tokens") or whole_number(request, "max_tokens")
    if over := script.get("over"):
        return Answer(pieces(filler((limit or len(pieces(text))) + over)), "stop")
    text, finish = text if tool else until_stop(text, request.get("stop")), "tool_calls" if tool else "stop"
    reasoning = script.get("reasoning", 0)
    reasoning = min(reasoning, limit) if limit else reasoning
    room = limit - reasoning if limit else None
    parts = pieces(text)
    cut = room is not None and len(parts) > room
    return Answer(parts[:room], "length" if cut else finish, tool["name"] if tool else None, reasoning)


def compose(request: Json, script: Json, tool: Json | None) -> str:
    messages = request["messages"]
    shape = request.get("response_format") or {}
    if "empty" in script:
        return ""
    if tool:
        return dump(example(tool.get("parameters") or {})).decode()
    if "tokens" in script:
        return filler(script["tokens"])
    if shape.get("type") == "json_schema":
        return dump(example(shape["json_schema"].get("schema") or {})).decode()
    if messages[-1].get("role") == "tool":
        text = f'The tool answered: "{last_text(messages, "tool")[:400]}". I hope that helps.'
    else:
        text = f'You said: "{last_text(messages, "user")[:400]}". A pleasure to hear from you.'
    return dump({"answer": text}).decode() if shape.get("type") == "json_object" else text


def wanted_tool(request: Json) -> Json | None:
    """The function to call: the one that `tool_choice` names or the user mentions; if a call is required, any."""
    tools = [tool["function"] for tool in request.get("tools") or () if tool.get("type") == "function"]
    choice = request.get("tool_choice", "auto")
    if not tools or choice == "none" or request["messages"][-1].get("role") != "user":
        return None
    if isinstance(choice, dict):
        named = choice.get("function", {}).get("name")
        return next((tool for tool in tools if tool["name"] == named), None)
    text = last_text(request["messages"], "user")
    mentioned = next((tool for tool in tools if tool["name"] in text), None)
    return mentioned or (tools[0] if choice == "required" else None)


def completion(key: str, request: Json, answer: Answer, script: Json) -> Json:
    text = "".join(answer.pieces)
    message: Json = {"role": "assistant", "content": None if answer.tool else text, "refusal": None, "annotations": []}
    if answer.tool:
        message["tool_calls"] = [call(answer.tool, text) | {"id": f"call_{key}"}]
    choice = {"message": message, "logprobs": None, "finish_reason": answer.finish}
    reported = usage(request, answer, script)
    return (
        head(key, request, "chat.completion")
        | {"choices": [{"index": index} | choice for index in range(choices(request))]}
        | ({} if reported is None else {"usage": reported})
    )


def call(name: str, arguments: str) -> Json:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def head(key: str, request: Json, kind: str) -> Json:
    base = {"id": f"chatcmpl-demo-{key}", "object": kind, "created": int(time.time())}
    # It has room in its tier `flex`, and never any in `priority`: that is done as `default`, and said so.
    tier = "flex" if request.get("service_tier") == "flex" else "default"
    return base | {"model": request["model"], "service_tier": tier, "system_fingerprint": "fp_demo"}


def chunker(key: str, request: Json) -> Chunk:
    base = head(key, request, "chat.completion.chunk")
    asked = wants_usage(request)

    def chunk(choices: list[Json], usage: Json | None = None) -> bytes:
        return b"data: %b\n\n" % dump(base | {"choices": choices} | ({"usage": usage} if asked else {}))

    return chunk


def opening_frames(key: str, request: Json, answer: Answer, chunk: Chunk) -> Iterator[bytes]:
    delta: Json = {"role": "assistant", "content": None if answer.tool else "", "refusal": None}
    if answer.tool:
        delta["tool_calls"] = [{"index": 0, "id": f"call_{key}"} | call(answer.tool, "")]
    for index in range(choices(request)):
        yield chunk([part(index, delta)], None)


def body_frames(request: Json, answer: Answer, script: Json, chunk: Chunk) -> Iterator[bytes]:
    indexes = range(choices(request))
    for piece in answer.pieces:
        arguments = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        for index in indexes:
            yield chunk([part(index, arguments if answer.tool else {"content": piece})], None)
    for index in indexes:
        yield chunk([part(index, {}, answer.finish)], None)
    reported = usage(request, answer, script)
    if wants_usage(request) and reported is not None:
        if script.get("usage") == "twice":
            yield chunk([], usage(request, Answer(answer.pieces[: len(answer.pieces) // 2], "stop"), script))
        yield chunk([], reported)
    if script.get("end") != "no_done":
        yield DONE


def part(index: int, delta: Json, finish: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def embedding_list(request: Json, inputs: list[Any], script: Json) -> Json:
    size = whole_number(request, "dimensions") or DIMENSIONS
    vectors = [vector(text, size, request.get("encoding_format") == "base64") for text in inputs]
    data = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(vectors)]
    tokens = script.get("prompt", sum(len(text) if isinstance(text, list) else count(text) for text in inputs))
    reported = spoil({"prompt_tokens": tokens, "total_tokens": tokens}, script.get("usage"))
    answer: Json = {"object": "list", "data": data, "model": request["model"]}
    return answer if reported is None else answer | {"usage": reported}


def vector(text: str | list[int], size: int, as_base64: bool) -> str | tuple[float, ...]:
    """A unit vector out of the text's hash; 32-bit floats, so that both encodings say the same."""
    raw = struct.unpack(f"<{size}h", hashlib.shake_128(dump(text)).digest(2 * size))
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    packed = struct.pack(f"<{size}f", *(value / length for value in raw))
    return base64.b64encode(packed).decode() if as_base64 else struct.unpack(f"<{size}f", packed)


def pieces(text: str) -> list[str]:
    return [text[at : at + CHARS_PER_TOKEN] for at in range(0, len(text), CHARS_PER_TOKEN)]


def count(text: str) -> int:
    return max(1, math.ceil(len(text) / CHARS_PER_TOKEN))


def filler(tokens: int) -> str:
    verse = "The quick brown fox jumps over the lazy dog. "
    return (verse * (tokens * CHARS_PER_TOKEN // len(verse) + 1))[: tokens * CHARS_PER_TOKEN]


def prompt_tokens(request: Json) -> tuple[int, int]:
    """Tokens of text, and of pictures and sounds."""
    texts = [text_of(message) for message in request["messages"]]
    texts += [dump(message["tool_calls"]).decode() for message in request["messages"] if message.get("tool_calls")]
    texts += [dump(request["tools"]).decode()] if request.get("tools") else []
    parts = [p for m in request["messages"] if isinstance(m.get("content"), list) for p in m["content"]]
    return sum(map(count, texts)), TOKENS_PER_MEDIA * sum(p.get("type") not in ("text", "refusal") for p in parts)


def usage(request: Json, answer: Answer, script: Json) -> Json | None:
    text, media = prompt_tokens(request)
    cached = script.get("cached", 0)
    prompt = script.get("prompt", max(text + media, cached))
    made = (len(answer.pieces) + answer.reasoning) * choices(request)
    thought = answer.reasoning * choices(request)
    details = {"cached_tokens": cached, "cache_write_tokens": 0, "audio_tokens": 0, "image_tokens": media}
    made_details = {"reasoning_tokens": thought, "audio_tokens": 0, "text_tokens": made - thought}
    report = {
        "prompt_tokens": prompt,
        "completion_tokens": made,
        "total_tokens": prompt + made,
        "prompt_tokens_details": details | {"text_tokens": prompt - media},
        "completion_tokens_details": made_details | {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    }
    return spoil(report, script.get("usage"))


def request_of(body: bytes, needed: str) -> Json:
    request = parsed(body)
    if not isinstance(request, dict):
        raise ApiError(400, "the body is not a JSON object")
    for name in ("model", needed):
        if not request.get(name):
            raise ApiError(400, f"missing required parameter: '{name}'", "missing_required_parameter")
    whole_number(request, "n")
    if needed == "messages" and not all(isinstance(message, dict) for message in request["messages"]):
        raise ApiError(400, "'messages' must be a list of objects", "invalid_type")
    return request


def whole_number(request: Json, name: str) -> int | None:
    value = request.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise ApiError(400, f"'{name}' must be a whole number of at least 1", "invalid_value")
    return value


def choices(request: Json) -> int:
    return whole_number(request, "n") or 1


def wants_usage(request: Json) -> bool:
    return bool((request.get("stream_options") or {}).get("include_usage"))


def last_text(messages: list[Json], role: str) -> str:
    return next((text_of(message) for message in reversed(messages) if message.get("role") == role), "")


def text_of(message: Json) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def until_stop(text: str, stop: str | list[str] | None) -> str:
    ends = [text.find(word) for word in ([stop] if isinstance(stop, str) else stop or ()) if word in text]
    return text[: min(ends)] if ends else text


def example(schema: Json, root: Json | None = None, depth: int = 0) -> Any:
    """The plainest value that fits a JSON schema; a schema that contains itself ends in null, ten levels down."""
    root = root or schema
    if depth > 10:
        return None
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target.get(step, {}) if step else target
        return example(target, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example(schema[key][0], root, depth + 1)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {name: example(inner, root, depth + 1) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [example(schema.get("items", {}), root, depth + 1) for _ in range(max(1, schema.get("minItems", 1)))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return "demo"


def failure() -> Json:
    return ApiError(500, "the model broke down in mid-answer", "server_error", "server_error").body


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
