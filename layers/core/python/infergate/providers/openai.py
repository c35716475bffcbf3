"""Providers that speak OpenAI's wire format, each with its quirks. Requests go out nearly as they came."""

from typing import Any
from urllib.parse import quote

from infergate.providers.dialect import express
from infergate.providers.plain import plain
from infergate.providers.quirks import OPENAI, Quirks
from infergate.providers.replies import MendedEvents, error_of, mended_answer
from infergate.providers.sse import SseReader
from infergate.providers.types import Call, Events, Refusal, Target, Usage
from infergate.providers.usage import in_openais_form, read_usage
from infergate.providers.wire_json import dump_json, parse_json


class OpenAI:
    """https://platform.openai.com/docs/api-reference, as of late 2026, but for the quirks."""

    stream_type = b"text/event-stream"

    def __init__(self, quirks: Quirks = OPENAI) -> None:
        self._quirks = quirks

    def call(self, endpoint: str, body: dict[str, Any], target: Target) -> Call:
        dialect = self._quirks.dialect
        body = plain(body, f"{dialect.takes} {target.options.get('takes', '')}")
        outgoing = express(body, endpoint, dialect, target.output_field)
        outgoing["model"] = target.model
        headers = [("content-type", "application/json"), *headers_of(target, self._quirks)]
        return Call(path_of(endpoint, target, self._quirks), headers, dump_json(outgoing))

    def answer(self, endpoint: str, body: dict[str, Any], raw: bytes) -> dict[str, Any] | None:
        answer = parse_json(raw)
        if self._quirks.replies is not None:
            return mended_answer(answer, self._quirks.replies)
        return answer if isinstance(answer, dict) else None

    def events(self, body: dict[str, Any]) -> Events:
        return SseReader() if self._quirks.replies is None else MendedEvents(self._quirks.replies)

    def refusal(self, raw: bytes) -> Refusal:
        answer = parse_json(raw)
        if self._quirks.replies is not None:
            error = error_of(answer)
        else:
            error = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(error, dict):
            return Refusal()
        return refusal_of(error.get("message"), error.get("code"), error.get("param"))

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        wire, chat = answer.get("usage"), "choices" in answer
        if self._quirks.replies is not None:
            wire = in_openais_form(wire, self._quirks.replies, chat=chat)
        return read_usage(wire, chat=chat)


def path_of(endpoint: str, target: Target, quirks: Quirks) -> str:
    version = target.options.get("api_version")
    if not version or not quirks.deployments:
        return f"/{endpoint}"
    deployment = f"/deployments/{quote(target.model, safe='')}" if target.model else ""
    return f"{deployment}/{endpoint}?api-version={quote(version, safe='')}"


def headers_of(target: Target, quirks: Quirks) -> list[tuple[str, str]]:
    if not target.secret:
        return []
    return [(quirks.key_header, target.secret if quirks.key_header == "api-key" else f"Bearer {target.secret}")]


def refusal_of(message: Any, code: Any, param: Any) -> Refusal:
    """Only what is text, and no more of it than an error needs."""
    return Refusal(
        message[:500] if isinstance(message, str) else None,
        code[:100] if isinstance(code, str) else None,
        param[:200] if isinstance(param, str) else None,
    )
