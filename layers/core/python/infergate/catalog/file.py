"""What an operator writes: the shape of each part of the catalog's files. Validated whole, or refused whole.

Not imported by the gateway: pydantic and YAML stay out of its cold start.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from infergate.catalog.types import SERVICE_TIERS
from infergate.kernel.money import usd
from infergate.transport.request import parse_url

USD_MAX = usd("1000000000")
"""Above it a price or a gift is a slip of the pen, and no longer fits into 64 bits."""
WITHOUT_SECRET = ("bedrock", "vllm", "ollama", "llamacpp")
"""Opened by the function's role, or standing in a network of one's own."""
_AMAZONS_HOST = re.compile(r"https://([\w-]+\.)?bedrock-runtime(-fips)?\.[a-z]{2}[a-z0-9-]*-\d+\.", re.ASCII)
"""bedrock-runtime.eu-central-1.amazonaws.com, or an endpoint of a VPC to it: providers/bedrock.py reads the region there."""
THRESHOLDS_MAX = 8
MARKUP_MIN, MARKUP_MAX = Decimal("0.01"), Decimal("100")


def _price(value: str) -> str:
    if not 0 <= usd(value) <= USD_MAX:
        raise ValueError("a price is not negative, nor above a billion dollars")
    return value


def _gift(value: str) -> str:
    if not 0 < usd(value) <= USD_MAX:
        raise ValueError("a campaign gives a positive amount, of at most a billion dollars")
    return value


def _markup(value: str) -> str:
    if not MARKUP_MIN <= Decimal(usd(value)) / 1_000_000_000 <= MARKUP_MAX:
        raise ValueError(f"a markup is a factor from {MARKUP_MIN} to {MARKUP_MAX}")
    return value


def _editions(value: Any) -> Any:
    """A book that is not dated is its only edition."""
    return value if isinstance(value, list) else [value]


type Price = Annotated[str, AfterValidator(_price)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


OPTIONS: dict[str, frozenset[str]] = {
    "anthropic": frozenset(),
    "azure": frozenset({"api_version", "takes"}),
    "bedrock": frozenset({"region"}),
}
"""What a kind can be told besides. Whoever speaks OpenAI's format, what it takes beside that."""


class ChannelTerms(_Part):
    kind: Literal[
        "openai",
        "azure",
        "anthropic",
        "bedrock",
        "gemini",
        "mistral",
        "groq",
        "deepseek",
        "xai",
        "together",
        "fireworks",
        "openrouter",
        "vllm",
        "ollama",
        "llamacpp",
    ]
    base_url: str = Field(pattern=r"^https?://[^\s?#@]+$")
    secret: str = Field("", pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")
    enabled: bool = True
    output_field: Literal["max_completion_tokens", "max_tokens", ""] = ""
    first_byte_timeout_s: int = Field(60, ge=1, le=300)
    idle_timeout_s: int = Field(30, ge=1, le=300)
    answer_timeout_s: int = Field(300, ge=1, le=600)
    options: dict[str, str] = Field(default_factory=dict)
    region: str = Field("", pattern=r"^([a-z]{2,10})?$")
    keeps_prompts: bool = True
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    concurrency: int | None = Field(None, ge=1, le=1000)

    @field_validator("base_url")
    @classmethod
    def plain_http_only_at_home(cls, value: str) -> str:
        origin, _ = parse_url(value)
        if origin.scheme == "http" and origin.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError("a provider is reached by https")
        return value.rstrip("/")

    @model_validator(mode="after")
    def only_some_kinds_need_no_secret(self) -> Self:
        if not self.secret and self.kind not in WITHOUT_SECRET:
            raise ValueError("it needs a secret: the name of one in Secrets Manager")
        return self

    @field_validator("options")
    @classmethod
    def kind_knows_its_options(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        kind = info.data.get("kind", "")
        for name in value:
            if name not in OPTIONS.get(kind, {"takes"}):
                raise ValueError(f"a channel of kind {kind} has no option {name!r}")
        return value

    @model_validator(mode="after")
    def a_signature_is_for_one_region(self) -> Self:
        signed = self.kind == "bedrock" and not self.secret
        if signed and "region" not in self.options and not _AMAZONS_HOST.match(self.base_url):
            raise ValueError("a channel that the role opens needs options.region, unless its base_url has it")
        return self


class RateTerms(_Part):
    """Decimal strings: US dollars per million tokens (`image`, `request`: per million of them)."""

    input: Price | None = None
    cached_input: Price | None = None
    cache_write: Price | None = None
    cache_write_1h: Price | None = None
    audio_input: Price | None = None
    output: Price | None = None
    reasoning: Price | None = None
    audio_output: Price | None = None
    image: Price | None = None
    request: Price | None = None

    def rates(self) -> dict[str, str]:
        """The prices that are given, by bucket."""
        return {bucket: price for bucket in RateTerms.model_fields if (price := getattr(self, bucket)) is not None}


class PriceTerms(RateTerms):
    """A price list, or one edition of it."""

    valid_from: date | None = Field(None, alias="from")
    """The first day, in UTC, on which it is in force."""
    above: dict[str, RateTerms] = Field(default_factory=dict, max_length=THRESHOLDS_MAX)
    service_tiers: dict[str, "PriceTerms"] = Field(default_factory=dict)

    @field_validator("above")
    @classmethod
    def thresholds_are_token_counts(cls, value: dict[str, RateTerms]) -> dict[str, RateTerms]:
        for threshold in value:
            if not threshold.isascii() or not threshold.isdecimal() or not 0 < int(threshold) <= 100_000_000:
                raise ValueError(f"{threshold!r} is not a number of input tokens")
        return value

    @model_validator(mode="after")
    def a_tier_stands_within_an_edition(self) -> Self:
        if unknown := [name for name in self.service_tiers if name not in SERVICE_TIERS]:
            raise ValueError(f"no service tier {unknown[0]!r}; there are {', '.join(SERVICE_TIERS)}")
        if any(tier.valid_from is not None or tier.service_tiers for tier in self.service_tiers.values()):
            raise ValueError("a service tier has rates and `above` only")
        return self

    def thresholds(self) -> dict[int, dict[str, str]]:
        return {int(threshold): terms.rates() for threshold, terms in self.above.items()}


class RouteTerms(_Part):
    channel: str
    upstream_model: str = Field(min_length=1, max_length=200)
    price_book: str
    markup: Annotated[str, AfterValidator(_markup)] = "1"
    priority: int = Field(1, ge=1, le=100)
    weight: int = Field(1, ge=1, le=1000)


class ModelTerms(_Part):
    kind: Literal["chat", "embedding"]
    owned_by: str = Field(min_length=1, max_length=100)
    created: date
    context: int = Field(ge=1, le=100_000_000)
    max_output: int = Field(0, ge=0, le=10_000_000)
    image_tokens: int = Field(0, ge=0, le=1_000_000)
    routes: dict[str, RouteTerms] = Field(min_length=1)

    @model_validator(mode="after")
    def chat_has_an_output_limit(self) -> Self:
        if self.kind == "chat" and self.max_output == 0:
            raise ValueError("a chat model needs max_output: it bounds what a request may cost")
        return self


class PlanTerms(_Part):
    requests_per_minute: int = Field(ge=1)
    tokens_per_minute: int = Field(ge=1)
    concurrency: int = Field(ge=1, le=500)
    models: list[str] = Field(default_factory=list)


class CampaignTerms(_Part):
    kind: Literal["trial", "promo", "bonus", "goodwill"]
    amount: Annotated[str, AfterValidator(_gift)]
    expires_after_days: int | None = Field(None, ge=1, le=3650)
    priority: int = Field(100, ge=0, le=1000)


class CatalogFile(_Part):
    """All files together. Whether the names in it lead anywhere is asked by `check.problems`."""

    models: dict[str, ModelTerms] = Field(min_length=1)
    channels: dict[str, ChannelTerms] = Field(min_length=1)
    price_books: dict[str, Annotated[list[PriceTerms], BeforeValidator(_editions)]]
    plans: dict[str, PlanTerms] = Field(min_length=1)
    campaigns: dict[str, CampaignTerms]
    aliases: dict[str, str] = Field(default_factory=dict)

    def editions(self, price_book: str) -> list[PriceTerms]:
        """Oldest first."""
        return sorted(self.price_books[price_book], key=lambda edition: edition.valid_from or date.min)
