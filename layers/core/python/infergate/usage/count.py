"""Counting receipts, each exactly once, however often and in whatever order they come.

The scheme: a receipt's mark and what it adds to its cells are members of one TransactWriteItems, and the mark is put on
the condition that it is not there. So at every moment, and after every crash,

    a cell = the sum of those of its receipts that have a mark                                              (1)

for a transaction that is applied makes marks that were not there and adds exactly their receipts, and any other changes
nothing. A receipt that comes again (the batch redelivered, whole, bisected or after a crash; an answer lost; a write that
arrives late; a replay of the table) finds its mark and adds nothing. Once every receipt has come at least once, which is
the stream's promise and the rebuild's work, each has a mark, and (1) says: totals = sum of receipts.

Nothing is derived from order: DynamoDB promises it per item only, and a receipt is one item that is written once.
Watermarks (docs/decisions/0004-rollups-exactly-once.md) would need more than that.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from infergate.kernel.time import Clock
from infergate.store.client import Params, Store
from infergate.store.codec import encode
from infergate.store.errors import Busy, Item, OutcomeUnknown, StoreError, TransactionFailed
from infergate.usage.keys import SEEN, cell_sk, cells_pk, seen_pk
from infergate.usage.rules import parcels, read, tally
from infergate.usage.types import Cell, Malformed, Numbers, Use

TRIES = 6
"""A throttled or conflicting transaction is tried this often within about four seconds."""
ACCOUNTS_AT_ONCE = 16
MARK_OUTLIVES_RECEIPT_S = 7 * 86_400
"""DynamoDB deletes what has expired within days, in no order; a receipt that is still there must have its mark."""

type Sleep = Callable[[float], Awaitable[None]]
type Chance = Callable[[], float]
"""A number in [0, 1): `random.random` in production."""


@dataclass(slots=True)
class Counted:
    """What became of a batch. `again` were counted before; `malformed` and `stuck` are names of records and why."""

    counted: int = 0
    again: int = 0
    malformed: dict[str, str] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)


class Count:
    def __init__(self, store: Store, table: str, clock: Clock, sleep: Sleep, chance: Chance) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    async def run(self, receipts: Iterable[tuple[str, Item]]) -> Counted:
        """Count the receipts, given by name, as stored. One that cannot be counted stops none of another account."""
        counted = Counted()
        names: dict[tuple[str, str], list[str]] = defaultdict(list)
        accounts: dict[str, dict[str, Use]] = defaultdict(dict)
        for name, image in receipts:
            try:
                use = read(image)
            except Malformed as error:
                counted.malformed[name] = str(error)
                continue
            # One transaction may not name an item twice, and one batch may hold a receipt twice.
            counted.again += use.request_id in accounts[use.account]
            accounts[use.account][use.request_id] = use
            names[use.account, use.request_id].append(name)
        room = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

        async def one(uses: Iterable[Use]) -> None:
            async with room:
                for use, why in await self._account(uses, counted):
                    counted.stuck |= dict.fromkeys(names[use.account, use.request_id], why)

        async with asyncio.TaskGroup() as group:
            for uses in accounts.values():
                group.create_task(one(uses.values()))
        return counted

    async def _account(self, uses: Iterable[Use], counted: Counted) -> list[tuple[Use, str]]:
        """One transaction after another, for they share cells. Returns those that the store would not take."""
        stuck: list[tuple[Use, str]] = []
        for parcel in parcels(uses):
            try:
                new = await self._add(parcel)
            except StoreError as error:
                stuck += [(use, type(error).__name__) for use in parcel]
            else:
                counted.counted += new
                counted.again += len(parcel) - new
        return stuck

    async def _add(self, uses: list[Use]) -> int:
        """Add those that have no mark yet, all or none. Returns how many that were.

        Raises StoreError where it stays unknown; then they may have been added, and adding them again does no harm.
        """
        failure: StoreError = Busy()
        tried = 0
        while tried < TRIES:
            try:
                await self._store.call("TransactWriteItems", self._transaction(uses))
                return len(uses)
            except TransactionFailed as failed:
                left = _unmarked(uses, failed)
                if len(left) < len(uses):
                    uses = left
                    if not uses:
                        return 0
                    continue
                if not failed.conflicted:
                    raise
                failure = failed
            except (Busy, OutcomeUnknown) as error:
                failure = error
            # Full jitter, up to 50, 100, 200, ... ms.
            await self._sleep(self._chance() * 0.05 * 2**tried)
            tried += 1
        raise failure

    def _transaction(self, uses: list[Use]) -> Params:
        at_ms = int(self._clock() * 1000)
        marks = [_mark(self._table, use, at_ms) for use in uses]
        cells = tally(uses)
        return {"TransactItems": marks + [_grow(self._table, uses[0].account, c, n, at_ms) for c, n in cells.items()]}


def _unmarked(uses: list[Use], failed: TransactionFailed) -> list[Use]:
    """Marks are the first members of the transaction, in the order of the uses, and the only ones with a condition."""
    reasons = [code for code, _ in failed.reasons[: len(uses)]]
    reasons += ["None"] * (len(uses) - len(reasons))
    return [use for use, code in zip(uses, reasons, strict=True) if code != "ConditionalCheckFailed"]


def _mark(table: str, use: Use, at_ms: int) -> Params:
    """By Update, not Put: so the role needs no action that could replace an item of the table."""
    values = {":at": encode(at_ms)}
    names = {}
    expression = "SET counted_at_ms = :at"
    if use.expires_at is not None:
        expression += ", #ttl = :ttl"
        names["#ttl"] = "ttl"
        values[":ttl"] = encode(use.expires_at + MARK_OUTLIVES_RECEIPT_S)
    update = {
        "TableName": table,
        "Key": {"pk": {"S": seen_pk(use.account, use.request_id)}, "sk": {"S": SEEN}},
        "UpdateExpression": expression,
        "ConditionExpression": "attribute_not_exists(pk)",
        "ExpressionAttributeValues": values,
    }
    return {"Update": update | ({"ExpressionAttributeNames": names} if names else {})}


def _grow(table: str, account: str, cell: Cell, numbers: Numbers, at_ms: int) -> Params:
    names = {f"#{i}": name for i, name in enumerate(numbers)}
    adds = [f"#{i} :{i}" for i in range(len(numbers))]
    return {
        "Update": {
            "TableName": table,
            "Key": {"pk": {"S": cells_pk(account, cell.span, cell.start)}, "sk": {"S": cell_sk(cell)}},
            "UpdateExpression": "SET counted_at_ms = :at ADD writes :one, " + ", ".join(adds),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {":at": encode(at_ms), ":one": encode(1)}
            | {f":{i}": encode(number) for i, number in enumerate(numbers.values())},
        }
    }
