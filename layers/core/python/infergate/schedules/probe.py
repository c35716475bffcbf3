"""Sending a provider's probe: one GET, of which only the status is wanted."""

from infergate.providers.types import Call
from infergate.transport.http1 import FirstByteTimeout, HttpClient, TransportError, parse_url

TIMEOUT_S = 8.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


async def send_probe(base_url: str, call: Call, timeout_s: float = TIMEOUT_S) -> int:
    """The status of the answer; 0 where there was none, 504 where it did not come in time. A redirect is not followed.

    Raises ValueError for a URL over which a key may not go: anything but https, except on this machine.
    """
    origin, base = parse_url(base_url)
    if origin.scheme != "https" and origin.host not in _LOOPBACK:
        raise ValueError("a provider is reached by https")
    client = HttpClient(connect_timeout_s=timeout_s)
    try:
        answer = await client.send(
            origin, "GET", base.rstrip("/") + call.path, call.headers, first_byte_timeout_s=timeout_s
        )
        answer.abort()
        return answer.status
    except FirstByteTimeout:
        return 504
    except TransportError:
        return 0
    finally:
        await client.close()
