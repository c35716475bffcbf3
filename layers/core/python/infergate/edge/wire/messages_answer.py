"""A chat's answer as Anthropic's message, whole or streamed, and an error in Anthropic's form. Pure.

Formats: https://docs.claude.com/en/api/messages, /messages-streaming and /errors, as of late 2026. The usage in
`message_start` is 0, because it is not known yet; `message_delta` has all of it, which SDKs take over.
"""

from typing import Any

from infergate.edge.wire.blocks import (
    FUNCTION,
    REASONING,
    REDACTED,
    SIGNATURE,
    START,
    STOP,
    Block,
    Blocks,
    Step,
    answer_blocks,
    ending,
    first_choice,
    text_of,
)
from infergate.edge.wire.usage import counts
from infergate.providers.wire_json import dump_json, parse_json

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_ERROR_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def anthropic_error(status: int, error: dict[str, Any], request_id: str) -> dict[str, Any]:
    """`error`: the inner object of OpenAI's. Its `code` stands beside, so that a program can tell refusals apart."""
    kind = _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    param, code = error.get("param"), error.get("code")
    message = text_of(error.get("message"))
    said: dict[str, Any] = {"type": kind, "message": f"{param}: {message}" if isinstance(param, str) else message}
    if isinstance(code, str):
        said["code"] = code
    return {"type": "error", "error": said, "request_id": request_id}


def message_id(request_id: str) -> str:
    return f"msg_{request_id.rpartition('_')[2]}"


def whole(answer: dict[str, Any], request_id: str, model: str) -> dict[str, Any]:
    """`model`: as it was asked for, where the answer names none."""
    choice = first_choice(answer)
    blocks = answer_blocks(choice)
    message = _message(request_id, text_of(answer.get("model")) or model)
    message["content"] = [_block(block) for block in blocks]
    message |= _ending(choice, called=any(block.is_tool for block in blocks))
    message["usage"] = _usage(answer.get("usage"))
    return message


class MessagesStream:
    """Chunks of a chat in, Anthropic's events out."""

    def __init__(self, request_id: str, model: str) -> None:
        self._request_id = request_id
        self._model = model
        self._blocks = Blocks()
        self._started = False
        self._over = False

    def take(self, chunk: dict[str, Any]) -> bytes:
        return self._start(chunk) + b"".join(_said(step) for step in self._blocks.take(first_choice(chunk)))

    def end(self, usage: dict[str, Any] | None) -> bytes:
        if self._over:
            return b""
        self._over = True
        start = self._start({})
        blocks = b"".join(_said(step) for step in self._blocks.end())
        delta = {"container": None} | _ending(self._blocks.last, called=self._blocks.called)
        counted = {name: value for name, value in _usage(usage).items() if name not in _ONLY_AT_THE_START}
        return start + blocks + _event("message_delta", {"delta": delta, "usage": counted}) + _event("message_stop", {})

    def fail(self, error: dict[str, Any]) -> bytes:
        """A message that is cut off: no block is closed, so that no half of one is taken for a whole."""
        self._over = True
        return b"event: error\ndata: " + dump_json(anthropic_error(500, error, self._request_id)) + b"\n\n"

    def _start(self, chunk: dict[str, Any]) -> bytes:
        if self._started:
            return b""
        self._started = True
        message = _message(self._request_id, text_of(chunk.get("model")) or self._model)
        return _event("message_start", {"message": message | {"usage": _usage(None)}})


_ONLY_AT_THE_START = frozenset({"service_tier", "cache_creation", "inference_geo"})


def _message(request_id: str, model: str) -> dict[str, Any]:
    return {
        "id": message_id(request_id),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "container": None,
        "stop_details": None,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _ending(choice: Any, *, called: bool) -> dict[str, Any]:
    """`stop_reason` in a chat's choice is what some providers (vLLM) call the stop word that they met."""
    finish = ending(choice, called=called)
    word = choice.get("stop_reason") if isinstance(choice, dict) else None
    word = word if finish == "stop" and isinstance(word, str) and word else None
    refusal = {"type": "refusal", "category": None, "explanation": None} if finish == "content_filter" else None
    return {
        "stop_reason": _STOP_REASONS[finish] if word is None else "stop_sequence",
        "stop_sequence": word,
        "stop_details": refusal,
    }


def _usage(usage: dict[str, Any] | None) -> dict[str, Any]:
    """Of a cache's writes, those for an hour are told apart."""
    counted = counts(usage)
    shown: dict[str, Any] = {
        "input_tokens": counted.uncached,
        "cache_creation_input_tokens": counted.written + counted.written_1h,
        "cache_read_input_tokens": counted.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counted.written,
            "ephemeral_1h_input_tokens": counted.written_1h,
        },
        "output_tokens": counted.completion,
        "output_tokens_details": {"thinking_tokens": counted.reasoning},
        "server_tool_use": None,
        "inference_geo": None,
        "service_tier": "standard",
    }
    return shown if counted.cost is None else shown | {"cost": counted.cost}


def _block(block: Block) -> dict[str, Any]:
    if block.is_tool:
        return _empty(block) | {"input": _arguments(block)}
    if block.kind == REASONING:
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}
    if block.kind == REDACTED:
        return {"type": "redacted_thinking", "data": block.text}
    return {"type": "text", "text": block.text, "citations": None}


def _empty(block: Block) -> dict[str, Any]:
    """As it stands in content_block_start."""
    if block.is_tool:
        called = {"id": block.id or f"toolu_{block.index}", "name": block.name, "input": {}}
        return {"type": "tool_use", "caller": {"type": "direct"}} | called
    return _block(Block(block.kind, text=block.text if block.kind == REDACTED else ""))


def _arguments(block: Block) -> dict[str, Any]:
    """What a model wrote need not be JSON; a client that reads `input` needs an object."""
    if block.kind != FUNCTION:
        return {"input": block.text}
    arguments = parse_json(block.text.encode("utf-8", "replace")) if block.text else {}
    return arguments if isinstance(arguments, dict) else {"arguments": block.text}


def _said(step: Step) -> bytes:
    index = {"index": step.block.index}
    if step.what == START:
        return _event("content_block_start", index | {"content_block": _empty(step.block)})
    if step.what == STOP:
        return _event("content_block_stop", index)
    return _event("content_block_delta", index | {"delta": _delta(step)})


def _delta(step: Step) -> dict[str, Any]:
    if step.what == SIGNATURE:
        return {"type": "signature_delta", "signature": step.text}
    if step.block.is_tool:
        return {"type": "input_json_delta", "partial_json": step.text}
    if step.block.kind == REASONING:
        return {"type": "thinking_delta", "thinking": step.text}
    return {"type": "text_delta", "text": step.text}


def _event(kind: str, values: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: ".encode() + dump_json({"type": kind, **values}) + b"\n\n"
