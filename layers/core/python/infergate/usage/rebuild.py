"""A day's totals against the receipts themselves: compare, replay, rebuild.

Replaying counts every receipt of the day again; that adds those that the stream never brought, and no other. It is safe
at any time. What differs after that (a fault of ours, a table restored to a point in time) takes a rebuild: cells are
overwritten with the sums of the receipts, each on the condition that it has not been written since it was read, which
was before the receipts were read:

    the condition holds  =>  nothing was added to the cell since
                         =>  those of its receipts that have a mark were there when the receipts were read, so are in the sum
    and each receipt in the sum has a mark, for it has just been counted.

So a cell is again the sum of its marked receipts (count.py), whatever the stream did meanwhile.

The receipts of a day are read as a stream and not held together: memory grows with the day's cells.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from infergate.kernel.errors import Unavailable
from infergate.kernel.time import Clock
from infergate.store.client import Store
from infergate.store.codec import encode, encode_item
from infergate.store.errors import Busy, ConditionFailed, Item, OutcomeUnknown
from infergate.usage.cells import Stored, cells_between
from infergate.usage.count import Count
from infergate.usage.keys import cell_sk, cells_pk
from infergate.usage.rules import differences, read, tally
from infergate.usage.types import Cell, Numbers, ReceiptsOf

ROUNDS = 5
CHUNK = 500

type Differences = dict[Cell, dict[str, int]]
"""What is stored less what the receipts say, by name of the number; empty when they agree."""
type Sums = dict[Cell, Counter[str]]


@dataclass(slots=True)
class Rebuilt:
    """`counted` receipts had been missing; `overwritten` is what differed for another reason."""

    counted: int = 0
    overwritten: Differences = field(default_factory=dict)


class Rebuild:
    def __init__(self, store: Store, table: str, count: Count, receipts_of: ReceiptsOf, clock: Clock) -> None:
        self._store = store
        self._table = table
        self._count = count
        self._receipts_of = receipts_of
        self._clock = clock

    async def verify(self, account: str, day: str) -> Differences:
        """Writes nothing. A day that is still growing differs by what the stream is about to bring. Raises Malformed."""
        sums: Sums = {}
        async for chunk in _chunks(self._receipts_of(account, day)):
            _merge(sums, chunk)
        return differences(_numbers(await self._stored(account, day)), sums)

    async def replay(self, account: str, day: str) -> int:
        """Count what the stream did not bring. Returns how many receipts that were. Raises Malformed, Unavailable."""
        _, counted = await self._count_all(account, day)
        return counted

    async def rebuild(self, account: str, day: str) -> Rebuilt:
        """Replay, then make every cell of the day (yyyymmdd) what the receipts say.

        Only for a day none of whose receipts can have aged out: totals outlive receipts, and would shrink with them.
        Raises Malformed, and Unavailable where the store is busy or the day too lively; then it may be called again.
        """
        rebuilt = Rebuilt()
        for _ in range(ROUNDS):
            stored = await self._stored(account, day)
            sums, counted = await self._count_all(account, day)
            rebuilt.counted += counted
            done = True
            for cell, difference in differences(_numbers(stored), sums).items():
                if await self._overwrite(account, cell, stored.get(cell), sums.get(cell, {})):
                    rebuilt.overwritten[cell] = difference
                else:
                    done = False
            if done:
                return rebuilt
        raise Unavailable("the day's totals keep changing")

    async def _count_all(self, account: str, day: str) -> tuple[Sums, int]:
        """The sums of the day's receipts, each of which has its mark by now, and how many had none."""
        sums: Sums = {}
        new = 0
        async for chunk in _chunks(self._receipts_of(account, day)):
            _merge(sums, chunk)
            counted = await self._count.run((item["sk"]["S"], item) for item in chunk)
            if counted.stuck:
                raise Unavailable("the totals are busy")
            new += counted.counted
        return sums, new

    async def _stored(self, account: str, day: str) -> dict[Cell, Stored]:
        hours = await cells_between(self._store, self._table, account, "hour", f"{day}00", f"{day}23", consistent=True)
        return hours | await cells_between(self._store, self._table, account, "day", day, day, consistent=True)

    async def _overwrite(self, account: str, cell: Cell, before: Stored | None, numbers: Numbers) -> bool:
        """False if the cell has been written since it was `before`, or if nobody can say."""
        writes = before.writes if before else 0
        item = {
            "pk": cells_pk(account, cell.span, cell.start),
            "sk": cell_sk(cell),
            "writes": writes + 1,
            "counted_at_ms": int(self._clock() * 1000),
            **numbers,
        }
        put = {
            "TableName": self._table,
            "Item": encode_item(item),
            "ConditionExpression": "writes = :writes" if writes else "attribute_not_exists(writes)",
        }
        if writes:
            put["ExpressionAttributeValues"] = {":writes": encode(writes)}
        try:
            await self._store.call("PutItem", put)
        except (ConditionFailed, Busy, OutcomeUnknown):
            return False
        return True


def _numbers(stored: Mapping[Cell, Stored]) -> dict[Cell, Numbers]:
    return {cell: one.numbers for cell, one in stored.items()}


def _merge(sums: Sums, receipts: list[Item]) -> None:
    for cell, numbers in tally(map(read, receipts)).items():
        sums.setdefault(cell, Counter()).update(numbers)


async def _chunks(items: AsyncIterator[Item]) -> AsyncIterator[list[Item]]:
    chunk: list[Item] = []
    async for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
