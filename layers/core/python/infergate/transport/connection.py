"""One socket and one answer at a time: httptools below, Response above (RFC 9112 §6-§9). Seconds everywhere."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from infergate.transport.errors import (
    BodyTooLarge,
    ConnectionLost,
    FirstByteTimeout,
    NoResponse,
    ProtocolError,
    ReadTimeout,
    TransportError,
)
from infergate.transport.request import Origin

MAX_HEAD = 64 * 1024  # bytes of a response head, its 1xx forerunners included; also of trailers and chunk extensions
MAX_HEADERS = 200
PAUSE_ABOVE = 256 * 1024  # unread body bytes; a read drains them all, so resuming is always "below 64 KiB"
ONE_WRITE = 64 * 1024  # a body up to this size is copied behind its head to leave in one write


class Response:
    """One answer whose head has arrived. `headers` keep the server's order, names in lower case.

    Read it to the end, or call abort(). One reader at a time; a cancelled reader aborts.
    """

    __slots__ = ("_buffer", "_connection", "_ended", "_error", "_origin", "_waiter", "headers", "status")

    def __init__(self, connection: "Connection", origin: Origin) -> None:
        self.status = 0  # until the head is whole
        self.headers: list[tuple[bytes, bytes]] = []
        self._connection: Connection | None = connection  # None once it is pooled, lost or dropped
        self._origin = origin
        self._buffer = bytearray()
        self._ended = False  # the body is whole, though perhaps unread
        self._error: TransportError | None = None  # what ended it instead; told after the bytes before it
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value under this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def read(self, *, limit: int, timeout_s: float) -> bytes:
        """The whole body, at most `limit` bytes, within `timeout_s` from now.

        Raises BodyTooLarge, ReadTimeout, ConnectionLost or ProtocolError, each time dropping the connection (unless the
        body had ended by itself: then the connection is clean and already serves others).
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        body = bytearray()
        try:
            if not self._ended and int(self.header(b"content-length") or 0) > limit:
                raise BodyTooLarge(self._origin)
            while piece := await self.chunk(deadline - clock()):
                body += piece
                if len(body) > limit:
                    raise BodyTooLarge(self._origin)
                if not self._ended and clock() > deadline:
                    raise ReadTimeout(self._origin)
        except TransportError:
            self.abort()
            raise
        return bytes(body)

    async def chunk(self, timeout_s: float) -> bytes:
        """All bytes that have arrived and were not yet read, waiting for some if need be; b"" at the proper end.

        Raises ReadTimeout when nothing came in `timeout_s` (call again, nothing is lost); ConnectionLost when the body
        was cut short (RFC 9112 §8) and ProtocolError when it is malformed, both after the bytes that came before.
        """
        if not (self._buffer or self._ended or self._error):
            await self._wait(timeout_s, ReadTimeout)
        if self._buffer:
            return self._drain()
        if self._error:
            raise self._error
        return b""

    def abort(self) -> None:
        """Drop the connection now. Does nothing once the body has ended."""
        if self._connection is not None:
            self._buffer.clear()
            self._connection.fail(ConnectionLost(self._origin, "aborted"))

    def _drain(self) -> bytes:
        piece = bytes(self._buffer)
        self._buffer.clear()
        if self._connection is not None:
            self._connection.resume()
        return piece

    async def _wait(self, timeout_s: float, late: type[TransportError]) -> None:
        """Until _wake(). A timer and a future, no task: this runs for every chunk of every stream."""
        if self._waiter is not None:
            raise RuntimeError("two readers on one response")
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout_s, self._expire, late)
        try:
            await self._waiter
        except (asyncio.CancelledError, GeneratorExit):
            self.abort()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def _expire(self, late: type[TransportError]) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(late(self._origin))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """A socket and its parser. `_response` is the exchange going on; None means idle or dropped.

    The on_* methods are httptools' callbacks and run inside feed_data; what they raise comes out there.
    """

    def __init__(
        self, origin: Origin, release: "Callable[[Connection], None]", lose: "Callable[[Connection], None]"
    ) -> None:
        self.origin = origin
        self._release = release  # told once an exchange has left this connection fit for the next
        self._lose = lose  # told when it dies idle
        self._transport = cast(asyncio.Transport, None)
        self._parser = HttpResponseParser(self)
        self._response: Response | None = None
        self._head_only = False  # HEAD: no body, whatever the headers announce (RFC 9112 §6.3)
        self._until_close = False  # neither length nor chunks: the body ends with the connection
        self._reusable = False
        self._paused = False
        self._fruitless = 0  # bytes received since the last head or body byte was of use; bounds what the parser hoards
        self.idle_since = self.idle_since_wall = 0.0  # by two clocks; 0 means never pooled

    # the exchange

    async def exchange(self, head: bytes, body: bytes, *, head_only: bool, timeout_s: float) -> Response:
        response = self._response = Response(self, self.origin)
        self._head_only, self._fruitless = head_only, 0
        if len(body) <= ONE_WRITE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        try:
            await response._wait(timeout_s, FirstByteTimeout)
        except FirstByteTimeout:
            response.abort()
            raise
        if response._error and not response.status:
            raise response._error
        return response

    def fail(self, error: TransportError) -> None:
        """End the exchange with `error`, and the connection with it."""
        response, self._response = self._response, None
        if response is not None:
            response._connection, response._error = None, error
            response._wake()
        self.drop()

    def drop(self) -> None:
        self._transport.abort()  # not close(): that would go on sending a request nobody reads

    def usable(self) -> bool:
        return not self._transport.is_closing()

    def resume(self) -> None:
        if self._paused and self.usable():  # uvloop objects to resuming a closed transport
            self._paused = False
            self._transport.resume_reading()

    def _finish(self) -> None:
        """The response has ended: back to the pool, if both sides are done with it (RFC 9112 §9.3)."""
        response, self._response = self._response, None
        if response is not None:
            response._connection = None
        self.resume()
        if self._head_only:  # the parser may still expect a body
            self._parser = HttpResponseParser(self)
        if self._reusable and self.usable() and not self._transport.get_write_buffer_size():
            self._release(self)
        else:
            self.drop()

    def _closed(self, reason: str) -> None:
        response = self._response
        if response is None:
            self._lose(self)
        elif response.status:
            self.fail(ConnectionLost(self.origin, reason))
        else:
            self.fail(NoResponse(self.origin, reason, reused=self.idle_since > 0 and not self._fruitless))

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # asyncio and uvloop both turn TCP_NODELAY on

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nobody asked
            self._lose(self)
            self.drop()
            return
        self._fruitless += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._reusable = False
            if not response._ended:
                self.fail(ProtocolError(self.origin, str(error.__context__ or error)))
                return
        if response._ended:
            self._finish()
        elif self._fruitless > MAX_HEAD:
            self.fail(ProtocolError(self.origin, "endless head, chunk extension or trailer"))
        elif len(response._buffer) > PAUSE_ABOVE and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        response = self._response
        if response is not None and response.status and self._until_close and self._orderly():
            self.on_message_complete()
            self._finish()
        else:
            self._closed("closed by the other side")

    def _orderly(self) -> bool:
        """Over TLS anyone can fake an EOF; only a close_notify ends a body without length (RFC 9112 §9.8)."""
        tls = self._transport.get_extra_info("ssl_object")
        try:
            return tls is None or not tls.read(1)  # b"" after close_notify, SSLWantReadError before
        except ssl.SSLError:
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(str(exc or "connection lost"))

    # what the parser tells

    def on_message_begin(self) -> None:
        if self._response is None or self._response._ended:
            raise ValueError("bytes after the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response is None or response.status:
            return  # a trailer
        if len(response.headers) >= MAX_HEADERS:
            raise ValueError("too many headers")
        response.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        response, parser = self._response, self._parser
        assert response is not None
        status, headers = parser.get_status_code(), response.headers
        if self._fruitless > MAX_HEAD and sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
            raise ValueError("head too large")
        if 100 <= status < 200 and status != 101:  # 101 would answer an Upgrade we never ask for
            headers.clear()
            return
        if status < 200:
            raise ValueError("unexpected status")
        self._frame(parser.get_http_version(), headers)
        response.status = status
        self._fruitless = 0
        response._wake()
        if self._head_only:
            self._reusable = self._reusable and not response.header(b"transfer-encoding")
            response._ended = True

    def _frame(self, version: str, headers: list[tuple[bytes, bytes]]) -> None:
        """Where the body ends (RFC 9112 §6.3) and whether another exchange may follow (§9.3)."""
        if version not in ("1.1", "1.0"):
            raise ValueError("not HTTP/1.x")
        codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
        sized = any(name == b"content-length" for name, _ in headers)
        if codings and (sized or codings != [b"chunked"]):
            raise ValueError("unsupported Transfer-Encoding")
        self._until_close = not (sized or codings)
        self._reusable = version == "1.1" and self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        response = self._response
        if response is None or response._ended or not response.status:
            raise ValueError("body where none belongs")
        self._fruitless = 0
        response._buffer += data
        response._wake()

    def on_message_complete(self) -> None:
        response = self._response
        if response is not None and response.status:  # not so for 1xx
            response._ended = True
            response._wake()
