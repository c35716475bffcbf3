"""catalog.yaml: what an operator writes. Validated whole, or refused whole.

Not imported by the gateway: pydantic and YAML stay out of its cold start.
"""

import re
from datetime import date
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from infergate.catalog.types import NEEDED_BUCKETS, OPTIONAL_BUCKETS
from infergate.kernel.money import usd
from infergate.transport.request import parse_url

USD_MAX = usd("1000000000")
"""Above it a price or a gift is a slip of the pen, and no longer fits into 64 bits."""

_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,99}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChannelTerms(_Part):
    kind: Literal["openai"]
    base_url: str = Field(pattern=r"^https?://[^\s?#@]+$")
    secret: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    enabled: bool = True
    output_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    first_byte_timeout_s: int = Field(60, ge=1, le=300)
    idle_timeout_s: int = Field(30, ge=1, le=300)
    answer_timeout_s: int = Field(300, ge=1, le=600)

    @field_validator("base_url")
    @classmethod
    def plain_http_only_at_home(cls, value: str) -> str:
        origin, _ = parse_url(value)
        if origin.scheme == "http" and origin.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ValueError("a provider is reached by https")
        return value.rstrip("/")


class RouteTerms(_Part):
    channel: str
    upstream_model: str = Field(min_length=1, max_length=200)
    price_book: str
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
    amount: str
    expires_after_days: int | None = Field(None, ge=1, le=3650)
    priority: int = Field(100, ge=0, le=1000)

    @field_validator("amount")
    @classmethod
    def is_money(cls, value: str) -> str:
        if not 0 < usd(value) <= USD_MAX:
            raise ValueError("a campaign gives a positive amount, of at most a billion dollars")
        return value


class CatalogFile(_Part):
    """Prices are decimal strings: US dollars per million tokens (`request`: per million requests)."""

    models: dict[str, ModelTerms] = Field(min_length=1)
    channels: dict[str, ChannelTerms] = Field(min_length=1)
    price_books: dict[str, dict[str, str]]
    plans: dict[str, PlanTerms] = Field(min_length=1)
    campaigns: dict[str, CampaignTerms]

    @model_validator(mode="after")
    def everything_named_exists(self) -> Self:
        routes = (route_id for model in self.models.values() for route_id in model.routes)
        for name in (*self.models, *routes, *self.channels, *self.price_books, *self.plans, *self.campaigns):
            if not _ID.fullmatch(name):
                raise ValueError(f"{name!r} is not a usable name")
        for book_id, book in self.price_books.items():
            _check_prices(book_id, book)
        for model_id, model in self.models.items():
            for route_id, route in model.routes.items():
                where = f"models.{model_id}.routes.{route_id}"
                if route.channel not in self.channels:
                    raise ValueError(f"{where}: no channel {route.channel!r}")
                if route.price_book not in self.price_books:
                    raise ValueError(f"{where}: no price book {route.price_book!r}: no price, no sale")
                self._complete(where, model.kind, route.price_book)
        for plan_id, plan in self.plans.items():
            for model_id in plan.models:
                if model_id not in self.models:
                    raise ValueError(f"plans.{plan_id}: no model {model_id!r}")
        return self

    def _complete(self, where: str, kind: str, book_id: str) -> None:
        book = self.price_books[book_id]
        missing = [bucket for bucket in NEEDED_BUCKETS[kind] if bucket not in book]
        if missing:
            raise ValueError(
                f"{where}: price book {book_id!r} has no price for {', '.join(missing)}: no price, no sale"
            )


def _check_prices(book_id: str, book: dict[str, str]) -> None:
    known = {*NEEDED_BUCKETS["chat"], *OPTIONAL_BUCKETS}
    for bucket, price in book.items():
        if bucket not in known:
            raise ValueError(f"price_books.{book_id}: no bucket {bucket!r}; there are {', '.join(sorted(known))}")
        try:
            nanos = usd(price)
        except ValueError as error:
            raise ValueError(f"price_books.{book_id}.{bucket}: {error}") from None
        if not 0 <= nanos <= USD_MAX:
            raise ValueError(f"price_books.{book_id}.{bucket}: a price is not negative, nor above a billion dollars")


class _Loader(yaml.SafeLoader):
    """YAML's reader lets the last of two equal keys win in silence: here they are refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, Any]] = set()
        for key, _ in node.value:
            name = (key.tag, key.value if isinstance(key, yaml.ScalarNode) else id(key))
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    "in a mapping", node.start_mark, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _read(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"not YAML: {error}") from error


def parse(text: str, overrides: dict[str, str] | None = None) -> CatalogFile:
    """Read catalog.yaml. `overrides` replace one value each: {"channels.demo.enabled": "true"}.

    Raises ValueError (pydantic's ValidationError is one) that says where and why.
    """
    raw = _read(text)
    if not isinstance(raw, dict):
        raise ValueError("a catalog is a mapping of models, channels, price_books, plans and campaigns")
    for path, value in (overrides or {}).items():
        _override(raw, path, _read(value))
    return CatalogFile.model_validate(raw)


def _override(raw: dict[str, Any], path: str, value: Any) -> None:
    """Names may have dots in them: `models.gpt-4.1.context` is the longest name that is there, then what is left."""
    place, names = raw, path.split(".")
    while len(names) > 1:
        taken = next(
            (n for n in range(len(names) - 1, 0, -1) if isinstance(place.get(".".join(names[:n])), dict)), None
        )
        if taken is None:
            raise ValueError(f"nothing is called {path!r} in this catalog")
        place, names = place[".".join(names[:taken])], names[taken:]
    place[names[0]] = value
