"""Compiling, storing and reading a catalog."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.catalog.snapshot import dump, load
from infergate.catalog.types import Campaign, Channel, Model, Plan, PriceBook, Route, Snapshot
from infergate.kernel.money import usd

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COMMITTED = (Path(__file__).parents[2] / "support" / "catalog.yaml").read_text()

NAMES = st.text(max_size=8)
COUNTS = st.integers(0, 2**40)
RATES = st.dictionaries(NAMES, st.integers(0, 10**18), max_size=4)
ABOVE = st.lists(st.tuples(COUNTS, RATES), max_size=2).map(tuple)
TIERS = st.dictionaries(NAMES, st.builds(PriceBook, NAMES, NAMES, RATES, ABOVE), max_size=2)
# A book and its version are one thing, as they are where a version is the hash of the content; so with a channel's name.
BOOKS = st.lists(st.builds(PriceBook, NAMES, NAMES, RATES, ABOVE, TIERS, COUNTS), min_size=1, max_size=4)
CHANNELS = st.builds(
    Channel, NAMES, NAMES, NAMES, NAMES, st.booleans(), NAMES, COUNTS, COUNTS, COUNTS, st.dictionaries(NAMES, NAMES)
)
PLANS = st.builds(Plan, NAMES, COUNTS, COUNTS, COUNTS, st.lists(NAMES, max_size=3).map(tuple))
CAMPAIGNS = st.builds(Campaign, NAMES, NAMES, st.integers(0, 10**18), st.none() | COUNTS, COUNTS)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    books = list({(b.id, b.version): b for b in draw(BOOKS)}.values())
    channels = {c.id: c for c in draw(st.lists(CHANNELS, min_size=1, max_size=3))}
    editions = st.lists(st.sampled_from(books), max_size=2).map(tuple)
    routes = st.builds(
        Route, NAMES, st.sampled_from(list(channels.values())), NAMES, st.sampled_from(books), COUNTS, COUNTS, editions
    )
    models = st.builds(
        Model, NAMES, NAMES, NAMES, COUNTS, COUNTS, COUNTS, COUNTS, st.lists(routes, max_size=3).map(tuple)
    )
    return Snapshot(
        draw(NAMES),
        {m.id: m for m in draw(st.lists(models, max_size=2))},
        {p.id: p for p in draw(st.lists(PLANS, max_size=2))},
        {c.id: c for c in draw(st.lists(CAMPAIGNS, max_size=2))},
        draw(st.dictionaries(NAMES, NAMES, max_size=2)),
        channels,
    )


def compiled(text: str) -> Snapshot:
    return compile_file(parse(text))


@LAW
@given(snapshots())
def test_any_snapshot_is_read_as_it_was_stored(snapshot: Snapshot) -> None:
    assert load(dump(snapshot)) == snapshot


def test_the_committed_catalog_is_read_as_it_was_stored() -> None:
    snapshot = compiled(COMMITTED)

    assert load(dump(snapshot)) == snapshot


def test_the_same_file_is_the_same_version() -> None:
    assert compiled(COMMITTED) == compiled(COMMITTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# What is sold", "# Sold"),
        ("\n  demo-embedding:\n    kind: embedding\n", '\n  "demo-embedding":\n    kind:   embedding   # same\n'),
        ('{input: "0.50", cached_input', '{input: "0.5", cached_input'),
        ('amount: "20.00"', 'amount: "20"'),
        ('cached_input: "0.25", output: "1.50"', 'output: "1.50", cached_input: "0.25"'),
    ],
)
def test_what_changes_nothing_changes_no_version(old: str, new: str) -> None:
    assert old in COMMITTED

    assert compiled(COMMITTED.replace(old, new, 1)) == compiled(COMMITTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('output: "8.00"', 'output: "8.01"'),
        ('{input: "0.02"}\n  gpt', '{input: "0.02", request: "5"}\n  gpt'),
        ("context: 1047576", "context: 1047577"),
        ("max_output: 32768", "max_output: 32769"),
        ("image_tokens: 2500", "image_tokens: 2501"),
        ("created: 2025-04-14", "created: 2025-04-15"),
        ("owned_by: openai", "owned_by: OpenAI"),
        ("upstream_model: gpt-4.1,", "upstream_model: gpt-4.1-mini,"),
        ("price_book: gpt-4.1}", "price_book: gpt-4.1, priority: 2}"),
        ("price_book: gpt-4.1}", "price_book: gpt-4.1, weight: 2}"),
        ("openai-gpt-4.1:", "openai-gpt-4-1:"),
        ("enabled: false", "enabled: true"),
        ("secret: demo", "secret: other"),
        ("secret: openai", "secret: openai\n    idle_timeout_s: 31"),
        ("concurrency: 100", "concurrency: 101"),
        ("concurrency: 400}", "concurrency: 400, models: [gpt-4.1]}"),
        ('amount: "20.00"', 'amount: "20.01"'),
        ("expires_after_days: 90", "expires_after_days: 91"),
        (", expires_after_days: 90", ""),
    ],
)
def test_whatever_changes_content_changes_the_version(old: str, new: str) -> None:
    assert COMMITTED.count(old) >= 1

    assert compiled(COMMITTED.replace(old, new, 1)).version != compiled(COMMITTED).version


def test_a_price_that_changes_is_a_new_version_of_its_book_and_of_no_other() -> None:
    before, after = compiled(COMMITTED), compiled(COMMITTED.replace('output: "8.00"', 'output: "8.01"'))

    versions = [{r.price.id: r.price.version for m in s.models.values() for r in m.routes} for s in (before, after)]
    assert {book for book in versions[0] if versions[0][book] != versions[1][book]} == {"gpt-4.1"}


def test_rates_are_nano_dollars_per_million() -> None:
    model = compiled(COMMITTED).models["gpt-4.1"]

    assert model.routes[0].price.rates == {"input": usd("2"), "cached_input": usd("0.5"), "output": usd("8")}


def test_a_model_was_created_at_midnight_utc_of_its_date() -> None:
    assert compiled(COMMITTED).models["gpt-4.1"].created == 1_744_588_800


def routed(more: str, terms: str = "") -> Route:
    """The only route of a catalog with one price book of these terms."""
    text = f"""
models:
  m: {{kind: chat, owned_by: us, created: 2026-11-01, context: 1000, max_output: 100,
       routes: {{a: {{channel: one, upstream_model: m, price_book: book{terms}}}}}}}
channels: {{one: {{kind: openai, base_url: "https://api.example.com/v1", secret: one}}}}
price_books: {{book: {more}}}
plans: {{starter: {{requests_per_minute: 60, tokens_per_minute: 1000, concurrency: 5}}}}
campaigns: {{}}
"""
    return compiled(text).models["m"].routes[0]


def test_a_tier_of_long_requests_has_every_rate_and_only_some_are_its_own() -> None:
    price = routed(
        '{input: "1", cached_input: "0.1", output: "4", above: {"500": {output: "8"}, "90": {input: "2"}}}'
    ).price

    assert price.rates_for(90) == {"input": usd("1"), "cached_input": usd("0.1"), "output": usd("4")}
    assert price.rates_for(91) == {"input": usd("2"), "cached_input": usd("0.1"), "output": usd("4")}
    assert price.rates_for(500) == price.rates_for(91)
    assert price.rates_for(501) == {"input": usd("1"), "cached_input": usd("0.1"), "output": usd("8")}


def test_a_service_tier_is_a_list_of_its_own() -> None:
    price = routed('{input: "1", output: "4", service_tiers: {flex: {input: "0.5", output: "2"}}}').price

    flex = price.tier("flex")
    assert flex is not None
    assert flex.rates == {"input": usd("0.5"), "output": usd("2")}
    assert price.tier("default") is price
    assert price.tier("priority") is None


def test_a_dated_price_comes_into_force_at_midnight_utc() -> None:
    route = routed('[{from: 2026-12-01, input: "2", output: "4"}, {input: "1", output: "4"}]')

    assert route.price_at(1_796_083_199).rates["input"] == usd("1")
    assert route.price_at(1_796_083_200).rates["input"] == usd("2")


@pytest.mark.parametrize(("markup", "sold"), [("1", "3"), ("1.05", "3.15"), ("0.333333333", "0.999999999"), ("2", "6")])
def test_a_route_sells_at_its_price_times_its_markup(markup: str, sold: str) -> None:
    price = routed('{input: "3", output: "4", above: {"9": {input: "3"}}}', f', markup: "{markup}"').price

    assert price.rates["input"] == price.above[0][1]["input"] == usd(sold)


def test_a_marked_up_rate_is_rounded_up_to_a_whole_nano_dollar() -> None:
    assert routed('{input: "0.000000001", output: "4"}', ', markup: "1.05"').price.rates["input"] == 2


def test_a_markup_is_part_of_the_price_version() -> None:
    plain, dearer = routed('{input: "3", output: "4"}'), routed('{input: "3", output: "4"}', ', markup: "1.05"')

    assert plain.price.id == dearer.price.id
    assert plain.price.version != dearer.price.version


def test_an_alias_of_an_alias_points_at_the_model() -> None:
    text = COMMITTED + "\naliases: {first: second, second: demo-chat}\n"

    assert compiled(text).aliases == {"first": "demo-chat", "second": "demo-chat"}


def test_five_hundred_models_fit_into_one_item() -> None:
    snapshot = compiled(COMMITTED)
    model = snapshot.models["gpt-4.1"]
    many = {}
    for i in range(500):
        book = PriceBook(f"book-{i}", str(i), {"input": i, "cached_input": i + 1, "output": i + 2})
        many[f"model-{i}"] = replace(
            model, id=f"model-{i}", routes=(replace(model.routes[0], id=f"r-{i}", price=book),)
        )

    assert len(dump(replace(snapshot, models=many))) * 4 / 3 < 100_000
