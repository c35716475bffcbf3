"""HTTP/1.1 for the servers that stand around the measured one: keep-alive, Content-Length, no checks, next to no cost.

Both of them also answer `GET /log`: what reached them since the last time, as [monotonic seconds, what] pairs.
"""

import asyncio
import collections
import time
from collections.abc import Callable
from typing import cast

import orjson
import uvloop

type Answer = Callable[[bytes, bytes, asyncio.Transport], None]
"""(head in lower case, body, where to write) -> nothing; it writes now or later."""

LOG_MAX = 20_000


class Log:
    """The latest arrivals."""

    def __init__(self) -> None:
        self._entries: collections.deque[tuple[float, str]] = collections.deque(maxlen=LOG_MAX)

    def note(self, what: str) -> None:
        self._entries.append((time.monotonic(), what))

    def take(self) -> bytes:
        entries = list(self._entries)
        self._entries.clear()
        return orjson.dumps(entries)


class Wire(asyncio.Protocol):
    """One connection. Requests are answered in order as long as `answer` writes at once or the client sends one at a time."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = bytes(received[:end]).lower()
            _, found, rest = head.partition(b"content-length:")
            whole = end + 4 + (int(rest.partition(b"\r\n")[0]) if found else 0)
            if len(received) < whole:
                return
            body = bytes(received[end + 4 : whole])
            del received[:whole]
            assert self._transport is not None
            self._answer(head, body, self._transport)


def answer_of(status: str, body: bytes, content_type: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def serve(answer: Answer, port: int) -> None:
    """Until this process is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Wire(answer), "127.0.0.1", port, backlog=512)
        await server.serve_forever()

    uvloop.run(run())
