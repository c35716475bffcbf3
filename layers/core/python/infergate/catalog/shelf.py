"""Where the catalog is kept: every version once, and a pointer to the one in force.

catalog table:
  SNAPSHOT#<version>   SNAPSHOT   the compiled snapshot, never changed
  CURRENT              CURRENT    the version in force, when and by whom it was applied
  HISTORY              <number>   every change of that pointer, kept for good: the audit log of prices

A reader follows the pointer and then reads a whole snapshot, so that a change is never half applied.
"""

import base64
from dataclasses import asdict, dataclass

from infergate.catalog.snapshot import dump, load
from infergate.catalog.types import Snapshot
from infergate.kernel.errors import NotFound, Unavailable
from infergate.kernel.time import Clock
from infergate.store.client import Params, Store, get, query
from infergate.store.codec import decode_item, encode_item, record
from infergate.store.errors import Busy, OutcomeUnknown, StoreError, TransactionFailed
from infergate.store.transact import put_new

TRIES = 5
STALE_S = 30
"""The pointer is looked at again after this long: a change is in force everywhere within it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the catalog in force."""

    number: int
    version: str
    applied_at: int
    applied_by: str
    reason: str = ""


class Shelf:
    def __init__(self, store: Store, table: str, clock: Clock) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._checked_at = 0.0

    @property
    def cached(self) -> Snapshot | None:
        """The snapshot, if it may still be used without looking."""
        return self._snapshot if self._snapshot is not None and self._clock() - self._checked_at < STALE_S else None

    async def current(self) -> Snapshot:
        """The snapshot in force. Raises Unavailable if none was ever applied or it cannot be read: no catalog, no sale."""
        return self.cached or await self.refresh()

    async def refresh(self) -> Snapshot:
        looked_at = self._clock()
        try:
            pointer = await get(self._store, self._table, "CURRENT", "CURRENT")
            version = pointer["version"]["S"] if pointer else None
            if version is None:
                raise Unavailable("no catalog has been applied")
            if self._snapshot is None or self._snapshot.version != version:
                self._snapshot = await self._read(version)
        except NotFound as error:
            raise Unavailable("the catalog in force is missing") from error
        except StoreError as error:
            raise Unavailable("the catalog cannot be read") from error
        self._checked_at = looked_at
        return self._snapshot

    async def at(self, version: str) -> Snapshot:
        """A snapshot that was once applied. Raises NotFound, Unavailable."""
        try:
            return await self._read(version)
        except StoreError as error:
            raise Unavailable("the catalog cannot be read") from error

    async def history(self) -> list[Change]:
        """Oldest first."""
        return [record(Change, decode_item(item)) for item in await query(self._store, self._table, "HISTORY")]

    async def apply(self, snapshot: Snapshot, actor: str, reason: str = "") -> None:
        """Put the snapshot in force. Raises Unavailable where that stays unknown.

        The pointer counts up, so that a write which arrives late cannot put an older catalog back in force. It and the
        line in the history are one transaction: no change without its author.
        """
        body = base64.b64encode(dump(snapshot)).decode()
        place = {"pk": f"SNAPSHOT#{snapshot.version}", "sk": "SNAPSHOT"}
        ours: Change | None = None
        for _ in range(TRIES):
            try:
                await self._store.call(
                    "PutItem", {"TableName": self._table, "Item": encode_item(place | {"body": body})}
                )
                before = await get(self._store, self._table, "CURRENT", "CURRENT")
                now = record(Change, decode_item(before)) if before else None
                if now is None or now != ours:
                    # It is not there from an earlier try of ours whose answer was lost.
                    number = now.number if now else 0
                    ours = Change(number + 1, snapshot.version, int(self._clock()), actor, reason)
                    await self._store.call("TransactWriteItems", {"TransactItems": self._members(ours)})
                self._snapshot, self._checked_at = snapshot, self._clock()
                return
            except (TransactionFailed, Busy, OutcomeUnknown):
                continue
        raise Unavailable("the catalog is being changed")

    def _members(self, change: Change) -> list[Params]:
        history = {"pk": "HISTORY", "sk": f"{change.number:012d}"}
        first = change.number == 1
        pointer = {
            "TableName": self._table,
            "Item": encode_item({"pk": "CURRENT", "sk": "CURRENT"} | asdict(change)),
            "ConditionExpression": "attribute_not_exists(#number)" if first else "#number = :before",
            "ExpressionAttributeNames": {"#number": "number"},
            **({} if first else {"ExpressionAttributeValues": encode_item({":before": change.number - 1})}),
        }
        return [{"Put": pointer}, put_new(self._table, history | asdict(change))]

    async def _read(self, version: str) -> Snapshot:
        item = await get(self._store, self._table, f"SNAPSHOT#{version}", "SNAPSHOT")
        if item is None:
            raise NotFound(f"catalog {version}")
        return load(base64.b64decode(item["body"]["S"]))
