"""A raw ASGI app that waits where a test wants it to: `GET /_poke` lets it take one step further.

/healthz   200
/echo      what the app received: method, path, query, headers, length and digest of the body
/sse       a chunk after each poke, three in all
/length    JSON with a content-length: all bytes at once, then a poke, work, and only then `more_body=False`
/chunked   the same without a content-length
/nearly    the same with a content-length, but the last byte waits for the poke too
/after     all of it in chunks, and only then the poke and the work
/status    the status in the query; /headers: repeated headers and cookies
/crash     the app breaks off after one chunk and a poke
/_state    of these, the paths whose work is done
"""

import asyncio
import hashlib
import json
from typing import Any

pokes: asyncio.Queue[None] = asyncio.Queue()
done: list[str] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    body = await read(receive)
    match scope["path"]:
        case "/healthz":
            await answer(send, b"ok")
        case "/_poke":
            pokes.put_nowait(None)
            await answer(send, b"")
        case "/_state":
            await answer(send, json.dumps(done).encode())
        case "/sse":
            await sse(send)
        case "/length" | "/chunked" | "/nearly" | "/after":
            await work_after_the_last_byte(scope["path"], send)
        case "/status":
            await answer(send, b'{"error":{}}', status=int(scope["query_string"].rpartition(b"=")[2]))
        case "/headers":
            repeated = [(b"x-twice", b"1"), (b"x-twice", b"2"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
            await answer(send, b"", repeated)
        case "/crash":
            await start(send, [(b"content-type", b"text/event-stream")])
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await pokes.get()
        case _:
            await answer(send, json.dumps(echo(scope, body)).encode())
    return None


async def lifespan(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def read(receive: Any) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def echo(scope: Any, body: bytes) -> Any:
    return {
        "method": scope["method"],
        "raw_path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


async def start(send: Any, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def answer(send: Any, body: bytes, headers: list[tuple[bytes, bytes]] | None = None, status: int = 200) -> None:
    length = (b"content-length", str(len(body)).encode())
    await start(send, [(b"content-type", b"application/json"), length, *(headers or [])], status)
    await send({"type": "http.response.body", "body": body})


async def sse(send: Any) -> None:
    await start(send, [(b"content-type", b"text/event-stream"), (b"x-request-id", b"req_1")])
    for number in range(3):
        await pokes.get()
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
    await pokes.get()
    await send({"type": "http.response.body", "body": b""})


async def work_after_the_last_byte(path: str, send: Any) -> None:
    body = b'{"ok":true}'
    length = [(b"content-length", str(len(body)).encode())] if path in ("/length", "/nearly") else []
    held_back = b"}" if path == "/nearly" else b""
    await start(send, [(b"content-type", b"application/json"), *length])
    await send({"type": "http.response.body", "body": body.removesuffix(held_back), "more_body": path != "/after"})
    await pokes.get()
    done.append(path)
    if path != "/after":
        await send({"type": "http.response.body", "body": held_back})
