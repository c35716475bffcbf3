"""Callers' JSON: what two readers could read in two ways is refused, and all else is read as anyone would."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.edge.errors import wire_error
from infergate.edge.strict_json import DEPTH_MAX, parse_object
from infergate.kernel.errors import InvalidRequest

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=5)


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as error:
        parse_object(body)
    json.loads(wire_error(error.value).body())  # and it can be told
    return error.value


def nested(depth: int, opening: bytes = b'{"a":', inside: bytes = b"{}", closing: bytes = b"}") -> bytes:
    return opening * (depth - 1) + inside + closing * (depth - 1)


@LAW
@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]))
def test_valid_json_means_what_it_means_to_everyone(value: dict[str, Any], escaped: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()

    assert parse_object(body) == json.loads(body)


@LAW
@given(st.binary(max_size=60) | st.text('{}[]":,\\ud8005eE+-.0 nulltrueINaif\n\ufeff').map(str.encode))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        value = parse_object(body)
    except InvalidRequest:
        return
    assert value == json.loads(body)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"max_tokens":5,"x":0,"max_tokens":500}', "max_tokens"),
        (b'{"a":{"b":1,"b":2}}', "b"),
        (b'{"a":[{"b":1},{"c":1,"c":1}]}', "c"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"":1,"":2}', ""),
        (b'{"\\ud800":1,"\\ud800":2}', "\\ud800"),
        (b'{"%s":1,"%s":2}' % (b"k" * 5000, b"k" * 5000), "k" * 60),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_name(body: bytes, key: str) -> None:
    error = refused(body)

    assert error.param == key
    assert "twice" in error.message


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("place", [b'{"n":%s}', b'{"a":{"n":[%s]}}'])
def test_what_javascript_calls_a_number_is_refused(number: bytes, place: bytes) -> None:
    assert "is not JSON" in refused(place % number).message


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1E+999999", b"1" + b"0" * 400 + b".0"])
def test_a_number_beyond_a_double_is_refused(number: bytes) -> None:
    error = refused(b'{"n":%s}' % number)

    assert "too large" in error.message
    assert len(error.message) < 100


def test_an_integer_of_4301_digits_is_refused_at_once() -> None:
    started = time.perf_counter()

    refused(b'{"n":' + b"1" * 4301 + b"}")
    refused(b'{"n":' + b"1" * 6_000_000 + b"}")

    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("shape", [(b'{"a":', b"{}", b"}"), (b'{"a":[', b"{}", b"]}"), (b'{"a":', b"[]", b"}")])
def test_nesting_is_allowed_to_its_limit_and_refused_beyond(shape: tuple[bytes, bytes, bytes]) -> None:
    levels = shape[0].count(b"{") + shape[0].count(b"[")
    fits = (DEPTH_MAX - 1) // levels + 1

    parse_object(nested(fits, *shape))

    assert f"deeper than {DEPTH_MAX}" in refused(nested(fits + 1, *shape)).message


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(parse_object(b'{"a":[' + b",".join([b"[]"] * 1000) + b"]}")["a"]) == 1000
    assert parse_object(b'{"a":"' + b"[{" * 1000 + b'"}')


@pytest.mark.parametrize(
    "body",
    [
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a":[' * 50_000),
        b"[" * 3_000_000,
    ],
    ids=["open lists", "open objects", "closed", "mixed", "3 MB"],
)
def test_hostile_nesting_is_refused_in_less_than_a_second(body: bytes) -> None:
    started = time.perf_counter()

    refused(body)

    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800"',
        '"\\udfff"',
        '"a\\ud83d"',
        '"\\ude00\\ud83d"',
        '["\\ud800"]',
        '{"\\ud800":1}',
        '{"b":{"\\udc00":[]}}',
    ],
)
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    assert "surrogate" in refused(f'{{"a":{text}}}'.encode()).message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', "😀"),
        (b'{"a":"\\\\ud800"}', "\\ud800"),
        ('{"a":"😀"}'.encode(), "😀"),
        (b'{"a":"\\u0000"}', "\0"),
        (b'{"a":"\xef\xbb\xbf"}', "\ufeff"),
    ],
)
def test_whole_characters_are_read(body: bytes, value: str) -> None:
    assert parse_object(body) == {"a": value}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b"{}x", b"{} {}", b"{},", b'{"a":1,}', b"{'a':1}", b"{a:1}", b'{"a":01}', b'{"a":+1}'),
        *(b'{"a":.5}', b'{"a":5.}', b'{"a":0x1}', b'{"a":"\n"}', b'{"a":"\t"}', b'{"a":"\\x"}', b'{"a":"\\u12"}'),
        *(b"/**/{}", b"\x0c{}", b"\xa0{}", b"{}\0", b'{"a":True}', b"{" * 1000, b"<html>", b"model=a&n=1"),
        *(b"\xef\xbb\xbf{}", b'{"a":"\xff"}', b'{"a":"\xc0\x80"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xf4\x90\x80\x80"}'),
        *('{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-16-le"), '{"a":1}'.encode("utf-32-be")),
        *(b"[]", b"[{}]", b'"{}"', b"1", b"1.5", b"null", b"true"),
    ],
)  # fmt: skip
def test_what_is_not_one_json_object_in_utf_8_is_refused(body: bytes) -> None:
    assert refused(body).message


@pytest.mark.parametrize("body", [b'{"a":"' + b"x" * (6 << 20) + b'"}', b'{"a":"' + b"\\u0041" * (1 << 20) + b'"}'])
def test_six_megabytes_are_read_in_less_than_half_a_second(body: bytes) -> None:
    started = time.perf_counter()

    parse_object(body)

    assert time.perf_counter() - started < 0.5


def test_no_refusal_repeats_more_than_a_line_of_the_body() -> None:
    long = b"secret" * 10_000

    for body in (b'{"%s":1,"%s":2}' % (long, long), b'{"a":%s}' % long, b'{"n":1%s.5e999}' % (b"9" * 10_000)):
        assert len(refused(body).message) < 200
