"""A chat's usage object as the counts that the other formats show. Whatever a provider sent, a count is a whole number from 0."""

from dataclasses import dataclass
from typing import Any

from infergate.providers.types import USAGE_MAX


@dataclass(frozen=True, slots=True)
class Counts:
    """`prompt` includes what was read from or written to a cache, `completion` includes `reasoning`; `cost` in US dollars."""

    prompt: int
    cached: int
    written: int
    written_1h: int
    completion: int
    reasoning: int
    cost: str | None

    @property
    def uncached(self) -> int:
        return max(0, self.prompt - self.cached - self.written - self.written_1h)


def counts(usage: Any) -> Counts:
    usage = usage if isinstance(usage, dict) else {}
    prompt = _section(usage, "prompt_tokens_details")
    cost = usage.get("cost")
    return Counts(
        prompt=_count(usage, "prompt_tokens"),
        cached=_count(prompt, "cached_tokens"),
        written=_count(prompt, "cache_write_tokens"),
        written_1h=_count(prompt, "cache_write_1h_tokens"),
        completion=_count(usage, "completion_tokens"),
        reasoning=_count(_section(usage, "completion_tokens_details"), "reasoning_tokens"),
        cost=cost if isinstance(cost, str) else None,
    )


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def _count(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    return value if type(value) is int and 0 <= value <= USAGE_MAX else 0
