"""The dashboard's questions. On a real store."""

import time

import pytest
from infergate.usage.series import Usage

from tests.unit.usage.conftest import NOON, Books, Through, batch, new_account, receipt

DAY_S = 86_400
MIDNIGHT = NOON - 12 * 3600


async def test_usage_by_hour_is_the_sum_of_all_models_keys_and_routes(books: Books) -> None:
    account = new_account()
    some = [receipt(account, NOON + i * 600, cost=10 + i, model=f"m{i % 2}", key_id=f"k{i % 3}") for i in range(9)]
    await books.count.run(batch(some))

    series = await Usage(books.store, books.rollups).series(account, NOON - 3600, NOON + 7200, span="hour")

    assert [(p.start_s, p.value, p.totals.requests, p.totals.cost) for p in series.points] == [
        (NOON, "", 6, sum(range(10, 16))),
        (NOON + 3600, "", 3, sum(range(16, 19))),
    ]
    assert series.points[0].totals.units == {"input": 54, "output": 384}
    assert series.points[0].totals.first_token_ms == 6 * 104
    assert series.points[0].totals.latency_ms(95) == 1000
    assert series.as_of_ms is not None
    assert abs(series.as_of_ms - time.time() * 1000) < 60_000


async def test_usage_is_grouped_by_model_key_or_route(books: Books) -> None:
    account = new_account()
    some = [
        receipt(account, cost=1, model="openai/a#1", key_id="k1", route="r1"),
        receipt(account, cost=2, model="openai/a#1", key_id="k2", route="r2"),
        receipt(account, cost=4, model="b", key_id="k1", route="r3"),
    ]
    await books.count.run(batch(some))
    usage = Usage(books.store, books.rollups)

    async def cost_by(dimension: str) -> dict[str, int]:
        series = await usage.series(account, MIDNIGHT, MIDNIGHT + DAY_S, span="day", by=dimension)  # type: ignore[arg-type]
        return {p.value: p.totals.cost for p in series.points}

    assert await cost_by("total") == {"": 7}
    assert await cost_by("model") == {"openai/a#1": 3, "b": 4}
    assert await cost_by("key") == {"k1": 5, "k2": 2}
    assert await cost_by("route") == {"r1": 1, "r2": 2, "r3": 4}


async def test_a_range_holds_what_begins_in_it_and_nothing_beside(books: Books) -> None:
    account = new_account()
    hours = [NOON - 3600, NOON, NOON + 3600, NOON + 7200]
    await books.count.run(batch([receipt(account, at) for at in hours]))
    usage = Usage(books.store, books.rollups)

    exact = await usage.series(account, NOON, NOON + 7200, span="hour")
    ragged = await usage.series(account, NOON - 1, NOON + 3601, span="hour")

    assert [p.start_s for p in exact.points] == [NOON, NOON + 3600]
    assert ragged.points == exact.points


async def test_one_query_answers_a_range_within_a_month_of_hours_or_a_year_of_days(books: Books) -> None:
    account = new_account()
    new_year = MIDNIGHT + 38 * DAY_S
    await books.count.run(batch([receipt(account, at) for at in (NOON, new_year - 1, new_year)]))
    store = Through(books.store)
    usage = Usage(store, books.rollups)

    inside = await usage.series(account, MIDNIGHT - 20 * DAY_S, MIDNIGHT + 6 * DAY_S, span="hour")
    assert (len(store.calls), len(inside.points)) == (1, 1)

    across = await usage.series(account, new_year - 300 * DAY_S, new_year + DAY_S, span="day")
    assert (len(store.calls), [p.start_s for p in across.points]) == (3, [MIDNIGHT, new_year - DAY_S, new_year])


async def test_an_account_without_usage_has_an_empty_series(books: Books) -> None:
    series = await Usage(books.store, books.rollups).series(new_account(), MIDNIGHT, NOON, span="hour", by="model")

    assert (series.points, series.as_of_ms) == ([], None)


async def test_another_accounts_usage_is_not_seen(books: Books) -> None:
    await books.count.run(batch([receipt(new_account())]))

    series = await Usage(books.store, books.rollups).series(new_account(), MIDNIGHT, MIDNIGHT + DAY_S, span="day")

    assert series.points == []


@pytest.mark.parametrize(("from_s", "to_s"), [(NOON, NOON), (NOON, NOON - 1), (-10, -5), (NOON, NOON + 32 * DAY_S)])
async def test_an_empty_or_endless_range_is_refused(books: Books, from_s: int, to_s: int) -> None:
    with pytest.raises(ValueError, match="range"):
        await Usage(books.store, books.rollups).series("a", from_s, to_s, span="hour")
