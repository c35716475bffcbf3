"""Which model, over which routes, and why not."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.catalog.resolve import resolve, routes_in_order, sellable, why_not
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
    assert why_not(SNAPSHOT.models[name], SNAPSHOT.plans.get(plan)) == why
    if why is None:
        assert resolve(SNAPSHOT, name, kind, plan) is SNAPSHOT.models[name]
    else:
        with pytest.raises(ModelNotEnabled) as refused:
            resolve(SNAPSHOT, name, kind, plan)
        assert (refused.value.model, refused.value.why) == (name, why)


@pytest.mark.parametrize(
    ("name", "kind"), [("gone", "chat"), ("", "chat"), ("OPEN", "chat"), ("open", "embedding"), ("vectors", "chat")]
)
def test_a_model_of_another_name_or_kind_does_not_exist(name: str, kind: str) -> None:
    with pytest.raises(ModelNotFound):
        resolve(SNAPSHOT, name, kind, "all")


@pytest.mark.parametrize("plan", ["all", "some", "gone"])
def test_what_is_listed_is_what_may_be_called(plan: str) -> None:
    listed = {m.id for m in sellable(SNAPSHOT, plan)}

    for m in SNAPSHOT.models.values():
        try:
            resolve(SNAPSHOT, m.id, m.kind, plan)
        except ModelNotEnabled:
            assert m.id not in listed
        else:
            assert m.id in listed


@LAW
@given(ROUTES, st.integers())
def test_every_enabled_route_is_tried_once_and_a_disabled_one_never(routes: list[Route], seed: int) -> None:
    ordered = routes_in_order(model("m", *routes), random.Random(seed).random)

    assert Counter(map(id, ordered)) == Counter(id(r) for r in routes if r.channel.enabled)


@LAW
@given(ROUTES, st.integers())
def test_a_better_priority_always_comes_first(routes: list[Route], seed: int) -> None:
    priorities = [r.priority for r in routes_in_order(model("m", *routes), random.Random(seed).random)]

    assert priorities == sorted(priorities)


@pytest.mark.parametrize("chance", [0.0, 1.0 - 2**-53])
def test_the_ends_of_chance_draw_all_routes_too(chance: float) -> None:
    assert len(routes_in_order(model("m", route("a"), route("b", weight=1000)), lambda: chance)) == 2


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (5, 3, 2), (1, 1000)])
def test_within_a_priority_routes_are_drawn_by_weight(weights: tuple[int, ...]) -> None:
    chance, draws = random.Random(7), 10_000
    drawn_from = model("m", *(route(str(i), weight=w) for i, w in enumerate(weights)))

    first = Counter(int(routes_in_order(drawn_from, chance.random)[0].id) for _ in range(draws))

    for i, weight in enumerate(weights):
        share = weight / sum(weights)
        five_sigma = 5 * (draws * share * (1 - share)) ** 0.5
        assert abs(first[i] - draws * share) <= five_sigma


def test_the_second_route_is_drawn_by_weight_among_the_rest() -> None:
    chance, draws = random.Random(7), 10_000
    drawn_from = model("m", route("a", weight=5), route("b", weight=3), route("c", weight=1))

    orders = [[r.id for r in routes_in_order(drawn_from, chance.random)] for _ in range(draws)]

    after_a = Counter(order[1] for order in orders if order[0] == "a")
    total = after_a.total()
    assert abs(after_a["b"] - total * 3 / 4) <= 5 * (total * 3 / 16) ** 0.5
