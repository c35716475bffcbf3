"""Which limits apply, and which is the tightest."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.limits.rules import Base, Limit, Limits, Standing, resolve, tightest

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES = st.integers(1, 10**9)
BASES = st.builds(Base, st.just("plan starter"), VALUES, VALUES, VALUES)
KEY_LIMITS = st.fixed_dictionaries({}, optional={"requests_per_minute": VALUES, "tokens_per_minute": VALUES})
COUNTERS = ("one", "two", "three")
GROUPS = st.lists(
    st.builds(Limit, st.just("requests per minute"), VALUES, st.just("plan"), st.sampled_from(COUNTERS)),
    min_size=1,
    max_size=3,
    unique_by=lambda limit: limit.counter,
).map(tuple)
USED = st.dictionaries(st.sampled_from(COUNTERS), st.integers(0, 2 * 10**9))


@LAW
@given(BASES, KEY_LIMITS)
def test_the_accounts_limits_always_apply(base: Base, key_limits: dict[str, int]) -> None:
    limits = resolve(base, "key_1", key_limits)

    assert limits.requests[0] == Limit("requests per minute", base.requests_per_minute, "plan starter", "requests")
    assert limits.tokens[0] == Limit("tokens per minute", base.tokens_per_minute, "plan starter", "tokens")
    assert limits.concurrency.value == base.concurrency


@LAW
@given(BASES, KEY_LIMITS)
def test_a_keys_own_limits_stand_beside_the_accounts_and_say_so(base: Base, key_limits: dict[str, int]) -> None:
    limits = resolve(base, "key_1", key_limits)

    own = {
        "requests_per_minute": [limit.value for limit in limits.requests if limit.source == "this key"],
        "tokens_per_minute": [limit.value for limit in limits.tokens if limit.source == "this key"],
    }
    assert own == {name: [key_limits[name]] if name in key_limits else [] for name in own}


@LAW
@given(BASES, KEY_LIMITS, KEY_LIMITS)
def test_no_two_limits_share_a_counter(base: Base, one: dict[str, int], other: dict[str, int]) -> None:
    def counters(limits: Limits) -> list[str]:
        return [limit.counter for limit in (*limits.requests, *limits.tokens, limits.concurrency)]

    for_one, for_other = counters(resolve(base, "key_1", one)), counters(resolve(base, "key_2", other))

    assert len(set(for_one)) == len(for_one)
    assert set(for_one) & set(for_other) == {"requests", "tokens", "holds"}


@LAW
@given(GROUPS, USED)
def test_the_tightest_limit_has_the_least_left_and_never_less_than_nothing(
    group: tuple[Limit, ...], used: dict[str, int]
) -> None:
    standing = tightest(group, used)

    assert standing.limit in group
    assert standing.used == used.get(standing.limit.counter, 0)
    assert standing.remaining == min(max(0, limit.value - used.get(limit.counter, 0)) for limit in group)


def test_what_is_overdrawn_has_nothing_left() -> None:
    assert Standing(Limit("tokens per minute", 5, "plan", "tokens"), 9).remaining == 0
