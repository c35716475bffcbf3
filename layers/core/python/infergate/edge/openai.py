"""The inference API: which path means what. Walk from here into chat/complete.py; other wire formats live in edge/wire/."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import NO_WISHES, Buyer, offers, resolve, sellable
from infergate.catalog.types import Model, PriceBook, Rates
from infergate.chat.attempts import OURS
from infergate.chat.authenticate import authenticate, fresh
from infergate.chat.complete import complete
from infergate.chat.idempotency import Claim, RecordingReply
from infergate.chat.limits import limits_of
from infergate.chat.price import likely_input
from infergate.chat.relay import frame
from infergate.chat.routing import buyer_of
from infergate.chat.types import House, InferenceRequest
from infergate.edge.asgi import AsgiReply, Receive, Scope, Send, header, read_body
from infergate.edge.chat_request import Parser, parse_chat, parse_embeddings
from infergate.edge.errors import wire_error
from infergate.edge.presented import for_anthropic, presented_key
from infergate.edge.wire.completions import parse_completions
from infergate.edge.wire.messages_answer import anthropic_error
from infergate.edge.wire.messages_request import parse_count, parse_messages
from infergate.edge.wire.responses_request import parse_responses
from infergate.edge.wire.voices import Speech, voice_of
from infergate.kernel.errors import (
    InferGateError,
    MethodNotAllowed,
    NotFound,
    Refused,
    UpstreamFailed,
)
from infergate.kernel.ids import REQUEST_ID, new_id
from infergate.kernel.money import format_usd
from infergate.kernel.time import iso, iso_or_none
from infergate.ledger.types import Receipt

type Get = Callable[[House, str | None, str], Awaitable[dict[str, Any]]]

POSTS: dict[str, Parser] = {
    "/v1/chat/completions": parse_chat,
    "/v1/completions": parse_completions,
    "/v1/embeddings": parse_embeddings,
    "/v1/messages": parse_messages,
    "/v1/responses": parse_responses,
}
COUNT_TOKENS = "/v1/messages/count_tokens"


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
        if path == COUNT_TOKENS:
            await self._count_tokens(scope, receive, reply, request_id)
            return
        if path == "/healthz":
            await reply.json(200, [], b'{"status":"ok"}')
            return
        handler, rest = _find(path)
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET")
        await reply.json(200, [], orjson.dumps(await handler(self._house, presented_key(scope), rest)))

    async def _count_tokens(self, scope: Scope, receive: Receive, reply: AsgiReply, request_id: str) -> None:
        """An estimate, and free: nothing is held, no provider is asked."""
        if scope["method"] != "POST":
            raise MethodNotAllowed("POST")
        key, _wallet = await authenticate(self._house, presented_key(scope))
        request = parse_count(await read_body(scope, receive), request_id)
        model = resolve(await self._house.shelf.current(), request.model, request.kind, buyer_of(key))
        await reply.json(200, [], orjson.dumps({"input_tokens": likely_input(request, model)}))

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


# -- what only reads ---------------------------------------------------------------------------------------------------


async def list_models(house: House, presented: str | None, _: str) -> dict[str, Any]:
    key, _wallet = await authenticate(house, presented)
    snapshot = await house.shelf.current()
    return {
        "object": "list",
        "data": [model_object(m, buyer_of(key), house.clock()) for m in sellable(snapshot, buyer_of(key))],
    }


async def one_model(house: House, presented: str | None, model_id: str) -> dict[str, Any]:
    key, _wallet = await authenticate(house, presented)
    snapshot = await house.shelf.current()
    named = snapshot.model(model_id)
    model = resolve(snapshot, model_id, named.kind if named else "chat", buyer_of(key))
    return model_object(model, buyer_of(key), house.clock())


def model_object(model: Model, buyer: Buyer, now_s: float) -> dict[str, Any]:
    """OpenAI's model object, with ours beside: limits, and each route with what it costs this account, in USD per million."""
    taken, _ = offers(model, buyer, NO_WISHES, now_s)
    taken.sort(key=lambda offer: (offer.route.priority, -offer.route.weight))
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "kind": model.kind,
        "context_length": model.context,
        "max_output_tokens": model.max_output or None,
        "pricing": price_object(taken[0].price),
        "routes": [
            {
                "id": o.route.id,
                "channel": o.route.channel.id,
                "priority": o.route.priority,
                "pricing": price_object(o.price),
            }
            for o in taken
        ],
    }


def price_object(price: PriceBook) -> dict[str, Any]:
    """Decimal strings. `above`: the rates of a request with more input tokens than that."""
    shown: dict[str, Any] = _usd_of(price.rates) | {"currency": "USD", "per": "1M"}
    if price.above:
        shown["above"] = {str(threshold): _usd_of(rates) for threshold, rates in price.above}
    if price.service_tiers:
        shown["service_tiers"] = {name: price_object(tier) for name, tier in price.service_tiers.items()}
    return shown | {"version": f"{price.id}@{price.version}"}


def _usd_of(rates: Rates) -> dict[str, str]:
    return {bucket: format_usd(rate) for bucket, rate in rates.items()}


async def credits(house: House, presented: str | None, _: str) -> dict[str, Any]:
    _key, wallet = await authenticate(house, presented)
    return {
        "object": "credits",
        "currency": "USD",
        "available": format_usd(wallet.available),
        "held": format_usd(wallet.held),
        "balance": format_usd(wallet.available + wallet.held),
        "credited": format_usd(wallet.credited),
        "spent": format_usd(wallet.spent),
        "debited": format_usd(wallet.debited),
        "requests_in_flight": len(wallet.holds),
        "next_expiry": iso_or_none(wallet.next_expiry),
    }


async def key_info(house: House, presented: str | None, _: str) -> dict[str, Any]:
    key, _wallet = await authenticate(house, presented)
    return {
        "object": "key",
        "id": key.id,
        "account": key.account,
        "name": key.name,
        "hint": key.hint,
        "plan": key.plan,
        "created_at": iso(key.created_at),
        "expires_at": iso_or_none(key.expires_at),
        "limits": key.limits,
    }


async def limits(house: House, presented: str | None, _: str) -> dict[str, Any]:
    key, wallet = await authenticate(house, presented)
    snapshot = await house.shelf.current()
    plan = snapshot.plans.get(key.plan)
    if plan is None:
        raise NotFound("plan of this account's name any more")
    applying = limits_of(plan, key)
    standings = await house.rates.look(key.account, applying, house.clock())
    rows = [(standings.requests.limit, standings.requests.used), (standings.tokens.limit, standings.tokens.used)]
    rows.append((applying.concurrency, len(wallet.holds)))
    return {
        "object": "limits",
        "resets_in_s": standings.resets_in_s,
        "limits": [
            {"limit": limit.name, "value": limit.value, "used": used, "source": limit.source} for limit, used in rows
        ],
    }


async def stored_response(house: House, presented: str | None, _: str) -> dict[str, Any]:
    await authenticate(house, presented)
    raise NotFound("stored response: answers are not stored here")


async def receipt(house: House, presented: str | None, request_id: str) -> dict[str, Any]:
    key, _wallet = await authenticate(house, presented)
    # The account is part of where a receipt lies: another's cannot be named.
    found = await house.ledger.receipt(key.account, request_id) if REQUEST_ID.fullmatch(request_id) else None
    if found is None:
        raise NotFound("such receipt")
    return receipt_object(found)


def receipt_object(receipt: Receipt) -> dict[str, Any]:
    """A receipt with its arithmetic shown: units x rates = cost."""
    lines = [
        {"bucket": bucket, "units": units, "rate": format_usd(receipt.rates[bucket]), "per": "1M"}
        for bucket, units in receipt.units.items()
    ]
    shown = asdict(receipt)
    for name in ("account", "hold_id", "units", "rates", "loss"):
        del shown[name]
    return {
        "object": "receipt",
        **shown,
        "cost": format_usd(receipt.cost),
        "cost_nanos": receipt.cost,
        "hold": format_usd(receipt.hold),
        "lines": lines,
        "created_at": iso(receipt.created_at_ms / 1000),
    }


_EXACT: dict[str, Get] = {
    "/v1/models": list_models,
    "/v1/credits": credits,
    "/v1/key": key_info,
    "/v1/limits": limits,
}
_UNDER: dict[str, Get] = {
    "/v1/models/": one_model,
    "/v1/receipts/": receipt,
    "/v1/responses/": stored_response,
}


def _find(path: str) -> tuple[Get, str]:
    if handler := _EXACT.get(path):
        return handler, ""
    for prefix, below in _UNDER.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return below, path[len(prefix) :]
    raise NotFound("such URL here")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
