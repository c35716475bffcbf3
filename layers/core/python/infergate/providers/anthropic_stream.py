"""A stream of Anthropic's as OpenAI's chunks: https://platform.claude.com/docs/en/build-with-claude/streaming.

message_start, then blocks (content_block_start, _delta ..., _stop), message_delta with the reason to stop, message_stop; pings
and, if it goes wrong, an error anywhere. One event is parsed once, and at most one piece of it dumped.
"""

from collections.abc import Callable
from typing import Any

from infergate.providers.anthropic_answer import (
    arguments_of,
    finish_reason,
    openai_usage,
    reasoning_detail,
    refusal_text,
    text_of,
)
from infergate.providers.sse import SseReader
from infergate.providers.types import BrokenStream
from infergate.providers.wire_json import dump_json, parse_json

THINKING_MAX = 4 << 20
"""Characters of thinking in one stream: a block is kept until its signature comes."""
OPEN_MAX = 64
"""Blocks at a time. Anthropic has one."""


class AnthropicEvents:
    """The role comes with the first block: until something is written, another route may be tried.

    A stream without message_stop ends without [DONE], and without a usage: it is charged by what was relayed.
    """

    def __init__(self, *, created: int, wants_usage: bool) -> None:
        self._reader = SseReader()
        self._created = created
        self._tail = b',"usage":null}' if wants_usage else b"}"
        """With include_usage each chunk has it: so nobody needs to write this chunk again."""
        self._head = b""
        self._usage: Any = None
        self._open: dict[int, dict[str, Any]] = {}
        self._calls = 0
        self._thought = 0
        self._begun = False
        self._finished = False
        self._over = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises BrokenStream."""
        out: list[bytes] = []
        for data in self._reader.feed(piece):
            if self._over:
                break
            event = parse_json(data)
            if not isinstance(event, dict) or not isinstance(kind := event.get("type"), str):
                raise BrokenStream("an event is not an object with a type")
            if handle := _HANDLERS.get(kind):
                handle(self, event, out)
        return out

    # -- events ---------------------------------------------------------------------------------------------------------

    def _start(self, event: dict[str, Any], out: list[bytes]) -> None:
        message = _object(event, "message")
        head = {
            "id": text_of(message, "id"),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": text_of(message, "model"),
        }
        self._head = dump_json(head)[:-1] + b',"choices":['
        self._take_usage(message)

    def _block_start(self, event: dict[str, Any], out: list[bytes]) -> None:
        block, index = _object(event, "content_block"), _index(event)
        if len(self._open) >= OPEN_MAX:
            raise BrokenStream("too many blocks at a time")
        if not self._begun:
            self._begun = True
            out.append(self._chunk(b'{"role":"assistant","content":""}'))
        match block.get("type"):
            case "text":
                if text := text_of(block, "text"):
                    out.append(self._delta("content", text))
            case "thinking":
                self._open[index] = {
                    "type": "thinking",
                    "thoughts": [],
                    "signature": text_of(block, "signature"),
                }
                self._think(self._open[index], text_of(block, "thinking"), out)
            case "redacted_thinking":
                out.append(self._delta("reasoning_details", [reasoning_detail(block, index)]))
            case "tool_use":
                written = arguments_of(block)
                call = {
                    "index": self._calls,
                    "id": text_of(block, "id"),
                    "type": "function",
                    "function": {"name": text_of(block, "name"), "arguments": "" if written == "{}" else written},
                }
                self._open[index] = {"type": "tool_use", "call": self._calls, "written": written != "{}"}
                self._calls += 1
                out.append(self._delta("tool_calls", [call]))

    def _block_delta(self, event: dict[str, Any], out: list[bytes]) -> None:
        delta = _object(event, "delta")
        match delta.get("type"):
            case "text_delta":
                if text := text_of(delta, "text"):
                    out.append(self._delta("content", text))
            case "input_json_delta":
                if part := text_of(delta, "partial_json"):
                    block = self._opened(event, "tool_use")
                    block["written"] = True
                    call = {"index": block["call"], "function": {"arguments": part}}
                    out.append(self._delta("tool_calls", [call]))
            case "thinking_delta":
                self._think(self._opened(event, "thinking"), text_of(delta, "thinking"), out)
            case "signature_delta":
                self._opened(event, "thinking")["signature"] = text_of(delta, "signature")

    def _block_stop(self, event: dict[str, Any], out: list[bytes]) -> None:
        block = self._open.pop(index := _index(event), None)
        if block is None:
            return
        if block["type"] == "thinking":
            # Whole, and once: what is sent back must not have lost a piece.
            whole = {**block, "thinking": "".join(block["thoughts"])}
            out.append(self._delta("reasoning_details", [reasoning_detail(whole, index)]))
        elif not block["written"]:
            # Anthropic writes nothing where the input is empty; OpenAI's arguments are always JSON.
            out.append(self._delta("tool_calls", [{"index": block["call"], "function": {"arguments": "{}"}}]))

    def _message_delta(self, event: dict[str, Any], out: list[bytes]) -> None:
        delta = _object(event, "delta")
        self._take_usage(event)
        if delta.get("stop_reason") is not None:
            self._finish(delta, out)

    def _stop(self, event: dict[str, Any], out: list[bytes]) -> None:
        self._finish({}, out)
        if self._usage is not None:
            usage = dump_json(openai_usage(self._usage))
            out.append(self._started() + b'],"usage":' + usage + b"}")
        out.append(b"[DONE]")
        self._over = True

    def _error(self, event: dict[str, Any], out: list[bytes]) -> None:
        error = event.get("error")
        error = error if isinstance(error, dict) else {}
        kind = text_of(error, "type") or "api_error"
        message = text_of(error, "message")[:500]
        out.append(dump_json({"error": {"message": message, "type": kind[:100], "param": None, "code": kind[:100]}}))
        self._over = True

    # -- pieces ---------------------------------------------------------------------------------------------------------

    def _started(self) -> bytes:
        if not self._head:
            raise BrokenStream("no message has started")
        return self._head

    def _chunk(self, delta: bytes, finish: bytes = b"null") -> bytes:
        choice = b'{"index":0,"delta":' + delta + b',"finish_reason":' + finish + b"}]"
        return self._started() + choice + self._tail

    def _delta(self, name: str, value: Any) -> bytes:
        return self._chunk(b'{"' + name.encode() + b'":' + dump_json(value) + b"}")

    def _think(self, block: dict[str, Any], text: str, out: list[bytes]) -> None:
        if not text:
            return
        self._thought += len(text)
        if self._thought > THINKING_MAX:
            raise BrokenStream("too much thinking")
        block["thoughts"].append(text)
        out.append(self._delta("reasoning_content", text))

    def _opened(self, event: dict[str, Any], kind: str) -> dict[str, Any]:
        block = self._open.get(_index(event))
        if block is None or block["type"] != kind:
            raise BrokenStream("a piece of a block that is not open")
        return block

    def _finish(self, delta: dict[str, Any], out: list[bytes]) -> None:
        if self._finished:
            return
        self._finished = True
        refusal = refusal_text(delta)
        said = dump_json({"refusal": refusal}) if refusal else b"{}"
        out.append(self._chunk(said, b'"' + finish_reason(delta.get("stop_reason")).encode() + b'"'))

    def _take_usage(self, holder: dict[str, Any]) -> None:
        """Counts are running totals, and a later event has fewer kinds of them than the first."""
        usage = holder.get("usage")
        if not isinstance(usage, dict) or not isinstance(self._usage, dict):
            self._usage = self._usage if usage is None else usage
            return
        self._usage = {**self._usage, **{name: count for name, count in usage.items() if count is not None}}


def _object(event: dict[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise BrokenStream(f"an event has no {name}")
    return value


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise BrokenStream("a block has no index")
    return index


type _Handler = Callable[[AnthropicEvents, dict[str, Any], list[bytes]], None]
_HANDLERS: dict[str, _Handler] = {
    "message_start": AnthropicEvents._start,
    "content_block_start": AnthropicEvents._block_start,
    "content_block_delta": AnthropicEvents._block_delta,
    "content_block_stop": AnthropicEvents._block_stop,
    "message_delta": AnthropicEvents._message_delta,
    "message_stop": AnthropicEvents._stop,
    "error": AnthropicEvents._error,
}
"""Anything else (ping, and what is to come) says nothing that a chunk could."""
