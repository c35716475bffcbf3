"""HTTP by bare ASGI: requests in, answers out. A framework's response object doubles what a streamed token costs.

Specification: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from infergate.chat.relay import frame
from infergate.chat.types import Headers
from infergate.edge.errors import stream_error
from infergate.edge.wire.voices import Speech
from infergate.kernel.errors import BodyTooLarge, InferGateError, InvalidRequest

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Coroutine[Any, Any, None]]

BODY_MAX = 6 << 20
SEND_S_MAX = 30.0
"""A client that reads nothing for this long has gone."""

_JSON = (b"content-type", b"application/json")
_SSE = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
SAFE = ((b"x-content-type-options", b"nosniff"),)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The header's value, None if absent. Raises InvalidRequest where it stands twice."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise InvalidRequest(f"The header {name.decode()} stands {len(values)} times.")
    return values[0] if values else None


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises BodyTooLarge without reading further, InvalidRequest for a compressed body."""
    if header(scope, b"content-encoding") not in (None, b"identity"):
        raise InvalidRequest("Compressed bodies are not taken: send the body as it is.")
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > BODY_MAX:
        raise BodyTooLarge(BODY_MAX)
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("The client left before its body was whole.")
        piece = message.get("body", b"")
        size += len(piece)
        if size > BODY_MAX:
            raise BodyTooLarge(BODY_MAX)
        pieces.append(piece)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class AsgiReply:
    """chat.types.Reply over ASGI. `speech` says the answer in the caller's format; None where that is a chat's."""

    def __init__(self, send: Send, receive: Receive, request_id: str) -> None:
        self._send = send
        self._receive = receive
        self.always: Headers = [(b"x-request-id", request_id.encode()), *SAFE]
        self.speech: Speech | None = None
        self._watch: asyncio.Task[None] | None = None
        self.started = False
        self.gone = False

    async def json(self, status: int, headers: Headers, body: bytes) -> None:
        if self.speech is not None and status == 200:
            body = self.speech.whole(body)
        length = (b"content-length", b"%d" % len(body))
        await self._start(status, [_JSON, length, *self.always, *headers])
        await self._body(body, more=False)

    async def replay(self, content_type: str, body: bytes, original: str) -> None:
        """An answer that was kept, as it was given to the request `original`. What is kept is always a chat's."""
        if self.speech is not None:
            body = self.speech.whole(body) if content_type == "application/json" else self.speech.events(body)
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
        headers += [(b"x-infergate-original-request-id", original.encode()), (b"x-infergate-replayed", b"true")]
        await self._start(200, [*headers, *self.always])
        await self._body(body, more=False)

    async def open_stream(self, headers: Headers) -> None:
        self._watch = asyncio.ensure_future(self._notice_leaving())
        await self._start(200, [*_SSE, *self.always, *headers])

    async def write(self, data: bytes) -> None:
        if self.speech is not None:
            data = self.speech.events(data)
        if data and not self.gone:
            await self._body(data, more=True)

    async def error_event(self, error: InferGateError) -> None:
        await self.write(frame(stream_error(error)) + b"data: [DONE]\n\n")

    async def close(self) -> None:
        if self._watch:
            self._watch.cancel()
        if not self.gone:
            await self._body(b"", more=False)

    async def _start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _body(self, data: bytes, *, more: bool) -> None:
        message: Message = {"type": "http.response.body", "body": data, "more_body": more}
        # Nearly always the socket takes it at once; only where it does not is there something to time.
        sending = asyncio.Task(self._send(message), loop=asyncio.get_running_loop(), eager_start=True)
        if sending.done():
            sending.result()
            return
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await sending
        except TimeoutError:
            self.gone = True

    async def _notice_leaving(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                return
