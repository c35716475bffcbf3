"""What a request would cost, before it is made."""

from collections.abc import Awaitable, Callable
from typing import Any

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import resolve
from infergate.chat.estimate import Estimate, estimate
from infergate.chat.price import Charge, likely_input
from infergate.chat.routing import buyer_of
from infergate.chat.types import House
from infergate.edge.chat_request import parse_chat
from infergate.edge.errors import wire_error
from infergate.edge.reads import lines
from infergate.edge.wire.messages_request import parse_count
from infergate.kernel.money import format_usd
from infergate.ledger.types import Wallet

type Count = Callable[[House, ApiKey, Wallet, bytes, str], Awaitable[dict[str, Any]]]
"""(house, the key and the wallet as they are now, the body, the request id) in, the JSON object out."""


async def estimated(house: House, key: ApiKey, wallet: Wallet, body: bytes, request_id: str) -> dict[str, Any]:
    """The body is a chat completion's. Raises what the request would be refused with for its form or its model."""
    return estimate_object(await estimate(house, key, wallet, parse_chat(body, request_id)))


async def counted_tokens(house: House, key: ApiKey, _: Wallet, body: bytes, request_id: str) -> dict[str, Any]:
    """The body is one of Anthropic's messages, and so is the answer."""
    request = parse_count(body, request_id)
    model = resolve(await house.shelf.current(), request.model, request.kind, buyer_of(house, key))
    return {"input_tokens": likely_input(request, model)}


def estimate_object(found: Estimate) -> dict[str, Any]:
    """Amounts are decimal strings in US dollars. `error` is what the request would be refused with now."""
    wire = None if found.refusal is None else wire_error(found.refusal)
    return {
        "object": "estimate",
        "model": found.model.id,
        "route": found.offer.route.id,
        "price_version": f"{found.offer.price.id}@{found.offer.price.version}",
        "currency": "USD",
        "hold": format_usd(found.quote.hold),
        "max_output_tokens": found.quote.output or None,
        "cost": {name: cost_object(getattr(found, name)) for name in ("low", "likely", "high")},
        "admitted": wire is None,
        "status": 200 if wire is None else wire.status,
        "error": None if wire is None else wire.object()["error"],
    }


def cost_object(charge: Charge) -> dict[str, Any]:
    return {"cost": format_usd(charge.cost), "lines": lines(charge.units, charge.rates)}
