"""What a request would hold and cost, and whether it would be admitted: by the functions that hold and charge."""

from dataclasses import dataclass

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import Offer, offers, resolve
from infergate.catalog.types import Model
from infergate.chat.limits import limits_of
from infergate.chat.price import (
    USUAL_OUTPUT,
    Charge,
    Quote,
    charge,
    counted_tokens,
    likely_input,
    output_wanted,
    tariff,
    within,
)
from infergate.chat.routing import buyer_of, no_route
from infergate.chat.types import House, InferenceRequest
from infergate.kernel.errors import InsufficientCredits, RateLimited, Refused
from infergate.ledger.types import Wallet


@dataclass(frozen=True, slots=True)
class Estimate:
    """`low`, `likely` and `high` are charges on `offer`: for the shortest answer, a usual one, the longest that is allowed.

    `refusal` is what would be raised instead of an answer, None where the request would be admitted.
    """

    model: Model
    offer: Offer
    quote: Quote
    low: Charge
    likely: Charge
    high: Charge
    refusal: Refused | None


async def estimate(house: House, key: ApiKey, wallet: Wallet, request: InferenceRequest) -> Estimate:
    """`key` and `wallet` as they are now. Raises what the request itself would be refused with, for its form or its model."""
    now = house.clock()
    snapshot = await house.shelf.current()
    buyer = buyer_of(house, key)
    model = resolve(snapshot, request.model, request.kind, buyer)
    taken, refused = offers(model, buyer, request.wishes, now)
    if not taken:
        raise no_route(model, request.wishes, refused)
    terms, output = tariff(request, model, taken), output_wanted(request, model)
    wallet = await _without_due_credit(house, wallet)
    wanted = Quote(terms.hold(output), output)
    quote = within(request, terms, wanted, wallet.available)
    limits = limits_of(snapshot.plans[key.plan], key)
    refusal: Refused | None = None
    if quote is None:
        affordable = max(0, terms.affordable_output(wallet.available)) if request.kind == "chat" else 0
        refusal, quote = InsufficientCredits(wanted.hold, wallet.available, affordable), wanted
    elif len(wallet.holds) >= limits.concurrency.value:
        full = limits.concurrency
        refusal = RateLimited(full.name, full.value, len(wallet.holds), full.source, 1)
    else:
        refusal = await house.rates.would_refuse(key.account, limits, counted_tokens(request, model, quote.output), now)
    first = min(taken, key=lambda offer: (offer.route.priority, -offer.route.weight))
    tokens = {"input": likely_input(request, model)}
    low, likely, high = (
        charge(tokens | ({"output": n * request.choices} if n else {}), first.price, quote.hold, request.wishes.tier)
        for n in (min(1, quote.output), min(USUAL_OUTPUT, quote.output), quote.output)
    )
    return Estimate(model, first, quote, low, likely, high, refusal)


async def _without_due_credit(house: House, wallet: Wallet) -> Wallet:
    """As a reserve would find it: credit whose time is over is booked out first."""
    if wallet.next_expiry > house.clock():
        return wallet
    await house.grants.expire(wallet.account)
    return await house.ledger.wallet(wallet.account) or wallet
