"""The catalog's generator: what is sold, what is left out, and the file and the two commands."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from tests.support.offers import TODAY, offer, rates, sign_off
from tools.prices.__main__ import MODELS, main
from tools.prices.document import render
from tools.prices.offer import Offer, Prices
from tools.prices.publish import Findings, Model, Sources, publish
from tools.prices.selection import Selection, SignOff, read_selection

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
