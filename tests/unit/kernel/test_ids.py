"""Identifiers: they sort by time, say when they were made, and spread."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.ids import REQUEST_ID, ULID, made_at_ms, new_id, new_ulid, spread_of

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECONDS = st.floats(0, 2**48 / 1000 - 1, allow_nan=False)
TEN_BYTES = st.binary(min_size=10, max_size=10)


@LAW
@given(SECONDS, TEN_BYTES)
def test_an_identifier_says_when_it_was_made(now_s: float, random: bytes) -> None:
    assert made_at_ms(new_ulid(now_s, lambda n: random[:n])) == int(now_s * 1000)
    assert made_at_ms(new_id("req", now_s, lambda n: random[:n])) == int(now_s * 1000)


@LAW
@given(SECONDS, SECONDS, TEN_BYTES, TEN_BYTES)
def test_identifiers_sort_by_the_time_of_their_making(one: float, other: float, a: bytes, b: bytes) -> None:
    first, second = (int(one * 1000), a), (int(other * 1000), b)

    ids = [new_id("hold", s, lambda _, r=r: r) for s, r in ((one, a), (other, b))]

    assert (ids[0] < ids[1]) == (first < second)
    assert (ids[0] == ids[1]) == (first == second)


@LAW
@given(SECONDS, TEN_BYTES)
def test_an_identifier_is_26_characters_of_crockfords_alphabet(now_s: float, random: bytes) -> None:
    ulid = new_ulid(now_s, lambda _: random)

    assert ULID.fullmatch(ulid)
    assert not set(ulid) & set("ILOU")
    assert REQUEST_ID.fullmatch(f"req_{ulid}")


@LAW
@given(TEN_BYTES, TEN_BYTES)
def test_every_random_bit_stands_in_the_identifier(one: bytes, other: bytes) -> None:
    assert (new_ulid(1.0, lambda _: one) == new_ulid(1.0, lambda _: other)) == (one == other)


def test_ten_random_bytes_are_asked_for() -> None:
    asked: list[int] = []

    new_ulid(1.0, lambda n: asked.append(n) or os.urandom(n))  # type: ignore[func-returns-value]

    assert asked == [10]


@pytest.mark.parametrize(
    "text",
    [
        *("", "req_", "req_0", "0" * 25, "0" * 27, "8" + "0" * 25, "I" + "0" * 25, "0" * 25 + "U", "0" * 25 + "a"),
        *("0" * 25 + "\n", "0" * 26 + "\n", "٠" * 26, "req_" + "0" * 26 + " "),
    ],
)  # fmt: skip
def test_what_is_no_identifier_has_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        made_at_ms(text)
    assert not REQUEST_ID.fullmatch(text)


@LAW
@given(TEN_BYTES, st.integers(1, 64))
def test_a_spread_is_always_below_its_ways(random: bytes, ways: int) -> None:
    assert 0 <= spread_of(new_id("req", 1.0, lambda _: random), ways) < ways


@pytest.mark.parametrize("ways", [1, 2, 4, 8, 16, 32])
def test_a_spread_uses_all_its_ways_evenly(ways: int) -> None:
    spread = [spread_of(new_ulid(1.0, lambda _, i=i: i.to_bytes(10)), ways) for i in range(32)]

    assert {spread.count(way) for way in range(ways)} == {32 // ways}
