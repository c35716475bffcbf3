"""Every kind against everything it offers, as one table; docs/providers.md holds it between two markers."""

import asyncio
import re
from dataclasses import dataclass

from infergate.providers import quirks

from tests.providers import cases
from tests.providers.bench import Bench, bench
from tests.providers.kinds import CAPABILITIES, KINDS, Kind
from tests.providers.upstreams import LLAMA_HERE
from tests.support.matrix import fault_of
from tools.local.template import ROOT

PAGE = ROOT / "docs" / "providers.md"
SIDE_BY_SIDE = 12
"""Visits at a time."""
_TOLD_BY = {"cached": "cached tokens", "reasoning": "reasoning", "refusal": "errors", "broken": "mid-stream failure"}
_TOLD_BY |= {"stream": "stream", "tools": "parallel tools", "blocked": "stream"}


@dataclass(frozen=True)
class Trial:
    kind: Kind
    capability: str
    upstream: str
    """mock, llama, or the name of a recorded reply."""

    @property
    def case(self) -> cases.Case:
        if self.upstream == "mock":
            return cases.MOCK[self.capability]
        if self.upstream == "llama":
            return cases.LLAMA[self.capability]
        return cases.replayed(f"{self.kind.kind}/{self.upstream}")


def trials(kind: Kind) -> list[Trial]:
    """A capability is tried against every upstream that can serve it in this kind's own form."""
    offered = (capability for capability in cases.MOCK if capability not in {*kind.not_offered, "reasoning"})
    found = [Trial(kind, capability, "mock") for capability in offered]
    if kind.dialect is None:
        # The mock speaks its format whole, thoughts included.
        found.append(Trial(kind, "reasoning", "mock"))
    elif not kind.dialect.asks_for_usage:
        # It reports usage unasked, which the mock does not.
        found.remove(Trial(kind, "stream", "mock"))
        found.append(Trial(kind, "stream", "reasoning.sse"))
    found += [Trial(kind, _TOLD_BY[re.split(r"[._]", name)[0]], name) for name in kind.recorded_names()]
    if LLAMA_HERE and kind.kind == "llamacpp":
        found += [Trial(kind, capability, "llama") for capability in cases.LLAMA]
    return found


async def run() -> dict[Trial, str | None]:
    """Each trial's failure, None where there is none."""
    places, alone = asyncio.Semaphore(SIDE_BY_SIDE), asyncio.Semaphore(1)
    async with bench() as ready:
        all_trials = [trial for kind in KINDS for trial in trials(kind)]
        failures = await asyncio.gather(
            *(
                # llama.cpp has one slot, whose cache is looked at.
                _try(trial, ready, alone if trial.upstream == "llama" else places)
                for trial in all_trials
            )
        )
    return dict(zip(all_trials, failures, strict=True))


async def _try(trial: Trial, ready: Bench, places: asyncio.Semaphore) -> str | None:
    async with places:
        return await fault_of(_visit(trial, ready))


async def _visit(trial: Trial, ready: Bench) -> None:
    await trial.case(await ready.visit(trial.kind, trial.upstream))


def render(results: dict[Trial, str | None]) -> str:
    """Markdown. A capability that nothing tried, though the kind offers it, is said to be untested."""
    lines = [f"| kind | {' | '.join(CAPABILITIES)} |", f"|---|{'---|' * len(CAPABILITIES)}"]
    for kind in KINDS:
        cells = [_cell(kind, capability, results) for capability in CAPABILITIES]
        lines.append(f"| {kind.kind}{f' ({kind.form})' if kind.form else ''} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(kind: Kind, capability: str, results: dict[Trial, str | None]) -> str:
    if capability in kind.not_offered:
        return "not offered by it"
    tried = {trial: fault for trial, fault in results.items() if (trial.kind, trial.capability) == (kind, capability)}
    if not tried:
        return "untested"
    if any(tried.values()):
        return "FAILED"
    by = {trial.upstream if trial.upstream in {"mock", "llama"} else "recorded" for trial in tried}
    return f"pass ({', '.join(name for name in ('mock', 'recorded', 'llama') if name in by)})"


def dialects() -> str:
    """What each OpenAI-compatible kind is told otherwise, and what it is not told: markdown."""
    lines = ["| kind | output limit | hints | added | refused |", "|---|---|---|---|---|"]
    for kind, found in quirks.KINDS.items():
        dialect = found.dialect
        cannot = sorted(dialect.lacks) + ([] if dialect.message_names else ["messages[].name"])
        refusals = [f"`{name}`" for name in cannot]
        refusals += [] if dialect.custom_tools else ["custom tools"]
        refusals += [] if dialect.strict_tools else ["strict tools"]
        refusals += [] if dialect.json_schema else ["JSON schemas"]
        refusals += [] if dialect.image_urls else ["images by URL"]
        refusals += [] if dialect.embeddings else ["embeddings"]
        refusals += ["`dimensions`"] if dialect.embeddings and dialect.dimensions is None else []
        cells = [
            f"`{dialect.output_field}`",
            "passed on" if dialect.hints else "left out",
            ", ".join(f"`{name}`" for name in dialect.adds) or "-",
            ", ".join(refusals) or "-",
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
