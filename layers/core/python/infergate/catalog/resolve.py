"""Which model a name means for an account, over which routes and at which prices, and why not. The one place that says so."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from infergate.catalog.types import DEFAULT_TIER, Model, Plan, PriceBook, Rates, Route, Snapshot
from infergate.kernel.errors import ModelNotEnabled, ModelNotFound
from infergate.kernel.money import Nanos

LIST_PRICE_BP = 10_000
"""Basis points of the list price that an account pays, where nothing else was agreed."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """What an account's terms and settings say about where its requests may go, and what they cost.

    `regions`: empty for anywhere. `price_bp`: basis points of the list price. `off`: channels that nobody can use now.
    """

    plan: str
    regions: Sequence[str] = ()
    no_retention: bool = False
    price_bp: int = LIST_PRICE_BP
    off: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one request says about its routes. A name is a route's or a channel's.

    `price_max`: nano-dollars per million units, by bucket.
    """

    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    fallbacks: bool = True
    no_retention: bool = False
    price_max: Rates = field(default_factory=dict)
    tier: str = DEFAULT_TIER


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Offer:
    """A route that a request may take, and its price for this account at this moment: pinned until the receipt."""

    route: Route
    price: PriceBook


def why_not(model: Model, plan: Plan | None, buyer: Buyer) -> str | None:
    """The reason why an account may not call the model now, or None if it may."""
    if plan is None:
        return "the account's plan is no longer offered"
    if plan.models and model.id not in plan.models:
        return f"it is not part of the plan {plan.id}"
    reasons = {_barred(route, buyer, NO_WISHES) for route in model.routes}
    if None in reasons:
        return None
    if len(reasons) > 1:
        # A channel that is off is nothing that the account could change; what it asks for itself is.
        reasons.discard(_OFF)
    return min(map(str, reasons))


def sellable(snapshot: Snapshot, buyer: Buyer) -> list[Model]:
    """What an account may call."""
    plan = snapshot.plans.get(buyer.plan)
    return [model for model in snapshot.models.values() if why_not(model, plan, buyer) is None]


def resolve(snapshot: Snapshot, name: str, kind: str, buyer: Buyer) -> Model:
    """Raises ModelNotFound, or ModelNotEnabled with the reason."""
    model = snapshot.model(name)
    if model is None or model.kind != kind:
        raise ModelNotFound(name)
    reason = why_not(model, snapshot.plans.get(buyer.plan), buyer)
    if reason is not None:
        raise ModelNotEnabled(name, reason)
    return model


def offers(model: Model, buyer: Buyer, wishes: Wishes, now_s: float) -> tuple[list[Offer], dict[str, str]]:
    """(the routes that this request may take, for each other one the reason why not)"""
    taken: list[Offer] = []
    refused: dict[str, str] = {}
    for route in model.routes:
        price = route.price_at(now_s)
        if buyer.price_bp != LIST_PRICE_BP:
            price = multiplied(price, buyer.price_bp)
        reason = _barred(route, buyer, wishes) or _too_dear(price, wishes)
        if reason is None:
            taken.append(Offer(route, price))
        else:
            refused[route.id] = reason
    return taken, refused


def in_order(taken: list[Offer], wishes: Wishes, chance: Callable[[], float]) -> list[Offer]:
    """What the request named first, then best priority first, and within one priority drawn by weight."""
    if len(taken) == 1:
        return taken
    # A draw without replacement: the largest of u ** (1 / weight) goes first (Efraimidis and Spirakis, 2006).
    ordered = sorted(
        taken, key=lambda o: (_rank(o.route, wishes), o.route.priority, -(chance() ** (1 / o.route.weight)))
    )
    return ordered if wishes.fallbacks else ordered[:1]


def multiplied(price: PriceBook, price_bp: int) -> PriceBook:
    """The price at so many basis points of it, each rate rounded up to a whole nano-dollar per million."""
    return replace(
        price,
        version=f"{price.version}*{price_bp / LIST_PRICE_BP:g}",
        rates=_multiplied(price.rates, price_bp),
        above=tuple((threshold, _multiplied(rates, price_bp)) for threshold, rates in price.above),
        service_tiers={name: multiplied(tier, price_bp) for name, tier in price.service_tiers.items()},
    )


def _multiplied(rates: Rates, price_bp: int) -> dict[str, Nanos]:
    return {bucket: -(-rate * price_bp // LIST_PRICE_BP) for bucket, rate in rates.items()}


_OFF = "no channel to it is enabled"


def _barred(route: Route, buyer: Buyer, wishes: Wishes) -> str | None:
    channel = route.channel
    if not channel.enabled or channel.id in buyer.off:
        return _OFF
    if buyer.regions and channel.region not in buyer.regions:
        return f"it is not offered in a region that the account allows ({', '.join(buyer.regions)})"
    if channel.keeps_prompts:
        if buyer.no_retention:
            return "its provider may keep prompts, which the account does not allow"
        if wishes.no_retention:
            return "its provider may keep prompts, which `provider.data_collection` does not allow"
    if wishes is NO_WISHES:
        return None
    if wishes.only and not _named(route, wishes.only):
        return "`provider.only` leaves it out"
    if _named(route, wishes.ignore):
        return "`provider.ignore` names it"
    return None


def _too_dear(price: PriceBook, wishes: Wishes) -> str | None:
    tier = price.tier(wishes.tier)
    if tier is None:
        return f"it has no price for the service tier `{wishes.tier}`"
    for bucket, most in wishes.price_max.items():
        if tier.rates.get(bucket, 0) > most:
            return f"its price for {bucket} is above `provider.max_price`"
    return None


def _named(route: Route, names: tuple[str, ...]) -> bool:
    return route.id in names or route.channel.id in names


def _rank(route: Route, wishes: Wishes) -> int:
    for rank, name in enumerate(wishes.order):
        if name in (route.id, route.channel.id):
            return rank
    return len(wishes.order)
