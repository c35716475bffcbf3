"""The client: a closed loop over raw sockets, in a process of its own.

    python -m tools.bench.load     reads one Task a line (JSON) from its input, prints one Outcome a line (JSON)

Connections are opened before the clock starts, and the answers of a short warm-up are not counted: it ends with the line
"warm", and the task goes on once it is told "go". In between, whoever measures reads the server's CPU clock.
"""

import asyncio
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import orjson
import uvloop

WARM_S = 0.15
_STAMP = re.compile(rb'"content":"@(\d+)')
_END = b"0\r\n\r\n"


@dataclass
class Task:
    port: int
    model: str
    key: str
    concurrency: int
    seconds: float
    body_bytes: int = 1000
    tokens: int = 0
    """How many content events a whole answer has; 0: it is one JSON document."""
    usage: bool = False
    requests: int = 0
    """Stop after this many instead of after `seconds`."""


@dataclass
class Outcome:
    requests: int = 0
    errors: list[str] = field(default_factory=list)
    wall_s: float = 0.0
    latency_ms: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    """By the monotonic clock, as are the times in the servers' logs."""
    first_token_ms: list[float] = field(default_factory=list)
    done_ms: list[float] = field(default_factory=list)
    """Until [DONE] had arrived, which is before the stream's end."""
    token_delay_ms: list[float] = field(default_factory=list)
    """From the moment at which the provider sent a token until it was here."""
    late_tokens: int = 0
    """Those that were not here yet when the provider sent the next."""


def request_of(task: Task) -> bytes:
    """A chat of `body_bytes`, in messages of some 1,000 bytes."""
    count = max(1, task.body_bytes // 1000)
    text = "What does a gateway do while nobody asks it anything? It waits, and it is paid for waiting. " * 12
    messages = [{"role": "user" if i % 2 == 0 else "assistant", "content": text[:900]} for i in range(count)]
    body: dict[str, Any] = {"model": task.model, "temperature": 0.7, "messages": messages, "max_tokens": 500}
    if task.tokens:
        body["stream"] = True
    if task.usage:
        body["stream_options"] = {"include_usage": True}
    data = orjson.dumps(body)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{task.port}\r\nauthorization: Bearer {task.key}\r\n"
        f"content-type: application/json\r\nuser-agent: bench\r\naccept: */*\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.busy = False
        self.whole: asyncio.Future[None] | None = None
        self.answer = bytearray()
        self.arrivals: list[tuple[float, float]] = []
        """(sent, arrived) of each token, in monotonic seconds."""
        self.first_token = self.done = 0.0
        self._task: Task | None = None
        self._transport: asyncio.Transport | None = None
        self._need = 0
        self._scanned = 0

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.whole and not self.whole.done():
            self.whole.set_exception(ConnectionError(str(exc or "closed by the server")))

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, task: Task, request: bytes) -> None:
        assert self._transport is not None
        self._task, self._need, self._scanned = task, 0, 0
        self.first_token = self.done = 0.0
        self.answer.clear()
        self.arrivals.clear()
        self.whole = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self.whole

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        answer += data
        if self._task is None or self.whole is None or self.whole.done():
            return
        if self._task.tokens:
            self._scan(time.monotonic())
        if not self._need and (end := answer.find(b"\r\n\r\n")) >= 0:
            _, found, rest = bytes(answer[:end]).lower().partition(b"content-length:")
            self._need = end + 4 + int(rest.partition(b"\r\n")[0]) if found else -1
        if answer.endswith(_END) if self._need == -1 else 0 < self._need <= len(answer):
            self.whole.set_result(None)

    def _scan(self, now: float) -> None:
        for match in _STAMP.finditer(self.answer, self._scanned):
            self.arrivals.append((int(match[1]) / 1e6, now))
            self._scanned = match.end()
            self.first_token = self.first_token or now
        if not self.done and self.answer.find(b"[DONE]", max(0, len(self.answer) - 400)) >= 0:
            self.done = now

    def fault(self) -> str:
        """What is wrong with the answer; "" if nothing is."""
        task, answer = self._task, self.answer
        assert task is not None
        if not answer.startswith(b"HTTP/1.1 200"):
            return bytes(answer[:300]).decode("latin-1")
        if task.tokens:
            wrong = len(self.arrivals) != task.tokens or not self.done or b'"error"' in answer
            return f"a stream of {len(self.arrivals)} tokens: {bytes(answer[-300:])!r}" if wrong else ""
        return "" if b'"completion_tokens":96' in answer else bytes(answer[-300:]).decode("latin-1")


class Client:
    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._port = 0

    async def prepare(self, task: Task) -> None:
        if task.port != self._port:
            for connection in self._connections:
                connection.hang_up()
            self._connections, self._port = [], task.port
        self._connections = [connection for connection in self._connections if connection.open]
        while len(self._connections) < task.concurrency:
            _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", task.port)
            self._connections.append(connection)

    async def run(self, task: Task, seconds: float) -> Outcome:
        outcome, request = Outcome(), request_of(task)
        began = time.monotonic()
        end = began + seconds

        async def loop(connection: Connection) -> None:
            while (outcome.requests < task.requests) if task.requests else (time.monotonic() < end):
                outcome.requests += 1
                started = time.monotonic()
                try:
                    async with asyncio.timeout(20):
                        await connection.ask(task, request)
                except (TimeoutError, OSError) as error:
                    outcome.errors.append(f"{type(error).__name__}: {error}")
                    return
                _note(outcome, connection, started)

        await asyncio.gather(*(loop(connection) for connection in self._connections[: task.concurrency]))
        outcome.wall_s = time.monotonic() - began
        return outcome


def _note(outcome: Outcome, connection: Connection, started: float) -> None:
    ended = time.monotonic()
    if fault := connection.fault():
        outcome.errors.append(fault)
        return
    outcome.latency_ms.append((ended - started) * 1000)
    outcome.started.append(started)
    if connection.arrivals:
        outcome.first_token_ms.append((connection.first_token - started) * 1000)
        outcome.done_ms.append((connection.done - started) * 1000)
    if connection.arrivals and connection.arrivals[0][0]:
        outcome.token_delay_ms += [(arrived - sent) * 1000 for sent, arrived in connection.arrivals]
        following = connection.arrivals[1:]
        outcome.late_tokens += sum(
            arrived > next_sent for (_, arrived), (next_sent, _) in zip(connection.arrivals, following, strict=False)
        )


async def main() -> None:
    client, loop = Client(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = Task(**orjson.loads(line))
        await client.prepare(task)
        if not task.requests:
            await client.run(task, WARM_S)
        print("warm", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        outcome = await client.run(task, task.seconds)
        print(orjson.dumps(asdict(outcome)).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
