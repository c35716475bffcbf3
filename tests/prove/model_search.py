"""Every interleaving of an instance, breadth first: processes, messages on their way, the clock, deaths.

A state is (tick, content of the store, processes, writes that nobody waits for any more, faults left, deaths left).
A write that a process waits for may be applied and answered, applied and its answer lost, or become one of those writes
that may be applied at any later moment, or never. A process that dies leaves its write behind like that.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from infergate.store.client import Params

from tests.prove.model_replay import BASE, TICK_S, UNKNOWN, Program, Setting, run
from tests.prove.model_world import Edit, World, lot, revoke, suspend

IDLE, GONE = -1, -2

type State = tuple[int, int, tuple[int, ...], tuple[int, ...], int, int]
type Action = tuple[str, int, int]
"""(what, slot, number of a call)."""


@dataclass(frozen=True, slots=True)
class Instance:
    """`grants`: (amount, tick of its expiry or None). `latest_start`: of each request, 0 for at once.

    `event`: None, "revoke" or "suspend", once at any moment. `fresh_keys`: keys are made as the requests begin, else cached.
    `movements`: of "expire", "top up", "top up again", "take", "refund". `twice`: a write may reach the store twice, one
    right after the other; `again`: at any later moment. `punctual`: workers keep to their deadlines, else they may sleep.
    `atomic_reads`: what a process reads before its next write it reads at one moment; else anything may come between.
    """

    name: str
    grants: tuple[tuple[int, int | None], ...]
    holds: tuple[int, ...] = (3, 4)
    costs: tuple[int, ...] = (2, 3)
    room: int = 3
    faults: int = 1
    deaths: int = 1
    latest_start: tuple[int, ...] = (0, 0)
    last_tick: int = 3
    event: str | None = None
    movements: tuple[str, ...] = ()
    sweeps: bool = True
    twice: bool = False
    wallet: bool = True
    top_up: int = 2
    take: int = 2
    deadline_ticks: int = 2
    atomic_reads: bool = False
    fresh_keys: bool = False
    punctual: bool = True
    again: bool = False


@dataclass(slots=True)
class Process:
    """One program at one point of its history, and what it is about to send (`call`)."""

    program: Program
    history: tuple[tuple[int, int], ...]
    call: int


@dataclass(slots=True)
class Outcome:
    """`wrong` "" where every state is as it should be; else `trace` leads there by the fewest steps."""

    instance: Instance
    states: int = 0
    transitions: int = 0
    contents: int = 0
    quiescent: int = 0
    seconds: float = 0.0
    wrong: str = ""
    trace: list[str] = field(default_factory=list)
    complete: bool = True


class Search:
    def __init__(self, instance: Instance, edit: Edit | None = None) -> None:
        self.instance = instance
        grants = [lot("PQRST"[i], amount, expires) for i, (amount, expires) in enumerate(instance.grants)]
        self.world = World(grants, room=instance.room, open_wallet=instance.wallet, edit=edit)
        self.setting = Setting(
            instance.holds,
            instance.costs,
            instance.room,
            instance.deadline_ticks,
            instance.top_up,
            instance.take,
            instance.fresh_keys,
            instance.punctual,
        )
        self.processes: list[Process] = []
        self._numbers: dict[tuple[Program, tuple[tuple[int, int], ...]], tuple[int, str]] = {}
        self._steps: dict[tuple[int, int, int], tuple[int, str]] = {}
        self._starts: dict[tuple[str, int, int], int] = {}
        self._unknown = self.world.answer(UNKNOWN)
        self.slots = [f"worker {'AB'[r]}" for r in range(len(instance.holds))]
        self._workers = len(self.slots)
        self.slots += list(instance.movements) + (["sweep"] if instance.sweeps else [])
        event: Params | None = {"revoke": revoke(), "suspend": suspend()}[instance.event] if instance.event else None
        self._event = self.world.call("TransactWriteItems", event) if event else None
        if self._event is not None:
            self.world.calls[self._event].label = str(instance.event)

    # processes

    def _process(self, program: Program, history: tuple[tuple[int, int], ...]) -> tuple[int, str]:
        """Its number (GONE if it has nothing more to do), and what is wrong."""
        known = self._numbers.get((program, history))
        if known is not None:
            return known
        answers = [(self.world.answers[answer], at) for answer, at in history]
        ahead = run(program, self.setting, answers)
        if history and not ahead.clock_read and history[-1][1]:
            # When it was answered makes no difference: one history less.
            result = self._process(program, (*history[:-1], (history[-1][0], 0)))
        elif not ahead.done:
            number = len(self.processes)
            self.processes.append(Process(program, history, self.world.call(ahead.operation, ahead.params)))
            result = number, ""
        elif ahead.then is not None:
            result = self._process(ahead.then, ())
        else:
            result = GONE, ahead.wrong
        self._numbers[program, history] = result
        return result

    def _step(self, number: int, answer: int, tick: int) -> tuple[int, str]:
        known = self._steps.get((number, answer, tick))
        if known is None:
            process = self.processes[number]
            known = self._process(process.program, (*process.history, (answer, tick)))
            self._steps[number, answer, tick] = known
        return known

    def _next(self, slot: int, number: int, answer: int, tick: int, content: int) -> tuple[int, str]:
        """What a slot holds after an answer. Expiry and sweep are idle when they are done; all else comes once."""
        number, wrong = self._step(number, answer, tick)
        if self.instance.atomic_reads:
            while number >= 0 and not wrong and self.world.calls[call := self.processes[number].call].reads:
                number, wrong = self._step(number, self.world.read(call, content), tick)
        again = slot >= self._workers and self.slots[slot] in ("expire", "sweep")
        return (IDLE if number == GONE and again else number), wrong

    def _start(self, slot: int, tick: int, content: int) -> int:
        """A process at its beginning; GONE where, left alone, it would write nothing."""
        name = self.slots[slot]
        if slot < self._workers:
            return self._process(Program("admit", (slot,), tick, name), ())[0]
        known = self._starts.get((name, tick, content))
        if known is None:
            first, _ = self._process(Program(name, (), tick, name), ())
            number = first
            while number >= 0 and self.world.calls[self.processes[number].call].reads:
                number, _ = self._step(number, self.world.read(self.processes[number].call, content), tick)
            begun = number if self.instance.atomic_reads else first
            known = self._starts[name, tick, content] = begun if number >= 0 else GONE
        return known

    # states

    def first(self) -> State:
        """The event is the last slot: 0 still to come, GONE afterwards."""
        slots = [IDLE] * len(self.slots) + ([0] if self._event is not None else [])
        return (0, self.world.first, tuple(slots), (), self.instance.faults, self.instance.deaths)

    def successors(self, state: State) -> Iterator[tuple[State, Action, str]]:
        """(state, what happened, what is wrong with it)."""
        tick, content, slots, orphans, faults, deaths = state
        world, once = self.world, self._workers
        for slot, number in enumerate(slots):
            if slot == len(self.slots):
                if number == 0:
                    assert self._event is not None
                    effect = world.write(self._event, content)
                    after = (tick, effect.content, (*slots[:slot], GONE), orphans, faults, deaths)
                    yield after, ("apply", slot, self._event), effect.wrong
                continue
            if number == GONE:
                continue
            if number == IDLE:
                if slot < once and tick > self.instance.latest_start[slot]:
                    continue
                begun = self._start(slot, tick, content)
                if begun >= 0:
                    yield (tick, content, put(slots, slot, begun), orphans, faults, deaths), ("start", slot, -1), ""
                continue
            call = self.processes[number].call
            if world.calls[call].reads:
                following, wrong = self._next(slot, number, world.read(call, content), tick, content)
                yield (tick, content, put(slots, slot, following), orphans, faults, deaths), ("read", slot, call), wrong
            else:
                effect = world.write(call, content)
                following, wrong = self._next(slot, number, effect.answer, tick, effect.content)
                rest = put(slots, slot, following)
                yield (
                    (tick, effect.content, rest, orphans, faults, deaths),
                    ("apply", slot, call),
                    effect.wrong or wrong,
                )
                if self.instance.twice and faults:
                    again = world.write(call, effect.content)
                    after = (tick, again.content, rest, orphans, faults - 1, deaths)
                    yield after, ("apply twice", slot, call), effect.wrong or again.wrong or wrong
                if self.instance.again and faults:
                    late = tuple(sorted((*orphans, call)))
                    after = (tick, effect.content, rest, late, faults - 1, deaths)
                    yield after, ("apply (and send once more)", slot, call), effect.wrong or wrong
                if faults:
                    following, wrong = self._next(slot, number, self._unknown, tick, effect.content)
                    after = (tick, effect.content, put(slots, slot, following), orphans, faults - 1, deaths)
                    yield after, ("lose the answer of", slot, call), effect.wrong or wrong
                    following, wrong = self._next(slot, number, self._unknown, tick, content)
                    late = tuple(sorted((*orphans, call)))
                    yield (
                        (tick, content, put(slots, slot, following), late, faults - 1, deaths),
                        ("delay", slot, call),
                        wrong,
                    )
            if deaths:
                left = orphans if world.calls[call].reads else tuple(sorted((*orphans, call)))
                rest = put(slots, slot, GONE if slot < once else IDLE)
                yield (tick, content, rest, left, faults, deaths - 1), ("die before", slot, call), ""
        for place, call in enumerate(orphans):
            if place and orphans[place - 1] == call:
                continue
            effect = world.write(call, content)
            rest = orphans[:place] + orphans[place + 1 :]
            yield (tick, effect.content, slots, rest, faults, deaths), ("deliver late", -1, call), effect.wrong
        if tick < self.instance.last_tick and self._may_tick(tick, slots):
            yield (tick + 1, content, slots, orphans, faults, deaths), ("tick", -1, tick + 1), ""

    def _may_tick(self, tick: int, slots: tuple[int, ...]) -> bool:
        """A worker stops by its own deadline, and has the answer to its receipt a tick later; or it is as good as dead."""
        for slot in range(self._workers):
            number = slots[slot]
            if number >= 0 and self.instance.punctual:
                program = self.processes[number].program
                if program.name != "settle" and tick + 1 > program.start + 2:
                    return False
        return True

    def at_rest(self, state: State) -> str:
        """What is wrong with a state in which nothing is under way."""
        tick, content, slots, orphans, _, _ = state
        if orphans or any(number >= 0 for number in slots[: len(self.slots)]):
            return ""
        facts = self.world.facts(content)
        able = any(self._start(slot, tick, content) >= 0 for slot in range(self._workers, len(self.slots)))
        if facts.holds:
            return "a hold that no sweep ends" if tick == self.instance.last_tick and not able else ""
        if facts.unsettled:
            return facts.unsettled
        if tick == self.instance.last_tick and not able and "expire" in self.slots:
            return self.world.expired_left(content, BASE + TICK_S * tick)
        return ""

    def run(self, states_max: int = 3_000_000) -> Outcome:
        outcome = Outcome(self.instance)
        started = time.perf_counter()
        first = self.first()
        numbers: dict[State, int] = {first: 0}
        parents: list[int] = [-1]
        actions: list[Action] = [("begin", -1, -1)]
        queue = deque([(first, 0)])
        while queue:
            state, number = queue.popleft()
            for after, action, wrong in self.successors(state):
                outcome.transitions += 1
                known = numbers.get(after)
                if known is None:
                    known = numbers[after] = len(parents)
                    parents.append(number)
                    actions.append(action)
                    queue.append((after, known))
                    wrong = wrong or self.at_rest(after)
                    outcome.quiescent += not after[3] and all(n < 0 for n in after[2])
                if wrong:
                    outcome.wrong = wrong
                    outcome.trace = [
                        step for step in [*self._trace(parents, actions, number), self._said(action)] if step
                    ]
                    queue.clear()
                    break
            if len(parents) >= states_max:
                outcome.complete = False
                break
        outcome.states, outcome.contents = len(parents), self.world.contents
        outcome.seconds = time.perf_counter() - started
        return outcome

    def _trace(self, parents: list[int], actions: list[Action], number: int) -> list[str]:
        steps: list[str] = []
        while number > 0:
            steps.append(self._said(actions[number]))
            number = parents[number]
        return [step for step in steps[::-1] if step]

    def _said(self, action: Action) -> str:
        """In short; a start and a read go without saying."""
        what, slot, call = action
        if what in ("start", "read"):
            return ""
        if what == "tick":
            return f"tick {call}"
        who = self.slots[slot].removeprefix("worker ") if 0 <= slot < len(self.slots) else ""
        label = self.world.calls[call].label if call >= 0 else ""
        return " ".join(part for part in (f"{who}:" if who else "", what.removeprefix("apply").strip(), label) if part)


def put(slots: tuple[int, ...], slot: int, number: int) -> tuple[int, ...]:
    return (*slots[:slot], number, *slots[slot + 1 :])
