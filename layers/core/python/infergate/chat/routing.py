"""Where an account's terms meet the catalog: which routes a request may take, and what is said where there is none."""

from collections.abc import Mapping

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import Buyer, Wishes
from infergate.catalog.types import Model
from infergate.kernel.errors import InvalidRequest


def buyer_of(key: ApiKey) -> Buyer:
    return Buyer(key.plan, tuple(key.regions), key.no_retention, key.price_bp)


def no_route(model: Model, wishes: Wishes, refused: Mapping[str, str]) -> InvalidRequest:
    """The model may be called, but not like this: every route with its reason."""
    if not any(route.price.tier(wishes.tier) for route in model.routes):
        return InvalidRequest(f"`{model.id}` has no price for the service tier `{wishes.tier}`.", "service_tier")
    reasons = "; ".join(f"{route}: {reason}" for route, reason in refused.items())
    return InvalidRequest(f"No route to `{model.id}` fits this request. {reasons}.", "provider", "no_route")
