"""What one source says about one model at one provider."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

type Rates = dict[str, Decimal]
"""Bucket of a price book -> US dollars per million units."""

FALLBACK = {
    "cached_input": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "audio_input": "input",
    "audio_output": "output",
    "reasoning": "output",
}
"""What a bucket without a rate of its own is charged as."""


@dataclass(frozen=True, slots=True)
class Prices:
    """`above` are context tiers: with more input tokens than its key, the whole request costs these instead of `rates`."""

    rates: Rates
    above: dict[int, Rates] = field(default_factory=dict)

    def rate(self, bucket: str, tier: int | None = None) -> Decimal | None:
        """What a unit of the bucket really costs: its own rate, its base rate, or that of the bucket it falls back to."""
        rates = self.rates if tier is None else self.rates | self.above[tier]
        while bucket not in rates and bucket in FALLBACK:
            bucket = FALLBACK[bucket]
        return rates.get(bucket)

    def buckets(self) -> set[str]:
        return {bucket for rates in (self.rates, *self.above.values()) for bucket in rates}

    def scaled(self, factor: Decimal) -> "Prices":
        return Prices(_times(self.rates, factor), {start: _times(rates, factor) for start, rates in self.above.items()})


@dataclass(frozen=True, slots=True)
class Offer:
    """`silent` names the buckets that the source has no word for; `unknown` its price keys that we have no bucket for."""

    model: str
    prices: Prices
    service_tiers: dict[str, Prices] = field(default_factory=dict)
    context: int | None = None
    max_output: int | None = None
    takes: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    released: date | None = None
    retired: bool = False
    silent: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    changes_on: date | None = None
    """The next day on which the source knows of another price."""


def _times(rates: Rates, factor: Decimal) -> Rates:
    return {bucket: rate * factor for bucket, rate in rates.items()}


def dearest(several: Iterable[Prices]) -> Prices:
    """The highest rate of every bucket: for prices that differ by the time of day."""
    first, *others = several
    for other in others:
        first = Prices(
            _highest(first.rates, other.rates),
            {
                start: _highest(first.above.get(start, {}), other.above.get(start, {}))
                for start in sorted(first.above.keys() | other.above.keys())
            },
        )
    return first


def _highest(one: Rates, two: Rates) -> Rates:
    return {bucket: max(rates[bucket] for rates in (one, two) if bucket in rates) for bucket in one | two}
