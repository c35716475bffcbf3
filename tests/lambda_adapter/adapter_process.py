"""The web app and the real adapter, side by side as on Lambda, in front of our Runtime API.

    async with AdapterProcess([python, "-m", "uvicorn", "module:app", "--port", "{port}"]) as function:
        invocation = await function.invoke(rest_event("GET", "/v1/models"))

Lambda starts the extension (the adapter), waits until it has registered, then runs the wrapper, which becomes the app.
The adapter asks the app's readiness path every 10 ms and takes its first event when that answers. `{port}` in the
command, and PORT and UVICORN_PORT in the environment, are the port on which the app must listen. Both processes get the
same environment: ours, Lambda's, the template's, then `env`.
"""

import asyncio
import os
import signal
import socket
import tempfile
import time
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any, Self

from tests.lambda_adapter.runtime_api import FUNCTION, Invocation, RuntimeApi
from tools import adapter

ROOT = Path(__file__).parents[2]
TEMPLATE = {"AWS_LWA_INVOKE_MODE": "response_stream", "AWS_LWA_READINESS_CHECK_PATH": "/healthz"}
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": FUNCTION.rpartition(":")[2],
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/gateway",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/24/[$LATEST]0",
}


class AdapterProcess:
    def __init__(self, app_command: list[str], env: dict[str, str] | None = None, *, start_s: float = 30) -> None:
        self.api = RuntimeApi()
        self.port = free_port()
        self.started_at = 0.0  # time.monotonic() just before the adapter's start
        self._command = [word.replace("{port}", str(self.port)) for word in app_command]
        self._env = env or {}
        self._start_s = start_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._said = ""
        self._processes: list[Process] = []

    async def __aenter__(self) -> Self:
        binary = await asyncio.to_thread(adapter.binary)
        await self.api.__aenter__()
        try:
            await self._start(str(binary))
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def invoke(self, event: Any, *, timeout_s: float = 900) -> Invocation:
        return await self.api.invoke(event, timeout_s=timeout_s)

    async def ready(self) -> None:
        """Wait until the adapter asks for its first event: the app has answered the readiness check."""
        await self._or_die(self.api.idle())

    async def cold_start_s(self, event: Any) -> float:
        """From the start of the adapter to the first byte of the answer to `event`, invoked before the app was up."""
        invocation = await self.invoke(event)
        await self._or_die(invocation.prelude())
        assert invocation.first_byte_at is not None
        return invocation.first_byte_at - self.started_at

    @property
    def pids(self) -> list[int]:
        """The adapter's and the app's."""
        return [process.pid for process in self._processes]

    def logs(self) -> str:
        """What the two of them printed, also after the end."""
        if self._log.closed:
            return self._said
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    async def kill_app(self) -> None:
        """The app dies; the adapter lives on."""
        await end(self._processes[1])

    async def stop(self) -> None:
        for process in reversed(self._processes):
            await end(process)
        await self.api.__aexit__()
        self._said = self.logs()
        self._log.close()

    async def _start(self, binary: str) -> None:
        self.started_at = time.monotonic()
        await self._run(binary)
        await self._or_die(self.api.registered.wait())
        await self._run(*self._command)

    async def _run(self, *command: str) -> None:
        ports = dict.fromkeys(("AWS_LWA_PORT", "PORT", "UVICORN_PORT"), str(self.port))
        env = os.environ | LAMBDA | TEMPLATE | ports | {"AWS_LAMBDA_RUNTIME_API": self.api.address} | self._env
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=env, stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._processes.append(process)

    async def _or_die(self, waiting: Any) -> None:
        """Wait, but no longer than a process lives or `start_s`; then what the two of them printed is the error."""
        watched = [asyncio.ensure_future(waiting), *(asyncio.ensure_future(p.wait()) for p in self._processes)]
        try:
            await asyncio.wait(watched, timeout=self._start_s, return_when=asyncio.FIRST_COMPLETED)
            if not watched[0].done():
                raise RuntimeError(f"adapter and app did not come up; they said:\n{self.logs()}")
            watched[0].result()
        finally:
            for task in watched:
                task.cancel()


async def end(process: Process) -> None:
    """Kill a process and what it started."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
