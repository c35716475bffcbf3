"""One breaker, many workers: what they see, what they pay, and that of all of them one gets the probe."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from infergate.channels.health import ALARM_EVERY_S, FRESH_S, LAST_KNOWN_S, USABLE_S, Health
from infergate.channels.rules import FAILURES_MIN, OPEN_S, PROBE_S, Failure
from infergate.store.client import Params, Store
from infergate.store.errors import Rejected

from tests.support.faults import FaultyStore as Faulty
from tests.support.faults import Mode
from tests.support.memory_store import MemoryStore

from .conftest import TABLE, Hands, Racing

ID = "openai-eu"

type Lines = list[dict[str, Any]]


@pytest.fixture
def lines() -> Lines:
    return []


@pytest.fixture
def worker(clock: Hands, lines: Lines) -> Callable[[Store], Health]:
    draw = random.Random(3)
    return lambda store: Health(store, TABLE, clock, lines.append, entropy=draw.randbytes)


class Broken:
    """A store that refuses everything while it is `down`."""

    def __init__(self, inner: Store) -> None:
        self.inner, self.down, self.calls = inner, False, 0

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        self.calls += 1
        if self.down:
            raise Rejected("AccessDeniedException")
        return await self.inner.call(operation, params)


class Hanging:
    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


async def fail(health: Health, times: int, kind: Failure = "server error") -> None:
    for _ in range(times):
        await health.failed(ID, kind)


async def phase(health: Health) -> str:
    return (await health.state_of([ID]))[ID].phase


# -- what it costs -----------------------------------------------------------------------------------------------------
async def test_a_thousand_successes_on_a_healthy_channel_write_nothing(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    health = worker(memory)
    await health.state_of([ID])

    for _ in range(1000):
        await health.succeeded(ID)

    assert (memory.write_units, memory.items(TABLE)) == (0, [])


async def test_a_failure_is_one_write(memory: MemoryStore, worker: Callable[[Store], Health]) -> None:
    store = Faulty(memory)
    health = worker(store)
    await health.state_of([ID])

    await fail(health, 3)

    assert [call.operation for call in store.calls] == ["BatchGetItem", "PutItem", "PutItem", "PutItem"]
    assert memory.write_units == 3


async def test_failures_on_an_open_channel_write_nothing(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    health = worker(memory)
    await fail(health, FAILURES_MIN)
    paid = memory.write_units

    await fail(health, 50)

    assert memory.write_units == paid == FAILURES_MIN


async def test_requests_within_five_seconds_share_one_read(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    store = Faulty(memory)
    health = worker(store)

    for _ in range(50):
        await health.state_of([ID, "other"])
        assert not health.due([ID, "other"])
        clock.advance(0.09)

    assert [call.operation for call in store.calls] == ["BatchGetItem"]


def test_a_fresh_copy_is_read_without_waiting_for_anything(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    health = worker(memory)
    asyncio.run(health.refresh([ID]))

    with pytest.raises(StopIteration) as answered:
        health.state_of([ID]).send(None)

    assert answered.value.value[ID].phase == "closed"


async def test_a_copy_past_five_seconds_is_used_as_it_is_and_refreshed_when_asked(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    reader, other = worker(memory), worker(memory)
    await reader.state_of([ID])
    await fail(other, FAILURES_MIN)
    clock.advance(FRESH_S)

    assert reader.due([ID])
    assert await phase(reader) == "closed"
    await reader.refresh([ID])
    assert await phase(reader) == "open"
    assert not reader.due([ID])


async def test_a_copy_past_thirty_seconds_is_not_used_unread(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    reader, other = worker(memory), worker(memory)
    await reader.state_of([ID])
    clock.advance(USABLE_S + 1)
    await fail(other, FAILURES_MIN)

    assert await phase(reader) == "open"


async def test_of_many_requests_at_once_one_reads(racing: Racing, worker: Callable[[Store], Health]) -> None:
    health = worker(racing)

    states = await asyncio.gather(*[health.state_of([ID]) for _ in range(64)])

    assert racing.calls == {"BatchGetItem": 1}
    assert {state[ID].phase for state in states} == {"closed"}


async def test_what_a_write_has_learned_is_not_undone_by_a_read_that_began_before(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    class SlowAnswer:
        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            answer = await memory.call(operation, params)
            if operation == "BatchGetItem":
                began.set()
                await go_on.wait()
            return answer

    health = worker(SlowAnswer())
    reading = asyncio.ensure_future(health.refresh([ID]))
    await began.wait()
    clock.advance(0.1)
    await fail(health, FAILURES_MIN)
    go_on.set()
    await reading

    assert await phase(health) == "open"


# -- all workers together ----------------------------------------------------------------------------------------------
async def test_a_channel_that_fails_for_everybody_opens_at_the_fifth_failure_in_all(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    workers = [worker(memory) for _ in range(64)]

    for health in workers[:FAILURES_MIN]:
        assert await phase(workers[-1]) == "closed"
        await fail(health, 1)

    assert await phase(worker(memory)) == "open"


async def test_sixty_four_failures_at_once_open_it_and_cost_a_few_writes_each(
    racing: Racing, memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    workers = [worker(racing) for _ in range(64)]

    await asyncio.gather(*[fail(health, 1) for health in workers])

    phases = [await phase(health) for health in workers]
    assert sorted(phases) == ["closed"] * (FAILURES_MIN - 1) + ["open"] * (64 - FAILURES_MIN + 1), (
        "who came first knows later"
    )
    (item,) = memory.items(TABLE)
    assert int(item["version"]["N"]) == FAILURES_MIN
    assert racing.calls["PutItem"] <= 64 * (FAILURES_MIN + 1)


@pytest.mark.parametrize("seed", range(5))
async def test_of_sixty_four_workers_one_gets_the_probe(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], seed: int
) -> None:
    racing = Racing(memory, seed)
    workers = [worker(racing) for _ in range(64)]
    await fail(workers[0], FAILURES_MIN)
    clock.advance(OPEN_S)
    await asyncio.gather(*[health.refresh([ID]) for health in workers])

    won = await asyncio.gather(*[health.try_probe(ID) for health in workers])

    assert sum(won) == 1
    winner = workers[won.index(True)]
    assert not any(await asyncio.gather(*[health.try_probe(ID) for health in workers]))
    await winner.succeeded(ID)
    clock.advance(FRESH_S)
    await asyncio.gather(*[health.refresh([ID]) for health in workers])
    assert {await phase(health) for health in workers} == {"closed"}


async def test_a_probe_whose_worker_died_goes_to_another_after_a_minute(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    dead, other = worker(memory), worker(memory)
    await fail(dead, FAILURES_MIN)
    clock.advance(OPEN_S)
    assert await dead.try_probe(ID)

    clock.advance(PROBE_S - 1)
    assert (await other.state_of([ID]))[ID].probing
    assert not await other.try_probe(ID)
    clock.advance(1)

    assert await other.try_probe(ID)


async def test_a_probe_that_fails_opens_it_again_for_longer(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    health = worker(memory)
    await fail(health, FAILURES_MIN)
    clock.advance(OPEN_S)
    assert await health.try_probe(ID)

    await fail(health, 1, "timed out")

    state = (await health.state_of([ID]))[ID]
    assert (state.phase, state.reason, state.until_s) == ("open", "timed out", clock() + 2 * OPEN_S)


async def fleet(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], failing: float, per_second: float
) -> tuple[int, int, int]:
    """Twenty warm workers for five minutes; (failures, failures until it opened or 0, write units)."""
    draw, failures = random.Random(11), 0
    workers = [worker(memory) for _ in range(20)]
    for health in workers:
        await health.succeeded(ID)
    for _ in range(int(300 * per_second)):
        health = draw.choice(workers)
        await health.refresh([ID])
        if draw.random() < failing:
            failures += 1
            await fail(health, 1)
        else:
            await health.succeeded(ID)
        if await phase(health) == "open":
            return failures, failures, memory.write_units
        clock.advance(1 / per_second)
    return failures, 0, memory.write_units


@pytest.mark.parametrize("per_second", [1, 20])
@pytest.mark.parametrize("failing", [0.01, 0.1, 0.25])
async def test_a_channel_that_fails_now_and_then_stays_closed_for_a_few_writes_a_failure(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], failing: float, per_second: float
) -> None:
    failures, opened_after, units = await fleet(memory, clock, worker, failing, per_second)

    assert opened_after == 0
    assert units <= 4 * failures


@pytest.mark.parametrize("per_second", [1, 20])
async def test_a_channel_that_mostly_fails_opens_soon(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], per_second: float
) -> None:
    _, opened_after, _ = await fleet(memory, clock, worker, 0.8, per_second)

    assert FAILURES_MIN <= opened_after <= 20


# -- reasons -----------------------------------------------------------------------------------------------------------
async def test_a_refused_key_opens_for_all_at_once_and_pages_someone(
    memory: MemoryStore, worker: Callable[[Store], Health], lines: Lines
) -> None:
    await fail(worker(memory), 1, "refused our key")

    state = (await worker(memory).state_of([ID]))[ID]
    assert (state.phase, state.reason) == ("open", "refused our key")
    assert [(line["was"], line["phase"], line["alarm"]) for line in lines] == [("closed", "open", True)]


async def test_too_many_requests_cool_for_all_and_open_nothing(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health]
) -> None:
    health = worker(memory)
    for _ in range(20):
        await health.failed(ID, "rate limited", retry_after_s=20)

    assert await phase(worker(memory)) == "cooled"
    assert memory.write_units == 1
    clock.advance(20)
    assert await phase(worker(memory)) == "closed"


async def test_each_change_of_phase_is_one_line_from_the_worker_that_made_it(
    racing: Racing, clock: Hands, worker: Callable[[Store], Health], lines: Lines
) -> None:
    workers = [worker(racing) for _ in range(16)]
    await asyncio.gather(*[fail(health, 1) for health in workers])
    clock.advance(OPEN_S)
    won = await asyncio.gather(*[health.try_probe(ID) for health in workers])
    await workers[won.index(True)].succeeded(ID)

    assert [(line["was"], line["phase"]) for line in lines] == [("closed", "open"), ("half-open", "closed")]


async def test_an_operator_closes_what_is_open_and_sees_it(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    await fail(worker(memory), FAILURES_MIN)
    operator = worker(memory)
    assert (await operator.overview([ID, "other"]))[ID].openings == 1

    await worker(memory).reset(ID)

    seen = await operator.overview([ID, "other"])
    assert [(one.state.phase, one.openings, one.failures) for one in seen.values()] == [("closed", 0, 0)] * 2


async def test_what_is_turned_off_stays_off_through_a_reset_until_it_is_turned_on(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    await worker(memory).turn_off(ID, "secret missing")
    await worker(memory).reset(ID)
    assert (await worker(memory).state_of([ID]))[ID].reason == "secret missing"

    await worker(memory).turn_on(ID)

    assert await phase(worker(memory)) == "closed"


# -- a store that fails ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.THROTTLED, Mode.CONFLICT, Mode.LATE])
@pytest.mark.parametrize("at", range(FAILURES_MIN))
async def test_a_failure_counts_once_whatever_became_of_its_write(
    memory: MemoryStore, worker: Callable[[Store], Health], mode: Mode, at: int
) -> None:
    store = Faulty(memory, {2 * at: mode, 2 * at + 1: mode})
    health = worker(store)

    await fail(health, FAILURES_MIN - 1)
    await store.deliver_late()

    seen = (await health.overview([ID]))[ID]
    assert (seen.state.phase, seen.failures) == ("closed", FAILURES_MIN - 1)


@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.THROTTLED, Mode.LATE])
async def test_the_probe_is_had_once_although_the_answer_was_lost(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], mode: Mode
) -> None:
    await fail(worker(memory), FAILURES_MIN)
    clock.advance(OPEN_S)
    store = Faulty(memory, {1: mode})
    first, second = worker(store), worker(memory)
    await first.refresh([ID])
    await second.refresh([ID])

    won = [await first.try_probe(ID), await second.try_probe(ID)]
    await store.deliver_late()

    assert won == [True, False]


async def test_while_the_store_fails_the_last_known_state_holds_for_a_minute_and_then_everything_is_sold(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], lines: Lines
) -> None:
    store = Broken(memory)
    health = worker(store)
    await health.turn_off(ID, "secret missing")
    lines.clear()
    store.down = True
    phases = []
    for _ in range(8):
        phases.append(await phase(health))
        clock.advance(10)

    assert phases == ["off"] * 7 + ["closed"]
    assert clock() - 10 - LAST_KNOWN_S > 0
    assert [line["event"] for line in lines] == ["channel_health_unread"]
    assert lines[0]["alarm"] is True


async def test_a_store_that_fails_is_asked_again_every_five_seconds_and_alarmed_every_minute(
    memory: MemoryStore, clock: Hands, worker: Callable[[Store], Health], lines: Lines
) -> None:
    store = Broken(memory)
    store.down = True
    health = worker(store)
    for _ in range(ALARM_EVERY_S * 2):
        for _ in range(10):
            await health.state_of([ID])
        clock.advance(1)

    assert store.calls == ALARM_EVERY_S * 2 // FRESH_S
    assert len(lines) == 2


async def test_of_many_requests_at_once_one_asks_a_store_that_fails(
    memory: MemoryStore, worker: Callable[[Store], Health], lines: Lines
) -> None:
    store = Broken(memory)
    store.down = True
    health = worker(Racing(store))

    states = await asyncio.gather(*[health.state_of([ID]) for _ in range(64)])

    assert store.calls == 1
    assert {state[ID].phase for state in states} == {"closed"}
    assert len(lines) == 1


async def test_no_request_fails_because_the_state_of_channels_cannot_be_written(
    memory: MemoryStore, worker: Callable[[Store], Health], lines: Lines
) -> None:
    store = Broken(memory)
    store.down = True
    health = worker(store)

    await fail(health, FAILURES_MIN)
    await health.succeeded(ID)

    assert not await health.try_probe(ID)
    assert [(line["event"], line["alarm"]) for line in lines] == [("channel_health_unwritten", True)]


async def test_a_store_that_never_answers_holds_a_request_up_for_no_longer_than_its_patience(
    clock: Hands, lines: Lines
) -> None:
    health = Health(Hanging(), TABLE, clock, lines.append, patience_s=0.01)

    async with asyncio.timeout(2):
        assert await phase(health) == "closed"
        await health.failed(ID, "unreachable")

    assert lines[0]["error"] == "TimeoutError"


async def test_a_cancelled_request_leaves_the_next_one_free_to_read(
    memory: MemoryStore, worker: Callable[[Store], Health]
) -> None:
    class FirstHangs:
        calls = 0

        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            self.calls += 1
            if self.calls == 1:
                await asyncio.Event().wait()
            return await memory.call(operation, params)

    store = FirstHangs()
    health = worker(store)
    first = asyncio.ensure_future(health.refresh([ID]))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    await health.refresh([ID])

    assert store.calls == 2
    assert not health.due([ID])
