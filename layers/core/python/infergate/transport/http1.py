"""An HTTP/1.1 client that does one thing: send a request, hand back the response as it comes (RFC 9112).

HttpClient keeps idle connections; connection.py runs one exchange at a time; request.py makes heads; errors.py draws
the errors. Nothing here retries, redirects, decompresses or spawns a task. Seconds everywhere.
"""

import asyncio
import ssl  # asyncio has loaded it already; the costly part, building a context, waits for the first https origin
import time
from collections import deque
from collections.abc import Callable, Sequence

from infergate.transport.connection import Connection, Response
from infergate.transport.errors import (
    BodyTooLarge,
    ConnectFailed,
    ConnectionLost,
    FirstByteTimeout,
    NoResponse,
    ProtocolError,
    ReadTimeout,
    TransportError,
)
from infergate.transport.request import Origin, encode_head, parse_url

__all__ = [
    "BodyTooLarge",
    "ConnectFailed",
    "ConnectionLost",
    "FirstByteTimeout",
    "HttpClient",
    "NoResponse",
    "Origin",
    "ProtocolError",
    "ReadTimeout",
    "Response",
    "TransportError",
    "parse_url",
]


class HttpClient:
    """Connections to many origins, for one event loop. `idle_s` is how long one may lie unused and still be trusted."""

    def __init__(
        self,
        *,
        connect_timeout_s: float = 5.0,
        idle_s: float = 20.0,
        max_idle_per_origin: int = 256,
        ssl_context: ssl.SSLContext | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._max_idle = max_idle_per_origin
        self._ssl_context = ssl_context
        self._wall_clock = wall_clock
        self._idle: dict[Origin, deque[Connection]] = {}  # the most recently used at the right
        self._open = True

    async def send(
        self,
        origin: Origin,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
        *,
        first_byte_timeout_s: float,
    ) -> Response:
        """Send one request and return once the head of its response is whole, at most `first_byte_timeout_s` later.

        Host, content-length and `accept-encoding: identity` are added here. Raises ValueError, before anything is sent,
        for a head that could be read as more than one; ConnectFailed, NoResponse, FirstByteTimeout, ProtocolError.
        """
        head = encode_head(origin, method, target, headers, len(body))
        connection = self._take(origin) or await self._dial(origin)
        return await connection.exchange(head, body, head_only=method == "HEAD", timeout_s=first_byte_timeout_s)

    async def warm(self, origin: Origin) -> None:
        """Open one idle connection in advance. Raises ConnectFailed."""
        self._put(await self._dial(origin))

    async def close(self) -> None:
        """Close what is idle; exchanges under way may finish, and their connections then close too."""
        self._open = False
        for idle in self._idle.values():
            for connection in idle:
                connection.drop()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the loop hang up

    async def _dial(self, origin: Origin) -> Connection:
        if not self._open:
            raise RuntimeError("the client is closed")
        loop, secure = asyncio.get_running_loop(), origin.scheme == "https"
        connection = Connection(origin, self._put, self._forget)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await loop.create_connection(
                    lambda: connection, origin.host, origin.port, ssl=self._tls() if secure else None
                )
        except (
            OSError,
            UnicodeError,
        ) as error:  # TLS and timeout errors are OSErrors; a bad host name is a UnicodeError
            raise ConnectFailed(origin, str(error) or type(error).__name__) from error
        if not connection.usable():  # hung up, or spoke unasked, before we got here
            raise ConnectFailed(origin, "closed at once")
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable() and not self._stale(connection):
                return connection
            connection.drop()
        return None

    def _put(self, connection: Connection) -> None:
        idle = self._idle.setdefault(connection.origin, deque())
        connection.idle_since, connection.idle_since_wall = time.monotonic(), self._wall_clock()
        idle.append(connection)
        while idle and (not self._open or len(idle) > self._max_idle or self._stale(idle[0])):
            idle.popleft().drop()

    def _stale(self, connection: Connection) -> bool:
        """By whichever clock ran further: a frozen Lambda's monotonic clock may stand still while servers hang up."""
        age_s = max(time.monotonic() - connection.idle_since, self._wall_clock() - connection.idle_since_wall)
        return age_s > self._idle_s

    def _forget(self, connection: Connection) -> None:
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)
