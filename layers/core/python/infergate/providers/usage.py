"""What a usage object says, in disjoint buckets. Format: OpenAI's CompletionUsage; absurd counts are refused."""

from typing import Any

from infergate.providers.quirks import Replies
from infergate.providers.types import USAGE_MAX, Usage


def count(counts: dict[str, Any], name: str, *, required: bool) -> int:
    """Raises ValueError for what is no number of tokens."""
    value = counts.get(name)
    if value is None and not required:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= USAGE_MAX:
        # Numbers are shown, text never: this goes into a log, and a provider may echo a prompt.
        shown = str(value)[:40] if isinstance(value, int | float) else type(value).__name__
        raise ValueError(f"{name} is {shown}")
    return value


def read_usage(wire: Any, *, chat: bool) -> Usage | None:
    """Raises ValueError if absurd."""
    if wire is None:
        return None
    if not isinstance(wire, dict):
        raise ValueError("usage is not an object")
    prompt = count(wire, "prompt_tokens", required=True)
    # A chat's output that is not reported is missing, not 0: embeddings alone have none.
    output = count(wire, "completion_tokens", required=chat)
    details = _details(wire, "prompt_tokens_details")
    cached = count(details, "cached_tokens", required=False)
    written = count(details, "cache_write_tokens", required=False)
    written_1h = count(details, "cache_write_1h_tokens", required=False)
    if cached + written + written_1h > prompt:
        raise ValueError("more tokens cached than sent")
    reasoning = count(_details(wire, "completion_tokens_details"), "reasoning_tokens", required=False)
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
    return Usage({bucket: tokens for bucket, tokens in units.items() if tokens}, wire)


def in_openais_form(wire: Any, replies: Replies, *, chat: bool) -> Any:
    """The same counts under OpenAI's names. What it makes of its own result is that result. Raises ValueError if absurd."""
    if not isinstance(wire, dict):
        return wire
    usage = {name: value for name, value in wire.items() if name not in replies.private}
    if replies.cached_in and usage.get(replies.cached_in) is not None:
        details = _details(usage, "prompt_tokens_details")
        if details.get("cached_tokens") is None:
            usage["prompt_tokens_details"] = {**details, "cached_tokens": usage[replies.cached_in]}
    return _with_reasoning(usage) if chat and replies.reasoning_beside else usage


def _with_reasoning(usage: dict[str, Any]) -> dict[str, Any]:
    prompt = count(usage, "prompt_tokens", required=True)
    output = count(usage, "completion_tokens", required=False)
    beside = count(usage, "total_tokens", required=True) - prompt - output
    if beside < 0:
        raise ValueError("fewer tokens in all than in parts")
    if beside == 0 and usage.get("completion_tokens") is not None:
        return usage
    details = _details(usage, "completion_tokens_details")
    if details.get("reasoning_tokens") is None:
        details = {**details, "reasoning_tokens": beside}
    return {**usage, "completion_tokens": output + beside, "completion_tokens_details": details}


def _details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    details = usage.get(name)
    return details if isinstance(details, dict) else {}
