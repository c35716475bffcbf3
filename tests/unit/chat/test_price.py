"""What a request may cost and what it did: a hold is a ceiling, on any route, for any usage within the request's bounds."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from infergate.catalog.types import Channel, Model, PriceBook, Route
from infergate.chat.price import (
    OUTPUT_FLOOR,
    USUAL_OUTPUT,
    Tariff,
    charge,
    counted_tokens,
    fit,
    likely_input,
    likely_units,
    output_wanted,
    tariff,
)
from infergate.chat.types import InferenceRequest
from infergate.kernel.errors import ContextTooLong, InvalidRequest
from infergate.kernel.money import cost_of

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ON = Channel("on", "openai", "https://a.example.com", "a")
OFF = replace(ON, id="off", enabled=False)
RATE = st.integers(0, 10**12)
COUNT = st.integers(0, 10**6)
TARIFFS = st.builds(Tariff, COUNT, RATE, RATE, RATE, st.integers(1, 128))
BOOKS = st.builds(
    PriceBook,
    st.just("book"),
    st.just("1"),
    st.fixed_dictionaries(
        {"input": RATE, "cached_input": RATE, "output": RATE}, optional={"cache_write": RATE, "request": RATE}
    ),
)
ROUTES = st.builds(Route, st.text(), st.sampled_from([ON, OFF]), st.just("m"), BOOKS)
MODELS = st.builds(
    Model,
    st.just("model"),
    st.just("chat"),
    st.just("us"),
    st.just(0),
    st.integers(1, 10**7),
    st.integers(1, 10**6),
    st.integers(1, 10**5),
    st.lists(ROUTES, min_size=1, max_size=4).filter(lambda rs: any(r.channel.enabled for r in rs)).map(tuple),
)
REQUESTS = st.builds(
    InferenceRequest,
    st.just("req_1"),
    st.just("chat/completions"),
    st.just("chat"),
    st.just({}),
    st.just("model"),
    input_bytes=st.integers(1, 6 << 20),
    images=st.integers(0, 20),
    choices=st.integers(1, 128),
    max_output=st.none() | st.integers(1, 10**7),
)


@LAW
@given(TARIFFS, COUNT, COUNT)
def test_a_hold_grows_with_its_output(terms: Tariff, output: int, more: int) -> None:
    assert terms.hold(output + more) >= terms.hold(output) >= 0


@LAW
@given(TARIFFS, COUNT)
def test_a_hold_is_enough_for_the_output_that_it_was_made_for(terms: Tariff, output: int) -> None:
    assert terms.affordable_output(terms.hold(output)) >= output


@LAW
@given(TARIFFS, st.integers(0, 10**15))
def test_what_is_affordable_fits_and_one_token_more_does_not(terms: Tariff, available: int) -> None:
    affordable = terms.affordable_output(available)

    if affordable < 0:
        assert terms.hold(0) > available
    else:
        assert terms.hold(affordable) <= available
        assert terms.output_rate == 0 or terms.hold(affordable + 1) > available


@LAW
@given(REQUESTS, MODELS, st.data())
def test_a_hold_covers_any_usage_within_bounds_at_any_routes_price(
    request: InferenceRequest, model: Model, data: st.DataObject
) -> None:
    terms, output = tariff(request, model), data.draw(st.integers(0, 10**6))
    hold = terms.hold(output)
    route = data.draw(st.sampled_from([r for r in model.routes if r.channel.enabled]))
    prompt = data.draw(st.integers(0, terms.input_bound))
    cached = data.draw(st.integers(0, prompt))
    written = data.draw(st.integers(0, prompt - cached))
    units = {
        "input": prompt - cached - written,
        "cached_input": cached,
        "cache_write": written,
        "output": data.draw(st.integers(0, output * request.choices)),
    }

    cost, loss = charge(fit(units, route.price), route.price, hold)

    assert loss == 0
    assert cost == cost_of(fit(units, route.price), route.price.rates) <= hold


@LAW
@given(REQUESTS, MODELS, COUNT)
def test_the_worst_usage_is_covered_on_every_route(request: InferenceRequest, model: Model, output: int) -> None:
    terms = tariff(request, model)

    for book in (route.price for route in model.routes if route.channel.enabled):
        for bucket in ("input", "cached_input", "cache_write"):
            units = fit({bucket: terms.input_bound, "output": output * request.choices}, book)
            assert charge(units, book, terms.hold(output))[1] == 0


@LAW
@given(REQUESTS, BOOKS, COUNT)
def test_the_hold_of_a_single_route_is_no_more_than_its_worst_usage(
    request: InferenceRequest, book: PriceBook, output: int
) -> None:
    model = Model("model", "chat", "us", 0, 1000, 100, 5, (Route("a", ON, "m", book),))
    terms = tariff(request, model)
    worst = [
        cost_of(fit({bucket: terms.input_bound, "output": output * request.choices}, book), book.rates)
        for bucket in ("input", "cached_input", "cache_write")
    ]

    assert terms.hold(output) == max(worst)


@LAW
@given(REQUESTS, MODELS)
def test_a_route_that_is_off_makes_nothing_dearer(request: InferenceRequest, model: Model) -> None:
    on = replace(model, routes=tuple(r for r in model.routes if r.channel.enabled))

    assert tariff(request, model) == tariff(request, on)


@LAW
@given(st.dictionaries(st.sampled_from(["input", "cached_input", "output"]), COUNT), BOOKS, st.integers(0, 10**12))
def test_charge_and_loss_are_the_full_cost_and_the_charge_is_within_the_hold(
    units: dict[str, int], book: PriceBook, hold: int
) -> None:
    cost, loss = charge(units, book, hold)

    assert cost + loss == cost_of(units, book.rates)
    assert 0 <= cost <= hold
    assert loss >= 0
    assert not loss or cost == hold


def test_an_unpriced_bucket_is_never_free() -> None:
    with pytest.raises(KeyError):
        charge({"audio": 5}, PriceBook("book", "1", {"input": 1}), 10**9)


@LAW
@given(st.dictionaries(st.sampled_from(["input", "cached_input", "cache_write", "output", "audio"]), COUNT), BOOKS)
def test_fitted_units_are_the_same_units_and_every_one_has_a_rate(units: dict[str, int], book: PriceBook) -> None:
    fitted = fit(units, book)

    assert fitted.keys() <= book.rates.keys()
    assert sum(fitted.values()) == sum(units.values()) + bool(book.rates.get("request"))
    assert all(fitted[bucket] == count for bucket, count in units.items() if bucket in book.rates and bucket != "input")


@LAW
@given(REQUESTS, MODELS)
def test_the_output_limit_is_what_was_wanted_as_far_as_model_and_context_allow(
    request: InferenceRequest, model: Model
) -> None:
    room = model.context - likely_input(request, model)
    if room <= 0:
        with pytest.raises(ContextTooLong) as refused:
            output_wanted(request, model)
        assert refused.value == ContextTooLong(model.context, likely_input(request, model))
        return

    output = output_wanted(request, model)

    wanted = model.max_output if request.max_output is None else request.max_output
    assert output == min(wanted, model.max_output, room) >= 1


@LAW
@given(REQUESTS, MODELS)
def test_embeddings_have_no_output(request: InferenceRequest, model: Model) -> None:
    assert output_wanted(replace(request, kind="embedding"), replace(model, kind="embedding")) == 0


@LAW
@given(REQUESTS, MODELS, COUNT)
def test_the_likely_input_is_within_the_certain_bound(request: InferenceRequest, model: Model, relayed: int) -> None:
    assert 0 < likely_input(request, model) <= tariff(request, model).input_bound


@LAW
@given(REQUESTS, MODELS)
def test_who_sets_a_limit_is_counted_with_it_and_who_sets_none_with_a_usual_answer(
    request: InferenceRequest, model: Model
) -> None:
    assume(model.context > likely_input(request, model))
    output = output_wanted(request, model)
    counted = counted_tokens(request, model, output) - likely_input(request, model)

    assert counted == request.choices * (output if request.max_output else min(output, USUAL_OUTPUT))


@LAW
@given(REQUESTS, MODELS, st.integers(0, 10**7))
def test_what_is_counted_locally_is_about_four_bytes_a_token_and_never_less(
    request: InferenceRequest, model: Model, relayed: int
) -> None:
    units = likely_units(request, model, relayed)

    assert units["input"] == likely_input(request, model)
    assert 0 <= units.get("output", 0) - Fraction(relayed, 4) < 1
    assert all(units.values())


def test_images_to_a_model_that_takes_none_are_refused() -> None:
    route = Route("a", ON, "m", PriceBook("book", "1", {"input": 1, "cached_input": 1, "output": 1}))
    model = Model("blind", "chat", "us", 0, 1000, 100, 0, (route,))
    request = InferenceRequest("req_1", "chat/completions", "chat", {}, "blind", 10, images=1)

    with pytest.raises(InvalidRequest) as refused:
        tariff(request, model)

    assert refused.value.param == "messages"
    assert tariff(replace(request, images=0), model).input_bound == 10


def test_an_answer_worth_buying_is_longer_than_nothing() -> None:
    assert OUTPUT_FLOOR > 0
