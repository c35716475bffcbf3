"""The last touches: the outgoing body with its limit, the headers, the answer with its cost."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.chat.shape import OUTPUT_FIELDS, answer_headers, outgoing_body, priced_answer
from infergate.chat.types import InferenceRequest
from infergate.limits.rates import Standings
from infergate.limits.rules import Limit, Standing

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20)


def request(body: dict[str, Any] | None = None, kind: str = "chat") -> InferenceRequest:
    endpoint = "embeddings" if kind == "embedding" else "chat/completions"
    return InferenceRequest("req_1", endpoint, kind, body or {}, "m", 10)


def standings(requests: tuple[int, int] = (60, 1), tokens: tuple[int, int] = (1000, 10)) -> Standings:
    return Standings(
        Standing(Limit("requests per minute", requests[0], "plan", "requests"), requests[1]),
        Standing(Limit("tokens per minute", tokens[0], "plan", "tokens"), tokens[1]),
        42,
    )


@LAW
@given(
    st.dictionaries(st.text(), JSON, max_size=4),
    st.fixed_dictionaries({}, optional=dict.fromkeys(OUTPUT_FIELDS, st.none() | st.integers(1, 10**6))),
    st.integers(1, 10**6),
)
def test_exactly_one_limit_goes_out_and_it_is_the_one_that_is_held_for(
    body: dict[str, Any], limits: dict[str, int | None], output: int
) -> None:
    outgoing = outgoing_body(request({**body, **limits}), output)

    assert [outgoing[name] for name in OUTPUT_FIELDS if name in outgoing] == [output]
    assert {n: v for n, v in outgoing.items() if n not in OUTPUT_FIELDS} == {
        n: v for n, v in body.items() if n not in OUTPUT_FIELDS
    }


@pytest.mark.parametrize("name", OUTPUT_FIELDS)
def test_the_limit_goes_out_under_the_name_that_the_caller_used(name: str) -> None:
    assert outgoing_body(request({name: 500}), 64) == {name: 64}


@pytest.mark.parametrize("body", [{}, {"max_tokens": None}, {"max_tokens": None, "max_completion_tokens": None}])
def test_who_set_no_limit_gets_one_under_openais_name(body: dict[str, Any]) -> None:
    assert outgoing_body(request(body), 64) == {"max_completion_tokens": 64}


def test_the_callers_body_is_left_as_it_is() -> None:
    asked = request({"max_tokens": 500})

    outgoing_body(asked, 64)

    assert asked.body == {"max_tokens": 500}


def test_embeddings_go_out_without_a_limit() -> None:
    assert outgoing_body(request({"input": "a"}, "embedding"), 0) == {"input": "a"}


@LAW
@given(*[st.tuples(st.integers(1, 10**9), st.integers(0, 2 * 10**9))] * 2)
def test_rate_headers_are_whole_numbers_and_never_negative(requests: tuple[int, int], tokens: tuple[int, int]) -> None:
    headers = dict(answer_headers(standings(requests, tokens), 0, None))

    for kind, (limit, used) in ((b"requests", requests), (b"tokens", tokens)):
        assert headers[b"x-ratelimit-limit-" + kind] == b"%d" % limit
        assert headers[b"x-ratelimit-remaining-" + kind] == b"%d" % max(0, limit - used)
        assert headers[b"x-ratelimit-reset-" + kind] == b"42s"


def test_the_limit_in_force_and_the_cost_stand_in_headers_where_they_are_known() -> None:
    known = dict(answer_headers(standings(), 64, 1_234))
    unknown = dict(answer_headers(standings(), 0, None))

    assert (known[b"x-infergate-max-tokens"], known[b"x-infergate-cost"]) == (b"64", b"0.000001234")
    assert not {b"x-infergate-max-tokens", b"x-infergate-cost"} & unknown.keys()


def test_a_cost_of_nothing_is_told_too() -> None:
    assert dict(answer_headers(standings(), 64, 0))[b"x-infergate-cost"] == b"0.00"


def test_header_names_are_lower_case_and_values_hold_no_line_break() -> None:
    for name, value in answer_headers(standings(), 64, 5):
        assert name == name.lower()
        assert value.isalnum() or value.replace(b".", b"").isalnum()


def test_an_answer_carries_its_cost_beside_the_providers_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "x": {"y": 1}}
    answer = {"id": "1", "choices": [], "usage": usage, "extra": 1.5}

    assert json.loads(priced_answer(request(), answer, {"input": 3}, 5_000_000)) == {
        **answer,
        "usage": {**usage, "cost": "0.005"},
    }


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": "x"}, {"usage": [1]}])
def test_an_answer_without_usage_carries_what_was_counted(usage: dict[str, Any]) -> None:
    answer = json.loads(priced_answer(request(), {"choices": [], **usage}, {"input": 3, "output": 2}, 0))

    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (3, 2)
    assert answer["usage"]["cost"] == "0.00"


def test_a_charge_that_could_not_be_booked_is_not_told() -> None:
    assert "cost" not in json.loads(priced_answer(request(), {"usage": {"prompt_tokens": 1}}, {}, None))["usage"]


@LAW
@given(st.lists(FLOATS, max_size=3))
def test_base64_is_the_providers_numbers_as_floats(rows: list[list[float]]) -> None:
    asked = request({"encoding_format": "base64"}, "embedding")
    answer = {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]}

    read = json.loads(priced_answer(asked, answer, {"input": 1}, 0))

    for row, sent in zip(rows, read["data"], strict=True):
        raw = base64.b64decode(sent["embedding"], validate=True)
        assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == row


def test_base64_from_the_provider_is_passed_on() -> None:
    asked = request({"encoding_format": "base64"}, "embedding")

    assert json.loads(priced_answer(asked, {"data": [{"embedding": "AAAA"}]}, {}, 0))["data"] == [{"embedding": "AAAA"}]


@pytest.mark.parametrize("body", [{}, {"encoding_format": "float"}, {"encoding_format": None}])
def test_who_did_not_ask_for_base64_gets_numbers(body: dict[str, Any]) -> None:
    answer = {"data": [{"embedding": [1, 0.5]}]}

    assert json.loads(priced_answer(request(body, "embedding"), answer, {}, 0))["data"] == [{"embedding": [1, 0.5]}]


@pytest.mark.parametrize("numbers", [["x"], [None], [1e39], [10**400], [[1.0]], [True, "1"]])
def test_what_is_no_vector_of_floats_is_not_sent_as_one(numbers: list[Any]) -> None:
    asked = request({"encoding_format": "base64"}, "embedding")

    assert json.loads(priced_answer(asked, {"data": [{"embedding": numbers}]}, {}, 0))["data"] == [{"embedding": None}]


@pytest.mark.parametrize("data", [None, 5, True, "x", {}, [None], [5], [{}], [{"embedding": None}]])
def test_whatever_a_provider_calls_data_the_answer_can_be_written(data: Any) -> None:
    asked = request({"encoding_format": "base64"}, "embedding")

    assert json.loads(priced_answer(asked, {"data": data}, {}, 0))["data"] == data


@pytest.mark.parametrize("content", ["\ud83d", 2**70, 10**300])
def test_what_only_the_standard_library_reads_can_be_written_too(content: Any) -> None:
    assert json.loads(priced_answer(request(), {"choices": [{"x": content}]}, {}, 0))["choices"] == [{"x": content}]
