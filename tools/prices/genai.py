"""What genai-prices says. Its prices are decimals, dated, tiered; nothing is fetched, the package's own data is read.

A tier of theirs applies where all input tokens of a request are strictly more than its `start` (genai_prices.types,
`calc_unit_price`), to the whole request: the meaning of `above` in a price book. xAI's boundary includes the 200,000th
token, so its tiers start at 199,999.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal

from genai_prices import types
from genai_prices.data import providers

from tools.prices.offer import Offer, Prices, Rates, dearest

BUCKETS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "requests_kcount": "request",
}
TOOL_CALLS = frozenset(
    {"web_searches_kcount", "social_searches_kcount", "storage_searches_kcount", "code_executions_kcount"}
)
"""Prices of the provider's own tools, which the gateway does not let through."""


def offers(
    provider_id: str,
    models: Iterable[str],
    on: date,
    service_tiers: Iterable[str] = (),
    known: Iterable[types.Provider] = providers,
) -> dict[str, Offer]:
    """Raises KeyError for a provider that the package does not know; a model that it does not know is left out."""
    provider = {p.id: p for p in known}[provider_id]
    return {m: _offer(m, info, on, service_tiers) for m in models if (info := provider.find_model(m))}


def moments(on: date) -> list[datetime]:
    """Every hour of the day: prices by the time of day change on the hour."""
    return [datetime.combine(on, time(hour), UTC) for hour in range(24)]


def _offer(model: str, info: types.ModelInfo, on: date, service_tiers: Iterable[str]) -> Offer:
    tiers = {tier: _in_force(info, on, {"service_tier": tier}) for tier in service_tiers if _has_tier(info, tier)}
    return Offer(
        model,
        _in_force(info, on),
        service_tiers=tiers,
        context=info.context_window,
        retired=bool(info.deprecated),
        unknown=frozenset(_keys(info, on) - BUCKETS.keys() - TOOL_CALLS),
        changes_on=min((start for start in _starts(info) if start > on), default=None),
    )


def _in_force(info: types.ModelInfo, on: date, context: dict[str, str] | None = None) -> Prices:
    return dearest(_prices(info.get_prices(moment, context)) for moment in moments(on))


def _has_tier(info: types.ModelInfo, tier: str) -> bool:
    """A variant without prices only says that the tier is the standard one."""
    variants = info.price_variants or []
    return any(variant.when == {"service_tier": tier} and variant.prices.__dict__ for variant in variants)


def _keys(info: types.ModelInfo, on: date) -> set[str]:
    return {key for moment in moments(on) for key, price in vars(info.get_prices(moment)).items() if price is not None}


def _starts(info: types.ModelInfo) -> list[date]:
    constraints = [] if isinstance(info.prices, types.ModelPrice) else [price.constraint for price in info.prices]
    return [c.start_date for c in constraints if isinstance(c, types.StartDateConstraint)]


def _prices(listed: types.ModelPrice) -> Prices:
    priced = {BUCKETS[key]: price for key, price in vars(listed).items() if key in BUCKETS and price is not None}
    per_million = {bucket: 1000 if bucket == "request" else 1 for bucket in priced}
    starts = sorted({tier.start for price in priced.values() for tier in _tiers(price)})
    base: Rates = {bucket: _at(price, 0) * per_million[bucket] for bucket, price in priced.items()}
    above = {
        start: {
            bucket: rate
            for bucket, price in priced.items()
            if (rate := _at(price, start + 1) * per_million[bucket]) != base[bucket]
        }
        for start in starts
    }
    return Prices(base, above)


def _tiers(price: Decimal | types.TieredPrices) -> list[types.Tier]:
    return price.tiers if isinstance(price, types.TieredPrices) else []


def _at(price: Decimal | types.TieredPrices, tokens: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tokens > tier.start), price.base)
