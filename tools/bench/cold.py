"""From the start of a process to its first answers, with compiled bytecode and a warm page cache; and what it then holds."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.load import Task, request_of
from tools.bench.processes import SERVER_CPU, Server, cpu_s, memory_mib


@dataclass
class Cold:
    """Since the process was started."""

    health_ms: list[float] = field(default_factory=list)
    health_cpu_ms: list[float] = field(default_factory=list)
    chat_ms: list[float] = field(default_factory=list)
    chat_cpu_ms: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)


def measure(makers: dict[str, Callable[[dict[str, str]], Server]], key: str, rounds: int) -> dict[str, Cold]:
    """`makers` get the environment to add."""
    found = {name: Cold() for name in makers}
    with tempfile.TemporaryDirectory(prefix="infergate-bench-") as folder:
        for number in range(rounds + 1):
            for name, make in makers.items():
                # The first round compiles, into a folder of ours, as a package build does; it does not count.
                cold = found[name] if number else Cold()
                _start(make({"PYTHONPYCACHEPREFIX": str(Path(folder) / "pyc")}), key, cold)
    return found


def _start(server: Server, key: str, cold: Cold) -> None:
    body = request_of(Task(0, "bench-json", key, 1, 0)).partition(b"\r\n\r\n")[2]
    began = time.monotonic()
    server.spawn(SERVER_CPU)
    try:
        server.wait("/healthz", every_s=0.001)
        cold.health_ms.append((time.monotonic() - began) * 1000)
        cold.health_cpu_ms.append(cpu_s(server.pid) * 1000)
        status, answer = server.request("POST", "/v1/chat/completions", body, key)
        cold.chat_ms.append((time.monotonic() - began) * 1000)
        cold.chat_cpu_ms.append(cpu_s(server.pid) * 1000)
        cold.rss_mib.append(memory_mib(server.pid)["rss"])
        if status != 200:
            raise RuntimeError(f"the first answer was {status}: {answer[:300]!r}")
    finally:
        server.stop()
