"""The statement: every movement of an account's credit in a period, each request's too, and sums that can be checked.

The same period always gives the same bytes: rows are ordered by time, then by identifier, and nothing else is in them.
"""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

import orjson

from infergate.kernel.ids import made_at_ms
from infergate.kernel.money import Nanos, format_usd
from infergate.kernel.time import iso
from infergate.ledger.books import Books
from infergate.ledger.ledger import Ledger

DAY_S = 86_400
COLUMNS = ("at", "kind", "id", "amount", "balance", "model", "reason", "actor")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """Amounts are decimal strings in US dollars; a request's is negative. `balance` is what there is after it, holds included."""

    at: str
    kind: str
    id: str
    amount: str
    balance: str
    model: str = ""
    reason: str = ""
    actor: str = ""


@dataclass(slots=True)
class Sums:
    """Opening plus credits minus debits minus usage is closing."""

    opening: Nanos = 0
    credits: Nanos = 0
    debits: Nanos = 0
    usage: Nanos = 0
    requests: int = 0

    @property
    def closing(self) -> Nanos:
        return self.opening + self.credits - self.debits - self.usage

    def add(self, kind: str, amount: Nanos) -> None:
        if kind == "usage":
            self.usage -= amount
            self.requests += 1
        elif amount > 0:
            self.credits += amount
        else:
            self.debits -= amount


async def rows(books: Books, ledger: Ledger, account: str, from_s: int, to_s: int, sums: Sums) -> AsyncIterator[Row]:
    """Movements at or after `from_s` and before `to_s`, oldest first; `sums` is filled as they come.

    Reads a day's receipts at a time, so that memory does not grow with the period. Usage before the period is needed for
    the opening balance, so that is read too.
    """
    movements = [
        (e.at, f"entry {e.number:012d}", e.kind, e.amount, "", e.reason, e.actor) for e in await books.entries(account)
    ]
    # Nothing is spent before the first movement; a day of slack for clocks that differ.
    first = min([to_s, *(m[0] for m in movements)]) - DAY_S
    start = first - first % DAY_S
    balance = 0
    for day in range(start, to_s, DAY_S):
        receipts = await ledger.receipts(account, since_s=day, until_s=min(day + DAY_S, to_s))
        today = [m for m in movements if day <= m[0] < min(day + DAY_S, to_s)]
        today += [
            (made_at_ms(r.request_id) // 1000, r.request_id, "usage", -r.cost, r.model, r.reason, "") for r in receipts
        ]
        for at, name, kind, amount, model, reason, actor in sorted(today):
            balance += amount
            if at < from_s:
                sums.opening = balance
                continue
            sums.add(kind, amount)
            yield Row(iso(at), kind, name, format_usd(amount), format_usd(balance), model, reason, actor)


def csv_header() -> str:
    return _csv_line(COLUMNS)


def csv_row(row: Row) -> str:
    """What people have written is quoted so that no spreadsheet takes it for a formula. Amounts are ours, and stay numbers."""
    cells = [
        row.at,
        row.kind,
        row.id,
        row.amount,
        row.balance,
        *(_plain(c) for c in (row.model, row.reason, row.actor)),
    ]
    return _csv_line(cells)


def json_row(row: Row) -> str:
    return orjson.dumps(asdict(row)).decode() + "\n"


def sums_object(account: str, from_s: int, to_s: int, sums: Sums) -> dict[str, str | int]:
    amounts = {"opening": sums.opening, "credits": sums.credits, "debits": sums.debits, "usage": sums.usage}
    return {
        "account": account,
        "from": iso(from_s),
        "to": iso(to_s),
        **{name: format_usd(amount) for name, amount in amounts.items()},
        "closing": format_usd(sums.closing),
        "requests": sums.requests,
    }


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _csv_line(cells: tuple[str, ...] | list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
