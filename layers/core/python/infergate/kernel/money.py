"""Money is an int of nano-dollars: 1 USD = 1_000_000_000. No float ever touches it."""

import re
from collections.abc import Mapping
from decimal import Decimal

type Nanos = int
"""Nano-dollars."""

NANOS_PER_USD = 1_000_000_000
UNITS_PER_PRICE = 1_000_000
"""A rate is quoted in nano-dollars per this many units (tokens)."""

_USD = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")


def usd(text: str) -> Nanos:
    """Nano-dollars of a decimal string such as "19.82".

    Raises ValueError for anything else: exponents, more than nine decimals, signs other than a leading minus.
    """
    if not isinstance(text, str) or not _USD.fullmatch(text):
        raise ValueError(f"not an amount in US dollars with at most nine decimals: {text!r}")
    return int(Decimal(text) * NANOS_PER_USD)


def format_usd(nanos: Nanos) -> str:
    """The exact decimal string of an amount, with two to nine decimals: "20.00", "0.000001234"."""
    sign, whole, part = "-" if nanos < 0 else "", abs(nanos) // NANOS_PER_USD, abs(nanos) % NANOS_PER_USD
    decimals = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def cost_of(units: Mapping[str, int], rates: Mapping[str, Nanos]) -> Nanos:
    """ceil(sum(units * rate) / 1e6): rounded up once per request, never per bucket.

    `rates` are nano-dollars per million units. Raises KeyError for a bucket without a rate (no price, no sale) and
    ValueError for negative units.
    """
    total = 0
    for bucket, count in units.items():
        if count < 0:
            raise ValueError(f"negative units in bucket {bucket!r}: {count}")
        if count:
            total += count * rates[bucket]
    return -(-total // UNITS_PER_PRICE)
