"""Providers that speak OpenAI's wire format. Requests go out nearly as they came; usage is normalised."""

from typing import Any

from infergate.providers.types import USAGE_MAX, Call, Usage
from infergate.providers.wire_json import dump_json


class OpenAI:
    """https://platform.openai.com/docs/api-reference, as of late 2026."""

    def call(self, endpoint: str, body: dict[str, Any], upstream_model: str, secret: str) -> Call:
        outgoing = {**body, "model": upstream_model}
        if outgoing.get("stream"):
            # Always asked for, whatever the client wants to see: it is what the charge is made from.
            outgoing["stream_options"] = {**(outgoing.get("stream_options") or {}), "include_usage": True}
        headers = [("content-type", "application/json"), ("authorization", f"Bearer {secret}")]
        return Call(f"/{endpoint}", headers, dump_json(outgoing))

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
        if cached + written > prompt:
            raise ValueError("more tokens cached than sent")
        units = {"input": prompt - cached - written, "cached_input": cached, "cache_write": written, "output": output}
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
