"""Providers that speak OpenAI's wire format. Requests go out nearly as they came; usage is normalised."""

from typing import Any

from infergate.providers.plain import plain
from infergate.providers.sse import SseReader
from infergate.providers.types import USAGE_MAX, Call, Events, Refusal, Target, Usage
from infergate.providers.wire_json import dump_json, parse_json


class OpenAI:
    """https://platform.openai.com/docs/api-reference, as of late 2026. The channel's option `takes` says what its provider
    takes beside that: see plain.py."""

    stream_type = b"text/event-stream"

    def call(self, endpoint: str, body: dict[str, Any], target: Target) -> Call:
        outgoing = {**plain(body, target.options.get("takes", "")), "model": target.model}
        if outgoing.get("stream"):
            # Always asked for, whatever the client wants to see: it is what the charge is made from.
            outgoing["stream_options"] = {**(outgoing.get("stream_options") or {}), "include_usage": True}
        headers = [("content-type", "application/json"), ("authorization", f"Bearer {target.secret}")]
        return Call(f"/{endpoint}", headers, dump_json(outgoing))

    def answer(self, endpoint: str, body: dict[str, Any], raw: bytes) -> dict[str, Any] | None:
        answer = parse_json(raw)
        return answer if isinstance(answer, dict) else None

    def events(self, body: dict[str, Any]) -> Events:
        return SseReader()

    def refusal(self, raw: bytes) -> Refusal:
        answer = parse_json(raw)
        error = answer.get("error") if isinstance(answer, dict) else None
        return (
            refusal_of(error.get("message"), error.get("code"), error.get("param"))
            if isinstance(error, dict)
            else Refusal()
        )

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        wire = answer.get("usage")
        if wire is None:
            return None
        if not isinstance(wire, dict):
            raise ValueError("usage is not an object")
        prompt = _count(wire, "prompt_tokens", required=True)
        # A chat's output that is not reported is missing, not 0: embeddings alone have none.
        output = _count(wire, "completion_tokens", required="choices" in answer)
        details = wire.get("prompt_tokens_details")
        details = details if isinstance(details, dict) else {}
        cached = _count(details, "cached_tokens", required=False)
        written = _count(details, "cache_write_tokens", required=False)
        written_1h = _count(details, "cache_write_1h_tokens", required=False)
        if cached + written + written_1h > prompt:
            raise ValueError("more tokens cached than sent")
        details = wire.get("completion_tokens_details")
        details = details if isinstance(details, dict) else {}
        reasoning = _count(details, "reasoning_tokens", required=False)
        if reasoning > output:
            raise ValueError("more tokens reasoned than put out")
        units = {
            "input": prompt - cached - written - written_1h,
            "cached_input": cached,
            "cache_write": written,
            "cache_write_1h": written_1h,
            "output": output - reasoning,
            "reasoning": reasoning,
        }
        return Usage({bucket: count for bucket, count in units.items() if count}, wire)


def _count(counts: dict[str, Any], name: str, *, required: bool) -> int:
    value = counts.get(name)
    if value is None and not required:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= USAGE_MAX:
        # Numbers are shown, text never: this goes into a log, and a provider may echo a prompt.
        shown = str(value)[:40] if isinstance(value, int | float) else type(value).__name__
        raise ValueError(f"{name} is {shown}")
    return value


def refusal_of(message: Any, code: Any, param: Any) -> Refusal:
    """Only what is text, and no more of it than an error needs."""
    return Refusal(
        message[:500] if isinstance(message, str) else None,
        code[:100] if isinstance(code, str) else None,
        param[:200] if isinstance(param, str) else None,
    )
