"""The processes of a run: started, placed on a CPU, read by Linux's account of them, and ended by whom they were started.

The measured server has one CPU for itself and everything around it another, where there are two.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import orjson

from tools.bench.load import Outcome, Task
from tools.local.aws import free_port
from tools.local.template import ROOT

HOST = "127.0.0.1"
START_S = 20.0
_CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, OTHER_CPU = _CPUS[0], _CPUS[-1]
_SAME_EVERYWHERE = {
    "PYTHONDONTWRITEBYTECODE": "",  # cold starts are of compiled code, whatever the shell that runs this says
    "PYTHONUNBUFFERED": "1",  # a log line costs its system call
}


class Server:
    """A server process of ours on a free port."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """`module` with PORT in its arguments, where the port belongs."""
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._command = [sys.executable, "-m", module, *(a.replace("PORT", str(self.port)) for a in arguments)]
        self._environment = {**os.environ, **_SAME_EVERYWHERE, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def spawn(self, cpu: int) -> None:
        """Without waiting until it answers."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        os.sched_setaffinity(self._process.pid, {cpu})

    @contextlib.contextmanager
    def running(self, cpu: int, path: str = "/healthz") -> Iterator["Server"]:
        self.spawn(cpu)
        try:
            self.wait(path)
            yield self
        finally:
            self.stop()

    def wait(self, path: str, every_s: float = 0.02) -> None:
        """Until it answers at all. Raises RuntimeError."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                self.request("GET", path)
                return
            except OSError:
                time.sleep(every_s)
        raise RuntimeError(f"did not start: {' '.join(self._command)}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def request(self, method: str, path: str, body: bytes = b"", key: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"} if key else {}
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log(self) -> list[tuple[float, str]]:
        """Of a Wire server: what reached it since the last time."""
        entries: list[tuple[float, str]] = orjson.loads(self.request("GET", "/log")[1])
        return entries


def uvicorn(app: str, environment: Mapping[str, str], *, loop: str = "uvloop", parser: str = "httptools") -> Server:
    return Server(
        "uvicorn", app, "--host", HOST, "--port", "PORT", "--loop", loop, "--http", parser,
        "--no-access-log", "--log-level", "warning", environment=environment,
    )  # fmt: skip


class LoadClient:
    """tools.bench.load at work."""

    def __enter__(self) -> "LoadClient":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        os.sched_setaffinity(self._process.pid, {OTHER_CPU})
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def run(self, task: Task, pid: int | None = None) -> tuple[Outcome, float]:
        """What came of it, and the CPU seconds that the process tree of `pid` used meanwhile."""
        self._tell(orjson.dumps(asdict(task)))
        self._hear()
        before = cpu_s(pid) if pid else 0.0
        self._tell(b"go")
        outcome = Outcome(**orjson.loads(self._hear()))
        return outcome, (cpu_s(pid) - before) if pid else 0.0

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _hear(self) -> bytes:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load client ended")
        return line


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and its children so far, to the nanosecond: its own CPU clock.

    The number of a process's clock is made from its id: clock_getcpuclockid(3).
    """
    total = time.clock_gettime((~pid << 3) | 2)
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += sum(cpu_s(int(child)) for child in (task / "children").read_text().split())
    return total


def memory_mib(pid: int) -> dict[str, float]:
    """{"rss": …, "peak": …}"""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(lines[field].split()[0]) / 1024 for name, field in (("rss", "VmRSS"), ("peak", "VmHWM"))}
