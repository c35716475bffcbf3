"""Caps that 64 workers keep to the unit, whatever becomes of their writes."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from infergate.channels.capacity import CLOCKS_S, Capacity, Caps, Entered, Full
from infergate.store.client import Params, Store
from infergate.store.errors import Busy

from tests.support.faults import FaultyStore, Mode
from tests.support.memory_store import MemoryStore

from .conftest import TABLE, Hands, Racing

ID = "openai-eu"
UNSURE = [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.THROTTLED, Mode.CONFLICT, Mode.LATE]


class Workers:
    """Each request on a worker of its own."""

    def __init__(self, store: Store, clock: Hands) -> None:
        self.store, self.clock, self.lines = store, clock, list[dict[str, Any]]()
        self.made = 0

    async def enter(
        self, caps: Caps, tokens: int = 1, lasts_s: int = 600, store: Store | None = None
    ) -> Entered | Full:
        self.made += 1
        worker = Capacity(store or self.store, TABLE, self.clock, self.lines.append)
        return await worker.enter(ID, caps, f"req_{self.made}", tokens, int(self.clock()) + lasts_s)

    async def leave(self, entered: Entered, store: Store | None = None) -> None:
        await Capacity(store or self.store, TABLE, self.clock, self.lines.append).leave(entered)

    async def at_once(self, times: int, caps: Caps, tokens: int = 1) -> list[Entered | Full]:
        return await asyncio.gather(*[self.enter(caps, tokens) for _ in range(times)])


@pytest.fixture
def workers(racing: Racing, clock: Hands) -> Workers:
    return Workers(racing, clock)


def inside(answers: list[Entered | Full]) -> list[Entered]:
    return [answer for answer in answers if isinstance(answer, Entered)]


def refusals(answers: list[Entered | Full]) -> Counter[str]:
    return Counter(answer.which for answer in answers if isinstance(answer, Full))


def numbers(memory: MemoryStore) -> dict[str, int]:
    """The minute's counters."""
    found = [item for item in memory.items(TABLE) if item["sk"]["S"] == "CAPACITY"]
    return {name: int(item[name]["N"]) for item in found for name in item if name in ("requests", "tokens")}


def leases(memory: MemoryStore) -> set[str]:
    return {lease for item in memory.items(TABLE) for lease in item.get("leases", {"M": {}})["M"]}


# -- what is exact -----------------------------------------------------------------------------------------------------
async def test_a_channel_without_caps_pays_nothing(workers: Workers, memory: MemoryStore) -> None:
    answers = await workers.at_once(64, Caps())
    for entered in inside(answers):
        await workers.leave(entered)

    assert len(inside(answers)) == 64
    assert memory.items(TABLE) == []
    assert memory.write_units == 0


async def test_of_sixty_four_requests_at_once_as_many_pass_as_the_minute_has_room_for(
    workers: Workers, memory: MemoryStore
) -> None:
    answers = await workers.at_once(64, Caps(requests_per_minute=17))

    assert len(inside(answers)) == 17
    assert refusals(answers) == {"requests per minute": 47}
    assert numbers(memory) == {"requests": 17}


async def test_of_sixty_four_requests_at_once_as_many_pass_as_the_minute_has_tokens_for(
    workers: Workers, memory: MemoryStore
) -> None:
    answers = await workers.at_once(64, Caps(tokens_per_minute=1000), tokens=90)

    assert len(inside(answers)) == 11
    assert refusals(answers) == {"tokens per minute": 53}
    assert numbers(memory) == {"tokens": 990}


async def test_of_sixty_four_requests_at_once_as_many_are_in_flight_as_may_be(
    workers: Workers, memory: MemoryStore
) -> None:
    answers = await workers.at_once(64, Caps(concurrency=9))

    assert len(inside(answers)) == 9
    assert refusals(answers) == {"requests in flight": 55}
    assert leases(memory) == {entered.lease for entered in inside(answers)}


async def test_under_all_caps_a_refusal_of_one_takes_back_the_others(workers: Workers, memory: MemoryStore) -> None:
    answers = await workers.at_once(64, Caps(requests_per_minute=40, tokens_per_minute=5000, concurrency=9), tokens=100)

    assert len(inside(answers)) <= 9
    assert numbers(memory) == {"requests": len(inside(answers)), "tokens": 100 * len(inside(answers))}
    assert leases(memory) == {entered.lease for entered in inside(answers)}


@pytest.mark.parametrize("mode", UNSURE)
async def test_no_more_pass_in_a_minute_although_writes_go_wrong(
    workers: Workers, memory: MemoryStore, mode: Mode
) -> None:
    caps, entered = Caps(requests_per_minute=20), list[Entered]()
    for call in range(40):
        faulty = FaultyStore(memory, {0: mode} if call % 3 == 0 else {})
        entered += inside([await workers.enter(caps, store=faulty)])
        await faulty.deliver_late()

    assert len(entered) <= numbers(memory)["requests"] <= 20
    assert len(entered) >= 13, "a write that is sent again counts twice at most"


async def test_a_full_minute_takes_no_lease(workers: Workers, memory: MemoryStore) -> None:
    caps = Caps(requests_per_minute=1, concurrency=9)
    await workers.enter(caps)

    assert refusals([await workers.enter(caps)]) == {"requests per minute": 1}
    assert len(leases(memory)) == 1


async def test_a_minute_begins_anew_and_a_refusal_says_when(workers: Workers, clock: Hands) -> None:
    clock.advance(42)
    caps = Caps(requests_per_minute=1)
    await workers.enter(caps)

    refused = await workers.enter(caps)

    assert refused == Full(18, "requests per minute")
    clock.advance(18)
    assert isinstance(await workers.enter(caps), Entered)


async def test_who_leaves_makes_room_for_one_however_often_it_says_so(workers: Workers) -> None:
    caps = Caps(concurrency=2)
    first, _ = inside([await workers.enter(caps), await workers.enter(caps)])
    for _ in range(3):
        await workers.leave(first)

    assert len(inside(await workers.at_once(10, caps))) == 1


async def test_a_lower_cap_holds_from_the_next_request_on(workers: Workers) -> None:
    held = inside(await workers.at_once(5, Caps(concurrency=5)))
    for entered in held[:3]:
        await workers.leave(entered)

    assert refusals([await workers.enter(Caps(concurrency=2))]) == {"requests in flight": 1}


# -- workers that die --------------------------------------------------------------------------------------------------
async def test_the_places_of_dead_workers_are_taken_a_minute_after_their_deadlines_and_not_before(
    workers: Workers, clock: Hands, memory: MemoryStore
) -> None:
    caps = Caps(concurrency=40)
    assert len(inside(await workers.at_once(40, caps))) == 40
    clock.advance(600 + CLOCKS_S)
    assert inside(await workers.at_once(5, caps)) == []
    clock.advance(1)

    answers = await workers.at_once(64, caps)

    assert len(inside(answers)) == 40
    assert len(leases(memory)) == 40


async def test_a_dead_workers_place_is_one_place(workers: Workers, clock: Hands) -> None:
    caps = Caps(concurrency=3)
    await workers.enter(caps, lasts_s=10)
    await workers.enter(caps, lasts_s=900)
    await workers.enter(caps, lasts_s=900)
    clock.advance(10 + CLOCKS_S + 1)

    assert len(inside(await workers.at_once(64, caps))) == 1


# -- writes that go wrong ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", UNSURE)
@pytest.mark.parametrize("call", range(5))
async def test_no_cap_is_passed_and_no_place_lost_although_writes_go_wrong(
    workers: Workers, memory: MemoryStore, mode: Mode, call: int
) -> None:
    """A request whose call goes wrong, in between others; then what was delayed arrives."""
    caps = Caps(requests_per_minute=70, concurrency=8)
    faulty = FaultyStore(memory, {call: mode})
    first = await workers.enter(caps, store=faulty)
    others = await workers.at_once(64, caps)
    await faulty.deliver_late()

    entered = inside([first, *others])
    assert len(entered) == 8
    assert {one.lease for one in entered} == leases(memory)
    assert len(entered) <= numbers(memory)["requests"] <= len(entered) + 1
    assert workers.lines == []


@pytest.mark.parametrize("mode", UNSURE)
async def test_a_place_is_given_back_once_although_the_answer_was_lost(
    workers: Workers, memory: MemoryStore, mode: Mode
) -> None:
    caps = Caps(concurrency=1)
    (entered,) = inside([await workers.enter(caps)])
    faulty = FaultyStore(memory, {0: mode})

    await workers.leave(entered, store=faulty)
    (second,) = inside([await workers.enter(caps)])
    await faulty.deliver_late()

    assert leases(memory) == {second.lease}


async def test_a_leave_that_comes_late_frees_no_later_place_of_the_same_request(
    memory: MemoryStore, clock: Hands
) -> None:
    faulty = FaultyStore(memory)
    worker, caps, deadline = Capacity(faulty, TABLE, clock, print), Caps(concurrency=1), int(clock()) + 600
    first = await worker.enter(ID, caps, "req_1", 1, deadline)
    assert isinstance(first, Entered)
    faulty._plan[len(faulty.calls)] = Mode.LATE
    await worker.leave(first)
    second = await worker.enter(ID, caps, "req_1", 1, deadline)
    assert isinstance(second, Entered)

    await faulty.deliver_late()

    assert leases(memory) == {second.lease}


async def test_a_lease_that_arrives_after_its_request_has_left_ends_by_itself(
    workers: Workers, memory: MemoryStore, clock: Hands
) -> None:
    caps = Caps(concurrency=1)
    await workers.enter(caps, lasts_s=1)
    clock.advance(2 + CLOCKS_S)
    faulty = FaultyStore(memory, {1: Mode.LATE})
    (entered,) = inside([await workers.enter(caps, store=faulty)])
    await workers.leave(entered)
    await faulty.deliver_late()
    clock.advance(601 + CLOCKS_S)

    assert len(inside(await workers.at_once(5, caps))) == 1


class Down:
    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        raise Busy("ThrottlingException")


async def test_a_store_that_fails_lets_requests_through_and_is_alarmed(memory: MemoryStore, clock: Hands) -> None:
    workers = Workers(Down(), clock)

    entered = await workers.enter(Caps(1, 1, 1))
    assert isinstance(entered, Entered)
    await workers.leave(entered)

    assert [(line["event"], line.get("alarm", False)) for line in workers.lines] == [
        ("channel_capacity_unknown", True),
        ("channel_capacity_unknown", True),
        ("channel_lease_left", False),
    ]


async def test_what_was_never_counted_is_not_taken_back(memory: MemoryStore, clock: Hands) -> None:
    """The minute's write fails and no lease is free: the minute of the others stays as it is."""

    class MinuteDown:
        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            if params["UpdateExpression"].startswith("SET #ttl"):
                raise Busy("ThrottlingException")
            return await memory.call(operation, params)

    workers, caps = Workers(memory, clock), Caps(requests_per_minute=5, concurrency=1)
    await workers.enter(caps)

    refused = await workers.enter(caps, store=MinuteDown())

    assert refused == Full(1, "requests in flight")
    assert numbers(memory) == {"requests": 1}


async def test_a_store_that_never_answers_holds_a_request_up_for_no_longer_than_its_patience(clock: Hands) -> None:
    class Hanging:
        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

    lines: list[dict[str, Any]] = []
    capacity = Capacity(Hanging(), TABLE, clock, lines.append, patience_s=0.01)

    async with asyncio.timeout(2):
        entered = await capacity.enter(ID, Caps(1, 1, 1), "req_1", 1, int(clock()) + 600)
        assert isinstance(entered, Entered)
        await capacity.leave(entered)

    assert {line["error"] for line in lines} == {"TimeoutError"}
