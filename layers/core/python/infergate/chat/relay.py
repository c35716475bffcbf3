"""What a provider's stream says, event by event: what to pass on, what was passed on, and how it ended. Pure."""

import json
from typing import Any

import orjson

from infergate.kernel.money import Nanos, format_usd
from infergate.providers.types import Provider, Usage

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


def frame(data: bytes) -> bytes:
    """One event. `data` is JSON without a line break, so nothing in it can start another."""
    return b"data: " + data + b"\n\n"


class Relay:
    """Reads a chat stream in OpenAI's form. `take` returns the frame to send for an event, b"" for none."""

    def __init__(self, provider: Provider, *, wants_usage: bool) -> None:
        self._provider = provider
        self._wants_usage = wants_usage
        self._head: dict[str, Any] = {}
        self.usage: Usage | None = None
        self.flags: list[str] = []
        self.relayed_bytes = 0
        self.done = False
        self.failure: str | None = None
        """Why the stream cannot go on, in words for the caller."""
        self.failure_code: str | None = None

    @property
    def over(self) -> bool:
        return self.done or self.failure is not None

    def take(self, data: bytes) -> bytes:
        if data == b"[DONE]":
            self.done = True
            return b""
        event = parse_json(data)
        if not isinstance(event, dict):
            self.failure = "The model's provider sent something that is not JSON."
            return b""
        if event.get("error"):
            self._failed(event["error"])
            return b""
        if event.get("usage") is not None:
            self._read_usage(event)
        choices = event.get("choices")
        if not choices:
            # The usage chunk: ours comes at the end, with the cost in it.
            self._head = self._head or _head(event)
            return b""
        if not isinstance(choices, list):
            self.failure = "The model's provider sent something that is not a chunk."
            return b""
        self._head = self._head or _head(event)
        self.relayed_bytes += sum(map(_text_bytes, choices))
        return frame(self._shaped(event, data))

    def usage_chunk(self, units: dict[str, int], cost: Nanos) -> bytes:
        """The chunk before [DONE] that a client asked for with include_usage."""
        wire = self.usage.wire if self.usage else wire_usage(units)
        chunk = {**self._head, "choices": [], "usage": {**wire, "cost": format_usd(cost)}}
        return frame(orjson.dumps(chunk))

    def _shaped(self, event: dict[str, Any], data: bytes) -> bytes:
        """With include_usage every chunk has `usage: null` but the last; without it, none has `usage`."""
        if self._wants_usage:
            if "usage" in event and event["usage"] is None and b"\n" not in data:
                return data
            event["usage"] = None
        elif "usage" in event:
            del event["usage"]
        elif b"\n" not in data:
            return data
        return orjson.dumps(event)

    def _read_usage(self, event: dict[str, Any]) -> None:
        try:
            usage = self._provider.usage(event)
        except ValueError as error:
            self.flags.append(f"usage refused: {error}")
            return
        if usage is not None:
            # Some providers report a running total in every chunk: the last one counts.
            self.usage = usage

    def _failed(self, error: Any) -> None:
        details = error if isinstance(error, dict) else {}
        code = details.get("code")
        self.failure_code = code if isinstance(code, str) else None
        self.failure = "The model's provider failed while it was answering."


def wire_usage(units: dict[str, int]) -> dict[str, Any]:
    """OpenAI's usage object for units that were counted locally."""
    cached = units.get("cached_input", 0)
    prompt, completion = units.get("input", 0) + cached, units.get("output", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def answer_bytes(answer: dict[str, Any]) -> int:
    """The bytes of text in an answer that was not streamed."""
    choices = answer.get("choices")
    return sum(map(_text_bytes, choices)) if isinstance(choices, list) else 0


def parse_json(data: bytes) -> Any:
    """What a provider sent, None where it is not JSON."""
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        # Numbers beyond a double are JSON too; only the usage that holds them is refused.
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _head(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("id", "object", "created", "model") if name in event}


def _text_bytes(choice: Any) -> int:
    part = choice.get("delta") or choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(part, dict):
        return 0
    total = 0
    for name in _TEXTS:
        text = part.get(name)
        if isinstance(text, str):
            total += len(text.encode("utf-8", "replace"))
    for tool_call in part.get("tool_calls") or ():
        function = tool_call.get("function") if isinstance(tool_call, dict) else None
        if isinstance(function, dict):
            total += len(str(function.get("name") or "")) + len(str(function.get("arguments") or ""))
    return total
