"""Where the catalog's generator refuses, and what a sign-off is good for."""

from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import ValidationError

from tests.support.offers import offer, rates, sign_off
from tools.prices.compare import Outcome, Rules, Signed, reconcile, shown
from tools.prices.offer import Offer, Prices, Rates
from tools.prices.selection import Ratio, SignOff, read_signed_off


def compared(one: Offer, two: Offer, *signed_off: SignOff, rules: Rules = Rules()) -> Outcome:  # noqa: B008 - frozen
    return reconcile("v/m", one, two, rules, Signed(signed_off))


def buckets(outcome: Outcome) -> list[str]:
    return [difference.bucket for difference in outcome.differences]


def test_sources_that_agree_are_sold_at_the_first_ones_price() -> None:
    outcome = compared(offer(input="2"), offer(input="2.02"))

    assert outcome.differences == ()
    assert outcome.offer.prices.rates["input"] == Decimal(2)


@pytest.mark.parametrize(
    ("one", "two", "bucket"),
    [
        (offer(input="2"), offer(input="2.021"), "input"),
        (offer(input="2"), offer(input="1.979"), "input"),
        (offer(cached_input="1"), offer(), "cached_input"),
        (offer(), offer(cached_input="1"), "cached_input"),
        (offer(above={100: rates(input="4")}), offer(), "above"),
        (offer(above={272: rates(input="4")}), offer(above={200: rates(input="4")}), "above.1"),
        (offer(above={200: rates(input="4")}), offer(above={200: rates(input="5")}), "above.1.input"),
        (offer(above={200: rates(input="4")}), offer(above={200: rates(input="4", output="9")}), "above.1.output"),
        (offer(), replace(offer(), context=102_000), "context"),
    ],
)
def test_a_difference_of_more_than_one_percent_forbids_the_sale(one: Offer, two: Offer, bucket: str) -> None:
    assert buckets(compared(one, two)) == [bucket]


def test_a_bucket_that_costs_what_it_falls_back_to_is_no_difference() -> None:
    assert compared(offer(), offer(reasoning="8", cached_input="2")).differences == ()


def test_one_more_token_at_the_boundary_is_no_difference() -> None:
    outcome = compared(offer(above={199_999: rates(input="4")}), offer(above={200_000: rates(input="4")}))

    assert outcome.differences == ()
    assert outcome.offer.prices.above == {199_999: rates(input="4")}


def test_a_bucket_that_the_second_source_has_no_word_for_needs_the_vendors_own_rule() -> None:
    one = offer(cache_write="2.5", cache_write_1h="4")
    two = replace(offer(cache_write="2.5"), silent=frozenset({"cache_write_1h"}))

    assert buckets(compared(one, two)) == ["cache_write_1h"]
    assert compared(one, two, rules=Rules({"cache_write_1h": Ratio(times="2", of="input")})).differences == ()
    assert buckets(compared(one, two, rules=Rules({"cache_write_1h": Ratio(times="3", of="input")}))) == [
        "cache_write_1h"
    ]


def test_an_ignored_bucket_is_neither_compared_nor_sold() -> None:
    outcome = compared(offer(cache_write_1h="9"), offer(), rules=Rules(ignored=frozenset({"cache_write_1h"})))

    assert outcome.differences == ()
    assert "cache_write_1h" not in outcome.offer.prices.rates


def test_a_service_tier_that_differs_is_not_sold_and_the_model_is() -> None:
    one = replace(offer(), service_tiers={"flex": Prices(rates(input="1")), "priority": Prices(rates(input="4"))})
    two = replace(offer(), service_tiers={"flex": Prices(rates(input="1.1")), "priority": Prices(rates(input="4"))})

    outcome = compared(one, two)

    assert outcome.differences == ()
    assert [d.bucket for d in outcome.tiers] == ["flex.input"]
    assert outcome.offer.service_tiers == {"priority": Prices(rates(input="4"))}


def test_a_service_tier_without_a_second_opinion_is_not_sold() -> None:
    outcome = compared(replace(offer(), service_tiers={"flex": Prices(rates(input="1"))}), offer())

    assert [d.bucket for d in outcome.tiers] == ["flex"]
    assert outcome.offer.service_tiers == {}


# -- signing off -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("use", "sold"), [("genai_prices", "2"), ("models_dev", "3")])
def test_a_sign_off_says_which_value_is_sold(use: str, sold: str) -> None:
    outcome = compared(offer(input="2"), offer(input="3"), sign_off("input", "2", "3", use))

    assert outcome.differences == ()
    assert outcome.offer.prices.rates["input"] == Decimal(sold)


@pytest.mark.parametrize(("one", "two"), [("2.5", "3"), ("2", "3.5")])
def test_a_sign_off_no_longer_counts_when_either_package_says_something_else(one: str, two: str) -> None:
    signed = Signed([sign_off("input", "2", "3")])

    outcome = reconcile("v/m", offer(input=one), offer(input=two), Rules(), signed)

    assert buckets(outcome) == ["input"]
    assert signed.unused() == ["v/m  input"]


def test_a_sign_off_counts_for_its_own_model_and_bucket_only() -> None:
    one, two = offer(input="2", output="2"), offer(input="3", output="3")

    assert buckets(compared(one, two, sign_off("input", "2", "3"))) == ["output"]
    assert buckets(compared(one, two, sign_off("input", "2", "3", models=("v/other",)))) == ["input", "output"]


@pytest.mark.parametrize(("use", "above"), [("genai_prices", {100: rates(input="4")}), ("models_dev", {})])
def test_whether_there_is_a_tier_at_all_can_be_signed_off(use: str, above: dict[int, Rates]) -> None:
    one, two = offer(above={100: rates(input="4")}), offer()

    outcome = compared(one, two, sign_off("above", "1", "0", use))

    assert outcome.differences == ()
    assert outcome.offer.prices.above == above


def test_a_threshold_and_a_window_can_be_signed_off() -> None:
    one = offer(above={272: rates(input="4")})
    two = replace(offer(above={200: rates(input="4")}), context=50_000)

    outcome = compared(
        one, two, sign_off("above.1", "272", "200", "models_dev"), sign_off("context", "100000", "50000", "models_dev")
    )

    assert outcome.differences == ()
    assert (set(outcome.offer.prices.above), outcome.offer.context) == ({200}, 50_000)


def test_a_sign_off_without_a_person_or_a_reason_is_refused() -> None:
    with pytest.raises(ValidationError):
        read_signed_off("- {models: [m], bucket: input, genai_prices: '1', models_dev: '2', use: genai_prices, by: me}")
    with pytest.raises(ValidationError):
        SignOff.model_validate(sign_off("input", "1", "2").model_dump() | {"why": "so"})


def test_values_are_shown_as_they_are_written() -> None:
    assert [shown(value) for value in (None, Decimal("2.50"), Decimal("1E+6"))] == ["none", "2.5", "1000000"]
