"""From the operator's file to the snapshot that is stored, and from the stored snapshot to the one that is used."""

import calendar
import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from infergate.catalog.types import Campaign, Channel, Model, Plan, PriceBook, Route, Snapshot
from infergate.kernel.money import usd

if TYPE_CHECKING:
    from infergate.catalog.file import CatalogFile


def compile_file(file: "CatalogFile") -> Snapshot:
    """Its version is the hash of its content: the same file is the same version, wherever it is compiled."""
    books = {name: _book(name, prices) for name, prices in file.price_books.items()}
    channels = {name: Channel(id=name, **c.model_dump()) for name, c in file.channels.items()}
    models = {
        name: Model(
            name,
            m.kind,
            m.owned_by,
            calendar.timegm(m.created.timetuple()),
            m.context,
            m.max_output,
            m.image_tokens,
            tuple(
                Route(route_id, channels[r.channel], r.upstream_model, books[r.price_book], r.priority, r.weight)
                for route_id, r in m.routes.items()
            ),
        )
        for name, m in file.models.items()
    }
    plans = {
        name: Plan(name, p.requests_per_minute, p.tokens_per_minute, p.concurrency, tuple(p.models))
        for name, p in file.plans.items()
    }
    campaigns = {
        name: Campaign(name, c.kind, usd(c.amount), c.expires_after_days, c.priority)
        for name, c in file.campaigns.items()
    }
    snapshot = Snapshot("", models, plans, campaigns)
    return Snapshot(_digest(asdict(snapshot)), models, plans, campaigns)


def _book(name: str, prices: dict[str, str]) -> PriceBook:
    rates = {bucket: usd(price) for bucket, price in prices.items()}
    return PriceBook(name, _digest(rates), rates)


def dump(snapshot: Snapshot) -> str:
    return orjson.dumps(asdict(snapshot)).decode()


def load(text: str) -> Snapshot:
    """The inverse of `dump`."""
    raw = orjson.loads(text)
    models = {
        name: Model(**{**m, "routes": tuple(_route(r) for r in m["routes"])}) for name, m in raw["models"].items()
    }
    plans = {name: Plan(**{**p, "models": tuple(p["models"])}) for name, p in raw["plans"].items()}
    campaigns = {name: Campaign(**c) for name, c in raw["campaigns"].items()}
    return Snapshot(raw["version"], models, plans, campaigns)


def _route(raw: dict[str, Any]) -> Route:
    return Route(**{**raw, "channel": Channel(**raw["channel"]), "price": PriceBook(**raw["price"])})


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
