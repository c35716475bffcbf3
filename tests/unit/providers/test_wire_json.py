"""JSON between providers and us: whatever is read can be written."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.wire_json import dump_json, parse_json

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Text with lone surrogates, and integers of any length: what json.loads takes and orjson does not.
TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@LAW
@given(JSON)
def test_whatever_is_read_can_be_written_in_one_line_and_read_again(value: Any) -> None:
    read = parse_json(json.dumps(value).encode())

    written = dump_json(read)

    assert b"\n" not in written
    assert b"\r" not in written
    assert parse_json(written) == read


@LAW
@given(st.binary(max_size=40) | st.text().map(str.encode))
def test_any_bytes_are_json_or_none(data: bytes) -> None:
    value = parse_json(data)

    if value is not None:
        data.decode()
        json.loads(dump_json(value))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"NaN", b"[Infinity]", b"-Infinity", b"nul", b"{'a':1}", b"{} {}", b"\xff", b'"\xed\xa0\x80"'),
        *('{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-16-le"), '{"a":1}'.encode("utf-32"), b"\xef\xbb\xbf{}"),
        *(b"1" * 5000, b"[" * 100_000, b'{"a":' * 100_000, b'"\n"', b"<html>"),
    ],
)  # fmt: skip
def test_what_is_not_json_in_utf_8_is_none(data: bytes) -> None:
    assert parse_json(data) is None


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1e999999999"])
def test_a_number_beyond_a_double_is_read_and_stays_beyond(number: bytes) -> None:
    value = parse_json(b'{"a":%s}' % number)

    assert isinstance(value["a"], int)
    assert json.loads(dump_json(value).replace(b"}", b".0}"))["a"] in (float("inf"), float("-inf"))


def test_half_of_a_surrogate_pair_is_passed_on_as_it_came() -> None:
    assert dump_json(parse_json(b'{"content":"\\ud83d"}')) == b'{"content":"\\ud83d"}'


@pytest.mark.parametrize("depth", [200, 255, 1024, 1025, 5000, 9000])
def test_nesting_that_is_read_can_be_written(depth: int) -> None:
    data = b"[" * depth + b"]" * depth
    value = parse_json(data)

    assert value is None or dump_json(value) == data
