"""What the gateway is compared with: applications that only pass on, and one written the usual way.

ours      raw ASGI and our HTTP client: no key, no credit, no limits
aiohttp   the same over aiohttp
naive     httpx, and boto3 in threads for one conditional write before the answer and one after it

    uvicorn tools.bench.passthrough:app     with BENCH_CLIENT=ours|aiohttp|naive and BENCH_UPSTREAM=http://127.0.0.1:…
"""

# ruff: noqa: PLC0415  each application imports its own client only: the others are not its memory nor its start

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from infergate.edge.asgi import Message, Receive, Scope, Send, read_body

if TYPE_CHECKING:
    import aiohttp

UPSTREAM = os.environ.get("BENCH_UPSTREAM", "")
PATH = "/v1/chat/completions"

type Answered = tuple[int, str, AsyncIterator[bytes]]
type Post = Callable[[bytes], AbstractAsyncContextManager[Answered]]


def through_ours() -> Post:
    from infergate.transport.http1 import HttpClient, parse_url

    http, (origin, _) = HttpClient(), parse_url(UPSTREAM)
    headers = [("content-type", "application/json"), ("authorization", "Bearer bench")]

    @asynccontextmanager
    async def post(body: bytes) -> AsyncIterator[Answered]:
        response = await http.send(origin, "POST", PATH, headers, body, first_byte_timeout_s=60)

        async def pieces() -> AsyncIterator[bytes]:
            while piece := await response.chunk(30):
                yield piece

        yield response.status, (response.header(b"content-type") or b"").decode(), pieces()

    return post


def through_aiohttp() -> Post:
    import aiohttp

    sessions: list[aiohttp.ClientSession] = []

    def session() -> "aiohttp.ClientSession":
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        return sessions[0]

    headers = {"content-type": "application/json", "authorization": "Bearer bench"}

    @asynccontextmanager
    async def post(body: bytes) -> AsyncIterator[Answered]:
        async with session().post(UPSTREAM + PATH, data=body, headers=headers) as response:
            yield response.status, response.headers["content-type"], response.content.iter_any()

    return post


def through_httpx() -> Post:
    import boto3
    import httpx
    from botocore.config import Config

    http = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None, max_keepalive_connections=256))
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
    client = boto3.client("dynamodb", endpoint_url=os.environ["BENCH_AWS"], config=config)
    key = {"pk": {"S": "ACCOUNT#bench"}, "sk": {"S": "WALLET"}}

    def book(update: str, amount: int) -> None:
        client.update_item(
            TableName=os.environ["ACCOUNTS_TABLE"],
            Key=key,
            UpdateExpression=update,
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":amount": {"N": str(amount)}},
            ReturnValues="UPDATED_NEW",
        )

    @asynccontextmanager
    async def post(body: bytes) -> AsyncIterator[Answered]:
        await asyncio.to_thread(book, "SET available = available - :amount", 1000)
        headers = {"content-type": "application/json", "authorization": "Bearer bench"}
        async with http.stream("POST", UPSTREAM + PATH, content=body, headers=headers) as response:
            yield response.status_code, response.headers["content-type"], response.aiter_bytes()
        await asyncio.to_thread(book, "SET available = available + :amount", 500)

    return post


class PassThrough:
    def __init__(self, post: Post) -> None:
        self._post = post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/healthz":
            await _reply(send, 200, b"application/json", b"{}")
            return
        async with self._post(await read_body(scope, receive)) as (status, content_type, pieces):
            if not content_type.startswith("text/event-stream"):
                body = b"".join([piece async for piece in pieces])
                await _reply(send, status, content_type.encode(), body)
                return
            await send({"type": "http.response.start", "status": status, "headers": [_type(content_type.encode())]})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _reply(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [_type(content_type), (b"content-length", b"%d" % len(body))]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _type(value: bytes) -> tuple[bytes, bytes]:
    return b"content-type", value


_CLIENTS: dict[str, Callable[[], Post]] = {"ours": through_ours, "aiohttp": through_aiohttp, "naive": through_httpx}


def __getattr__(name: str) -> Any:
    """`app`, made when uvicorn asks for it."""
    if name != "app":
        raise AttributeError(name)
    return PassThrough(_CLIENTS[os.environ["BENCH_CLIENT"]]())
