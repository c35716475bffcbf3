"""What a request may cost and what it did: a hold is a ceiling, on any route, for any usage within the request's bounds."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from infergate.catalog.resolve import NO_WISHES, Buyer, Wishes, offers
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
    rates_of,
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
RATES = st.fixed_dictionaries(
    {"input": RATE, "output": RATE},
    optional={"cached_input": RATE, "cache_write": RATE, "cache_write_1h": RATE, "reasoning": RATE, "request": RATE},
)
CACHE_WRITES = ("cache_write", "cache_write_1h")
BUCKETS = ("input", "cached_input", *CACHE_WRITES, "output", "reasoning")


@st.composite
def books(draw: st.DrawFn, *, tiers: bool = True) -> PriceBook:
    rates = draw(RATES)
    thresholds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=2)))
    above = tuple((limit, rates | {name: draw(RATE) for name in rates}) for limit in thresholds)
    return PriceBook("book", "1", rates, above, {"flex": draw(books(tiers=False))} if tiers else {})


BOOKS = books()
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
WISHES = st.sampled_from([NO_WISHES, Wishes(tier="flex")])
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
    cache_writes=st.sampled_from([(), CACHE_WRITES[:1], CACHE_WRITES]),
    wishes=WISHES,
)


def terms_of(request: InferenceRequest, model: Model) -> Tariff:
    taken, _ = offers(model, Buyer("plan"), request.wishes, 0)
    return tariff(request, model, taken)


def priced(units: dict[str, int], book: PriceBook, tier: str = "default") -> int:
    """The whole cost, from its definition."""
    rates = rates_of(book, units, tier)
    return cost_of(fit(units, rates), rates)


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
    terms, output = terms_of(request, model), data.draw(st.integers(0, 10**6))
    hold = terms.hold(output)
    book = data.draw(st.sampled_from([r.price for r in model.routes if r.channel.enabled]))
    left = {
        "in": data.draw(st.integers(0, terms.input_bound)),
        "out": data.draw(st.integers(0, output * request.choices)),
    }
    units = {}
    for bucket in ("cached_input", *request.cache_writes):
        units[bucket] = data.draw(st.integers(0, left["in"]))
        left["in"] -= units[bucket]
    units["reasoning"] = data.draw(st.integers(0, left["out"]))
    units |= {"input": left["in"], "output": left["out"] - units["reasoning"]}
    # A provider may serve a request in its default tier that asked for another.
    tier = data.draw(st.sampled_from(["default", request.wishes.tier]))

    due = charge(units, book, hold, tier)

    assert due.loss == 0
    assert due.cost == priced(units, book, tier) <= hold
    assert due.cost == cost_of(due.units, due.rates)


@LAW
@given(REQUESTS, MODELS, COUNT)
def test_the_worst_usage_is_covered_on_every_route(request: InferenceRequest, model: Model, output: int) -> None:
    terms = terms_of(request, model)

    for book in (route.price for route in model.routes if route.channel.enabled):
        for bucket in ("input", "cached_input", *request.cache_writes):
            for written in ("output", "reasoning"):
                units = {bucket: terms.input_bound, written: output * request.choices}
                assert charge(units, book, terms.hold(output), request.wishes.tier).loss == 0


@LAW
@given(REQUESTS, books(tiers=False), COUNT)
def test_the_hold_of_a_single_route_is_no_more_than_its_dearest_rates(
    request: InferenceRequest, book: PriceBook, output: int
) -> None:
    request = replace(request, wishes=NO_WISHES)
    terms = terms_of(request, Model("model", "chat", "us", 0, 1000, 100, 5, (Route("a", ON, "m", book),)))
    lists = [book.rates] + [rates for limit, rates in book.above if limit < terms.input_bound]

    dearest = {
        "input": max(rates.get(b, 0) for rates in lists for b in ("input", "cached_input", *request.cache_writes)),
        "output": max(rates.get(b, 0) for rates in lists for b in ("output", "reasoning")),
        "request": max(rates.get("request", 0) for rates in lists),
    }

    assert terms.hold(output) == cost_of(
        {"input": terms.input_bound, "output": output * request.choices, "request": 1}, dearest
    )


@LAW
@given(REQUESTS, MODELS)
def test_a_route_that_is_off_makes_nothing_dearer(request: InferenceRequest, model: Model) -> None:
    on = replace(model, routes=tuple(r for r in model.routes if r.channel.enabled))

    assert terms_of(request, model) == terms_of(request, on)


@LAW
@given(
    st.dictionaries(st.sampled_from(BUCKETS), COUNT),
    BOOKS,
    st.integers(0, 10**12),
    st.sampled_from(["default", "flex"]),
)
def test_charge_and_loss_are_the_full_cost_and_the_charge_is_within_the_hold(
    units: dict[str, int], book: PriceBook, hold: int, tier: str
) -> None:
    due = charge(units, book, hold, tier)

    assert due.cost + due.loss == priced(units, book, tier)
    assert 0 <= due.cost <= hold
    assert due.loss >= 0
    assert not due.loss or due.cost == hold
    assert due.units.keys() == due.rates.keys()


@LAW
@given(books(tiers=False), st.integers(0, 2 * 10**6), st.integers(0, 10**6))
def test_all_input_together_decides_whether_a_request_is_long_and_all_of_it_is_priced_so(
    book: PriceBook, uncached: int, cached: int
) -> None:
    exceeded = [rates for limit, rates in book.above if uncached + cached > limit]

    assert (
        rates_of(book, {"input": uncached, "cached_input": cached, "output": 10**9}) == (exceeded or [book.rates])[-1]
    )


def test_a_tier_without_a_price_is_priced_by_default() -> None:
    book = PriceBook("book", "1", {"input": 5}, (), {"flex": PriceBook("book", "1", {"input": 2})})

    assert rates_of(book, {}, "flex") == {"input": 2}
    assert rates_of(book, {}, "auto") == rates_of(book, {}) == {"input": 5}


def test_a_bucket_without_any_rate_is_never_free() -> None:
    with pytest.raises(KeyError):
        charge({"output": 5}, PriceBook("book", "1", {"request": 1}), 10**9)


@LAW
@given(st.dictionaries(st.sampled_from([*BUCKETS, "audio_input", "video"]), COUNT), RATES)
def test_fitted_units_are_the_same_units_and_every_one_has_a_rate(units: dict[str, int], rates: dict[str, int]) -> None:
    fitted = fit(units, rates)

    assert fitted.keys() <= rates.keys()
    assert sum(fitted.values()) == sum(units.values()) + bool(rates.get("request"))
    kept = {bucket for bucket in units if bucket in rates}
    assert all(fitted[bucket] >= units[bucket] for bucket in kept)


def test_what_has_no_rate_of_its_own_counts_as_what_it_is_a_kind_of() -> None:
    units = {"input": 1, "cached_input": 2, "cache_write": 4, "cache_write_1h": 8, "output": 16, "reasoning": 32}

    assert fit(units, {"input": 1, "output": 1}) == {"input": 15, "output": 48}
    assert fit(units, {"input": 1, "cached_input": 1, "output": 1}) == {"input": 13, "cached_input": 2, "output": 48}
    assert fit(units, {"input": 1, "cache_write": 1, "output": 1}) == {"input": 3, "cache_write": 12, "output": 48}


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
    assert 0 < likely_input(request, model) <= terms_of(request, model).input_bound


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
        terms_of(request, model)

    assert refused.value.param == "messages"
    assert terms_of(replace(request, images=0), model).input_bound == 10


def test_an_answer_worth_buying_is_longer_than_nothing() -> None:
    assert OUTPUT_FLOOR > 0
