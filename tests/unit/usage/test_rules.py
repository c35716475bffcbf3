"""Receipts into numbers, and parcels of them."""

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infergate.usage.keys import cell_sk, read_cell
from infergate.usage.rules import MEMBERS_MAX, cells_of, latency_bound, parcels, read, tally
from infergate.usage.types import LATENCY_BOUNDS_MS, Cell, Malformed, Totals, Use

from tests.unit.usage.conftest import NOON, receipt, stored

uses = st.builds(
    Use,
    account=st.just("acct"),
    request_id=st.uuids().map(str),
    made_at_ms=st.integers(NOON * 1000, NOON * 1000 + 3 * 86_400_000),
    model=st.sampled_from(["a", "b", "c"]),
    key=st.text(max_size=3),
    route=st.sampled_from(["", "r"]),
    numbers=st.dictionaries(st.sampled_from(["requests", "cost", "units_input", "latency_80"]), st.integers(1, 10**12)),
)


def test_a_receipt_is_read_into_the_numbers_it_adds() -> None:
    one = receipt("acct", cost=20_550, loss=7, latency_ms=812, first_token_ms=104)

    use = read(stored(one))

    assert (use.account, use.request_id, use.model, use.key, use.route) == (
        *("acct", one.request_id, "small", "key_a", "small-a"),
    )
    assert use.numbers == {
        "requests": 1,
        "cost": 20_550,
        "loss": 7,
        "first_tokens": 1,
        "first_token_ms": 104,
        "units_input": 9,
        "units_output": 64,
        "latency_1000": 1,
    }


def test_any_reason_but_completed_is_an_error() -> None:
    assert read(stored(receipt("acct", reason="abandoned"))).numbers["errors"] == 1
    assert "errors" not in read(stored(receipt("acct"))).numbers


def test_a_receipt_without_model_key_route_or_timing_still_counts() -> None:
    bare = receipt("acct", cost=0, reason="abandoned", model="", key_id="", route="", units={}, latency_ms=0)

    use = read(stored(bare))

    assert use.numbers["requests"] == 1
    assert cells_of(use) == [Cell("hour", "2026112412", "", "", ""), Cell("day", "20261124", "", "", "")]


def test_attributes_that_are_not_counted_may_have_any_form() -> None:
    assert read(stored(receipt("acct")) | {"new": {"SS": ["x"]}, "price": {"N": "1.5"}}).numbers["cost"] == 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", {"S": ""}),
        ("account", {"N": "1"}),
        ("request_id", {"S": "req_1"}),
        ("request_id", {"S": "x" * 9999}),
        ("cost", {"S": "12"}),
        ("cost", {"N": "-1"}),
        ("cost", {"N": "1.5"}),
        ("cost", {"N": "1" * 30}),
        ("cost", {"BOOL": True}),
        ("cost", {}),
        ("cost", "12"),
        ("reason", {"NULL": True}),
        ("model", {"S": "m" * 300}),
        ("units", {"L": []}),
        ("units", {"M": {"input": {"N": "-9"}}}),
        ("units", {"M": {"Input tokens": {"N": "9"}}}),
        ("units", {"M": {f"b{i}": {"N": "1"} for i in range(41)}}),
        ("latency_ms", {"N": "1e400"}),
    ],
)
def test_what_is_no_receipt_is_malformed_and_says_where(name: str, value: Any) -> None:
    with pytest.raises(Malformed, match=name):
        read(stored(receipt("acct")) | {name: value})


@pytest.mark.parametrize("image", [None, {}, [], "x"])
def test_an_image_that_is_no_item_is_malformed(image: Any) -> None:
    with pytest.raises(Malformed):
        read(image)


@given(st.lists(uses, max_size=60), st.randoms())
def test_adding_up_in_any_order_and_any_parts_gives_the_same(some: list[Use], chance: Any) -> None:
    whole = tally(some)
    chance.shuffle(some)
    cut = chance.randrange(len(some) + 1)

    parts: dict[Cell, Counter[str]] = {}
    for part in (some[:cut], some[cut:]):
        for cell, numbers in tally(part).items():
            parts.setdefault(cell, Counter()).update(numbers)

    assert parts == whole


@given(st.lists(uses, max_size=250, unique_by=lambda u: u.request_id))
def test_parcels_hold_every_use_once_and_fit_into_a_transaction(some: list[Use]) -> None:
    made = list(parcels(some))

    assert sorted(u.request_id for parcel in made for u in parcel) == sorted(u.request_id for u in some)
    assert all(0 < len(parcel) + len(tally(parcel)) <= MEMBERS_MAX for parcel in made)


@given(st.lists(uses))
def test_hours_add_up_to_days(some: list[Use]) -> None:
    days: dict[Cell, Counter[str]] = {}
    for cell, numbers in tally(some).items():
        if cell.span == "hour":
            day = Cell("day", cell.start[:8], cell.model, cell.key, cell.route)
            days.setdefault(day, Counter()).update(numbers)

    assert days == {cell: numbers for cell, numbers in tally(some).items() if cell.span == "day"}


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_a_cell_is_read_back_from_its_key_whatever_its_names(model: str, key: str, route: str) -> None:
    cell = Cell("hour", "2026112412", model, key, route)

    assert read_cell("hour", cell_sk(cell)) == cell


@given(st.integers(0, 1_000_000))
def test_a_latency_lies_within_its_bucket(milliseconds: int) -> None:
    bound = latency_bound(milliseconds)
    place = LATENCY_BOUNDS_MS.index(bound)

    assert milliseconds <= bound
    assert place == 0 or milliseconds > LATENCY_BOUNDS_MS[place - 1]


def test_a_bucket_is_at_most_30_percent_wide() -> None:
    assert all(upper * 100 <= lower * 130 for lower, upper in itertools.pairwise(LATENCY_BOUNDS_MS))


def test_a_quantile_is_the_bound_that_enough_requests_lie_below() -> None:
    totals = Totals.of({"requests": 100, "latency_100": 94, "latency_250": 5, "latency_8000": 1})

    assert [totals.latency_ms(percent) for percent in (50, 94, 95, 99, 100)] == [100, 100, 250, 250, 8000]
    assert Totals.of({}).latency_ms(95) is None
