"""The conditional write that counts: read back by a small model of the two expressions that it uses."""

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.errors import RateLimited
from infergate.limits.rates import add, refusal, standings, take_back
from infergate.limits.rules import Base, Limits, resolve

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEY = {"pk": {"S": "RATE#acc_1#1"}, "sk": {"S": "RATE"}}
TABLE = "counters"
NOW = 1_800_000_000
REQUESTS = st.integers(1, 6)
VALUES = st.integers(1, 100)
LIMITS = st.builds(
    lambda requests, tokens, own: resolve(Base("plan starter", requests, tokens, 5), "key_1", own),
    REQUESTS,
    VALUES,
    st.fixed_dictionaries({}, optional={"requests_per_minute": REQUESTS, "tokens_per_minute": VALUES}),
)
TOKENS = st.integers(0, 40) | st.integers(0, 150)
TIMES = st.floats(0, 4e9, allow_nan=False)

type Counters = dict[str, int]


def apply(params: dict[str, Any], item: Counters | None) -> Counters | None:
    """What the store would do: the item afterwards, None where the condition refuses."""
    names = params["ExpressionAttributeNames"]
    values = {name: int(value["N"]) for name, value in params["ExpressionAttributeValues"].items()}
    for clause in params["ConditionExpression"].split(" AND "):
        if clause == "attribute_exists(pk)":
            holds = item is not None
        else:
            match = re.fullmatch(
                r"(?:\(attribute_not_exists\((#\w+)\) OR \1 (<=?) (:\w+)\)|(#\w+) (<=?) (:\w+))", clause
            )
            assert match, clause
            name, compared, bound_name = match.groups()[:3] if match[1] else match.groups()[3:]
            used, bound = (item or {}).get(names[name]), values[bound_name]
            absent = used is None and match[1] is not None
            holds = absent or (used is not None and (used < bound or (compared == "<=" and used == bound)))
        if not holds:
            return None
    after = dict(item or {})
    for name, value in re.findall(r"(#\w+) (:\w+)", params["UpdateExpression"].partition("ADD ")[2]):
        after[names[name]] = after.get(names[name], 0) + values[value]
    return after


def stored(counters: Counters | None) -> dict[str, Any] | None:
    return None if counters is None else {"pk": KEY["pk"], **{name: {"N": str(n)} for name, n in counters.items()}}


def run(limits: Limits, requests: list[int]) -> tuple[Counters | None, list[int], list[RateLimited]]:
    """Count these requests, one after the other, within one minute."""
    item: Counters | None = None
    admitted: list[int] = []
    refused: list[RateLimited] = []
    for tokens in requests:
        after = apply(add(TABLE, KEY, limits, tokens, NOW), item)
        if after is None:
            refused.append(refusal(limits, stored(item), tokens, NOW))
        else:
            item = after
            admitted.append(tokens)
    return item, admitted, refused


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20))
def test_no_more_requests_are_admitted_in_a_minute_than_the_tightest_limit(limits: Limits, wanted: list[int]) -> None:
    _, admitted, _ = run(limits, wanted)

    assert len(admitted) <= min(limit.value for limit in limits.requests)


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20))
def test_no_more_tokens_are_admitted_in_a_minute_than_the_tightest_limit(limits: Limits, wanted: list[int]) -> None:
    _, admitted, _ = run(limits, wanted)

    assert sum(admitted) <= min(limit.value for limit in limits.tokens)


@LAW
@given(LIMITS, st.integers(151, 400))
def test_a_request_larger_than_the_limit_itself_is_told_so_whatever_is_counted(limits: Limits, tokens: int) -> None:
    for item in (None, {"requests": 0, "tokens": 0}):
        assert apply(add(TABLE, KEY, limits, tokens, NOW), item) is None
        assert refusal(limits, stored(item), tokens, NOW).asked == tokens


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20))
def test_what_fits_is_admitted(limits: Limits, wanted: list[int]) -> None:
    _, admitted, refused = run(limits, wanted)

    assert len(admitted) + len(refused) == len(wanted)
    if len(wanted) <= min(l.value for l in limits.requests) and sum(wanted) <= min(l.value for l in limits.tokens):  # noqa: E741
        assert not refused


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20))
def test_every_scope_counts_what_was_admitted(limits: Limits, wanted: list[int]) -> None:
    item, admitted, _ = run(limits, wanted)

    if admitted:
        assert item == {limit.counter: len(admitted) for limit in limits.requests} | {
            limit.counter: sum(admitted) for limit in limits.tokens
        }


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20))
def test_a_refusal_names_a_limit_that_is_reached_and_where_it_comes_from(limits: Limits, wanted: list[int]) -> None:
    item: Counters | None = None
    for tokens in wanted:
        after = apply(add(TABLE, KEY, limits, tokens, NOW), item)
        if after is None:
            said = refusal(limits, stored(item), tokens, NOW)
            named = next(
                limit
                for limit in (*limits.requests, *limits.tokens)
                if (limit.name, limit.value, limit.source) == (said.limit, said.value, said.source)
            )
            more = 1 if named in limits.requests else tokens
            assert said.used == (item or {}).get(named.counter, 0)
            assert said.used + more > said.value
        item = after or item


def test_of_two_reached_limits_the_requests_are_named_first() -> None:
    limits = resolve(Base("plan starter", 2, 10, 5), "key_1", {})

    said = refusal(limits, stored({"requests": 2, "tokens": 10}), 5, NOW)

    assert (said.limit, said.value, said.used, said.source) == ("requests per minute", 2, 2, "plan starter")


def test_a_reached_limit_of_the_key_is_named_as_the_keys() -> None:
    limits = resolve(Base("plan starter", 20, 100, 5), "key_1", {"tokens_per_minute": 10})

    said = refusal(limits, stored({"requests": 1, "tokens": 8, "requests:key_1": 1, "tokens:key_1": 8}), 5, NOW)

    assert (said.limit, said.value, said.used, said.source) == ("tokens per minute", 10, 8, "this key")


@LAW
@given(LIMITS, TOKENS, TIMES, st.none() | st.just({"requests": 1, "tokens": 1}))
def test_the_wait_is_until_the_minute_ends(limits: Limits, tokens: int, now: float, old: Counters | None) -> None:
    wait_s = refusal(limits, stored(old), tokens, now).retry_after_s

    assert 1 <= wait_s <= 60
    assert (int(now) + wait_s) % 60 == 0
    assert standings(limits, {}, now).resets_in_s == wait_s


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20), TOKENS)
def test_taking_back_undoes_the_count(limits: Limits, before: list[int], tokens: int) -> None:
    item, _, _ = run(limits, before)
    counted = apply(add(TABLE, KEY, limits, tokens, NOW), item)

    if counted is not None:
        after = apply(take_back(TABLE, KEY, limits, tokens), counted)
        assert {name: n for name, n in (after or {}).items() if n} == {n: v for n, v in (item or {}).items() if v}


def test_nothing_is_taken_back_from_a_minute_that_is_gone() -> None:
    assert apply(take_back(TABLE, KEY, resolve(Base("plan", 1, 1, 1), "key_1", {}), 1), None) is None


@LAW
@given(LIMITS, st.lists(TOKENS, max_size=20))
def test_standings_show_what_was_counted(limits: Limits, wanted: list[int]) -> None:
    item, admitted, _ = run(limits, wanted)

    shown = standings(limits, stored(item) or {}, NOW)

    assert shown.requests.used == len(admitted)
    assert shown.tokens.used == sum(admitted)
    assert shown.requests.limit.value == min(limit.value for limit in limits.requests)


@LAW
@given(LIMITS, TOKENS, TIMES)
def test_a_counter_outlives_its_minute(limits: Limits, tokens: int, now: float) -> None:
    params = add(TABLE, KEY, limits, tokens, now)

    assert int(params["ExpressionAttributeValues"][":ttl"]["N"]) >= int(now) // 60 * 60 + 120
    assert "if_not_exists(#ttl, :ttl)" in params["UpdateExpression"]
