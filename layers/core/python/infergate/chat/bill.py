"""Who pays what, and why: the table in docs/architecture.md. Pure."""

from dataclasses import dataclass, field
from typing import Any

from infergate.catalog.types import DEFAULT_TIER, Model, PriceBook
from infergate.chat.price import Charge, charge, likely_units
from infergate.chat.types import InferenceRequest
from infergate.kernel.money import Nanos
from infergate.providers.types import Usage

NOTHING = Charge({}, {}, 0, 0)


@dataclass(slots=True)
class Bill:
    """What is to be paid and why. Empty units cost nothing."""

    reason: str
    units: dict[str, int] = field(default_factory=dict)
    estimated: bool = False
    tier: str = DEFAULT_TIER


def bill_of(
    request: InferenceRequest,
    model: Model,
    price: PriceBook,
    usage: Usage | None,
    relayed_bytes: int,
    reported_tier: Any,
    *,
    failed: bool = False,
) -> Bill:
    """For an answer that began. `reported_tier` is what the provider said of it, whatever that is."""
    output = usage.units.get("output", 0) + usage.units.get("reasoning", 0) if usage else 0
    if request.kind == "chat" and not relayed_bytes and not output:
        return Bill("upstream failed before any output" if failed else "empty answer")
    reason = "upstream failed in mid-stream" if failed else "completed"
    tier = _tier(request, price, reported_tier)
    if usage is not None:
        return Bill(reason, usage.units, tier=tier)
    return Bill(reason, likely_units(request, model, relayed_bytes), estimated=True, tier=tier)


def due_for(bill: Bill, price: PriceBook | None, hold: Nanos) -> Charge:
    """No price where no provider was asked."""
    return charge(bill.units, price, hold, bill.tier) if price is not None and bill.units else NOTHING


def _tier(request: InferenceRequest, price: PriceBook, reported: Any) -> str:
    """In which tier it was done is for the provider to say: it may have had no room in the one that was asked for."""
    if not isinstance(reported, str):
        return request.wishes.tier
    return reported if price.tier(reported) else DEFAULT_TIER
