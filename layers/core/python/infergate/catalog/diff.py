"""What a change of the catalog changes: every value by its path, as an operator would say it. Pure."""

from dataclasses import asdict
from typing import Any

from infergate.catalog.types import PriceBook, Rates, Snapshot
from infergate.kernel.money import format_usd

type Difference = tuple[str, str | None, str | None]
"""(path, before, after); None: it is not there."""


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    old, new = flat(before), flat(after)
    return [(path, old.get(path), new.get(path)) for path in sorted(old | new) if old.get(path) != new.get(path)]


def flat(snapshot: Snapshot) -> dict[str, str]:
    """Every value, with prices as they are sold: marked up, in US dollars per million."""
    out: dict[str, str] = {}
    for model in snapshot.models.values():
        _put(out, f"models.{model.id}", {k: v for k, v in asdict(model).items() if k not in ("id", "routes")})
        for route in model.routes:
            where = f"models.{model.id}.routes.{route.id}"
            terms = {"channel": route.channel.id, "upstream_model": route.upstream_model}
            _put(out, where, terms | {"priority": route.priority, "weight": route.weight})
            for edition in (route.price, *route.later):
                _price(out, f"{where}.price@{edition.valid_from}" if edition.valid_from else f"{where}.price", edition)
    for section in ("channels", "plans", "campaigns"):
        for name, part in getattr(snapshot, section).items():
            _put(out, f"{section}.{name}", {k: v for k, v in asdict(part).items() if k != "id"})
    _put(out, "aliases", snapshot.aliases)
    return out


def _price(out: dict[str, str], where: str, price: PriceBook) -> None:
    _put(out, where, _usd_of(price.rates))
    for threshold, rates in price.above:
        _put(out, f"{where}.above.{threshold}", _usd_of(rates))
    for name, tier in price.service_tiers.items():
        _price(out, f"{where}.{name}", tier)


def _usd_of(rates: Rates) -> dict[str, str]:
    return {bucket: format_usd(rate) for bucket, rate in rates.items()}


def _put(out: dict[str, str], where: str, values: dict[str, Any]) -> None:
    for name, value in values.items():
        out[f"{where}.{name}"] = str(value)
