"""What a request says about its routes: our `provider` object, and the service tier. Checked here, obeyed by catalog.resolve.

`provider` has the names that OpenRouter made common: order, only, ignore, allow_fallbacks, data_collection, max_price.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from infergate.catalog.resolve import NO_WISHES, Wishes
from infergate.catalog.types import DEFAULT_TIER, SERVICE_TIERS
from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import NANOS_PER_USD, Nanos

NAMES_MAX = 20
PRICE_MAX_USD = 1_000_000
_LISTS = ("order", "only", "ignore")
_PRICES = {"prompt": "input", "completion": "output", "request": "request"}
_KNOWN = (*_LISTS, "allow_fallbacks", "data_collection", "max_price")


def take_wishes(values: dict[str, Any]) -> Wishes:
    """Takes `provider` out of the body, for it is ours and no upstream's. Raises InvalidRequest."""
    tier = _tier(values)
    options = values.pop("provider", None)
    if options is None:
        return NO_WISHES if tier == DEFAULT_TIER else Wishes(tier=tier)
    if not isinstance(options, dict):
        raise InvalidRequest("provider is an object of options for the choice of a route.", "provider")
    for name in options:
        if name not in _KNOWN:
            raise InvalidRequest(f"provider has the options {', '.join(_KNOWN)}.", f"provider.{name}")
    order, only, ignore = (_names(options, name) for name in _LISTS)
    fallbacks = options.get("allow_fallbacks", True)
    if not isinstance(fallbacks, bool):
        raise InvalidRequest("allow_fallbacks is true or false.", "provider.allow_fallbacks")
    if options.get("data_collection", "allow") not in ("allow", "deny"):
        raise InvalidRequest("data_collection is allow or deny.", "provider.data_collection")
    no_retention = options.get("data_collection") == "deny"
    return Wishes(only, ignore, order, fallbacks, no_retention, _price_max(options.get("max_price")), tier)


def _tier(values: dict[str, Any]) -> str:
    tier = values.get("service_tier")
    if tier in (None, "auto", DEFAULT_TIER):
        # "auto" could pick a tier at another price.
        if "service_tier" in values:
            values["service_tier"] = DEFAULT_TIER
        return DEFAULT_TIER
    if not isinstance(tier, str) or tier not in SERVICE_TIERS:
        raise InvalidRequest(f"service_tier is auto, default, {', '.join(SERVICE_TIERS)}.", "service_tier")
    return tier


def _names(options: dict[str, Any], name: str) -> tuple[str, ...]:
    value = options.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not 1 <= len(value) <= NAMES_MAX or not all(isinstance(v, str) for v in value):
        raise InvalidRequest(f"{name} is a list of 1 to {NAMES_MAX} names of channels or routes.", f"provider.{name}")
    return tuple(value)


def _price_max(prices: Any) -> dict[str, Nanos]:
    if prices is None:
        return {}
    if not isinstance(prices, dict) or not prices.keys() <= _PRICES.keys():
        raise InvalidRequest(
            f"max_price is an object of {', '.join(_PRICES)}, in US dollars per million.", "provider.max_price"
        )
    return {_PRICES[name]: _nanos(price, f"provider.max_price.{name}") for name, price in prices.items()}


def _nanos(price: Any, param: str) -> Nanos:
    """A number or a decimal string. A JSON number is read by its shortest text, as it was most likely written."""
    try:
        amount = Decimal(str(price)) if isinstance(price, str | int | float) and not isinstance(price, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= PRICE_MAX_USD:
        raise InvalidRequest(f"A price is a number of US dollars per million, from 0 to {PRICE_MAX_USD}.", param)
    return int(amount * NANOS_PER_USD)
