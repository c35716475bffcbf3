"""What a proof says of itself: one row of the table that `make prove` prints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Row:
    """`violations` must be empty; each is a sentence with what is needed to see it again."""

    what: str
    how_many: str = ""
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    notes: str = ""


@contextmanager
def timed(what: str) -> Iterator[Row]:
    row = Row(what)
    started = time.perf_counter()
    try:
        yield row
    finally:
        row.seconds = time.perf_counter() - started


def print_table(rows: list[Row]) -> None:
    width = max(len(row.what) for row in rows)
    print(f"{'what':{width}}  {'how many':>44}  violations  seconds")
    for row in rows:
        print(f"{row.what:{width}}  {row.how_many:>44}  {len(row.violations):>10}  {row.seconds:>7.1f}  {row.notes}")
        for violation in row.violations[:5]:
            print(f"    {violation}")
