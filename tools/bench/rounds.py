"""The timed part: every cell against every target, round by round, so that what else the machine does meets all of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

from tools.bench.load import Outcome, Task
from tools.bench.processes import LoadClient

PACE_MS = 20.0


@dataclass(frozen=True)
class Cell:
    name: str
    model: str
    concurrency: int
    seconds: float = 1.0
    tokens: int = 0
    body_bytes: int = 1000
    usage: bool = False

    def task(self, port: int, key: str) -> Task:
        return Task(port, self.model, key, self.concurrency, self.seconds, self.body_bytes, self.tokens, self.usage)


JSON_1 = Cell("JSON c=1", "bench-json", 1)
JSON_16 = Cell("JSON c=16", "bench-json", 16)
JSON_64 = Cell("JSON c=64", "bench-json", 64)
BIG = Cell("200 KB JSON c=4", "bench-json", 4, body_bytes=200_000)
BURST = Cell("SSE 64 at once c=16", "bench-burst", 16, tokens=64)
BURST_USAGE = Cell("the same, include_usage", "bench-burst", 16, tokens=64, usage=True)
PACED = Cell("SSE 25 paced c=16", "bench-paced-25", 16, seconds=2.0, tokens=25)
FIRST_TOKEN = Cell("SSE 3 paced c=1", "bench-paced-3", 1, tokens=3)
CELLS = (JSON_1, JSON_16, JSON_64, BIG, BURST, BURST_USAGE, PACED, FIRST_TOKEN)
FEW = (JSON_1, JSON_16, BURST)


@dataclass(frozen=True)
class Target:
    """`pid` None: nothing of ours; only its times count."""

    name: str
    port: int
    pid: int | None
    cells: tuple[Cell, ...] = CELLS


@dataclass
class Figures:
    """Of one cell and target, one value a round. Milliseconds."""

    cpu_ms: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    first_token_ms: list[float] = field(default_factory=list)
    token_delay_ms: list[float] = field(default_factory=list)
    token_delay_ms_max: list[float] = field(default_factory=list)
    requests: int = 0
    tokens: int = 0
    late_tokens: int = 0


type Measured = dict[str, dict[str, Figures]]
"""By target, then by cell."""


class Errors(Exception):
    """A cell with wrong answers: its figures mean nothing."""


def measure(load: LoadClient, targets: list[Target], key: str, rounds: int) -> Measured:
    """Raises Errors."""
    measured: Measured = {target.name: {cell.name: Figures() for cell in target.cells} for target in targets}
    for number in range(rounds):
        for cell, target in _turns(targets, number):
            outcome, cpu_s = load.run(cell.task(target.port, key), target.pid)
            if outcome.errors or not outcome.latency_ms:
                raise Errors(f"{target.name}, {cell.name}: {len(outcome.errors)} errors, such as {outcome.errors[:1]}")
            _add(measured[target.name][cell.name], outcome, cpu_s)
    return measured


def _turns(targets: list[Target], number: int) -> Iterator[tuple[Cell, Target]]:
    """Nobody always comes first."""
    shift = number % len(targets)
    for cell in CELLS:
        for target in targets[shift:] + targets[:shift]:
            if cell in target.cells:
                yield cell, target


def _add(figures: Figures, outcome: Outcome, cpu_s: float) -> None:
    figures.requests += len(outcome.latency_ms)
    figures.cpu_ms.append(cpu_s * 1000 / len(outcome.latency_ms))
    figures.latency_ms.append(median(outcome.latency_ms))
    if outcome.first_token_ms:
        figures.first_token_ms.append(median(outcome.first_token_ms))
    if outcome.token_delay_ms:
        figures.token_delay_ms.append(median(outcome.token_delay_ms))
        figures.token_delay_ms_max.append(max(outcome.token_delay_ms))
        figures.tokens += len(outcome.token_delay_ms)
        figures.late_tokens += outcome.late_tokens


def minus(ours: Iterable[float], direct: Iterable[float]) -> list[float]:
    """What was added, round by round."""
    return [a - b for a, b in zip(ours, direct, strict=True)]
