"""Providers that speak Anthropic's Messages API: OpenAI's chat completions there and back.

https://platform.claude.com/docs/en/api/messages, as of November 2026, and the types of Anthropic's Python SDK 2.13.
Every field that goes out is generally available: no `anthropic-beta` header is needed.
"""

from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.kernel.time import Clock
from infergate.providers.anthropic_answer import chat_completion
from infergate.providers.anthropic_request import messages_body
from infergate.providers.anthropic_stream import AnthropicEvents
from infergate.providers.openai import OpenAI, refusal_of
from infergate.providers.types import Call, Events, Refusal, Target, Usage
from infergate.providers.wire_json import dump_json, parse_json

VERSION = "2023-06-01"
"""The next one, 2026-10-21, refuses temperature, top_p and top_k of every model: with it older models would lose them."""
_OPENAI = OpenAI()


class Anthropic:
    """The channel's base URL ends in /v1, as for OpenAI's kind. `clock` dates the answers: Anthropic's have no `created`."""

    stream_type = b"text/event-stream"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def call(self, endpoint: str, body: dict[str, Any], target: Target) -> Call:
        if endpoint != "chat/completions":
            raise InvalidRequest("This model's provider has no such endpoint.", "model")
        headers = [
            ("content-type", "application/json"),
            ("x-api-key", target.secret),
            ("anthropic-version", VERSION),
        ]
        return Call("/messages", headers, dump_json(messages_body(body, target.model)))

    def answer(self, endpoint: str, body: dict[str, Any], raw: bytes) -> dict[str, Any] | None:
        return chat_completion(parse_json(raw), created=int(self._clock()))

    def events(self, body: dict[str, Any]) -> Events:
        options = body.get("stream_options")
        wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        return AnthropicEvents(created=int(self._clock()), wants_usage=wants_usage)

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        return _OPENAI.usage(answer)

    def refusal(self, raw: bytes) -> Refusal:
        """{"type": "error", "error": {"type", "message"}}: it never says which field."""
        answer = parse_json(raw)
        error = answer.get("error") if isinstance(answer, dict) else None
        return refusal_of(error.get("message"), error.get("type"), None) if isinstance(error, dict) else Refusal()
