"""The compiled catalog, as the gateway holds it. Rates are nano-dollars per million units, limits are ints."""

from dataclasses import dataclass, field
from typing import Literal

from infergate.kernel.money import Nanos

type ModelKind = Literal["chat", "embedding"]
MODEL_KINDS: tuple[ModelKind, ...] = ("chat", "embedding")

type Rates = dict[str, Nanos]
"""By bucket."""

NEEDED_BUCKETS: dict[str, tuple[str, ...]] = {
    "chat": ("input", "output"),
    "embedding": ("input",),
}
"""The rates without which a price is not complete, and a model not sold."""
INPUT_BUCKETS = ("input", "cached_input", "cache_write", "cache_write_1h", "audio_input")
OUTPUT_BUCKETS = ("output", "reasoning", "audio_output")
BUCKETS = (*INPUT_BUCKETS, *OUTPUT_BUCKETS, "image", "request")

DEFAULT_TIER = "default"
SERVICE_TIERS = ("flex", "priority", "scale")
"""Those that a price may have beside it, as OpenAI's `service_tier` names them."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a provider: kind of wire format, where it answers, which secret opens it."""

    id: str
    kind: str
    base_url: str
    secret: str
    """Its name in Secrets Manager below the deployment's prefix; empty where the function's own role opens it."""
    enabled: bool = True
    output_field: str = ""
    """What this one server calls the limit of a chat's output; empty: what its kind calls it."""
    first_byte_timeout_s: int = 60
    idle_timeout_s: int = 30
    answer_timeout_s: int = 300
    """How long an answer that is not streamed may take: it comes whole, so its first byte comes late."""
    options: dict[str, str] = field(default_factory=dict)
    """What its kind needs to know besides: a region, a version of the API."""
    region: str = ""
    """Where prompts are processed, as accounts may demand it: "eu", "us". Empty: anywhere."""
    keeps_prompts: bool = True
    """Whether the provider may keep prompts or answers after the request."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    """What may be sent over it by all accounts together. None: no cap."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """One edition of one price list.

    `above`: from the first threshold that a request's input tokens exceed, all of it is priced by the last such rates.
    `service_tiers`: the whole list again for each tier that is priced apart.
    """

    id: str
    version: str
    rates: Rates
    above: tuple[tuple[int, Rates], ...] = ()
    service_tiers: dict[str, "PriceBook"] = field(default_factory=dict)
    valid_from: int = 0
    """Epoch seconds."""

    def tier(self, name: str) -> "PriceBook | None":
        return self if name == DEFAULT_TIER else self.service_tiers.get(name)

    def rates_for(self, input_tokens: int) -> Rates:
        rates = self.rates
        for threshold, dearer in self.above:
            if input_tokens > threshold:
                rates = dearer
        return rates


@dataclass(frozen=True, slots=True)
class Route:
    """`later` are editions of its price that are not yet in force at the first one's time, oldest first."""

    id: str
    channel: Channel
    upstream_model: str
    price: PriceBook
    priority: int = 1
    weight: int = 1
    later: tuple[PriceBook, ...] = ()

    def price_at(self, now_s: float) -> PriceBook:
        price = self.price
        for edition in self.later:
            if edition.valid_from <= now_s:
                price = edition
        return price


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
    """`aliases` are other names of models, each pointing at a model's id."""

    version: str
    models: dict[str, Model] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)

    def model(self, name: str) -> Model | None:
        return self.models.get(name) or self.models.get(self.aliases.get(name, ""))
