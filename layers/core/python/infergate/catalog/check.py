"""What is wrong with a catalog whose parts are well formed: names that lead nowhere, prices that are not complete."""

import re
from collections.abc import Iterator

from infergate.catalog.file import CatalogFile, PriceTerms, RouteTerms
from infergate.catalog.types import NEEDED_BUCKETS

_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,99}")

type Problem = tuple[str, str]
"""(path, reason)"""


def problems(file: CatalogFile) -> list[Problem]:
    return [*_names(file), *_price_books(file), *_models(file), *_plans(file), *_aliases(file)]


def _names(file: CatalogFile) -> Iterator[Problem]:
    for section in ("models", "channels", "price_books", "plans", "campaigns", "aliases"):
        for name in getattr(file, section):
            if not _ID.fullmatch(name):
                yield f"{section}.{name}", f"{name!r} is not a usable name"


def _models(file: CatalogFile) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for model_id, model in file.models.items():
        for route_id, route in model.routes.items():
            where = f"models.{model_id}.routes.{route_id}"
            if not _ID.fullmatch(route_id):
                yield where, f"{route_id!r} is not a usable name"
            if route_id in seen:
                # It names the route on receipts and in a caller's `provider.only`.
                yield where, f"the model {seen[route_id]!r} has a route of this name already"
            seen[route_id] = model_id
            yield from ((where, reason) for reason in _route(file, model.kind, route))


def _route(file: CatalogFile, kind: str, route: RouteTerms) -> Iterator[str]:
    if route.channel not in file.channels:
        yield f"no channel {route.channel!r}"
    if route.price_book not in file.price_books:
        yield f"no price book {route.price_book!r}: no price, no sale"
        return
    for edition in file.editions(route.price_book):
        for tier, prices in [("", edition), *edition.service_tiers.items()]:
            missing = [bucket for bucket in NEEDED_BUCKETS[kind] if bucket not in prices.rates()]
            if missing:
                of = f" in its tier {tier!r}" if tier else ""
                yield f"price book {route.price_book!r} has no price for {', '.join(missing)}{of}: no price, no sale"


def _price_books(file: CatalogFile) -> Iterator[Problem]:
    for name, editions in file.price_books.items():
        if not editions:
            yield f"price_books.{name}", "it has no edition"
        days = [edition.valid_from for edition in editions]
        if len(set(days)) < len(days):
            yield f"price_books.{name}", "two of its editions begin on the same day"
        for edition in editions:
            yield from ((f"price_books.{name}", reason) for reason in _thresholds(edition))


def _thresholds(edition: PriceTerms) -> Iterator[str]:
    for prices in (edition, *edition.service_tiers.values()):
        for threshold, dearer in prices.thresholds().items():
            if unknown := [bucket for bucket in dearer if bucket not in prices.rates()]:
                yield f"above {threshold} tokens it prices {', '.join(unknown)}, which it does not price below"


def _plans(file: CatalogFile) -> Iterator[Problem]:
    for plan_id, plan in file.plans.items():
        for model_id in plan.models:
            if model_id not in file.models:
                yield f"plans.{plan_id}", f"no model {model_id!r}"


def _aliases(file: CatalogFile) -> Iterator[Problem]:
    for alias in file.aliases:
        if alias in file.models:
            yield f"aliases.{alias}", "a model has this name"
        passed, name = [alias], file.aliases[alias]
        while name in file.aliases and name not in passed:
            passed.append(name)
            name = file.aliases[name]
        if name in passed:
            yield f"aliases.{alias}", f"it goes round in a ring: {' -> '.join([*passed, name])}"
        elif name not in file.models:
            yield f"aliases.{alias}", f"no model {name!r}"
