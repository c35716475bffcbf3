"""The tables of a run, in Markdown, as docs/benchmarks.md shows one."""

from collections.abc import Iterable, Sequence
from statistics import mean, median
from typing import Any

from tools.bench import rounds
from tools.bench.cold import Cold
from tools.bench.rounds import Figures, Measured, minus
from tools.bench.setting import Setting
from tools.bench.trips import Trips

AIM_JSON_MS, AIM_STREAM_MS, AIM_TRIPS, AIM_UNITS, AIM_ROUTING_MS = 1.3, 2.0, 1.2, 5.0, 0.15


def spread(values: Sequence[float], digits: int = 2) -> str:
    """median [min..max]"""
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}..{max(values):.{digits}f}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cpu(measured: Measured) -> str:
    names = [cell.name for cell in rounds.CELLS if cell is not rounds.FIRST_TOKEN]
    rows = [
        [target, *(spread(cells[name].cpu_ms) if name in cells else "" for name in names)]
        for target, cells in measured.items()
        if target != "direct"
    ]
    return table(["CPU ms a request", *names], rows)


def latency(measured: Measured) -> str:
    names = [cell.name for cell in (rounds.JSON_1, rounds.JSON_16, rounds.JSON_64)]
    first = rounds.FIRST_TOKEN.name
    rows = []
    for target, cells in measured.items():
        if target == "direct":
            continue
        added = [spread(_added(measured, target, name)) if name in cells else "" for name in names]
        until = minus(cells[first].first_token_ms, measured["direct"][first].first_token_ms) if first in cells else None
        rows.append([target, *added, spread(until) if until else ""])
    return table(
        ["added p50, ms", *(n if n == names[0] else f"{n} (queueing)" for n in names), "first token c=1"], rows
    )


def _added(measured: Measured, target: str, cell: str) -> list[float]:
    return minus(measured[target][cell].latency_ms, measured["direct"][cell].latency_ms)


def tokens(measured: Measured) -> str:
    rows = []
    for target, cells in measured.items():
        for cell in (rounds.FIRST_TOKEN, rounds.PACED):
            if cell.name in cells:
                f = cells[cell.name]
                late = f"{f.late_tokens} of {f.tokens}"
                rows.append([target, cell.name, spread(f.token_delay_ms), f"{max(f.token_delay_ms_max):.1f}", late])
    head = ["provider's send to client's receipt", "cell", "p50 ms", "worst ms", "not out before the next came"]
    return table(head, rows)


def trips(found: dict[str, Trips]) -> str:
    rows = []
    for what, t in found.items():
        order, times = max(t.calls.items(), key=lambda pair: pair[1])
        seen = f"{order} ({times} of {sum(t.calls.values())} requests)"
        rows.append([what, f"{t.before_upstream:.2f}", f"{t.until_answer:.2f}", f"{t.whole:.2f}", seen])
    return table(["slope over the store's delay", "before the upstream", "until the answer", "in all", "calls"], rows)


def writes(setting: Setting) -> str:
    rows = []
    for w in setting.writes:
        number = sum(len(units) for units in w.by_kind.values()) // len(w.by_kind)
        rows.append(
            [w.what, str(w.concurrency), str(number), f"{mean(w.per_request):.2f}", f"{max(w.per_request):.2f}"]
        )
    sizes = ", ".join(f"{name} {size}" for name, size in setting.item_bytes.items())
    head = ["write units", "in flight on the account", "requests", "mean", "max"]
    return f"{table(head, rows)}\n\nItem bytes: {sizes}."


def cold(found: dict[str, Cold]) -> str:
    rows = [
        [name, *(spread(v, 0) for v in (c.health_ms, c.health_cpu_ms, c.chat_ms, c.chat_cpu_ms)), spread(c.rss_mib, 1)]
        for name, c in found.items()
    ]
    return table(["cold start, ms", "first 200", "CPU", "first chat answer", "CPU", "RSS then, MiB"], rows)


def memory(found: dict[str, dict[str, float]]) -> str:
    rows = [[name, *(f"{m[k]:.1f}" for k in ("after start", "after load", "peak"))] for name, m in found.items()]
    return table(["RSS, MiB", "after start", "after load", "peak"], rows)


def clients(found: dict[str, list[float]]) -> str:
    names = sorted({name.rpartition(", ")[0] for name in found}, key=lambda n: median(found[f"{n}, c=1"]))
    rows = [
        [n, spread(found[f"{n}, c=1"], 3), spread(found[f"{n}, c=16"], 3), f"{found[f'{n}, made'][0]:.0f}"]
        for n in names
    ]
    return table(["one UpdateItem, CPU ms a call", "c=1", "c=16", "to import and make it"], rows)


def routing(found: dict[str, list[float]]) -> str:
    sizes = ("1 models", "500 models")
    names = list(dict.fromkeys(name.rpartition(", ")[0] for name in found))
    rows = [[name, *(spread(found[f"{name}, {size}"], 3) for size in sizes)] for name in names]
    return table(["CPU ms (of a snapshot, its kB)", *sizes], rows)


def aims(
    measured: Measured, found: dict[str, Trips], setting: Setting, routed: dict[str, list[float]]
) -> tuple[str, list[str]]:
    """The table, and what of it was missed."""
    ours = measured["gateway"]
    units = max(max(w.per_request) for w in setting.writes if w.concurrency == 1)
    rows: list[tuple[str, float, float]] = [
        *((f"CPU ms, {c.name}", median(ours[c.name].cpu_ms), AIM_JSON_MS) for c in rounds.CELLS[:3]),
        *(
            (f"CPU ms, {c.name}", median(ours[c.name].cpu_ms), AIM_STREAM_MS)
            for c in (rounds.BURST, rounds.BURST_USAGE)
        ),
        *((f"sequential trips before the upstream, {w}", t.before_upstream, AIM_TRIPS) for w, t in found.items()),
        ("write units a request, one at a time", units, AIM_UNITS),
        *((f"CPU ms, {n}", median(v), AIM_ROUTING_MS) for n, v in routed.items() if n.startswith("routing")),
        ("share of tokens held back, worst cell", _held_back(ours.values()), 0.01),
    ]
    missed = [f"{what}: {is_:.3g}, aim {aim:g}" for what, is_, aim in rows if is_ > aim]
    shown = [[what, f"{is_:.3g}", f"<= {aim:g}", "yes" if is_ <= aim else "**no**"] for what, is_, aim in rows]
    return table(["aim", "is", "aim", "met"], shown), missed


def _held_back(figures: Iterable[Figures]) -> float:
    return max((f.late_tokens / f.tokens for f in figures if f.tokens), default=0.0)


def ratios(measured: Measured) -> str:
    """The gateway's CPU as a multiple of the others', in the same rounds."""
    ours = measured["gateway"]
    rows = []
    for target, cells in measured.items():
        if target in ("gateway", "direct"):
            continue
        row = [f"{median(ours[n].cpu_ms) / median(f.cpu_ms):.2f}" if f.cpu_ms else "" for n, f in cells.items()]
        shown: dict[str, Any] = dict(zip(cells, row, strict=True))
        rows.append([target, *(shown.get(c.name, "") for c in rounds.CELLS[:-1])])
    return table(["the gateway's CPU over that of", *(c.name for c in rounds.CELLS[:-1])], rows)
