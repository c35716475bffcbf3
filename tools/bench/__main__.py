"""`make bench`: what a request costs, here and now. Everything in one run, interleaved; docs/benchmarks.md says how to read it.

    python -m tools.bench [--json FILE] [--rounds N]

Ends with 1 if any answer was wrong or an aim was missed; then the figures are printed all the same, if there are any.
"""

import argparse
import contextlib
import functools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from tools.bench import cold, report, rounds, setting, trips
from tools.bench.processes import OTHER_CPU, SERVER_CPU, LoadClient, Server, memory_mib, uvicorn
from tools.bench.rounds import FEW, Target
from tools.local.template import ROOT

WRITES_COUNTED = 50
COLD_STARTS = 7


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="where to store every figure")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    began = time.monotonic()
    os.sched_setaffinity(0, {OTHER_CPU})
    results, tables, missed = run(options.rounds)
    results["seconds"] = time.monotonic() - began
    print("\n\n".join(tables))
    print(f"\n{results['machine']}; commit {results['commit'] or 'unknown'}; {options.rounds} rounds; ", end="")
    print(f"{results['seconds']:.0f} s; median [min..max]; 0 errors")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def run(number: int) -> tuple[dict[str, Any], list[str], list[str]]:
    """(every figure, the tables, the aims that were missed). Raises rounds.Errors."""
    with contextlib.ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="infergate-bench-")))
        upstream = started.enter_context(Server("tools.bench.upstream", "PORT").running(OTHER_CPU, "/log"))
        say("setting the scene in the embedded AWS, and counting what requests write there")
        scene = setting.make(upstream.url, WRITES_COUNTED)
        (folder / "primed.json").write_bytes(orjson.dumps(scene.primed))
        store = Server("tools.bench.dynamodb", "PORT", str(folder / "primed.json"))
        started.enter_context(store.running(OTHER_CPU, "/log"))
        environment = {**scene.environment, "BENCH_AWS": store.url, "BENCH_UPSTREAM": upstream.url}

        def ours(extra: dict[str, str]) -> Server:
            return uvicorn("tools.bench.gateway:app", environment | extra)

        def other(client: str, extra: dict[str, str]) -> Server:
            return uvicorn("tools.bench.passthrough:app", environment | {"BENCH_CLIENT": client} | extra)

        say("starting the gateway cold")
        makers: dict[str, Callable[[dict[str, str]], Server]] = {
            "gateway": ours,
            "pass-through": functools.partial(other, "ours"),
            "pass-through, aiohttp": functools.partial(other, "aiohttp"),
        }
        colds = cold.measure(makers, scene.key, COLD_STARTS)
        servers = {
            "gateway": ours({}),
            "pass-through": other("ours", {}),
            "pass-through, aiohttp": other("aiohttp", {}),
            "pass-through, h11 and asyncio": uvicorn(
                "tools.bench.passthrough:app", environment | {"BENCH_CLIENT": "ours"}, loop="asyncio", parser="h11"
            ),
            "naive: httpx, boto3 in threads": other("naive", {}),
        }
        for server in servers.values():
            started.enter_context(server.running(SERVER_CPU))
        memory = {name: {"after start": memory_mib(server.pid)["rss"]} for name, server in servers.items()}
        load = started.enter_context(LoadClient())
        say("counting round trips")
        counted = trips.measure(load, servers["gateway"], store, upstream, scene.key)
        say("measuring, round by round")
        full = ("gateway", "pass-through")
        targets = [
            Target("direct", upstream.port, None),
            *(Target(n, s.port, s.pid, rounds.CELLS if n in full else FEW) for n, s in servers.items()),
        ]
        measured = rounds.measure(load, targets, scene.key, number)
        for name, server in servers.items():
            now = memory_mib(server.pid)
            memory[name] |= {"after load": now["rss"], "peak": now["peak"]}
        say("measuring DynamoDB clients")
        clients = _alone("clients", store.url)
        say("measuring routing and pricing")
        routing = _alone("routing")
    shown, missed = report.aims(measured, counted, scene, routing)
    tables = [
        shown, report.cpu(measured), report.ratios(measured), report.latency(measured), report.tokens(measured),
        report.trips(counted), report.writes(scene), report.cold(colds), report.memory(memory), report.clients(clients),
        report.routing(routing),
    ]  # fmt: skip
    results = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "cells": {t: {c: asdict(f) for c, f in cells.items()} for t, cells in measured.items()},
        "trips": {what: asdict(t) for what, t in counted.items()},
        "writes": [asdict(w) for w in scene.writes],
        "item_bytes": scene.item_bytes,
        "cold": {name: asdict(c) for name, c in colds.items()},
        "memory": memory,
        "clients": clients,
        "routing": routing,
        "missed": missed,
    }
    return results, tables, missed


def _commit() -> str:
    """`+` behind it: and what was not committed."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return described.stdout.strip()


def _alone(module: str, *arguments: str) -> dict[str, list[float]]:
    """What a module of this package measures in a process of its own."""
    done = subprocess.run(
        ["taskset", "-c", str(SERVER_CPU), sys.executable, "-m", f"tools.bench.{module}", *arguments],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    found: dict[str, list[float]] = orjson.loads(done.stdout)
    return found


def say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
