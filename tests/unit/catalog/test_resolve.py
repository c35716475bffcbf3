"""Which model, over which routes, and why not."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.catalog.resolve import (
    NO_WISHES,
    Buyer,
    Offer,
    Wishes,
    in_order,
    multiplied,
    offers,
    resolve,
    sellable,
    why_not,
)
from infergate.catalog.types import Channel, Model, Plan, PriceBook, Route, Snapshot
from infergate.kernel.errors import ModelNotEnabled, ModelNotFound

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BOOK = PriceBook("book", "1", {"input": 1, "cached_input": 1, "output": 1})
ON = Channel("on", "openai", "https://a.example.com", "a")
OFF = replace(ON, id="off", enabled=False)


def route(name: str, channel: Channel = ON, priority: int = 1, weight: int = 1) -> Route:
    return Route(name, channel, "m", BOOK, priority, weight)


def model(name: str, *routes: Route, kind: str = "chat") -> Model:
    return Model(name, kind, "us", 0, 1000, 100, 0, routes)


ALL = Plan("all", 1, 1, 1)
SOME = Plan("some", 1, 1, 1, ("open",))
SNAPSHOT = Snapshot(
    "1",
    {
        m.id: m
        for m in (
            model("open", route("a")),
            model("half", route("b", OFF), route("c")),
            model("shut", route("d", OFF)),
            model("vectors", route("e"), kind="embedding"),
        )
    },
    {plan.id: plan for plan in (ALL, SOME)},
)
ROUTES = st.lists(
    st.builds(route, st.text(), st.sampled_from([ON, OFF]), st.integers(1, 3), st.integers(1, 1000)), max_size=8
)


def drawn(routes: list[Route], chance: Callable[[], float], wishes: Wishes = NO_WISHES) -> list[Route]:
    taken, _ = offers(model("m", *routes), Buyer("all"), wishes, 0)
    return [offer.route for offer in in_order(taken, wishes, chance)]


@pytest.mark.parametrize(
    ("name", "kind", "plan", "why"),
    [
        ("open", "chat", "all", None),
        ("half", "chat", "all", None),
        ("vectors", "embedding", "all", None),
        ("open", "chat", "some", None),
        ("half", "chat", "some", "it is not part of the plan some"),
        ("shut", "chat", "all", "no channel to it is enabled"),
        ("open", "chat", "gone", "the account's plan is no longer offered"),
    ],
)
def test_a_model_may_be_called_or_the_reason_is_told(name: str, kind: str, plan: str, why: str | None) -> None:
    assert why_not(SNAPSHOT.models[name], SNAPSHOT.plans.get(plan), Buyer(plan)) == why
    if why is None:
        assert resolve(SNAPSHOT, name, kind, Buyer(plan)) is SNAPSHOT.models[name]
    else:
        with pytest.raises(ModelNotEnabled) as refused:
            resolve(SNAPSHOT, name, kind, Buyer(plan))
        assert (refused.value.model, refused.value.why) == (name, why)


@pytest.mark.parametrize(
    ("name", "kind"), [("gone", "chat"), ("", "chat"), ("OPEN", "chat"), ("open", "embedding"), ("vectors", "chat")]
)
def test_a_model_of_another_name_or_kind_does_not_exist(name: str, kind: str) -> None:
    with pytest.raises(ModelNotFound):
        resolve(SNAPSHOT, name, kind, Buyer("all"))


@pytest.mark.parametrize("plan", ["all", "some", "gone"])
def test_what_is_listed_is_what_may_be_called(plan: str) -> None:
    listed = {m.id for m in sellable(SNAPSHOT, Buyer(plan))}

    for m in SNAPSHOT.models.values():
        try:
            resolve(SNAPSHOT, m.id, m.kind, Buyer(plan))
        except ModelNotEnabled:
            assert m.id not in listed
        else:
            assert m.id in listed


@LAW
@given(ROUTES, st.integers())
def test_every_enabled_route_is_tried_once_and_a_disabled_one_never(routes: list[Route], seed: int) -> None:
    ordered = drawn(routes, random.Random(seed).random)

    assert Counter(map(id, ordered)) == Counter(id(r) for r in routes if r.channel.enabled)


@LAW
@given(ROUTES, st.integers())
def test_a_better_priority_always_comes_first(routes: list[Route], seed: int) -> None:
    priorities = [r.priority for r in drawn(routes, random.Random(seed).random)]

    assert priorities == sorted(priorities)


@pytest.mark.parametrize("chance", [0.0, 1.0 - 2**-53])
def test_the_ends_of_chance_draw_all_routes_too(chance: float) -> None:
    assert len(drawn([route("a"), route("b", weight=1000)], lambda: chance)) == 2


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (5, 3, 2), (1, 1000)])
def test_within_a_priority_routes_are_drawn_by_weight(weights: tuple[int, ...]) -> None:
    chance, draws = random.Random(7), 10_000
    drawn_from = [route(str(i), weight=w) for i, w in enumerate(weights)]

    first = Counter(int(drawn(drawn_from, chance.random)[0].id) for _ in range(draws))

    for i, weight in enumerate(weights):
        share = weight / sum(weights)
        five_sigma = 5 * (draws * share * (1 - share)) ** 0.5
        assert abs(first[i] - draws * share) <= five_sigma


def test_the_second_route_is_drawn_by_weight_among_the_rest() -> None:
    chance, draws = random.Random(7), 10_000
    drawn_from = [route("a", weight=5), route("b", weight=3), route("c", weight=1)]

    orders = [[r.id for r in drawn(drawn_from, chance.random)] for _ in range(draws)]

    after_a = Counter(order[1] for order in orders if order[0] == "a")
    total = after_a.total()
    assert abs(after_a["b"] - total * 3 / 4) <= 5 * (total * 3 / 16) ** 0.5


# -- what an account and a request ask for -----------------------------------------------------------------------------

EU = replace(ON, id="eu", region="eu", keeps_prompts=False)
US = replace(ON, id="us", region="us")
BOTH = model("both", route("in-eu", EU), route("in-us", US, priority=2))


def ids(buyer: Buyer, wishes: Wishes = NO_WISHES) -> list[str]:
    return [offer.route.id for offer in offers(BOTH, buyer, wishes, 0)[0]]


@pytest.mark.parametrize(
    ("buyer", "wishes", "taken"),
    [
        (Buyer("all"), NO_WISHES, ["in-eu", "in-us"]),
        (Buyer("all", regions=("eu",)), NO_WISHES, ["in-eu"]),
        (Buyer("all", regions=("eu", "us")), NO_WISHES, ["in-eu", "in-us"]),
        (Buyer("all", no_retention=True), NO_WISHES, ["in-eu"]),
        (Buyer("all"), Wishes(no_retention=True), ["in-eu"]),
        (Buyer("all"), Wishes(only=("us",)), ["in-us"]),
        (Buyer("all"), Wishes(only=("in-eu", "us")), ["in-eu", "in-us"]),
        (Buyer("all"), Wishes(ignore=("eu",)), ["in-us"]),
        (Buyer("all", regions=("eu",)), Wishes(ignore=("in-eu",)), []),
        (Buyer("all"), Wishes(price_max={"input": 1}), ["in-eu", "in-us"]),
        (Buyer("all"), Wishes(price_max={"input": 0}), []),
        (Buyer("all", price_bp=20_000), Wishes(price_max={"output": 1}), []),
        (Buyer("all"), Wishes(tier="flex"), []),
    ],
)
def test_a_route_is_taken_only_where_account_and_request_allow_it(
    buyer: Buyer, wishes: Wishes, taken: list[str]
) -> None:
    offered, refused = offers(BOTH, buyer, wishes, 0)

    assert [offer.route.id for offer in offered] == taken
    assert refused.keys() == {"in-eu", "in-us"} - set(taken)
    assert all(refused.values())


@pytest.mark.parametrize(
    ("buyer", "why"),
    [
        (Buyer("all", regions=("ap",)), "it is not offered in a region that the account allows (ap)"),
        (Buyer("all", regions=("us",), no_retention=True), "its provider may keep prompts"),
    ],
)
def test_a_setting_of_the_account_that_rules_out_every_route_is_the_reason(buyer: Buyer, why: str) -> None:
    only_us = model("m", route("in-us", US), route("off", OFF))

    assert (why_not(only_us, ALL, buyer) or "").startswith(why)


def test_what_a_request_names_first_is_tried_first_and_without_fallbacks_it_is_all() -> None:
    routes = [route("a"), route("b", priority=2), route("c", US, priority=3)]

    assert [r.id for r in drawn(routes, lambda: 0.5, Wishes(order=("us", "b")))] == ["c", "b", "a"]
    assert [r.id for r in drawn(routes, lambda: 0.5, Wishes(order=("b",), fallbacks=False))] == ["b"]


def test_an_alias_means_its_model() -> None:
    snapshot = replace(SNAPSHOT, aliases={"nick": "open"})

    assert resolve(snapshot, "nick", "chat", Buyer("all")) is SNAPSHOT.models["open"]


# -- the price that is offered -----------------------------------------------------------------------------------------


def test_a_price_is_the_edition_in_force_at_that_second() -> None:
    dated = replace(
        route("a"), later=(replace(BOOK, version="2", valid_from=100), replace(BOOK, version="3", valid_from=200))
    )

    versions = [
        offers(model("m", dated), Buyer("all"), NO_WISHES, now)[0][0].price.version
        for now in (0, 99.9, 100, 199, 200, 300)
    ]

    assert versions == ["1", "1", "2", "2", "3", "3"]


@LAW
@given(st.integers(0, 10**15), st.integers(1, 100_000))
def test_a_multiplied_price_is_rounded_up_by_less_than_a_nano_dollar_and_says_so(rate: int, price_bp: int) -> None:
    flex = PriceBook("book", "1", {"input": rate // 2})
    book = PriceBook("book", "1", {"input": rate}, ((5, {"input": rate * 2}),), {"flex": flex})

    price = multiplied(book, price_bp)

    for was, now in (
        (rate, price.rates["input"]),
        (rate * 2, price.above[0][1]["input"]),
        (rate // 2, price.service_tiers["flex"].rates["input"]),
    ):
        assert 0 <= now * 10_000 - was * price_bp < 10_000
    assert price.version != book.version
    assert offers(model("m", Route("a", ON, "m", book)), Buyer("all", price_bp=price_bp), NO_WISHES, 0)[0] == [
        Offer(Route("a", ON, "m", book), price if price_bp != 10_000 else book)
    ]
