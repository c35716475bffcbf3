"""What the catalog's generator reads from each package."""

from dataclasses import replace
from datetime import UTC, date, time
from decimal import Decimal
from typing import Any

from genai_prices import types as listed

from tests.support.offers import TODAY, offer, rates
from tools.prices import genai
from tools.prices.modelsdev import Edition, merged
from tools.prices.offer import Offer, Prices, dearest


def provider(model: listed.ModelInfo) -> list[listed.Provider]:
    return [listed.Provider(id="v", name="V", api_pattern="v", models=[model])]


def model_info(prices: listed.ModelPrice | list[listed.ConditionalPrice], **more: Any) -> listed.ModelInfo:
    return listed.ModelInfo(id="m", match=listed.ClauseEquals(equals="m"), prices=prices, **more)


def read(model: listed.ModelInfo, on: date = TODAY, tiers: tuple[str, ...] = ()) -> Offer:
    return genai.offers("v", ["m", "unheard-of"], on, tiers, provider(model))["m"]


def price(input_price: str, **more: Decimal | listed.TieredPrices) -> listed.ModelPrice:
    return listed.ModelPrice(input_mtok=Decimal(input_price), output_mtok=Decimal(8), **more)


def test_a_tier_has_only_the_rates_that_differ_in_it() -> None:
    tiered = listed.TieredPrices(base=Decimal(2), tiers=[listed.Tier(start=200_000, price=Decimal(4))])

    found = read(model_info(listed.ModelPrice(input_mtok=tiered, output_mtok=Decimal(8))))

    assert found.prices == Prices(rates(input="2", output="8"), {200_000: rates(input="4")})


def test_a_second_threshold_keeps_what_the_first_has_raised() -> None:
    tiers = [listed.Tier(start=100, price=Decimal(3)), listed.Tier(start=200, price=Decimal(4))]
    output = listed.TieredPrices(base=Decimal(8), tiers=[listed.Tier(start=100, price=Decimal(9))])

    found = read(
        model_info(listed.ModelPrice(input_mtok=listed.TieredPrices(base=Decimal(2), tiers=tiers), output_mtok=output))
    )

    assert found.prices.above == {100: rates(input="3", output="9"), 200: rates(input="4", output="9")}


def test_the_price_is_that_of_the_day_and_the_next_change_is_known() -> None:
    launch = listed.ConditionalPrice(prices=price("1"))
    later = listed.ConditionalPrice(constraint=listed.StartDateConstraint(date(2027, 1, 1)), prices=price("2"))
    model = model_info([launch, later])

    assert (read(model).prices.rates["input"], read(model).changes_on) == (Decimal(1), date(2027, 1, 1))
    assert read(model, date(2027, 1, 1)).prices.rates["input"] == Decimal(2)
    assert read(model, date(2027, 1, 1)).changes_on is None


def test_of_prices_by_the_hour_the_dearest_counts() -> None:
    at_night = listed.TimeOfDateConstraint(time(1, tzinfo=UTC), time(4, tzinfo=UTC))
    model = model_info(
        [listed.ConditionalPrice(prices=price("1")), listed.ConditionalPrice(constraint=at_night, prices=price("3"))]
    )

    assert read(model).prices.rates["input"] == Decimal(3)


def test_a_service_tier_is_a_whole_list() -> None:
    flex = listed.PriceVariant(when={"service_tier": "flex"}, prices=listed.ModelPrice(input_mtok=Decimal(1)))
    same = listed.PriceVariant(when={"service_tier": "priority"}, prices=listed.ModelPrice())
    model = model_info(price("2"), price_variants=[flex, same])

    assert read(model, tiers=("flex", "priority")).service_tiers == {"flex": Prices(rates(input="1", output="8"))}


def test_a_price_per_thousand_requests_becomes_one_per_million() -> None:
    assert read(model_info(price("2", requests_kcount=Decimal("0.5")))).prices.rates["request"] == Decimal(500)


def test_prices_that_we_have_no_bucket_for_are_told_and_those_of_tools_are_not() -> None:
    model = model_info(price("2", output_image_mtok=Decimal(30), web_searches_kcount=Decimal(10)))

    assert read(model).unknown == {"output_image_mtok"}


def test_the_newest_edition_has_the_prices_and_the_middle_one_the_limits() -> None:
    newest = Edition({"m": replace(offer(input="1"), context=None, silent=frozenset({"audio_input"}))})
    middle = Edition({"m": offer(input="2", audio_input="5")})

    found = merged("m", newest, middle, Edition({}))

    assert (found.prices.rates["input"], found.context) == (Decimal(1), 100_000)
    assert "audio_input" not in found.prices.rates  # told of together with another input's price: it may be as old


def test_what_the_newest_edition_has_no_word_for_comes_from_the_middle_one_where_the_rest_is_the_same() -> None:
    newest = Edition({"m": replace(offer(), silent=frozenset({"audio_input", "request"}))})
    middle = Edition({"m": replace(offer(audio_input="5"), silent=frozenset({"request"}))})

    found = merged("m", newest, middle, Edition({}))

    assert found.prices.rates["audio_input"] == Decimal(5)
    assert found.silent == {"request"}


def test_a_threshold_that_is_called_200000_gets_its_real_size_from_the_oldest_edition() -> None:
    middle = Edition({"m": offer(above={200_000: rates(input="4")})})
    oldest = Edition({"m": offer(above={272_000: rates(input="4")})})

    assert set(merged("m", Edition({}), middle, oldest).prices.above) == {272_000}


def test_a_model_that_the_newest_edition_calls_gone_is_retired() -> None:
    assert merged("m", Edition({}, frozenset({"m"})), Edition({"m": offer()}), Edition({})).retired


def test_the_dearest_of_several_lists_is_taken_bucket_by_bucket() -> None:
    one = Prices(rates(input="1", output="9"), {10: rates(input="3")})
    two = Prices(rates(input="2", output="8"), {10: rates(input="2")})

    assert dearest([one, two]) == Prices(rates(input="2", output="9"), {10: rates(input="3")})
