"""How long a function behind the real adapter takes to say its first byte.

    .venv/bin/python -m tests.lambda_adapter.cold_start [-n ROUNDS] [-e NAME=VALUE]... [-p PATH] -- COMMAND...
    .venv/bin/python -m tests.lambda_adapter.cold_start -- .venv/bin/python -m uvicorn tools.local.gateway:app

The clock starts with the adapter's process and stops at the first byte of the prelude, as our Runtime API gets it: that
is the adapter, its registration, the interpreter, the imports, the readiness check and the first request. `.pyc` files
and the page cache are warm; on Lambda the cache is not, and its CPU is a fraction of one at small memory sizes.
"""

import argparse
import asyncio
import os
import statistics
import time
from dataclasses import dataclass

from tests.lambda_adapter.adapter_process import AdapterProcess
from tests.lambda_adapter.events import rest_event


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds, in milliseconds; CPU (user and system) is that spent until the first byte."""

    cold_ms: float
    app_cpu_ms: float
    adapter_cpu_ms: float
    warm_ms: float

    def __str__(self) -> str:
        cold = f"cold start {self.cold_ms:.0f} ms (CPU: app {self.app_cpu_ms:.0f}, adapter {self.adapter_cpu_ms:.0f})"
        return f"{cold}; warm {self.warm_ms:.2f} ms from event to first byte"


async def figures(command: list[str], env: dict[str, str], path: str, rounds: int = 5) -> Figures:
    return median([await measure(command, env, path) for _ in range(rounds)])


async def measure(command: list[str], env: dict[str, str], path: str, warm_calls: int = 20) -> Figures:
    event = rest_event("GET", path)
    async with AdapterProcess(command, env) as function:
        cold_ms = await function.cold_start_s(event) * 1000
        adapter_ms, app_ms = (cpu_ms(pid) for pid in function.pids)
        warm: list[float] = []
        for _ in range(warm_calls):
            await function.ready()
            asked_at = time.monotonic()
            invocation = await function.invoke(event)
            await invocation.end()
            assert invocation.first_byte_at is not None
            warm.append((invocation.first_byte_at - asked_at) * 1000)
    return Figures(cold_ms, app_ms, adapter_ms, statistics.median(warm))


def median(rounds: list[Figures]) -> Figures:
    def of(name: str) -> float:
        return float(statistics.median(getattr(figures, name) for figures in rounds))

    return Figures(of("cold_ms"), of("app_cpu_ms"), of("adapter_cpu_ms"), of("warm_ms"))


def cpu_ms(pid: int) -> float:
    """What a process has used so far, by Linux's account (in steps of 10 ms); NaN elsewhere."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
    except FileNotFoundError:
        return float("nan")
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lambda_adapter.cold_start")
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-p", "--path", default="/healthz")
    parser.add_argument("command", nargs="+", help="starts the app on the port in PORT and UVICORN_PORT, or on {port}")
    given = parser.parse_args()
    env = dict(pair.split("=", 1) for pair in given.env)
    print(asyncio.run(figures(given.command, env, given.path, given.rounds)))


if __name__ == "__main__":
    main()
