"""The inference API: which path means what. Walk from here into chat/complete.py; other wire formats live in edge/wire/."""

import orjson

from infergate.accounts.keys import ApiKey
from infergate.chat.attempts import OURS
from infergate.chat.authenticate import authenticate, fresh
from infergate.chat.complete import complete
from infergate.chat.idempotency import Claim, RecordingReply
from infergate.chat.relay import frame
from infergate.chat.types import House, InferenceRequest
from infergate.edge.asgi import AsgiReply, Receive, Scope, Send, header, read_body
from infergate.edge.chat_request import Parser, parse_chat, parse_embeddings
from infergate.edge.errors import wire_error
from infergate.edge.estimates import Count, counted_tokens, estimated
from infergate.edge.presented import for_anthropic, presented_key
from infergate.edge.reads import reader_of
from infergate.edge.wire.completions import parse_completions
from infergate.edge.wire.messages_answer import anthropic_error
from infergate.edge.wire.messages_request import parse_messages
from infergate.edge.wire.responses_request import parse_responses
from infergate.edge.wire.voices import Speech, voice_of
from infergate.kernel.errors import (
    InferGateError,
    MethodNotAllowed,
    Refused,
    UpstreamFailed,
)
from infergate.kernel.ids import new_id

POSTS: dict[str, Parser] = {
    "/v1/chat/completions": parse_chat,
    "/v1/completions": parse_completions,
    "/v1/embeddings": parse_embeddings,
    "/v1/messages": parse_messages,
    "/v1/responses": parse_responses,
}
COUNTS: dict[str, Count] = {"/v1/estimate": estimated, "/v1/messages/count_tokens": counted_tokens}
"""Asked like a request, and free: nothing is held, no provider is asked."""


class Gateway:
    """The ASGI application of /v1."""

    def __init__(self, house: House, *, behind_adapter: bool = False) -> None:
        self._house = house
        self._behind_adapter = behind_adapter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        request_id = new_id("req", self._house.clock(), self._house.entropy)
        reply = AsgiReply(send, receive, request_id)
        if for_anthropic(scope["path"]):
            reply.always.append((b"request-id", request_id.encode()))
        try:
            await self._answer(scope, receive, reply, request_id)
        except InferGateError as error:
            await self._refuse(reply, error, request_id, scope["path"])
        except Exception as error:
            # The type alone: a message may quote what the caller sent.
            self._house.log({"event": "bug", "request_id": request_id, "error": type(error).__name__, "alarm": True})
            await self._refuse(reply, error, request_id, scope["path"])

    async def _answer(self, scope: Scope, receive: Receive, reply: AsgiReply, request_id: str) -> None:
        method, path = scope["method"], scope["path"]
        parser = POSTS.get(path)
        if parser is not None:
            if method != "POST":
                raise MethodNotAllowed("POST")
            # The key first: an unknown caller's body is not worth parsing.
            key = await self._house.keys.find(presented_key(scope))
            body = await read_body(scope, receive)
            request = parser(body, request_id)
            voice = voice_of(request)
            reply.speech = Speech(voice) if voice is not None else None
            request.deadline = self._deadline(scope)
            idempotency_key = header(scope, b"idempotency-key")
            if idempotency_key is None:
                await complete(self._house, key, request, reply)
            else:
                await self._once(key, request, reply, idempotency_key.decode("latin-1"), body)
            return
        if (counting := COUNTS.get(path)) is not None:
            if method != "POST":
                raise MethodNotAllowed("POST")
            key, wallet = await authenticate(self._house, presented_key(scope))
            counted = await counting(self._house, key, wallet, await read_body(scope, receive), request_id)
            await reply.json(200, [], orjson.dumps(counted))
            return
        if path == "/healthz":
            _only_read(method)
            await reply.json(200, [], b'{"status":"ok"}')
            return
        handler, rest = reader_of(path)
        _only_read(method)
        await reply.json(200, [], orjson.dumps(await handler(self._house, presented_key(scope), rest)))

    async def _once(
        self, key: ApiKey, request: InferenceRequest, reply: AsgiReply, idempotency_key: str, body: bytes
    ) -> None:
        house = self._house
        # Every format has keys of its own, although all but one of them run as a chat.
        kind = request.endpoint if request.wire == "chat" else request.wire
        claim = Claim(house, house.counters_table, key.account, kind, idempotency_key, body)
        # A key that was revoked must not read what it once asked for: nothing of this passes through a reserve.
        key, _wallet = await fresh(house, key)
        kept = await claim.take(request.request_id)
        if kept is not None:
            await reply.replay(kept.content_type, kept.body.encode(), kept.request_id)
            return
        recording = RecordingReply(reply) if key.keep_answers else None
        try:
            await complete(house, key, request, recording or reply)
        except Refused:
            await claim.give_up(request.request_id)
            raise
        if recording is not None and recording.body is not None:
            await claim.keep(request.request_id, recording.content_type, recording.body)

    async def _refuse(self, reply: AsgiReply, error: Exception, request_id: str, path: str) -> None:
        wire = wire_error(error)
        if isinstance(error, UpstreamFailed) and error.status in OURS:
            self._house.log(
                {"event": "channel_refused_us", "request_id": request_id, "route": error.route, "alarm": True}
            )
        if reply.started:
            await reply.write(frame(wire.body()))
            await reply.close()
            return
        body = wire.body()
        if for_anthropic(path):
            body = orjson.dumps(anthropic_error(wire.status, wire.object()["error"], request_id))
        await reply.json(wire.status, list(wire.headers), body)

    def _deadline(self, scope: Scope) -> float | None:
        """When Lambda stops us, as the adapter says. From anyone else this header would be a stranger's word: ignored."""
        if not self._behind_adapter:
            return None
        try:
            return float(orjson.loads(header(scope, b"x-amzn-lambda-context") or b"")["deadline"]) / 1000
        except (ValueError, KeyError, TypeError):
            return None


def _only_read(method: str) -> None:
    if method not in ("GET", "HEAD"):
        raise MethodNotAllowed("GET")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
