"""How a snapshot is stored: one compressed JSON text, in which every channel and every price book stands once.

Five hundred models are about 200 kB of JSON and 25 kB compressed: well inside one item of DynamoDB.
"""

import zlib
from dataclasses import asdict
from typing import Any

import orjson

from infergate.catalog.types import Campaign, Channel, Model, Plan, PriceBook, Route, Snapshot


def content(snapshot: Snapshot) -> dict[str, Any]:
    """All of it, as JSON takes it."""
    books: dict[str, PriceBook] = {}
    models = {model.id: _model(model, books) for model in snapshot.models.values()}
    return {
        "version": snapshot.version,
        "models": models,
        "plans": {plan.id: asdict(plan) for plan in snapshot.plans.values()},
        "campaigns": {campaign.id: asdict(campaign) for campaign in snapshot.campaigns.values()},
        "aliases": snapshot.aliases,
        "channels": {channel.id: asdict(channel) for channel in snapshot.channels.values()},
        "books": {name: asdict(book) for name, book in books.items()},
    }


def dump(snapshot: Snapshot) -> bytes:
    return zlib.compress(orjson.dumps(content(snapshot)), 9)


def load(packed: bytes) -> Snapshot:
    """The inverse of `dump`."""
    raw = orjson.loads(zlib.decompress(packed))
    channels = {name: Channel(**channel) for name, channel in raw["channels"].items()}
    books = {name: _book(book) for name, book in raw["books"].items()}
    models = {
        name: Model(**(model | {"routes": tuple(_route(route, channels, books) for route in model["routes"])}))
        for name, model in raw["models"].items()
    }
    plans = {name: Plan(**(plan | {"models": tuple(plan["models"])})) for name, plan in raw["plans"].items()}
    campaigns = {name: Campaign(**campaign) for name, campaign in raw["campaigns"].items()}
    return Snapshot(raw["version"], models, plans, campaigns, raw["aliases"], channels)


def _model(model: Model, books: dict[str, PriceBook]) -> dict[str, Any]:
    routes = []
    for route in model.routes:
        editions = [route.price, *route.later]
        names = [f"{edition.id}@{edition.version}" for edition in editions]
        books |= zip(names, editions, strict=True)
        routes.append([route.id, route.channel.id, route.upstream_model, route.priority, route.weight, names])
    return {
        "id": model.id,
        "kind": model.kind,
        "owned_by": model.owned_by,
        "created": model.created,
        "context": model.context,
        "max_output": model.max_output,
        "image_tokens": model.image_tokens,
        "routes": routes,
    }


def _route(raw: list[Any], channels: dict[str, Channel], books: dict[str, PriceBook]) -> Route:
    id, channel, upstream_model, priority, weight, (first, *later) = raw
    return Route(
        id, channels[channel], upstream_model, books[first], priority, weight, tuple(books[name] for name in later)
    )


def _book(raw: dict[str, Any]) -> PriceBook:
    above = tuple((threshold, rates) for threshold, rates in raw["above"])
    tiers = {name: _book(tier) for name, tier in raw["service_tiers"].items()}
    return PriceBook(raw["id"], raw["version"], raw["rates"], above, tiers, raw["valid_from"])
