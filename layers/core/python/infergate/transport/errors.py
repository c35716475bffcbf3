"""Every error the transport raises on purpose. A retry is the caller's decision; these say what it needs to know.

TransportError         `origin`, `reason`; the underlying error, if any, is `__cause__`
├── ConnectFailed      nothing was sent: name lookup, refusal, TLS, or connecting took too long
├── NoResponse         the request was or may have been sent and the connection died before a whole response head;
│                      `reused`: it came from the pool and died without a single byte of an answer (idled out, likely)
├── FirstByteTimeout   sent, and no whole response head in time
├── ReadTimeout        the body did not arrive in time
├── ConnectionLost     the body is cut short (or was aborted by ourselves)
├── BodyTooLarge       more body than the caller wanted
└── ProtocolError      the other side does not speak HTTP/1.x, or speaks too much of it
"""

from infergate.transport.request import Origin


class TransportError(Exception):
    def __init__(self, origin: Origin, reason: str = "") -> None:
        super().__init__(origin, reason)
        self.origin = origin
        self.reason = reason


class ConnectFailed(TransportError): ...


class NoResponse(TransportError):
    def __init__(self, origin: Origin, reason: str = "", *, reused: bool = False) -> None:
        super().__init__(origin, reason)
        self.reused = reused


class FirstByteTimeout(TransportError): ...


class ReadTimeout(TransportError): ...


class ConnectionLost(TransportError): ...


class BodyTooLarge(TransportError): ...


class ProtocolError(TransportError): ...
