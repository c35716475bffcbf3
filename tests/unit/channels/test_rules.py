"""The breaker as laws: whatever happens to it, in whatever order, told by whichever clock."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.channels import rules
from infergate.channels.rules import (
    BUCKET_S,
    COOL_S,
    COOL_S_MAX,
    FAILURES_MIN,
    OPEN_S,
    OPEN_S_MAX,
    PROBE_S,
    WINDOW_S,
    Breaker,
    Failure,
    failure_of,
    state_of,
    tally,
)

LAW = settings(max_examples=150, deadline=None)
NOW = 1_800_000_000.0
COUNTED: list[Failure] = ["unreachable", "timed out", "server error"]
KINDS: list[Failure] = [*COUNTED, "refused our key", "rate limited"]

type Step = Callable[[Breaker, float], Breaker | None]


def fail(kind: Failure = "server error", probe: str = "", retry_after_s: float | None = None) -> Step:
    return lambda breaker, now: rules.failed(breaker, kind, now, probe=probe, retry_after_s=retry_after_s)


def succeed(probe: str = "", successes: int = 1) -> Step:
    return lambda breaker, now: rules.succeeded(breaker, now, probe=probe, successes=successes)


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(fail, st.sampled_from(KINDS), st.sampled_from(["", "p1", "p2"]), st.none() | st.floats(0, 1e5)),
    st.builds(succeed, st.sampled_from(["", "p1", "p2"]), st.integers(1, 10)),
    st.sampled_from(["p1", "p2"]).map(lambda token: lambda breaker, now: rules.probing(breaker, token, now)),
    st.just(lambda breaker, _: rules.turned_off(breaker, "secret missing")),
    st.just(lambda breaker, _: rules.turned_on(breaker)),
)
HISTORIES = st.lists(st.tuples(STEPS, st.floats(0, 400)), max_size=60)


def after(breaker: Breaker, *steps: Step, now: float = NOW) -> Breaker:
    for step in steps:
        breaker = step(breaker, now) or breaker
    return breaker


def opened(now: float = NOW) -> Breaker:
    return after(Breaker(), *[fail()] * FAILURES_MIN, now=now)


def run(history: list[tuple[Step, float]]) -> tuple[Breaker, float]:
    breaker, now = Breaker(), NOW
    for step, seconds in history:
        now += seconds
        breaker = step(breaker, now) or breaker
    return breaker, now


# -- closed ------------------------------------------------------------------------------------------------------------
def test_a_channel_of_which_nothing_was_said_is_closed() -> None:
    assert state_of(Breaker(), NOW).phase == "closed"


@given(st.integers(0, 1000))
def test_success_on_a_channel_without_failures_changes_nothing(times: int) -> None:
    assert rules.succeeded(Breaker(), NOW + times) is None


@pytest.mark.parametrize("kind", COUNTED)
def test_it_opens_at_the_fifth_failure_within_a_minute_and_not_before(kind: Failure) -> None:
    almost = after(Breaker(), *[fail(kind)] * (FAILURES_MIN - 1))

    assert state_of(almost, NOW).phase == "closed"
    now_open = state_of(after(almost, fail(kind)), NOW)
    assert (now_open.phase, now_open.reason, now_open.until_s) == ("open", kind, NOW + OPEN_S)


def test_failures_of_more_than_a_minute_ago_do_not_count() -> None:
    old = after(Breaker(), *[fail()] * (FAILURES_MIN - 1))

    assert state_of(after(old, fail(), now=NOW + WINDOW_S), NOW + WINDOW_S).phase == "closed"


@LAW
@given(st.lists(st.booleans(), max_size=60))
def test_it_is_closed_while_successes_that_were_told_outnumber_failures(outcomes: list[bool]) -> None:
    breaker, failures, successes = Breaker(), 0, 0
    for works in outcomes:
        before = breaker
        breaker = after(breaker, succeed() if works else fail())
        failures, successes = failures + (not works), successes + (works and breaker != before)
        if breaker.openings:
            assert failures >= FAILURES_MIN
            assert failures >= successes
            return
        assert tally(breaker, NOW) == (failures, successes)


@LAW
@given(st.lists(st.integers(0, 10), max_size=80))
def test_successes_are_told_only_until_they_outweigh_the_failures_two_to_one(outcomes: list[int]) -> None:
    breaker = Breaker()
    for successes in outcomes:
        step = succeed(successes=successes) if successes else fail()
        breaker = after(breaker, step)
    failures, successes = tally(breaker, NOW)

    assert successes <= 2 * failures
    if not breaker.openings and successes >= 2 * failures:
        assert rules.succeeded(breaker, NOW) is None


@LAW
@given(st.integers(1, 100), st.integers(0, 10))
def test_good_times_told_with_the_first_failures_hide_an_outage_for_as_many_failures_again(
    workers: int, successes: int
) -> None:
    """Each worker fails once, telling of its successes before; then they fail again."""
    breaker = Breaker()
    for failures in range(1, 2 * workers + FAILURES_MIN + 1):
        told = successes if failures <= workers else 0
        breaker = rules.failed(breaker, "timed out", NOW, successes=told) or breaker
        if breaker.openings:
            break

    assert breaker.openings == 1
    assert failures <= max(FAILURES_MIN, 2 * workers)


@LAW
@given(HISTORIES)
def test_what_is_kept_of_a_channel_is_small_whatever_happens(history: list[tuple[Step, float]]) -> None:
    breaker, now = run(history)

    assert len(breaker.buckets) <= 2 * WINDOW_S // BUCKET_S
    assert breaker.open_until <= now + OPEN_S_MAX + 1
    assert breaker.cool_until <= now + COOL_S_MAX + 1
    assert breaker.probe_until <= now + PROBE_S + 1


# -- open and half-open ------------------------------------------------------------------------------------------------
def test_a_refused_key_opens_at_once_and_says_so() -> None:
    state = state_of(after(Breaker(), fail("refused our key")), NOW)

    assert (state.phase, state.reason) == ("open", "refused our key")


@LAW
@given(HISTORIES)
def test_no_channel_stays_open_without_a_probe_that_failed(history: list[tuple[Step, float]]) -> None:
    breaker, now = run(history)

    assert state_of(breaker, now + OPEN_S_MAX + 1).phase in ("closed", "half-open", "off")


@LAW
@given(st.integers(1, 12))
def test_each_probe_that_fails_doubles_the_wait_up_to_five_minutes(probes: int) -> None:
    breaker, now, waits = opened(), NOW, []
    for number in range(probes):
        now = float(breaker.open_until)
        breaker = after(breaker, lambda b, t, n=number: rules.probing(b, f"p{n}", t), fail(probe=f"p{number}"), now=now)
        waits.append(breaker.open_until - now)

    assert waits == [min(OPEN_S_MAX, OPEN_S * 2 ** (n + 1)) for n in range(probes)]


def test_a_probe_that_succeeds_closes_and_forgets() -> None:
    half_open = opened()
    now = float(half_open.open_until)
    closed = after(half_open, lambda b, t: rules.probing(b, "p1", t), succeed("p1"), now=now)

    assert state_of(closed, now).phase == "closed"
    assert tally(closed, now) == (0, 0)
    assert after(closed, *[fail()] * FAILURES_MIN, now=now).open_until == now + OPEN_S


@LAW
@given(HISTORIES)
def test_there_is_never_more_than_one_probe(history: list[tuple[Step, float]]) -> None:
    breaker, now = run(history)
    first = rules.probing(breaker, "a", now)

    if first is not None:
        assert state_of(breaker, now).phase == "half-open"
        assert state_of(first, now).probing
        assert rules.probing(first, "b", now + PROBE_S - 1) is None


def test_a_probe_whose_worker_died_is_free_after_a_minute() -> None:
    half_open = opened()
    now = float(half_open.open_until)
    lost = after(half_open, lambda b, t: rules.probing(b, "p1", t), now=now)

    assert rules.probing(lost, "p2", now + PROBE_S - 1) is None
    taken = rules.probing(lost, "p2", now + PROBE_S)
    assert taken is not None
    assert rules.succeeded(taken, now + PROBE_S, probe="p1") is None, "who was given up decides nothing any more"


@LAW
@given(st.sampled_from(KINDS), st.floats(0, OPEN_S_MAX))
def test_what_was_under_way_when_it_opened_says_nothing_new(kind: Failure, seconds: float) -> None:
    breaker = opened()

    assert rules.failed(breaker, kind, NOW + seconds) is None
    assert rules.succeeded(breaker, NOW + seconds) is None


def test_too_many_requests_in_answer_to_the_probe_closes_and_cools() -> None:
    half_open = opened()
    now = float(half_open.open_until)
    probed = after(half_open, lambda b, t: rules.probing(b, "p1", t), fail("rate limited", "p1", 30), now=now)

    assert state_of(probed, now).phase == "cooled"
    assert state_of(probed, now + 31).phase == "closed"


# -- cooled ------------------------------------------------------------------------------------------------------------
@LAW
@given(st.none() | st.floats(0, 1e6))
def test_too_many_requests_cool_for_as_long_as_the_provider_says_within_bounds(retry_after_s: float | None) -> None:
    cooled = after(Breaker(), fail("rate limited", retry_after_s=retry_after_s))
    wait_s = cooled.cool_until - NOW

    assert state_of(cooled, NOW).phase == "cooled"
    assert 1 <= wait_s <= COOL_S_MAX
    if retry_after_s is None:
        assert wait_s == COOL_S
    elif 1 <= retry_after_s <= COOL_S_MAX:
        assert retry_after_s <= wait_s < retry_after_s + 1
    assert state_of(cooled, NOW + wait_s).phase == "closed"


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    cooled = after(Breaker(), fail("rate limited", retry_after_s=60))

    assert rules.failed(cooled, "rate limited", NOW + 1, retry_after_s=5) is None


# -- off, and by hand --------------------------------------------------------------------------------------------------
@LAW
@given(HISTORIES)
def test_what_is_off_is_off_whatever_else_it_is_and_comes_back_as_it_was(history: list[tuple[Step, float]]) -> None:
    breaker, now = run(history)
    breaker = rules.turned_on(breaker) or breaker
    off = rules.turned_off(breaker, "secret missing")

    assert off is not None
    assert (state_of(off, now).phase, state_of(off, now).reason) == ("off", "secret missing")
    assert rules.turned_off(off, "secret missing") is None
    assert rules.turned_on(off) == breaker


@LAW
@given(HISTORIES)
def test_reset_by_hand_closes_everything_but_what_is_off(history: list[tuple[Step, float]]) -> None:
    breaker, now = run(history)
    clean = rules.reset(breaker) or breaker

    assert state_of(clean, now).phase == ("off" if breaker.off else "closed")
    assert tally(clean, now) == (0, 0)


# -- clocks ------------------------------------------------------------------------------------------------------------
def test_a_clock_that_is_a_day_ahead_opens_no_channel_for_a_day() -> None:
    assert state_of(opened(NOW + 86_400), NOW).phase == "half-open"


# -- what counts -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "kind"),
    [(0, "unreachable"), (504, "timed out"), (408, "timed out"), (500, "server error"), (503, "server error"),
     (529, "server error"), (401, "refused our key"), (402, "refused our key"), (403, "refused our key"),
     (429, "rate limited"), (200, None), (400, None), (404, None), (409, None), (413, None), (422, None)],
)  # fmt: skip
def test_a_status_speaks_against_the_channel_or_says_nothing_of_it(status: int, kind: Failure | None) -> None:
    assert failure_of(status) == kind
