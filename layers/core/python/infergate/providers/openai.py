"""Providers that speak OpenAI's wire format. Requests go out nearly as they came; usage is normalised."""

from typing import Any

import orjson

from infergate.providers.types import USAGE_MAX, Call, Usage


class OpenAI:
    """https://platform.openai.com/docs/api-reference, as of late 2026."""

    def call(self, endpoint: str, body: dict[str, Any], upstream_model: str, secret: str) -> Call:
        outgoing = {**body, "model": upstream_model}
        if outgoing.get("stream"):
            # Always asked for, whatever the client wants to see: it is what the charge is made from.
            outgoing["stream_options"] = {**(outgoing.get("stream_options") or {}), "include_usage": True}
        headers = [("content-type", "application/json"), ("authorization", f"Bearer {secret}")]
        return Call(f"/{endpoint}", headers, orjson.dumps(outgoing))

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        wire = answer.get("usage")
        if wire is None:
            return None
        if not isinstance(wire, dict):
            raise ValueError("usage is not an object")
        prompt = _count(wire, "prompt_tokens", required=True)
        output = _count(wire, "completion_tokens", required=False)
        details = wire.get("prompt_tokens_details")
        cached = _count(details, "cached_tokens", required=False) if isinstance(details, dict) else 0
        if cached > prompt:
            raise ValueError("more tokens cached than sent")
        units = {"input": prompt - cached, "cached_input": cached, "output": output}
        return Usage({bucket: count for bucket, count in units.items() if count}, wire)


def _count(counts: dict[str, Any], name: str, *, required: bool) -> int:
    value = counts.get(name)
    if value is None and not required:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= USAGE_MAX:
        raise ValueError(f"{name} is {str(value)[:40]}")
    return value
