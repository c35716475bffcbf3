"""catalog/models.yaml as text: sorted, one line for a route and for a set of rates. Prices stay exact decimals."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal

from tools.prices.offer import Offer, Prices, Rates
from tools.prices.publish import Model, Route

HEADER = "# Made by `make catalog`, see docs/prices.md: do not edit. Prices of {on}, in US dollars per million units.\n"
_ORDER = (
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image",
    "request",
)
_PLAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9._/-]*")


def render(models: Iterable[Model], markup: str) -> str:
    listed = list(models)
    lines = ["models:"]
    for model in listed:
        lines += _model(model, markup)
    lines.append("price_books:")
    for route in sorted((route for model in listed for route in model.routes), key=lambda route: route.id):
        lines += _book(route)
    return "\n".join(lines) + "\n"


def _model(model: Model, markup: str) -> list[str]:
    limits = [f"    max_output: {model.max_output}"] if model.max_output else []
    images = [f"    image_tokens: {model.image_tokens}"] if model.image_tokens else []
    return [
        f"  {_text(model.id)}:",
        f"    kind: {model.kind}",
        f"    owned_by: {model.owned_by}",
        f"    created: {model.created.isoformat()}",
        f"    context: {model.context}",
        *limits,
        *images,
        "    routes:",
        *(_route(route, priority, markup) for priority, route in enumerate(model.routes, start=1)),
    ]


def _route(route: Route, priority: int, markup: str) -> str:
    terms = {
        "channel": route.channel,
        "upstream_model": route.upstream_model,
        "price_book": route.id,
    }
    words = ", ".join(f"{key}: {_text(value)}" for key, value in terms.items())
    later = f", priority: {priority}" if priority > 1 else ""
    return f'      {_text(route.id)}: {{{words}, markup: "{markup}"{later}}}'


def _book(route: Route) -> list[str]:
    """A dated book is a list of editions; the one in force today has no day."""
    if not route.later:
        prices = route.offer.prices
        if not prices.above and not route.offer.service_tiers:
            return [f"  {_text(route.id)}: {_rates(prices.rates)}"]
        return [f"  {_text(route.id)}:", *_edition(route.offer, "    ")]
    lines = [f"  {_text(route.id)}:"]
    for day, offer in ((None, route.offer), *route.later):
        first, *rest = [*([f"      from: {day}"] if day else []), *_edition(offer, "      ")]
        lines += [f"    - {first.lstrip()}", *rest]
    return lines


def _edition(offer: Offer, indent: str) -> list[str]:
    lines = _listed(offer.prices, indent)
    if offer.service_tiers:
        lines.append(f"{indent}service_tiers:")
        for tier, prices in sorted(offer.service_tiers.items()):
            lines += [f"{indent}  {tier}:", *_listed(prices, f"{indent}    ")]
    return lines


def _listed(prices: Prices, indent: str) -> list[str]:
    lines = [f"{indent}{bucket}: {_price(prices.rates[bucket])}" for bucket in _ORDER if bucket in prices.rates]
    if prices.above:
        lines.append(f"{indent}above:")
        lines += [f'{indent}  "{start}": {_rates(rates)}' for start, rates in sorted(prices.above.items())]
    return lines


def _rates(rates: Rates) -> str:
    return "{" + ", ".join(f"{bucket}: {_price(rates[bucket])}" for bucket in _ORDER if bucket in rates) + "}"


def _price(rate: Decimal) -> str:
    """ "3.00", "0.075": at least two decimals, at most the nine that money has."""
    whole, _, part = f"{rate.normalize():f}".partition(".")
    if len(part) > 9:
        raise ValueError(f"a price finer than a nano-dollar: {rate}")
    return f'"{whole}.{part.ljust(2, "0")}"'


def _text(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value)
