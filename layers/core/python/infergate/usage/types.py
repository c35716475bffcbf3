"""What usage speaks of. Amounts are nano-dollars; a start is yyyymmddhh (an hour) or yyyymmdd (a day), in UTC."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from infergate.kernel.money import Nanos
from infergate.store.errors import Item

type Span = Literal["hour", "day"]
SPANS: tuple[Span, ...] = ("hour", "day")
type Dimension = Literal["total", "model", "key", "route"]

type Numbers = Mapping[str, int]
"""What is counted, by name, without zeros: as it is added up and as it is stored. The names, with their units:

  requests, errors              how many; an error is a reason other than "completed"
  cost, loss                    nano-dollars
  units_<bucket>                as on the receipt: units_input, units_cached_input, units_output, ...
  first_tokens, first_token_ms  how many answers had a first token, and the sum of their times to it
  latency_<bound>               requests that took at most this many milliseconds and more than the bound before it
"""

UNITS = "units_"
LATENCY = "latency_"
LATENCY_BOUNDS_MS: tuple[int, ...] = (
    *(10, 13, 16, 20, 25, 32, 40, 50, 63, 80),
    *(100, 125, 160, 200, 250, 315, 400, 500, 630, 800),
    *(1_000, 1_250, 1_600, 2_000, 2_500, 3_150, 4_000, 5_000, 6_300, 8_000),
    *(10_000, 12_500, 16_000, 20_000, 25_000, 31_500, 40_000, 50_000, 63_000, 80_000),
    *(100_000, 125_000, 160_000, 200_000, 250_000, 315_000, 400_000, 500_000, 630_000, 800_000),
    1_000_000,
)
"""Ten a decade (ISO 3's R10 series), so that a quantile read from them is at most 30 % above the true one.

They never change: a bound is part of a stored name. What takes longer than the last one is counted under it.
"""


class Malformed(ValueError):
    """An item that is no receipt of ours. The message names the attribute, never its value."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One account's smallest total: what one key spent on one model by one route, in one hour or one day."""

    span: Span
    start: str
    model: str
    key: str
    route: str

    def value(self, by: Dimension) -> str:
        return {"total": "", "model": self.model, "key": self.key, "route": self.route}[by]


@dataclass(frozen=True, slots=True)
class Use:
    """One receipt, as usage sees it. `expires_at` (epoch seconds) is when the receipt may go; None is never.

    Its hour is that of its request id, as its partition in the receipts table is (and as its `created_at_ms` is, which
    the ledger takes from there); so the receipts of a day are exactly those in the day's partitions.
    """

    account: str
    request_id: str
    made_at_ms: int
    model: str
    key: str
    route: str
    numbers: Numbers
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers with names for those who read them."""

    requests: int
    errors: int
    cost: Nanos
    loss: Nanos
    units: dict[str, int]
    first_tokens: int
    first_token_ms: int
    latency: dict[int, int] = field(default_factory=dict)
    """Upper bound in ms -> requests, ascending; not cumulative, without zeros."""

    @classmethod
    def of(cls, numbers: Numbers) -> "Totals":
        bounds = sorted(int(name.removeprefix(LATENCY)) for name in numbers if name.startswith(LATENCY))
        return cls(
            requests=numbers.get("requests", 0),
            errors=numbers.get("errors", 0),
            cost=numbers.get("cost", 0),
            loss=numbers.get("loss", 0),
            units={n.removeprefix(UNITS): count for n, count in sorted(numbers.items()) if n.startswith(UNITS)},
            first_tokens=numbers.get("first_tokens", 0),
            first_token_ms=numbers.get("first_token_ms", 0),
            latency={bound: numbers[f"{LATENCY}{bound}"] for bound in bounds},
        )

    def latency_ms(self, percent: int) -> int | None:
        """The bound below which at least `percent` of the requests with a latency lie. None if there are none."""
        timed, passed = sum(self.latency.values()), 0
        for bound, count in self.latency.items():
            passed += count
            if passed * 100 >= timed * percent:
                return bound
        return None


type ReceiptsOf = Callable[[str, str], AsyncIterator[Item]]
"""(account, yyyymmdd) -> the receipts of the account's requests begun on that day, as stored, strongly consistent."""
