"""The `provider` object and the service tier of a request."""

from typing import Any

import pytest
from infergate.catalog.resolve import NO_WISHES, Wishes
from infergate.edge.route_options import take_wishes
from infergate.kernel.errors import InvalidRequest


@pytest.mark.parametrize(
    ("body", "wishes"),
    [
        ({}, NO_WISHES),
        ({"provider": None}, NO_WISHES),
        ({"service_tier": "auto"}, NO_WISHES),
        ({"service_tier": None}, NO_WISHES),
        ({"service_tier": "flex"}, Wishes(tier="flex")),
        ({"provider": {}}, Wishes()),
        ({"provider": {"only": ["a"], "ignore": ["b"], "order": ["c", "d"]}}, Wishes(("a",), ("b",), ("c", "d"))),
        ({"provider": {"allow_fallbacks": False}}, Wishes(fallbacks=False)),
        ({"provider": {"data_collection": "deny"}}, Wishes(no_retention=True)),
        ({"provider": {"data_collection": "allow"}}, Wishes()),
        (
            {"provider": {"max_price": {"prompt": 0.1, "completion": "1.25", "request": 3}}},
            Wishes(price_max={"input": 100_000_000, "output": 1_250_000_000, "request": 3_000_000_000}),
        ),
    ],
)
def test_what_a_request_says_about_its_routes_is_understood(body: dict[str, Any], wishes: Wishes) -> None:
    assert take_wishes(body) == wishes


def test_our_own_options_never_reach_a_provider_and_auto_never_picks_a_dearer_tier() -> None:
    body = {"provider": {"only": ["a"]}, "service_tier": "auto", "model": "m"}

    take_wishes(body)

    assert body == {"service_tier": "default", "model": "m"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"provider": []}, "provider"),
        ({"provider": "openai"}, "provider"),
        ({"provider": {"sort": "price"}}, "provider.sort"),
        ({"provider": {"only": "openai"}}, "provider.only"),
        ({"provider": {"only": []}}, "provider.only"),
        ({"provider": {"ignore": [1]}}, "provider.ignore"),
        ({"provider": {"order": ["a"] * 21}}, "provider.order"),
        ({"provider": {"allow_fallbacks": "no"}}, "provider.allow_fallbacks"),
        ({"provider": {"data_collection": "maybe"}}, "provider.data_collection"),
        ({"provider": {"max_price": 5}}, "provider.max_price"),
        ({"provider": {"max_price": {"input": 5}}}, "provider.max_price"),
        ({"provider": {"max_price": {"prompt": -1}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"prompt": "free"}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"prompt": "NaN"}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"prompt": True}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"prompt": 1e300}}}, "provider.max_price.prompt"),
        ({"service_tier": "cheap"}, "service_tier"),
        ({"service_tier": ["flex"]}, "service_tier"),
    ],
)
def test_what_is_no_option_is_refused_with_its_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        take_wishes(body)

    assert refused.value.param == param
