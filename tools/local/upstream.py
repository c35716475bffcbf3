"""A demo upstream: OpenAI's wire format from a raw ASGI app; the same request gets the same answer.

    python -m uvicorn tools.local.upstream:app --port 9001

    POST /v1/chat/completions   text, tools, JSON, n, stop, streams
    POST /v1/embeddings         float and base64, `dimensions`, token arrays
    GET  /v1/models[/{id}]      the names listed; every other name is answered as well
    GET  /_demo/requests        the last 100 requests under /v1, oldest first; DELETE forgets them

`/v1` wants `Authorization: Bearer <anything>`. A message that starts with `demo:` scripts the pace and the faults: the
table is at the top of `upstream_script.py`; how tokens are counted stands in `upstream_answers.py`.

An entry of the journal is {method, path, headers (without authorization), body (JSON, text, or null past 256 KiB),
body_bytes, outcome}. The outcome is running, complete, refused (the answer was an error), cut (closed from our side) or
client gone (closed from the other side first).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import chain

from tools.local.upstream_answers import (
    Answer,
    ApiError,
    body_frames,
    chunker,
    completion,
    digest,
    embedding_list,
    failure,
    last_text,
    opening_frames,
    parsed,
    plan,
    request_of,
    usage,
)
from tools.local.upstream_script import PAGE, Json, UnknownDirectiveError, bomb, dump, garble, parse_script

type Receive = Callable[[], Awaitable[Json]]
type Send = Callable[[Json], Awaitable[None]]

MODELS = ("demo-large", "demo-small", "demo-embedding")
BODY_BYTES_MAX = 8 * 2**20
JOURNAL_BODY_BYTES_MAX = 256 * 2**10
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}

journal: deque[Json] = deque(maxlen=100)


class ClientGoneError(Exception):
    """The peer closed first: stop as a real upstream does."""


class CutError(Exception):
    """Return with the response unfinished; uvicorn then closes the connection."""


@dataclass(slots=True)
class Exchange:
    send: Send
    gone: asyncio.Future[Json]
    body: bytes
    entry: Json
    started: bool = False

    async def start(self, status: int, headers: dict[str, str]) -> None:
        headers = {"x-request-id": f"req_demo_{digest(self.body)}"} | headers
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})
        self.started = True

    async def write(self, part: bytes) -> None:
        if self.gone.done():
            raise ClientGoneError
        await self.send({"type": "http.response.body", "body": part, "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b""})

    async def whole(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        await self.start(status, headers | {"content-length": str(len(body))})
        await self.send({"type": "http.response.body", "body": body})

    async def json(self, status: int, answer: Json, headers: dict[str, str] | None = None) -> None:
        await self.whole(status, dump(answer), JSON | (headers or {}))

    async def pause(self, ms: int) -> None:
        if ms:
            await asyncio.wait([self.gone], timeout=ms / 1000)
        if self.gone.done():
            raise ClientGoneError

    async def stall(self) -> None:
        await self.gone
        raise ClientGoneError


async def app(scope: Json, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    body, whole = await read_body(receive)
    entry = note(scope, body)
    exchange = Exchange(send, asyncio.ensure_future(receive()), body, entry)
    try:
        if not whole:
            raise ApiError(413, f"the body is larger than {BODY_BYTES_MAX} bytes")
        await route(scope, exchange)
        entry["outcome"] = "complete"
    except (ApiError, UnknownDirectiveError) as problem:
        error = problem if isinstance(problem, ApiError) else ApiError(400, str(problem), "unknown_directive")
        entry["outcome"] = "refused"
        await exchange.json(error.status, error.body, error.headers)
    except ClientGoneError:
        entry["outcome"] = "client gone"
    except CutError:
        entry["outcome"] = "cut"
    finally:
        exchange.gone.cancel()
    return None


async def lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def read_body(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether that is all of it: reading stops past the limit."""
    body = bytearray()
    more = True
    while more and len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body), len(body) <= BODY_BYTES_MAX


def note(scope: Json, body: bytes) -> Json:
    """The request as `GET /_demo/requests` tells it; `outcome` is filled in when it is over."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    headers.pop("authorization", None)
    kept = parsed(body) if len(body) <= JOURNAL_BODY_BYTES_MAX else None
    told = {"method": scope["method"], "path": scope["path"], "headers": headers, "body": kept}
    entry = told | {"body_bytes": len(body), "outcome": "running"}
    if scope["path"].startswith("/v1/"):
        journal.append(entry)
    return entry


async def route(scope: Json, x: Exchange) -> None:
    match scope["method"], scope["path"]:
        case "GET", "/_demo/requests":
            return await x.json(200, {"requests": list(journal)})
        case "DELETE", "/_demo/requests":
            journal.clear()
            return await x.json(200, {"requests": []})
    authenticate(scope)
    match scope["method"], scope["path"]:
        case "GET", "/v1/models":
            return await x.json(200, {"object": "list", "data": [model(name) for name in MODELS]})
        case "GET", path if path.startswith("/v1/models/") and path.removeprefix("/v1/models/") in MODELS:
            return await x.json(200, model(path.removeprefix("/v1/models/")))
        case "GET", path if path.startswith("/v1/models/"):
            raise ApiError(404, "no such model", "model_not_found")
        case "POST", "/v1/chat/completions":
            return await chat(x)
        case "POST", "/v1/embeddings":
            return await embeddings(x)
    raise ApiError(404, f"unknown URL: {scope['method']} {scope['path']}", "unknown_url")


def authenticate(scope: Json) -> None:
    value = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "no API key was given: Authorization: Bearer KEY", "invalid_api_key")


def model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "infergate-demo"}


async def chat(x: Exchange) -> None:
    request = request_of(x.body, "messages")
    script = parse_script(last_text(request["messages"], "user"))
    await x.pause(script.get("ttft_ms", 0))
    if await misbehave(x, script):
        return
    answer = plan_or_refuse(request, script)
    if request.get("stream"):
        await stream(x, request, answer, script)
    else:
        await respond(x, completion(digest(x.body), request, answer, script), script, len(answer.pieces))


def plan_or_refuse(request: Json, script: Json) -> Answer:
    """A body whose parts have other shapes than they should is a 400, as with a real provider."""
    try:
        answer = plan(request, script)
        usage(request, answer, script)
    except (AttributeError, KeyError, TypeError) as error:
        raise ApiError(400, f"the body cannot be read: {type(error).__name__}", "invalid_type") from None
    return answer


async def misbehave(x: Exchange, script: Json) -> bool:
    """The faults that need no answer; says whether there was one."""
    if "status" in script or "error" in script:
        error = script.get("error", "server_error")
        fault = ApiError(script.get("status", 500), "as the demo script asked", error, error)
        fault.headers = {"retry-after": script["retry_after"]} if "retry_after" in script else {}
        raise fault
    if "html" in script:
        await x.whole(200, PAGE, {"content-type": "text/html"})
    elif "redirect" in script:
        await x.whole(307, b"", {"location": script["redirect"]})
    elif "bomb" in script:
        await x.whole(200, bomb(min(script["bomb"], 256)), JSON | {"content-encoding": "gzip"})
    elif script.get("empty") == "body":
        await x.whole(200, b"", JSON)
    return x.started


async def respond(x: Exchange, answer: Json, script: Json, tokens: int) -> None:
    """An answer in one piece, or what the script makes of it."""
    await x.pause(script.get("delay_ms", 0) * tokens)
    body = dump(failure() if "error_after" in script else answer)
    half = body[: len(body) // 2]
    if "cut_after" not in script and "stall_after" not in script:
        return await x.whole(200, half if "garbage" in script else body, JSON)
    await x.start(200, JSON | {"content-length": str(len(body))})
    await x.write(half)
    if "stall_after" in script:
        await x.stall()
    raise CutError


async def stream(x: Exchange, request: Json, answer: Answer, script: Json) -> None:
    key = digest(x.body)
    chunk = chunker(key, request)
    opening, rest = opening_frames(key, request, answer, chunk), body_frames(request, answer, script, chunk)
    await x.start(200, SSE)
    if "garbage" in script:
        opening, rest = garble(script["garbage"], chain(opening, rest)), iter(())
    for frame in opening:
        await x.write(frame)
    for sent, frame in enumerate(rest):
        if await break_off(x, script, sent):
            break
        await x.pause(script.get("delay_ms", 0) if sent else 0)
        await x.write(frame)
    await x.end()


async def break_off(x: Exchange, script: Json, sent: int) -> bool:
    if sent == script.get("cut_after"):
        raise CutError
    if sent == script.get("stall_after"):
        await x.stall()
    if sent == script.get("error_after"):
        await x.write(b"data: %b\n\n" % dump(failure()))
        return True
    return False


async def embeddings(x: Exchange) -> None:
    request = request_of(x.body, "input")
    inputs = request["input"]
    if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)):
        inputs = [inputs]
    script = parse_script(inputs[0]) if inputs and isinstance(inputs[0], str) else {}
    await x.pause(script.get("ttft_ms", 0))
    if await misbehave(x, script):
        return
    await respond(x, embedding_list(request, inputs, script), script, 1)
