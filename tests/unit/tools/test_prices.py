"""The catalog's generator: what it reads from each package, where it refuses, and what a sign-off is good for."""

from dataclasses import replace
from datetime import UTC, date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from genai_prices import types as listed
from pydantic import ValidationError

from tools.prices import genai
from tools.prices.__main__ import MODELS, main
from tools.prices.compare import Outcome, Rules, Signed, reconcile, shown
from tools.prices.document import render
from tools.prices.modelsdev import Edition, merged
from tools.prices.offer import Offer, Prices, Rates, dearest
from tools.prices.publish import Findings, Model, Sources, publish
from tools.prices.selection import Ratio, Selection, SignOff, read_selection, read_signed_off

TODAY = date(2026, 11, 24)


def rates(**by_bucket: str) -> Rates:
    return {bucket: Decimal(rate) for bucket, rate in by_bucket.items()}


def offer(*, above: dict[int, Rates] | None = None, model: str = "m", **by_bucket: str) -> Offer:
    """An offer of models.dev's kind: complete, a chat model that reads and writes text."""
    return Offer(
        model,
        Prices(rates(**({"input": "2", "output": "8"} | by_bucket)), above or {}),
        context=100_000,
        max_output=8_000,
        takes=frozenset({"text"}),
        gives=frozenset({"text"}),
        released=date(2026, 1, 2),
    )


def sign_off(bucket: str, one: str, two: str, use: str = "genai_prices", models: tuple[str, ...] = ("v/m",)) -> SignOff:
    entry = {"models": list(models), "bucket": bucket, "genai_prices": one, "models_dev": two, "use": use}
    return SignOff.model_validate(entry | {"by": "Anna", "when": TODAY, "why": "the vendor's page of that day"})


def compared(one: Offer, two: Offer, *signed_off: SignOff, rules: Rules = Rules()) -> Outcome:  # noqa: B008 - frozen
    return reconcile("v/m", one, two, rules, Signed(signed_off))


def buckets(outcome: Outcome) -> list[str]:
    return [difference.bucket for difference in outcome.differences]


# -- genai-prices ----------------------------------------------------------------------------------------------------


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


# -- models.dev ------------------------------------------------------------------------------------------------------


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


# -- comparing -------------------------------------------------------------------------------------------------------


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


# -- publishing ------------------------------------------------------------------------------------------------------

SELECTION = """
markup: "1.05"
vendors:
  dear: {genai_prices: dear, models_dev: dear, models: all, leave_out: {"old-*": superseded}}
  cheap: {genai_prices: cheap, models_dev: cheap, models: {Big/M: m}, called: {Big/M: us.Big/M}}
owners: {"*": maker}
created: {}
image_tokens: {m: 1000}
"""


def published(
    first: dict[str, list[Offer]],
    second: dict[str, list[Offer]],
    *signed_off: SignOff,
    selection: str = SELECTION,
    on: date = TODAY,
) -> tuple[dict[str, Model], Findings]:
    def by_name(offers: list[Offer]) -> dict[str, Offer]:
        return {offer.model: offer for offer in offers}

    sources = Sources(
        lambda provider, models, day, tiers: by_name([o for o in first.get(provider, ()) if o.model in models]),
        lambda provider, day, modes: by_name(second.get(provider, [])),
    )
    models, findings = publish(read_selection(selection), signed_off, on, sources)
    return {model.id: model for model in models}, findings


def test_one_model_of_two_providers_has_two_routes_the_cheaper_first_and_the_smaller_limits() -> None:
    dear = replace(offer(input="3"), takes=frozenset({"text", "image"}), context=90_000)
    cheap = replace(offer(model="Big/M"), max_output=4_000, takes=frozenset({"text", "image"}))

    models, findings = published({"dear": [dear], "cheap": [cheap]}, {"dear": [dear], "cheap": [cheap]})

    assert findings.clean
    assert [(route.id, route.upstream_model) for route in models["m"].routes] == [
        ("cheap-m", "us.Big/M"),
        ("dear-m", "m"),
    ]
    assert (models["m"].context, models["m"].max_output, models["m"].image_tokens) == (90_000, 4_000, 1_000)


def test_a_model_takes_images_only_where_all_of_its_routes_do() -> None:
    dear = replace(offer(), takes=frozenset({"text", "image"}))
    cheap = offer(model="Big/M")

    models, _ = published({"dear": [dear], "cheap": [cheap]}, {"dear": [dear], "cheap": [cheap]})

    assert models["m"].image_tokens == 0


@pytest.mark.parametrize(
    ("one", "two", "reason"),
    [
        (None, offer(), "only one of the packages"),
        (replace(offer(), retired=True), offer(), "deprecated"),
        (offer(), replace(offer(), retired=True), "deprecated"),
        (offer(), replace(offer(), context=None), "no limits"),
        (offer(), replace(offer(), gives=frozenset({"image"})), "text into text"),
        (offer(output="0"), offer(output="0"), "free"),
        (replace(offer(), unknown=frozenset({"input_video_mtok"})), offer(), "input_video_mtok"),
        (offer(model="old-1"), offer(model="old-1"), "superseded"),
    ],
)
def test_what_is_not_sold_is_left_out_for_a_reason(one: Offer | None, two: Offer, reason: str) -> None:
    models, findings = published({"dear": [one] if one else []}, {"dear": [two]})

    assert models == {}
    assert [reason in line for line in findings.left_out if line.startswith("dear/")] == [True]


def test_an_open_difference_keeps_the_model_out_and_the_others_in() -> None:
    models, findings = published(
        {"dear": [offer(), offer(model="n", input="1")]}, {"dear": [offer(), offer(model="n", input="2")]}
    )

    assert list(models) == ["m"]
    assert [str(difference) for difference in findings.open] == ["dear/n  input  1  2  +100.0 %"]
    assert not findings.clean


def test_a_model_that_models_dev_does_not_know_is_sold_once_its_limits_and_each_price_are_signed_for() -> None:
    selection = SELECTION.replace("models: all", "models: all, newer: {new: {context: 9000, max_output: 900}}", 1)
    selection = selection.replace("created: {}", "created: {new: 2026-11-20}")
    new = replace(offer(model="new"), context=None)
    signed = [
        sign_off("input", "2", "none", models=("dear/new",)),
        sign_off("output", "8", "none", models=("dear/new",)),
    ]

    unsigned, findings = published({"dear": [new]}, {}, signed[0], selection=selection)
    models, _ = published({"dear": [new]}, {}, *signed, selection=selection)

    assert (unsigned, [d.bucket for d in findings.open]) == ({}, ["output"])
    assert (models["new"].context, models["new"].max_output) == (9_000, 900)


def test_an_embedding_has_an_input_price_only() -> None:
    one, two = offer(model="m-embed", output="1"), offer(model="m-embed", output="0", cached_input="1")

    models, _ = published({"dear": [one]}, {"dear": [two]})

    assert models["m-embed"].kind == "embedding"
    assert models["m-embed"].routes[0].offer.prices.rates == rates(input="2")


def test_a_coming_price_is_an_edition_once_it_is_signed_for_and_blocks_nothing_before() -> None:
    selection = read_selection(SELECTION)
    new_year = date(2027, 1, 1)
    sources = Sources(
        lambda _p, _m, day, _t: {"m": offer(input="4") if day >= new_year else replace(offer(), changes_on=new_year)},
        lambda provider, _d, _m: {"m": offer()} if provider == "dear" else {},
    )

    models, findings = publish(selection, [], TODAY, sources)
    dated, _ = publish(selection, [sign_off("from.2027-01-01.input", "4", "2", models=("dear/m",))], TODAY, sources)

    assert models[0].routes[0].later == ()
    assert findings.clean
    assert [d.bucket for d in findings.coming] == ["from.2027-01-01.input"]
    assert [(day, later.prices.rates["input"]) for day, later in dated[0].routes[0].later] == [(new_year, Decimal(4))]


def test_a_model_without_an_owner_is_missing_something() -> None:
    models, findings = published(
        {"dear": [offer()]}, {"dear": [offer()]}, selection=SELECTION.replace('{"*": maker}', "{}")
    )

    assert models == {}
    assert not findings.clean


# -- the file --------------------------------------------------------------------------------------------------------


def test_the_file_is_yaml_with_prices_as_exact_strings() -> None:
    flex = Prices(rates(input="0.0375"))
    dear = replace(offer(input="3.10", above={200_000: rates(input="6.2")}), service_tiers={"flex": flex})
    models, _ = published({"dear": [dear]}, {"dear": [dear]})

    document = yaml.safe_load(render(models.values(), "1.05"))

    assert document["models"]["m"]["routes"]["dear-m"] == {
        "channel": "dear",
        "upstream_model": "m",
        "price_book": "dear-m",
        "markup": "1.05",
    }
    assert document["price_books"]["dear-m"] == {
        "input": "3.10",
        "output": "8.00",
        "above": {"200000": {"input": "6.20"}},
        "service_tiers": {"flex": {"input": "0.0375"}},
    }


def test_a_price_finer_than_a_nano_dollar_is_refused() -> None:
    models, _ = published({"dear": [offer(input="0.0000000001")]}, {"dear": [offer(input="0.0000000001")]})

    with pytest.raises(ValueError, match="nano-dollar"):
        render(models.values(), "1")


def test_rendering_is_the_same_however_the_offers_come() -> None:
    def text(*offers: Offer) -> str:
        models, _ = published({"dear": list(offers)}, {"dear": list(offers)})
        return render(models.values(), "1")

    assert text(offer(model="a"), offer(model="b")) == text(offer(model="b"), offer(model="a"))


def test_the_selection_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValidationError, match="not sold"):
        read_selection(
            SELECTION.replace("models: {Big/M: m}", "models: {Big/M: m}, newer: {x: {context: 1, max_output: 1}}")
        )
    assert isinstance(read_selection(SELECTION), Selection)


def day_of_the_shipped_file() -> str:
    return MODELS.read_text().partition("Prices of ")[2][:10]


def test_check_passes_the_shipped_file_and_names_a_price_that_was_changed_by_hand(tmp_path: Path) -> None:
    on = ("check", "--on", day_of_the_shipped_file())
    changed = tmp_path / "models.yaml"
    changed.write_text(
        MODELS.read_text().replace(
            'openai-text-embedding-3-small: {input: "0.02"}', 'openai-text-embedding-3-small: {input: "0.01"}'
        )
    )

    shipped = CliRunner().invoke(main, on)
    by_hand = CliRunner().invoke(main, [*on, "--file", str(changed)])

    assert (shipped.exit_code, by_hand.exit_code) == (0, 1)
    assert "sign-offs that no longer count" not in shipped.output
    assert '-  openai-text-embedding-3-small: {input: "0.01"}' in by_hand.output
    assert '+  openai-text-embedding-3-small: {input: "0.02"}' in by_hand.output


def test_generate_writes_the_shipped_file_again(tmp_path: Path) -> None:
    again = tmp_path / "models.yaml"

    result = CliRunner().invoke(main, ["generate", "--on", day_of_the_shipped_file(), "--file", str(again)])

    assert result.exit_code == 0
    assert again.read_text() == MODELS.read_text()


def test_check_lists_an_open_difference_ready_to_be_signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = tmp_path / "signed_off.yaml"
    nobody.write_text("[]")
    monkeypatch.setattr("tools.prices.__main__.SIGNED_OFF", nobody)

    result = CliRunner().invoke(main, ["check", "--on", day_of_the_shipped_file()])

    assert result.exit_code == 1
    assert "openai/gpt-4.1  context  1000000  1047576  +4.8 %" in result.output
    assert '{models: [openai/gpt-4.1], bucket: context, genai_prices: "1000000", models_dev: "1047576"' in result.output
