"""Time as text."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.time import NEVER, hour_of, iso

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECONDS = st.integers(0, NEVER)


@LAW
@given(SECONDS)
def test_a_time_survives_being_written(seconds: int) -> None:
    assert datetime.fromisoformat(iso(seconds)).timestamp() == seconds
    assert iso(seconds).endswith("Z")


@LAW
@given(SECONDS, SECONDS)
def test_written_times_sort_as_the_times_do(one: int, other: int) -> None:
    assert (iso(one) < iso(other)) == (one < other)


def test_a_part_of_a_second_is_cut_off() -> None:
    assert iso(0.999) == "1970-01-01T00:00:00Z"


def test_never_is_the_last_second_that_can_be_written() -> None:
    assert iso(NEVER) == "9999-12-31T23:59:59Z"


@LAW
@given(st.integers(0, NEVER * 1000 + 999))
def test_an_hour_begins_at_its_first_and_ends_at_its_last_millisecond(milliseconds: int) -> None:
    start = milliseconds - milliseconds % 3_600_000

    assert hour_of(milliseconds) == hour_of(start) == hour_of(start + 3_599_999)
    assert datetime.strptime(hour_of(milliseconds), "%Y%m%d%H").replace(tzinfo=UTC).timestamp() * 1000 == start
