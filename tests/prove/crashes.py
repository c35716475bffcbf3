"""The crash explorer: every flow that writes, broken at each of its calls in each of the ways in which a call can break.

    python -m tests.prove.crashes                                all flows, as CI does
    python -m tests.prove.crashes FLOW                           its calls, one a line
    python -m tests.prove.crashes FLOW K MODE [...]              one run again, as a violation names it

A run: fresh tables; the flow, with call K broken; perhaps the caller tries again; what was late arrives then, or at last;
twenty minutes later the sweep and the expiry run, of which a call may be broken too; twenty minutes after that both again,
without faults. Then the books must balance, and the flow must have happened once or not at all (crash_checks, crash_flow).
"""

import argparse
import asyncio
import functools
import logging
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from infergate.schedules import expire

from tests.prove import crash_cases, crash_chat, crash_money
from tests.prove.crash_checks import State, holds_too_old, invariants
from tests.prove.crash_flow import Act, Facts, Flow, History, Told, attempt, verdict
from tests.prove.crash_world import CATALOG, T0, TABLES, Process, Run, Wire
from tests.prove.table import Row, print_table, timed
from tests.support.faults import Mode
from tests.support.memory_store import MemoryStore

FLOWS: tuple[Flow, ...] = (*crash_chat.FLOWS, *crash_money.FLOWS, *crash_cases.FLOWS)
PAIRS_PER_SCALE = 2000
RECOVERY_S = 1200
STAGES = ("retry", "sweep", "expire")


@dataclass(frozen=True, slots=True)
class Script:
    """What goes wrong in one run. `second`: a stage of the recovery, the number of its call, and how that breaks."""

    first: tuple[tuple[int, Mode], ...] = ()
    retry: bool = False
    late: str = "last"
    """When delayed writes arrive: "soon", right after the callers; or "last", after the first recovery."""
    second: tuple[str, int, Mode] | None = None

    def __str__(self) -> str:
        """As arguments of the command line."""
        text = " --and ".join(f"{k} {_dashed(mode)}" for k, mode in self.first)
        text += " --retry" * self.retry + " --soon" * (self.late == "soon")
        if self.second:
            stage, k, mode = self.second
            text += f" --second {stage} {k} {_dashed(mode)}"
        return text


@dataclass(slots=True)
class Result:
    flow: Flow
    script: Script
    told: list[Told] = field(default_factory=list)
    wires: dict[str, Wire] = field(default_factory=dict)
    was_late: bool = False
    recovery_writes: int = 0
    effect: Any = None
    wrong: list[str] = field(default_factory=list)

    def sentences(self) -> Iterator[str]:
        where = []
        for k, mode in self.script.first:
            calls = self.wires["act"].calls
            where.append(f"call {k} ({calls[k] if k < len(calls) else 'never made'}) {mode}")
        if self.script.second:
            stage, k, mode = self.script.second
            calls = self.wires[stage].calls if stage in self.wires else []
            where.append(f"then {stage}'s call {k} ({calls[k] if k < len(calls) else 'never made'}) {mode}")
        broken = "; ".join(where) or "nothing broken"
        told = ", ".join(map(str, self.told))
        for what in self.wrong:
            again = f'python -m tests.prove.crashes "{self.flow.name}" {self.script}'
            yield f"{self.flow.name}: {broken}; told {told}: {what} | {again}"


class Explorer:
    """One flow: its tables as they were before, and its two legal outcomes."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.runs = 0
        self.calls = 0
        """Of a clean run."""
        self.violations: list[str] = []
        self._facts: Facts = {}
        self._before: MemoryStore
        self._before_state: State
        self._now = T0
        self._counts = (0, 0)
        self._untouched: Any = None
        self._acted: Any = None

    async def prepare(self) -> Result:
        """Returns the clean run."""
        run = Run(await _tables(), T0)
        self._facts = await self.flow.prepare(run.process())
        assert not run.tap.wrong, run.tap.wrong
        self._before, self._now = run.tap.store, run.clock.now
        self._before_state = State(self._before)
        self._counts = (run.requests, run.processes)
        self._untouched = (await self._history(Script(), act=_nothing)).effect
        clean = await self._history(Script())
        self._acted = clean.effect
        self.calls = len(clean.wires["act"].calls)
        return clean

    async def run(self, script: Script) -> Result:
        self.runs += 1
        result = await self._history(script, judged=True)
        self.violations += result.sentences()
        return result

    async def explore(self) -> None:
        """Every call x every mode, then every call x every mode of the recovery that had most to do."""
        clean = await self.prepare()
        if clean.told[0].how != self.flow.clean:
            clean.wrong.append(f"a clean run is to be told {self.flow.clean}")
            self.violations += clean.sentences()
        await self.run(Script())
        if self.flow.retries:
            await self.run(Script(retry=True))
        worst: Result | None = None
        for k, mode in _points(clean.wires["act"]):
            for result in await self._around(((k, mode),)):
                if worst is None or result.recovery_writes >= worst.recovery_writes:
                    worst = result
        if worst is not None and worst.recovery_writes:
            for stage, wire in worst.wires.items():
                if stage == "act":
                    continue
                for k, mode in _points(wire):
                    first, retry, late = worst.script.first, worst.script.retry, worst.script.late
                    await self.run(Script(first, retry, late, (stage, k, mode)))

    async def pair(self, chance: random.Random) -> None:
        """Two faults in one run; the second may hit a retry that a clean run does not make."""
        k1, k2 = sorted(chance.sample(range(self.calls + 6), 2))
        modes = list(Mode)
        await self._around(((k1, chance.choice(modes)), (k2, chance.choice(modes))))

    async def _around(self, first: tuple[tuple[int, Mode], ...]) -> list[Result]:
        """With a caller who tries again and one who does not; with what is late soon, and at last."""
        results = [await self.run(Script(first))]
        if results[0].was_late:
            results.append(await self.run(Script(first, late="soon")))
        if self.flow.retries and results[0].told[0].how != "done":
            results.append(await self.run(Script(first, retry=True)))
            if results[0].was_late:
                results.append(await self.run(Script(first, retry=True, late="soon")))
        return results

    async def _history(self, script: Script, *, act: Act | None = None, judged: bool = False) -> Result:
        requests, processes = self._counts
        run = Run(self._before.copy(), self._now, requests=requests, processes=processes)
        result = Result(self.flow, script)
        facts = dict(self._facts)
        await self._callers(run, result, facts, act or self.flow.act)
        await self._recovery(run, result)
        if self.flow.closing is not None and act is None:
            closed = await attempt(self.flow.closing, run.process(), facts)
            if closed.how in ("crashed", "failed", "bug"):
                result.wrong.append(f"in the end, with nothing broken, it is told {closed}")
        after = State(run.tap.store)
        try:
            result.effect = self.flow.effect(after) if self.flow.effect else None
        except ValueError as error:
            result.wrong.append(f"P1: {error}")
        if judged:
            result.wrong += await invariants(run, self._before_state)
            history = History(facts, self._before_state, after, result.told, run)
            result.wrong += verdict(self.flow, history, self._untouched, self._acted)
        return result

    async def _callers(self, run: Run, result: Result, facts: Facts, act: Act) -> None:
        script = result.script
        process = run.process(dict(script.first))
        process.wire.suspends = self.flow.suspends
        result.wires["act"] = process.wire
        result.told.append(await attempt(act, process, facts))
        result.was_late = bool(process.wire.delayed)
        writes = run.tap.writes
        if script.retry:
            run.clock.advance(5)
            again = run.process(_of_stage(script, "retry"))
            result.wires["retry"] = again.wire
            result.told.append(await attempt(act, again, facts))
        result.recovery_writes = run.tap.writes - writes
        if script.late == "soon":
            await run.deliver(process.wire)

    async def _recovery(self, run: Run, result: Result) -> None:
        script, writes = result.script, run.tap.writes
        # Nothing arrives later than that: a signed request is good for fifteen minutes.
        run.clock.now = max(run.clock.now, self._now + RECOVERY_S)
        for stage in STAGES[1:]:
            process = run.process(_of_stage(script, stage))
            result.wires[stage] = process.wire
            await attempt(_WORK[stage], process, {})
        result.recovery_writes += run.tap.writes - writes
        if script.second is None:
            result.wrong += holds_too_old(run)
        for wire in result.wires.values():
            await run.deliver(wire)
        run.clock.advance(RECOVERY_S)
        for stage in STAGES[1:]:
            told = await attempt(_WORK[stage], run.process(), {})
            if told.how != "done":
                result.wrong.append(f"P19: with nothing broken, the {stage} run is told {told}")


async def _nothing(p: Process, facts: Facts) -> None:
    return


async def _sweep(p: Process, facts: Facts) -> None:
    await p.swept()


async def _expire(p: Process, facts: Facts) -> None:
    await p.expire.run()


_WORK: dict[str, Act] = {"sweep": _sweep, "expire": _expire}


def _of_stage(script: Script, stage: str) -> dict[int, Mode]:
    return {script.second[1]: script.second[2]} if script.second and script.second[0] == stage else {}


def _points(wire: Wire) -> list[tuple[int, Mode]]:
    """Every call in every mode; of the calls that found nothing to do, the first alone."""
    dull = sorted(wire.dull)[1:] if len(wire.dull) > 6 else []
    return [(k, mode) for k in range(len(wire.calls)) if k not in dull for mode in Mode]


@functools.cache
def _blank() -> MemoryStore:
    return MemoryStore([TABLES.accounts, TABLES.receipts, TABLES.counters, CATALOG])


async def _tables() -> MemoryStore:
    store = _blank().copy()
    await Run(store, T0).process().shelf.apply(crash_chat.SNAPSHOT, "operator")
    return store


# -- all of it ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Totals:
    flows: int = 0
    runs: int = 0
    violations: list[str] = field(default_factory=list)


def explore(flows: Iterable[Flow] = FLOWS, *, pairs: int = 0) -> Totals:
    """Every single fault, and `pairs` times two faults in one run."""
    with _quick():
        return asyncio.run(_explore([Explorer(flow) for flow in flows], pairs))


async def _explore(explorers: list[Explorer], pairs: int) -> Totals:
    for explorer in explorers:
        await explorer.explore()
    if pairs:
        singles, chance = sum(e.runs for e in explorers), random.Random(pairs)
        weights = [e.calls for e in explorers]
        while sum(e.runs for e in explorers) < singles + pairs:
            (explorer,) = chance.choices(explorers, weights)
            await explorer.pair(chance)
    return Totals(len(explorers), sum(e.runs for e in explorers), [v for e in explorers for v in e.violations])


@contextmanager
def _quick() -> Iterator[None]:
    """No flow reaches back further than a day, so the expiry run need not look at thirty. A task that was killed with its
    process is no forgotten one, so asyncio need not warn of it."""
    days, expire.LOOK_BACK_DAYS = expire.LOOK_BACK_DAYS, 1
    logger = logging.getLogger("asyncio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        expire.LOOK_BACK_DAYS = days
        logger.setLevel(level)


def prove(scale: int) -> Row:
    with timed("crash explorer") as row:
        totals = explore(pairs=PAIRS_PER_SCALE * scale if scale > 1 else 0)
        row.how_many = f"{totals.flows} flows, {totals.runs:,} runs"
        row.violations = totals.violations
    return row


# -- one run again -----------------------------------------------------------------------------------------------------


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.flow is None:
        row = prove(1)
        print_table([row])
        return 1 if row.violations else 0
    flow = flow_named(arguments.flow)
    with _quick():
        explorer = Explorer(flow)
        clean = asyncio.run(explorer.prepare())
        if arguments.k is None:
            result = clean
        else:
            second = arguments.second and (arguments.second[0], int(arguments.second[1]), _mode(arguments.second[2]))
            first = [(arguments.k, arguments.mode), *((int(k), _mode(mode)) for k, mode in arguments.pair)]
            late = "soon" if arguments.soon else "last"
            result = asyncio.run(explorer.run(Script(tuple(first), arguments.retry, late, second or None)))
    for process, wire in result.wires.items():
        for k, call in enumerate(wire.calls):
            if k not in wire.dull:
                print(f"{process:7} {k:4}  {call}")
    print(f"told: {', '.join(map(str, result.told))}")
    print("\n".join(explorer.violations) or "no violation")
    return 1 if explorer.violations else 0


def flow_named(name: str) -> Flow:
    found = [flow for flow in FLOWS if flow.name == name]
    if not found:
        sys.exit(f"There is no flow {name!r}. There are: {', '.join(flow.name for flow in FLOWS)}")
    return found[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crashes", description="One run again, as a violation names it.")
    parser.add_argument("flow", nargs="?", help="its name, in quotes; alone: its calls")
    parser.add_argument("k", nargs="?", type=int, help="the number of the call that breaks")
    parser.add_argument("mode", nargs="?", type=_mode, default=Mode.CRASH_AFTER, help=", ".join(map(_dashed, Mode)))
    parser.add_argument("--and", dest="pair", nargs=2, action="append", default=[], metavar=("K", "MODE"))
    parser.add_argument("--retry", action="store_true", help="the caller tries again")
    parser.add_argument("--soon", action="store_true", help="what is late arrives right after the callers")
    parser.add_argument("--second", nargs=3, metavar=("STAGE", "K", "MODE"), help=f"a stage is {', '.join(STAGES)}")
    return parser


def _mode(text: str) -> Mode:
    return Mode(text.replace("-", " "))


def _dashed(mode: Mode) -> str:
    return mode.replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
