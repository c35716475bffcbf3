"""What a provider's stream says, event by event: what to pass on, what was passed on, and how it ended. Pure."""

from typing import Any

from infergate.kernel.money import Nanos, format_usd
from infergate.providers.types import Provider, Usage
from infergate.providers.wire_json import dump_json, parse_json

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
_TOOLS = (("function", "arguments"), ("custom", "input"))


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
        self.service_tier: str | None = None
        """As the provider says: the last word counts."""
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
        if isinstance(tier := event.get("service_tier"), str):
            self.service_tier = tier
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
        return frame(dump_json(chunk))

    def _shaped(self, event: dict[str, Any], data: bytes) -> bytes:
        """With include_usage every chunk has `usage: null` but the last; without it, none has `usage`."""
        one_line = b"\n" not in data and b"\r" not in data
        if self._wants_usage:
            if "usage" in event and event["usage"] is None and one_line:
                return data
            event["usage"] = None
        elif "usage" in event:
            del event["usage"]
        elif one_line:
            return data
        return dump_json(event)

    def _read_usage(self, event: dict[str, Any]) -> None:
        try:
            usage = self._provider.usage(event)
        except ValueError as error:
            self._flag(f"usage refused: {error}")
            return
        if usage is not None:
            # Some providers report a running total in every chunk: the last one counts.
            if self.usage is not None and self.usage.units != usage.units:
                self._flag("usage reported: more than once")
            self.usage = usage

    def _flag(self, flag: str) -> None:
        """Once for each kind, however often: a receipt has room for few."""
        kind = flag.partition(":")[0]
        if not any(known.startswith(kind) for known in self.flags):
            self.flags.append(flag)

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


def _head(event: dict[str, Any]) -> dict[str, Any]:
    """Empty where the event has none: Azure begins with an event about the prompt whose id and model are empty."""
    return {name: event[name] for name in ("id", "object", "created", "model") if event.get(name)}


def _text_bytes(choice: Any) -> int:
    part = choice.get("delta") or choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(part, dict):
        return 0
    texts = [part.get(name) for name in _TEXTS]
    tool_calls = part.get("tool_calls")
    for tool_call in tool_calls if isinstance(tool_calls, list) else ():
        for kind, written in _TOOLS:
            tool = tool_call.get(kind) if isinstance(tool_call, dict) else None
            if isinstance(tool, dict):
                texts += [tool.get("name"), tool.get(written)]
    return sum(len(text.encode("utf-8", "replace")) for text in texts if isinstance(text, str))
