"""Providers that speak OpenAI's format: what goes out, and what their usage means."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.openai import OpenAI
from infergate.providers.types import USAGE_MAX, Target

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PROVIDER = OpenAI()
TARGET = Target("https://provider.example/v1", "theirs", "s3cret")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(), JSON, max_size=5)
COUNT = st.integers(0, USAGE_MAX)
LEFT_OUT = object()


def chat(prompt: Any = 10, output: Any = 5, **details: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt, "completion_tokens": output}
    if details:
        usage["prompt_tokens_details"] = details
    return {"choices": [], "usage": {name: value for name, value in usage.items() if value is not LEFT_OUT}}


def sent(body: dict[str, Any]) -> dict[str, Any]:
    parsed = json.loads(PROVIDER.call("chat/completions", body, TARGET).body)
    assert isinstance(parsed, dict)
    return parsed


@LAW
@given(BODIES)
def test_every_field_goes_out_as_it_came_but_the_model(body: dict[str, Any]) -> None:
    assert sent({**body, "stream": False}) == {**body, "stream": False, "model": "theirs"}


@LAW
@given(BODIES, st.none() | BODIES)
def test_a_stream_is_always_asked_for_its_usage(body: dict[str, Any], options: dict[str, Any] | None) -> None:
    outgoing = sent({**body, "stream": True, "stream_options": options})

    assert outgoing["stream_options"] == {**(options or {}), "include_usage": True}


def test_usage_is_asked_for_though_the_client_does_not_want_it() -> None:
    assert sent({"stream": True, "stream_options": {"include_usage": False}})["stream_options"] == {
        "include_usage": True
    }


@pytest.mark.parametrize("stream", [{}, {"stream": False}, {"stream": None}])
def test_without_a_stream_there_are_no_stream_options(stream: dict[str, Any]) -> None:
    assert "stream_options" not in sent(stream)


def test_the_callers_body_is_left_as_it_is() -> None:
    body = {"model": "ours", "stream": True, "stream_options": {"include_usage": False}}

    sent(body)

    assert body == {"model": "ours", "stream": True, "stream_options": {"include_usage": False}}


def test_the_secret_is_in_the_authorization_header_and_nowhere_else() -> None:
    call = PROVIDER.call("embeddings", {"model": "ours"}, TARGET)

    assert call.path == "/embeddings"
    assert call.headers == [("content-type", "application/json"), ("authorization", "Bearer s3cret")]
    assert b"s3cret" not in call.body


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**300])
def test_an_integer_beyond_64_bits_goes_out_digit_by_digit(number: int) -> None:
    assert sent({"seed": number})["seed"] == number


@LAW
@given(COUNT, COUNT, st.data())
def test_buckets_are_disjoint_and_add_up_to_what_was_reported(prompt: int, output: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, prompt))
    written = data.draw(st.integers(0, prompt - cached))

    usage = PROVIDER.usage(chat(prompt, output, cached_tokens=cached, cache_write_tokens=written))

    assert usage is not None
    units = usage.units
    assert units.get("input", 0) + units.get("cached_input", 0) + units.get("cache_write", 0) == prompt
    assert (units.get("cached_input", 0), units.get("cache_write", 0)) == (cached, written)
    assert units.get("output", 0) == output
    assert all(units.values())


@pytest.mark.parametrize("answer", [{}, {"usage": None}, {"choices": [], "usage": None}])
def test_no_usage_is_not_zero_usage(answer: dict[str, Any]) -> None:
    assert PROVIDER.usage(answer) is None


def test_zero_usage_stays_zero() -> None:
    usage = PROVIDER.usage(chat(0, 0))

    assert usage is not None
    assert usage.units == {}


@pytest.mark.parametrize(
    ("answer", "units"),
    [
        (chat(10, 5), {"input": 10, "output": 5}),
        (chat(10, 0), {"input": 10}),
        (chat(10, 5, cached_tokens=0), {"input": 10, "output": 5}),
        (chat(10, 5, cached_tokens=None), {"input": 10, "output": 5}),
        (chat(10, 5, cached_tokens=4), {"input": 6, "cached_input": 4, "output": 5}),
        (chat(10, 5, cached_tokens=10), {"cached_input": 10, "output": 5}),
        (chat(10, 5, cached_tokens=4, cache_write_tokens=6), {"cached_input": 4, "cache_write": 6, "output": 5}),
        (chat(10, 5, audio_tokens="none of ours"), {"input": 10, "output": 5}),
        (
            {"usage": {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": None}},
            {"input": 3, "output": 1},
        ),
        (
            {"usage": {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": []}},
            {"input": 3, "output": 1},
        ),
        ({"data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}}, {"input": 8}),
        ({"data": [], "usage": {"prompt_tokens": 8, "completion_tokens": None}}, {"input": 8}),
        (chat(USAGE_MAX, USAGE_MAX), {"input": USAGE_MAX, "output": USAGE_MAX}),
    ],
)
def test_usage_comes_in_these_buckets(answer: dict[str, Any], units: dict[str, int]) -> None:
    usage = PROVIDER.usage(answer)

    assert usage is not None
    assert usage.units == units
    assert usage.wire is answer["usage"]


ABSURD = [
    -1,
    -0.5,
    1.0,
    0.5,
    True,
    False,
    "5",
    "",
    [],
    {},
    [5],
    2**63,
    USAGE_MAX + 1,
    float("inf"),
    10**400,
    "secret prompt",
]


@pytest.mark.parametrize("value", [LEFT_OUT, None, *ABSURD], ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["prompt", "output"])
def test_a_chats_usage_with_an_absurd_or_missing_count_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"(prompt|completion)_tokens is "):
        PROVIDER.usage(chat(**{name: value}))


@pytest.mark.parametrize("value", ABSURD, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["cached_tokens", "cache_write_tokens"])
def test_an_absurd_cached_count_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        PROVIDER.usage(chat(**{name: value}))


@pytest.mark.parametrize("details", [{"cached_tokens": 11}, {"cached_tokens": 6, "cache_write_tokens": 5}])
def test_more_cached_than_sent_is_refused(details: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="more tokens cached than sent"):
        PROVIDER.usage(chat(10, 5, **details))


@pytest.mark.parametrize("usage", [5, "5", [], [{}], True, False, 0, ""])
def test_usage_that_is_no_object_is_refused(usage: Any) -> None:
    with pytest.raises(ValueError, match="not an object"):
        PROVIDER.usage({"usage": usage})


def test_no_text_of_a_provider_stands_in_the_reason() -> None:
    with pytest.raises(ValueError, match="prompt_tokens is str") as refused:
        PROVIDER.usage(chat("what the caller wrote"))

    assert "caller" not in str(refused.value)


@LAW
@given(st.dictionaries(st.sampled_from(["usage", "choices", "data"]), JSON))
def test_whatever_a_provider_says_is_usage_or_none_or_refused(answer: dict[str, Any]) -> None:
    try:
        usage = PROVIDER.usage(answer)
    except ValueError:
        return
    assert usage is None or all(isinstance(n, int) and 0 < n <= USAGE_MAX for n in usage.units.values())
