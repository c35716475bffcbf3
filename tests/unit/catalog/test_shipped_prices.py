"""What the shipped catalog charges, against genai-prices' own calculation, to the nano-dollar.

Ours is rounded up once per request; theirs is an exact decimal, rounded up here. Markup is not part of it.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from infergate.catalog.compile import compile_file, price_book
from infergate.catalog.file import PriceTerms
from infergate.catalog.read import read_texts
from infergate.chat.price import fit, rates_of
from infergate.kernel.money import NANOS_PER_USD, Nanos, cost_of, usd

from tools.prices.selection import SELECTION, SIGNED_OFF, read_selection, read_signed_off

CATALOG = Path(__file__).parents[3] / "catalog"
SHIPPED = yaml.safe_load((CATALOG / "models.yaml").read_text())
CHANNELS = yaml.safe_load((CATALOG / "channels.yaml").read_text())["channels"]
TODAY = date.fromisoformat((CATALOG / "models.yaml").read_text().partition("Prices of ")[2][:10])

VENDORS = read_selection(SELECTION.read_text()).vendors

NOON, AT_PEAK = time(12), time(2)
DEAREST_AT = {"deepseek": AT_PEAK}
"""Sold at the price of the dearest hours: there the two agree, in the others genai-prices has half of it."""

SIZES = {
    "one token": {"input": 1, "output": 1},
    "small": {"input": 7, "output": 3},
    "a question": {"input": 1_234, "output": 567},
    "a book": {"input": 123_457, "output": 4_321},
    "no answer": {"input": 4_096, "output": 0},
    "cached": {"input": 1_001, "cached_input": 98_765, "output": 333},
    "all cached": {"input": 0, "cached_input": 2_047, "output": 11},
    "written": {"input": 13, "cached_input": 4_099, "cache_write": 2_053, "output": 17},
    "written for an hour": {"input": 13, "cached_input": 4_099, "cache_write_1h": 8_191, "output": 17},
    "written both ways": {"input": 5, "cache_write": 3_001, "cache_write_1h": 1_009, "output": 101},
    "heard": {"input": 19, "audio_input": 1_601, "output": 23},
}
EMBEDDED = {"one": {"input": 1}, "a page": {"input": 777}, "many": {"input": 8_191}}


class Case(NamedTuple):
    channel: str
    model: str
    """As it is called upstream."""
    edition: dict[str, Any]
    day: date
    tier: str
    name: str
    units: dict[str, int]


def charged(edition: dict[str, Any], units: dict[str, int], tier: str) -> Nanos:
    """What a request with these units costs by an edition of a price book, without a markup."""
    rates = rates_of(price_book("", PriceTerms.model_validate(edition)), units, tier)
    return cost_of(fit(units, rates), rates)


def theirs(case: Case, at: time) -> Nanos:
    """genai-prices counts in wholes: all input, of that what was cached, written, written for an hour, heard."""
    units = case.units
    written, hourly = units.get("cache_write", 0), units.get("cache_write_1h", 0)
    usage = Usage(
        input_tokens=sum(count for bucket, count in units.items() if bucket != "output"),
        output_tokens=units.get("output", 0),
        cache_read_tokens=units.get("cached_input", 0),
        cache_write_tokens=written + hourly,
        cache_write_1h_tokens=hourly,
        input_audio_tokens=units.get("audio_input", 0),
        cache_audio_read_tokens=0,
    )
    price = calc_price(
        usage,
        case.model,
        provider_id=VENDORS[case.channel].genai_prices,
        genai_request_timestamp=datetime.combine(case.day, at, UTC),
        price_context=None if case.tier == "default" else {"service_tier": case.tier},
    )
    return int((price.total_price * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


def editions(book: Any) -> list[dict[str, Any]]:
    return book if isinstance(book, list) else [book]


def around(edition: dict[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    """One token below each context tier, on its threshold, and above; with all kinds of input in the sum."""
    for threshold, step in itertools.product(edition.get("above", {}), (-1, 0, 1, 54_321)):
        total = int(threshold) + step
        yield f"{threshold}{step:+}", {"input": total, "output": 1_003}
        yield f"{threshold}{step:+} cached", {"input": total - 90_001, "cached_input": 90_001, "output": 1_003}
        yield (
            f"{threshold}{step:+} written",
            {"input": total - 70_000, "cached_input": 30_000, "cache_write": 39_999, "cache_write_1h": 1, "output": 7},
        )


@cache
def cases() -> list[Case]:
    """Every usage at every price, without those that no request of ours can have."""
    found: list[Case] = []
    for model in SHIPPED["models"].values():
        for route in model["routes"].values():
            for edition in editions(SHIPPED["price_books"][route["price_book"]]):
                day = edition.get("from", TODAY)
                for tier, book in {"default": edition, **edition.get("service_tiers", {})}.items():
                    usages = {**SIZES, **dict(around(book))} if model["kind"] == "chat" else EMBEDDED
                    found += [
                        Case(route["channel"], route["upstream_model"], edition, day, tier, name, units)
                        for name, units in usages.items()
                        if not units.keys() & set(VENDORS[route["channel"]].ignored)
                    ]
    return found


CHOSEN_OTHERWISE = {
    model
    for entry in read_signed_off(SIGNED_OFF.read_text())
    if entry.use == "models_dev" and entry.bucket != "context"
    for model in entry.models
}
"""Explained differences: a person has taken a price of models.dev instead."""


def test_there_are_enough_cases_of_each_kind() -> None:
    found = cases()

    assert len(found) >= 1_000
    assert {case.channel for case in found} == set(VENDORS)
    assert sum(case.tier == "flex" for case in found) >= 50
    assert sum(case.tier == "priority" for case in found) >= 50
    assert sum("+1" in case.name for case in found) >= 50
    assert any(case.day > TODAY for case in found)


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_we_charge_what_genai_prices_calculates(channel: str) -> None:
    different = [
        (case.model, case.day, case.tier, case.name, ours, other)
        for case in cases()
        if case.channel == channel and f"{channel}/{case.model}" not in CHOSEN_OTHERWISE
        if (ours := charged(case.edition, case.units, case.tier))
        != (other := theirs(case, DEAREST_AT.get(channel, NOON)))
    ]

    assert different == []


def test_outside_the_dearest_hours_deepseek_bills_half_of_what_we_charge() -> None:
    found = [case for case in cases() if case.channel == "deepseek" and case.name == "a book"]

    assert found
    for case in found:
        assert charged(case.edition, case.units, case.tier) == 2 * theirs(case, NOON)


def test_the_price_of_the_201st_thousand_is_that_of_all_tokens() -> None:
    (book,) = editions(SHIPPED["price_books"]["gemini-gemini-2.5-pro"])

    assert charged(book, {"input": 200_000, "output": 100}, "default") == usd("0.251")
    assert charged(book, {"input": 200_001, "output": 100}, "default") == usd("0.5015025")


def test_the_shipped_catalog_is_large_and_each_of_its_names_leads_somewhere() -> None:
    models = SHIPPED["models"]
    routes = [route for model in models.values() for route in model["routes"].values()]
    sold_over_several = {name for name, model in models.items() if len(model["routes"]) > 1}

    assert len(models) >= 80
    assert len({route["channel"] for route in routes}) >= 8
    assert {route["channel"] for route in routes} == set(CHANNELS)
    assert {route["price_book"] for route in routes} == set(SHIPPED["price_books"])
    assert {"gpt-4o-mini", "gpt-4.1", "text-embedding-3-small"} <= set(models)
    assert {"gpt-oss-120b", "kimi-k3", "claude-opus-5"} <= sold_over_several


def test_the_shipped_models_and_prices_compile() -> None:
    channels = {
        name: {"kind": "openai", "base_url": channel["base_url"], "secret": name} for name, channel in CHANNELS.items()
    }
    plan = {"requests_per_minute": 1, "tokens_per_minute": 1, "concurrency": 1}
    rest = yaml.safe_dump({"channels": channels, "plans": {"all": plan}, "campaigns": {}})

    snapshot = compile_file(read_texts({"models.yaml": (CATALOG / "models.yaml").read_text(), "rest.yaml": rest}))

    assert snapshot.models.keys() == SHIPPED["models"].keys()
    assert snapshot.models["gemini-3.6-flash"].routes[0].later[0].rates["input"] == usd("1.50")


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_a_channel_answers_where_genai_prices_knows_its_provider(channel: str) -> None:
    found = get_snapshot().find_provider(None, None, CHANNELS[channel]["base_url"])

    assert found.id == VENDORS[channel].genai_prices


def test_every_price_in_the_shipped_catalog_is_an_exact_string_above_zero() -> None:
    def prices(node: Any) -> Iterator[Any]:
        for key, value in node.items():
            if isinstance(value, dict):
                yield from prices(value)
            elif key != "from":
                yield value

    found = [
        price for book in SHIPPED["price_books"].values() for edition in editions(book) for price in prices(edition)
    ]

    assert all(isinstance(price, str) and Decimal(price) > 0 for price in found)
    assert all(usd(price) for price in found)
