"""The compiled catalog, as the gateway holds it. Rates are nano-dollars per million units, limits are ints."""

from dataclasses import dataclass, field
from typing import Literal

from infergate.kernel.money import Nanos

type ModelKind = Literal["chat", "embedding"]
MODEL_KINDS: tuple[ModelKind, ...] = ("chat", "embedding")

NEEDED_BUCKETS: dict[str, tuple[str, ...]] = {
    "chat": ("input", "cached_input", "output"),
    "embedding": ("input",),
}
"""The rates without which a price is not complete, and a model not sold."""
OPTIONAL_BUCKETS = ("cache_write", "request")


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a provider: kind of wire format, where it answers, which secret opens it."""

    id: str
    kind: str
    base_url: str
    secret: str
    """Its name in Secrets Manager below the deployment's prefix; empty where the function's own role opens it."""
    enabled: bool = True
    output_field: str = "max_completion_tokens"
    """What this provider calls the limit of a chat's output."""
    first_byte_timeout_s: int = 60
    idle_timeout_s: int = 30
    answer_timeout_s: int = 300
    """How long an answer that is not streamed may take: it comes whole, so its first byte comes late."""
    options: dict[str, str] = field(default_factory=dict)
    """What its kind needs to know besides: a region, a version of the API."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    id: str
    version: str
    rates: dict[str, Nanos]

    @property
    def dearest_input(self) -> Nanos:
        return max(self.rates.get(bucket, 0) for bucket in ("input", "cached_input", "cache_write"))


@dataclass(frozen=True, slots=True)
class Route:
    id: str
    channel: Channel
    upstream_model: str
    price: PriceBook
    priority: int = 1
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Model:
    """`image_tokens` is the most that one image may cost; 0: the model takes no images."""

    id: str
    kind: str
    owned_by: str
    created: int
    context: int
    max_output: int
    image_tokens: int = 0
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    id: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    models: tuple[str, ...] = ()
    """Empty: every model that is sold."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Terms of a gift. `expires_after_days` None: it does not expire."""

    id: str
    kind: str
    amount: Nanos
    expires_after_days: int | None
    priority: int = 100


@dataclass(frozen=True, slots=True)
class Snapshot:
    version: str
    models: dict[str, Model] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
