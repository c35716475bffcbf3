"""Compiling, storing and reading a catalog."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.catalog.compile import compile_file, dump, load
from infergate.catalog.file import parse
from infergate.catalog.types import Campaign, Channel, Model, Plan, PriceBook, Route, Snapshot
from infergate.kernel.money import usd

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COMMITTED = (Path(__file__).parents[3] / "catalog.yaml").read_text()

NAMES = st.text(max_size=8)
COUNTS = st.integers(0, 2**40)
BOOKS = st.builds(PriceBook, NAMES, NAMES, st.dictionaries(NAMES, st.integers(0, 10**18), max_size=4))
CHANNELS = st.builds(Channel, NAMES, NAMES, NAMES, NAMES, st.booleans(), NAMES, COUNTS, COUNTS, COUNTS)
ROUTES = st.builds(Route, NAMES, CHANNELS, NAMES, BOOKS, COUNTS, COUNTS)
MODELS = st.builds(Model, NAMES, NAMES, NAMES, COUNTS, COUNTS, COUNTS, COUNTS, st.lists(ROUTES, max_size=3).map(tuple))
PLANS = st.builds(Plan, NAMES, COUNTS, COUNTS, COUNTS, st.lists(NAMES, max_size=3).map(tuple))
CAMPAIGNS = st.builds(Campaign, NAMES, NAMES, st.integers(0, 10**18), st.none() | COUNTS, COUNTS)
SNAPSHOTS = st.builds(
    Snapshot,
    NAMES,
    st.dictionaries(NAMES, MODELS, max_size=2),
    st.dictionaries(NAMES, PLANS, max_size=2),
    st.dictionaries(NAMES, CAMPAIGNS, max_size=2),
)


def compiled(text: str) -> Snapshot:
    return compile_file(parse(text))


@LAW
@given(SNAPSHOTS)
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


@LAW
@given(BOOKS)
def test_the_dearest_input_is_the_dearest_way_to_count_an_input_token(book: PriceBook) -> None:
    assert book.dearest_input == max(
        [0, *(book.rates[b] for b in ("input", "cached_input", "cache_write") if b in book.rates)]
    )
