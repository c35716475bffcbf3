"""How many sequential trips to DynamoDB stand in a request's way: the slope of its times over the store's delay.

And, from the servers' logs, which calls those are and in which order they left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, median

from tools.bench.load import Task
from tools.bench.processes import LoadClient, Server

DELAYS_S = (0.01, 0.025, 0.04)
"""Long beside what the machine's other work adds. None is 0: a timer rounds up, and so each of these is off by the same."""
REQUESTS = 8
ROUNDS = 3
SHORT = {
    "updateitem CountersTable #ttl": "count (counters)",
    "updateitem AccountsTable available = available -": "reserve (wallet)",
    "putitem ReceiptsTable": "receipt",
    "updateitem AccountsTable available = available +": "settle (wallet)",
    "upstream": "UPSTREAM",
}


@dataclass
class Trips:
    """Slopes of the median time until: the upstream was called, the answer (or its [DONE]) was here, all was over."""

    before_upstream: float
    until_answer: float
    whole: float
    calls: dict[str, int] = field(default_factory=dict)
    """Each order of calls that was seen, and how often."""


def measure(load: LoadClient, gateway: Server, store: Server, upstream: Server, key: str) -> dict[str, Trips]:
    return {
        "JSON": _slopes(load, gateway, store, upstream, Task(gateway.port, "bench-json", key, 1, 0)),
        "stream": _slopes(load, gateway, store, upstream, Task(gateway.port, "bench-burst", key, 1, 0, tokens=64)),
    }


def _slopes(load: LoadClient, gateway: Server, store: Server, upstream: Server, task: Task) -> Trips:
    task.requests = REQUESTS
    times: dict[float, list[list[float]]] = {delay: [[], [], []] for delay in DELAYS_S}
    calls: dict[str, int] = {}
    for _ in range(ROUNDS):
        for delay in DELAYS_S:
            store.request("POST", "/delay", str(delay).encode())
            # One request pays for what is re-read after a while; then those that count.
            load.run(Task(task.port, task.model, task.key, 1, 0, tokens=task.tokens, requests=1))
            store.log()
            upstream.log()
            outcome, _ = load.run(task)
            if outcome.errors:
                raise RuntimeError(f"while trips were counted: {outcome.errors[0]}")
            called = upstream.log()
            called_ms, answer_ms, whole_ms = times[delay]
            called_ms += [(at - began) * 1000 for (at, _), began in zip(called, outcome.started, strict=True)]
            answer_ms += outcome.done_ms or outcome.latency_ms
            whole_ms += outcome.latency_ms
            for order in orders(outcome.started, [*store.log(), *called]):
                calls[order] = calls.get(order, 0) + 1
    store.request("POST", "/delay", b"0")
    ms = [delay * 1000 for delay in DELAYS_S]
    before, answer, whole = (
        linear_regression(ms, [median(times[delay][i]) for delay in DELAYS_S]).slope for i in range(3)
    )
    return Trips(before, answer, whole, calls)


def orders(started: Sequence[float], entries: list[tuple[float, str]]) -> list[str]:
    """For each request, its calls as they arrived; those at the same step of ours may stand in either order."""
    entries.sort()
    found = []
    for begin, end in zip(started, [*started[1:], float("inf")], strict=True):
        names = [_short(what) for at, what in entries if begin <= at < end]
        first = names.index("UPSTREAM") if "UPSTREAM" in names else 0
        found.append(" > ".join([" + ".join(sorted(names[:first])), *names[first:]]))
    return found


def _short(what: str) -> str:
    return next((name for prefix, name in SHORT.items() if what.startswith(prefix)), what)
