"""What every kind of provider has in common. One file a kind; each is a few pure functions behind this Protocol."""

from dataclasses import dataclass, field
from typing import Any, Protocol

USAGE_MAX = 100_000_000
"""More tokens than any request can have: above it a provider's count is absurd."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Disjoint buckets: `input` excludes what was read from or written to a cache. `wire` is what the provider said."""

    units: dict[str, int]
    wire: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it goes out: path below the channel's base URL, headers, body."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes


class Provider(Protocol):
    def call(self, endpoint: str, body: dict[str, Any], upstream_model: str, secret: str) -> Call:
        """Translate a request in OpenAI's form. `endpoint` is "chat/completions" or "embeddings"."""
        ...

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        """The usage that an answer or a stream's chunk reports, None where it reports none. Raises ValueError if absurd."""
        ...
