"""Which limits apply to a request, and where each comes from. Pure: the API, the headers and the errors all ask here."""

from collections.abc import Mapping
from dataclasses import dataclass

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """`counter` is the attribute of the minute's item that counts against it."""

    name: str
    value: int
    source: str
    counter: str


@dataclass(frozen=True, slots=True)
class Limits:
    requests: tuple[Limit, ...]
    tokens: tuple[Limit, ...]
    concurrency: Limit


@dataclass(frozen=True, slots=True)
class Base:
    """The account's limits before anything narrows them. `source` says what set them: "plan starter"."""

    source: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int


def resolve(base: Base, key_id: str, key_limits: Mapping[str, int]) -> Limits:
    """The account's limits, and the key's own on top of them: the tighter one stops a request."""
    requests = [Limit("requests per minute", base.requests_per_minute, base.source, "requests")]
    tokens = [Limit("tokens per minute", base.tokens_per_minute, base.source, "tokens")]
    if (value := key_limits.get("requests_per_minute")) is not None:
        requests.append(Limit("requests per minute", value, "this key", f"requests:{key_id}"))
    if (value := key_limits.get("tokens_per_minute")) is not None:
        tokens.append(Limit("tokens per minute", value, "this key", f"tokens:{key_id}"))
    concurrency = Limit("requests in flight", base.concurrency, base.source, "holds")
    return Limits(tuple(requests), tuple(tokens), concurrency)


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit and what of it is used in the current minute."""

    limit: Limit
    used: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit.value - self.used)


def tightest(limits: tuple[Limit, ...], used: Mapping[str, int]) -> Standing:
    """The one with the least left."""
    return min((Standing(limit, used.get(limit.counter, 0)) for limit in limits), key=lambda s: s.remaining)
