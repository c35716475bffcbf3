"""Lambda's Runtime and Extensions API for one function: an HTTP server that hands out events and takes the answers.

    async with RuntimeApi() as api:            # start the function with AWS_LAMBDA_RUNTIME_API=api.address
        invocation = await api.invoke(event)   # returns at once; the function takes it when it asks for the next
        head = await invocation.prelude()      # {"statusCode", "headers", "cookies"}
        async for chunk in invocation: ...     # each as it arrives, without the prelude
        await api.idle()                       # the function asks for the next event: here Lambda would freeze it

Paths: GET /2018-06-01/runtime/invocation/next, POST .../invocation/{id}/response and /error, POST .../init/error,
POST /2020-01-01/extension/register, GET .../extension/event/next (held until the end: no event is ever sent).
Every wait gives up after PATIENCE_S with a TimeoutError, so that a test never hangs.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:gateway"
INVOCATION = "/2018-06-01/runtime/invocation/"
DELIMITER = bytes(8)
PATIENCE_S = 60

type Headers = dict[str, str]


class FunctionFailedError(Exception):
    """The function reported an error, or its answer broke off."""


@dataclass(frozen=True, slots=True)
class Chunk:
    data: bytes
    at: float  # time.monotonic()


@dataclass(slots=True)
class Invocation:
    id: str
    event: Any
    deadline_ms: int
    headers: Headers = field(default_factory=dict)  # of the POST that brings the answer
    trailers: Headers = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)  # of the body
    head: bytes = b""  # the prelude as JSON, once `has_prelude`
    has_prelude: bool = False
    failure: Any = None
    first_byte_at: float | None = None
    ended_at: float | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def prelude(self) -> dict[str, Any]:
        """Status, headers and cookies, as soon as they are there."""
        await self.until(lambda: self.has_prelude)
        head: dict[str, Any] = json.loads(self.head)
        return head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises FunctionFailedError if it breaks off."""
        seen = 0
        while await self.has_more_than(seen):
            yield self.chunks[seen].data
            seen += 1

    async def has_more_than(self, chunks: int) -> bool:
        """Whether there is another chunk, as soon as that is known."""
        return await self.until(lambda: len(self.chunks) > chunks, or_end=True)

    async def body(self) -> bytes:
        """All of it, when the answer has ended."""
        await self.end()
        return b"".join(chunk.data for chunk in self.chunks)

    async def end(self) -> None:
        """Wait for the last byte of the answer, whatever it was."""
        await self.until(lambda: self.ended_at is not None)
        self.check()

    async def until(self, true: Callable[[], bool], *, or_end: bool = False) -> bool:
        """Wait for `true()`; at the end of the answer it can no longer come: False, or an error."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: true() or self.ended_at is not None)
        if true():
            return True
        self.check()
        if not or_end:
            raise FunctionFailedError(f"the answer ended with {self.head[:500]!r}")
        return False

    def check(self) -> None:
        if self.failure is not None:
            raise FunctionFailedError(self.failure)

    async def take(self, data: bytes) -> None:
        """One HTTP chunk from the function."""
        now = time.monotonic()
        async with self.changed:
            self.first_byte_at = self.first_byte_at or now
            if not self.has_prelude:
                self.head, delimiter, data = (self.head + data).partition(DELIMITER)
                self.has_prelude = bool(delimiter)
            if data:
                self.chunks.append(Chunk(data, now))
            self.changed.notify_all()

    async def finish(self, failure: Any = None) -> None:
        async with self.changed:
            self.failure = failure
            self.ended_at = time.monotonic()
            self.changed.notify_all()


class RuntimeApi:
    def __init__(self) -> None:
        self.address = ""
        self.registered = asyncio.Event()  # the adapter, as an extension
        self.init_error: Any = None
        self._events: asyncio.Queue[Invocation] = asyncio.Queue()
        self._running: dict[str, Invocation] = {}
        self._asking = 0
        self._asked = asyncio.Condition()
        self._count = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._server.abort_clients()
        await self._server.wait_closed()

    async def invoke(self, event: Any, *, timeout_s: float = 900) -> Invocation:
        self._count += 1
        deadline_ms = int((time.time() + timeout_s) * 1000)
        invocation = Invocation(f"00000000-0000-4000-8000-{self._count:012}", event, deadline_ms)
        self._running[invocation.id] = invocation
        await self._events.put(invocation)
        return invocation

    async def idle(self) -> None:
        """Wait until the function asks for an event and none is on its way."""
        async with asyncio.timeout(PATIENCE_S), self._asked:
            await self._asked.wait_for(lambda: self.asking)

    @property
    def asking(self) -> bool:
        return self._asking > 0 and not self._running

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await read_head(reader):
                await self._answer(*head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, method: str, path: str, headers: Headers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if (method, path) == ("GET", INVOCATION + "next"):
            return await self._next(reader, writer)
        if (method, path) == ("GET", "/2020-01-01/extension/event/next"):
            await reader.read(1)
            return None
        if method == "POST" and path.startswith(INVOCATION) and path.endswith("/response"):
            await self._take_answer(self._running[path.split("/")[-2]], headers, reader)
            return await reply(writer, 202, b'{"status":"OK"}')
        body = b"".join([part async for part in read_body(reader, headers, {})])
        if (method, path) == ("POST", "/2020-01-01/extension/register"):
            self.registered.set()
            return await reply(writer, 200, b'{"functionName":"gateway"}', {"Lambda-Extension-Identifier": "adapter-1"})
        if method == "POST" and path.startswith(INVOCATION) and path.endswith("/error"):
            await self._running.pop(path.split("/")[-2]).finish(json.loads(body))
            return await reply(writer, 202, b'{"status":"OK"}')
        if (method, path) == ("POST", "/2018-06-01/runtime/init/error"):
            self.init_error = json.loads(body)
            return await reply(writer, 202, b'{"status":"OK"}')
        return await reply(writer, 404, b"{}")

    async def _next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold the request until there is an event; one that is given up by the function takes none."""
        event, gone = asyncio.ensure_future(self._events.get()), asyncio.ensure_future(reader.read(1))
        await self._ask(+1)
        await asyncio.wait({event, gone}, return_when=asyncio.FIRST_COMPLETED)
        await self._ask(-1)
        if not event.done():
            event.cancel()
            return
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        invocation = event.result()
        about = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
        }
        await reply(writer, 200, json.dumps(invocation.event).encode(), about)

    async def _ask(self, change: int) -> None:
        async with self._asked:
            self._asking += change
            self._asked.notify_all()

    async def _take_answer(self, invocation: Invocation, headers: Headers, reader: asyncio.StreamReader) -> None:
        invocation.headers = headers
        try:
            async for part in read_body(reader, headers, invocation.trailers):
                await invocation.take(part)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            await invocation.finish(f"the connection broke in mid-answer: {error}")
            raise
        else:
            await invocation.finish()
        finally:
            del self._running[invocation.id]


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, Headers] | None:
    """Method, path and headers of the next request; None when there is no more."""
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split(" ")
    return method, path, await read_headers(reader)


async def read_headers(reader: asyncio.StreamReader) -> Headers:
    headers: Headers = {}
    while line := (await reader.readuntil(b"\r\n")).rstrip():
        name, _, value = line.decode("latin-1").partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return headers


async def read_body(reader: asyncio.StreamReader, headers: Headers, trailers: Headers) -> AsyncIterator[bytes]:
    """The body, one HTTP chunk at a time; what follows the last one goes into `trailers`."""
    if headers.get("transfer-encoding") != "chunked":
        yield await reader.readexactly(int(headers.get("content-length", 0)))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    trailers |= await read_headers(reader)


async def reply(writer: asyncio.StreamWriter, status: int, body: bytes, headers: Headers | None = None) -> None:
    about = {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in about.items())
    writer.write(f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + body)
    await writer.drain()
