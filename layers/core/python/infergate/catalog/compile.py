"""From the operator's files to the snapshot that is in force: names resolved, prices marked up, versions given."""

import calendar
import hashlib
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

import orjson

from infergate.catalog.snapshot import content
from infergate.catalog.types import Campaign, Channel, Model, Plan, PriceBook, Rates, Route, Snapshot
from infergate.kernel.money import usd

if TYPE_CHECKING:
    from infergate.catalog.file import CatalogFile, ModelTerms, PriceTerms, RouteTerms


def compile_file(file: "CatalogFile") -> Snapshot:
    """Its version is the hash of its content: the same files are the same version, wherever they are compiled."""
    channels = {name: Channel(id=name, **c.model_dump()) for name, c in file.channels.items()}
    plans = {
        name: Plan(name, p.requests_per_minute, p.tokens_per_minute, p.concurrency, tuple(p.models))
        for name, p in file.plans.items()
    }
    campaigns = {
        name: Campaign(name, c.kind, usd(c.amount), c.expires_after_days, c.priority)
        for name, c in file.campaigns.items()
    }
    models = {name: _model(name, terms, file, channels) for name, terms in file.models.items()}
    aliases = {name: _end_of(name, file.aliases) for name in file.aliases}
    snapshot = Snapshot("", models, plans, campaigns, aliases, channels)
    return replace(snapshot, version=_digest(content(snapshot)))


def _model(name: str, terms: "ModelTerms", file: "CatalogFile", channels: dict[str, Channel]) -> Model:
    return Model(
        name,
        terms.kind,
        terms.owned_by,
        calendar.timegm(terms.created.timetuple()),
        terms.context,
        terms.max_output,
        terms.image_tokens,
        tuple(_route(id, route, file, channels) for id, route in terms.routes.items()),
    )


def _route(name: str, terms: "RouteTerms", file: "CatalogFile", channels: dict[str, Channel]) -> Route:
    first, *later = [price_book(terms.price_book, e, terms.markup) for e in file.editions(terms.price_book)]
    return Route(name, channels[terms.channel], terms.upstream_model, first, terms.priority, terms.weight, tuple(later))


def price_book(name: str, terms: "PriceTerms", markup: str = "1") -> PriceBook:
    """One edition, marked up: each rate is rounded up to a whole nano-dollar, so that units x rates is exact ever after."""
    rates = _marked_up(terms.rates(), markup)
    above = tuple(
        (threshold, rates | _marked_up(dearer, markup)) for threshold, dearer in sorted(terms.thresholds().items())
    )
    tiers = {tier: price_book(name, list_, markup) for tier, list_ in terms.service_tiers.items()}
    valid_from = 0 if terms.valid_from is None else calendar.timegm(terms.valid_from.timetuple())
    unversioned = PriceBook(name, "", rates, above, tiers, valid_from)
    return replace(unversioned, version=_digest(unversioned))


def _marked_up(prices: dict[str, str], markup: str) -> Rates:
    factor = Decimal(markup)
    return {bucket: int((usd(price) * factor).to_integral_value(ROUND_CEILING)) for bucket, price in prices.items()}


def _end_of(alias: str, aliases: dict[str, str]) -> str:
    """An alias may point at an alias. There are no rings: the file was checked."""
    while alias in aliases:
        alias = aliases[alias]
    return alias


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
