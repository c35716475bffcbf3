"""Money: strings to nano-dollars and back, and the one rounding."""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.money import NANOS_PER_USD, UNITS_PER_PRICE, cost_of, format_usd, usd

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
READABLE = st.integers(-(10**12) * NANOS_PER_USD + 1, 10**12 * NANOS_PER_USD - 1)
BUCKETS = ("input", "cached_input", "output", "request")
DECIMALS = st.just("") | st.text("0123456789", min_size=1, max_size=9).map(".{}".format)
UNITS = st.dictionaries(st.sampled_from(BUCKETS), st.integers(0, 10**9))
RATES = st.fixed_dictionaries({bucket: st.integers(0, 10**12) for bucket in BUCKETS})


@LAW
@given(READABLE)
def test_every_amount_survives_being_written_and_read(nanos: int) -> None:
    assert usd(format_usd(nanos)) == nanos


@LAW
@given(st.sampled_from(["", "-"]), st.text("0123456789", min_size=1, max_size=12), DECIMALS)
def test_a_string_means_exactly_what_it_says(sign: str, whole: str, decimals: str) -> None:
    text = f"{sign}{whole}{decimals}"

    assert usd(text) == Fraction(text) * NANOS_PER_USD


@LAW
@given(st.integers())
def test_an_amount_is_written_with_two_to_nine_decimals(nanos: int) -> None:
    whole, _, decimals = format_usd(nanos).partition(".")

    assert 2 <= len(decimals) <= 9
    assert Fraction(f"{whole}.{decimals}") * NANOS_PER_USD == nanos


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("19.82", 19_820_000_000),
        ("0.000000001", 1),
        ("-0.5", -500_000_000),
        ("-0", 0),
        ("007", 7_000_000_000),
        ("999999999999.999999999", 10**21 - 1),
    ],
)
def test_these_strings_are_these_amounts(text: str, nanos: int) -> None:
    assert usd(text) == nanos


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1\n", "\n1", ".5", "5.", "+5", "--5", "1,000", "1_000", "$5", "5 USD", "0x10"),
        *("1e3", "1E3", "1e-3", "NaN", "nan", "sNaN", "Infinity", "-inf"),
        *("0.0000000001", "1.1234567890", "1000000000000"),
        *("٣", "1.٣", "１", "²", "−5", "1\u00a0", "1\u200b", "\ufeff1"),
    ],
)  # fmt: skip
def test_what_is_not_a_plain_decimal_string_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        usd(text)


@pytest.mark.parametrize("value", [1, 1.5, True, None, b"1", ["1"]])
def test_only_a_string_can_be_read_as_an_amount(value: object) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        usd(value)  # type: ignore[arg-type]


@LAW
@given(UNITS, RATES)
def test_cost_is_the_exact_sum_rounded_up_once(units: dict[str, int], rates: dict[str, int]) -> None:
    exact = sum((Fraction(count * rates[bucket], UNITS_PER_PRICE) for bucket, count in units.items()), Fraction(0))

    cost = cost_of(units, rates)

    assert isinstance(cost, int)
    assert exact <= cost < exact + 1


@LAW
@given(UNITS, RATES)
def test_splitting_a_request_never_makes_it_cheaper(units: dict[str, int], rates: dict[str, int]) -> None:
    apart = sum(cost_of({bucket: count}, rates) for bucket, count in units.items())

    assert 0 <= apart - cost_of(units, rates) <= max(0, len(units) - 1)


@LAW
@given(UNITS, RATES, st.sampled_from(BUCKETS), st.integers(0, 10**6))
def test_more_units_never_cost_less(units: dict[str, int], rates: dict[str, int], bucket: str, more: int) -> None:
    assert cost_of({**units, bucket: units.get(bucket, 0) + more}, rates) >= cost_of(units, rates)


@LAW
@given(UNITS, RATES, st.sampled_from(BUCKETS), st.integers(0, 10**6))
def test_a_higher_rate_never_costs_less(units: dict[str, int], rates: dict[str, int], bucket: str, more: int) -> None:
    assert cost_of(units, {**rates, bucket: rates[bucket] + more}) >= cost_of(units, rates)


@LAW
@given(UNITS, RATES, st.integers(-(10**9), -1), st.sampled_from(BUCKETS))
def test_negative_units_are_refused(units: dict[str, int], rates: dict[str, int], less: int, bucket: str) -> None:
    with pytest.raises(ValueError, match="negative units"):
        cost_of({**units, bucket: less}, rates)


def test_units_without_a_rate_are_not_free() -> None:
    with pytest.raises(KeyError):
        cost_of({"input": 5, "audio": 1}, {"input": 1})


def test_no_units_cost_nothing() -> None:
    assert cost_of({}, {}) == 0
    assert cost_of({"audio": 0}, {}) == 0
