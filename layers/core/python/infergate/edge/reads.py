"""What can be read of an account, and what it may call: models and prices, credits, limits, the key, receipts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from infergate.catalog.resolve import NO_WISHES, Buyer, offers, resolve, sellable
from infergate.catalog.types import Model, PriceBook, Rates, Snapshot
from infergate.chat.authenticate import authenticate
from infergate.chat.limits import limits_of
from infergate.chat.routing import buyer_of
from infergate.chat.types import House
from infergate.kernel.errors import NotFound
from infergate.kernel.ids import REQUEST_ID
from infergate.kernel.money import Nanos, format_usd
from infergate.kernel.time import iso, iso_or_none
from infergate.ledger.types import Receipt

type Read = Callable[[House, str | None, str], Awaitable[dict[str, Any]]]
"""(house, presented key, the rest of the path) in, the JSON object out. Raises InvalidKey, AccountNotActive, NotFound."""


async def list_models(house: House, presented: str | None, _: str) -> dict[str, Any]:
    snapshot, buyer = await _buyer(house, presented)
    return {"object": "list", "data": [model_object(m, buyer, house.clock()) for m in sellable(snapshot, buyer)]}


async def one_model(house: House, presented: str | None, model_id: str) -> dict[str, Any]:
    snapshot, buyer = await _buyer(house, presented)
    named = snapshot.model(model_id)
    model = resolve(snapshot, model_id, named.kind if named else "chat", buyer)
    return model_object(model, buyer, house.clock())


async def _buyer(house: House, presented: str | None) -> tuple[Snapshot, Buyer]:
    """What is sold, and to whom, with what is known of the channels now."""
    key, _wallet = await authenticate(house, presented)
    snapshot = await house.shelf.current()
    await house.health.state_of(snapshot.channels)
    return snapshot, buyer_of(house, key)


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
    shown = asdict(receipt)
    for name in ("account", "hold_id", "units", "rates", "loss"):
        del shown[name]
    return {
        "object": "receipt",
        **shown,
        "cost": format_usd(receipt.cost),
        "cost_nanos": receipt.cost,
        "hold": format_usd(receipt.hold),
        "lines": lines(receipt.units, receipt.rates),
        "created_at": iso(receipt.created_at_ms / 1000),
    }


def lines(units: Mapping[str, int], rates: Mapping[str, Nanos]) -> list[dict[str, Any]]:
    """The arithmetic of a cost, bucket by bucket."""
    return [{"bucket": b, "units": n, "rate": format_usd(rates[b]), "per": "1M"} for b, n in units.items()]


_EXACT: dict[str, Read] = {
    "/v1/models": list_models,
    "/v1/credits": credits,
    "/v1/key": key_info,
    "/v1/limits": limits,
}
_UNDER: dict[str, Read] = {
    "/v1/models/": one_model,
    "/v1/receipts/": receipt,
    "/v1/responses/": stored_response,
}


def reader_of(path: str) -> tuple[Read, str]:
    """Who answers a GET, and what of the path is left for it. Raises NotFound."""
    if handler := _EXACT.get(path):
        return handler, ""
    for prefix, below in _UNDER.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return below, path[len(prefix) :]
    raise NotFound("such URL here")
