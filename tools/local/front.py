"""One port for the whole product on a laptop: /v1 is the gateway, in this process; the rest goes to the emulated API Gateway.

`uvicorn tools.local.front:app`, with BUFFERED_API_URL beside the gateway's environment.
"""

import os
from collections.abc import MutableMapping
from typing import Any

import httpx
from infergate.edge.asgi import Receive, Send, read_body
from infergate.edge.errors import wire_error
from infergate.kernel.errors import InferGateError

from tools.local.wiring import local_gateway

PROXIED = ("/api/", "/webhooks/")
_NOT_PASSED = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding", b"keep-alive"})

gateway = local_gateway()
buffered = httpx.AsyncClient(base_url=os.environ["BUFFERED_API_URL"], timeout=60)


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"].startswith(PROXIED):
        await _pass_on(scope, receive, send)
    else:
        await gateway(scope, receive, send)


async def _pass_on(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    try:
        body = await read_body(scope, receive)
    except InferGateError as error:
        wire = wire_error(error)
        await _reply(send, wire.status, [(b"content-type", b"application/json")], wire.body())
        return
    query = scope["query_string"].decode()
    answer = await buffered.request(
        scope["method"],
        buffered.base_url.copy_with(raw_path=_raw_path(scope["path"], query)),
        headers=[(k, v) for k, v in scope["headers"] if k not in _NOT_PASSED],
        content=body,
    )
    headers = [(k.lower(), v) for k, v in answer.headers.raw if k.lower() not in _NOT_PASSED]
    await _reply(send, answer.status_code, headers, answer.content)


def _raw_path(path: str, query: str) -> bytes:
    base = buffered.base_url.raw_path.rstrip(b"/")
    return base + path.encode() + (b"?" + query.encode() if query else b"")


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    kept = [(k, v) for k, v in headers if k != b"content-encoding"]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
