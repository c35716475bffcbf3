"""What the dashboard asks: usage over time, by total, model, key or route. Reads cells, never receipts."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from infergate.store.client import Store
from infergate.usage.cells import cells_between
from infergate.usage.keys import cells_pk, start_of
from infergate.usage.types import Dimension, Span, Totals

SPAN_S: dict[Span, int] = {"hour": 3600, "day": 86_400}
STARTS_MAX: dict[Span, int] = {"hour": 24 * 31, "day": 366}


@dataclass(frozen=True, slots=True)
class Point:
    """One hour or day of one value (a model, a key, a route; "" for the total). Those without usage are left out."""

    start_s: int
    value: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Series:
    """`points` by start, then value. `as_of_ms`: when one of these totals last grew; None if there are none."""

    points: list[Point]
    as_of_ms: int | None


class Usage:
    def __init__(self, store: Store, table: str) -> None:
        self._store = store
        self._table = table

    async def series(self, account: str, from_s: int, to_s: int, *, span: Span, by: Dimension = "total") -> Series:
        """Every hour or day that has begun in [from_s, to_s), epoch seconds; a start is a multiple of its span.

        Raises ValueError for an empty range and for more than STARTS_MAX. Raises store.errors.StoreError.
        """
        step = SPAN_S[span]
        first_s, last_s = -(-from_s // step) * step, (to_s - 1) // step * step
        if not 0 <= first_s <= last_s or (last_s - first_s) // step >= STARTS_MAX[span]:
            raise ValueError(f"no range of 1 to {STARTS_MAX[span]} {span}s: {from_s} to {to_s}")
        seconds = {start_of(at_s * 1000, span): at_s for at_s in range(first_s, last_s + 1, step)}
        sums: dict[tuple[int, str], Counter[str]] = {}
        as_of_ms: int | None = None
        for _, partition in groupby(seconds, key=lambda start: cells_pk(account, span, start)):
            starts = list(partition)
            cells = await cells_between(self._store, self._table, account, span, starts[0], starts[-1])
            for cell, stored in cells.items():
                if stored.numbers.get("requests"):
                    sums.setdefault((seconds[cell.start], cell.value(by)), Counter()).update(stored.numbers)
                    as_of_ms = max(as_of_ms or 0, stored.counted_at_ms)
        return Series([Point(at, value, Totals.of(sums[at, value])) for at, value in sorted(sums)], as_of_ms)
