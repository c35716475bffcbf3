"""Where the catalog is kept: every version once, and a pointer to the one in force.

catalog table:
  SNAPSHOT#<version>   SNAPSHOT   the compiled snapshot, never changed
  CURRENT              CURRENT    the version in force, when and by whom it was applied

A reader follows the pointer and then reads a whole snapshot, so that a change is never half applied.
"""

from infergate.catalog.compile import dump, load
from infergate.catalog.types import Snapshot
from infergate.kernel.errors import Unavailable
from infergate.kernel.time import Clock
from infergate.store.client import Params, Store, get
from infergate.store.codec import encode_item
from infergate.store.errors import Busy, ConditionFailed, Item, OutcomeUnknown, StoreError

TRIES = 5
STALE_S = 30
"""The pointer is looked at again after this long: a change is in force everywhere within it."""


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
        except StoreError as error:
            raise Unavailable("the catalog cannot be read") from error
        self._checked_at = looked_at
        return self._snapshot

    async def apply(self, snapshot: Snapshot, actor: str) -> None:
        """Put the snapshot in force. Raises Unavailable where that stays unknown.

        The pointer counts up, so that a write which arrives late cannot put an older catalog back in force.
        """
        body = {"pk": {"S": f"SNAPSHOT#{snapshot.version}"}, "sk": {"S": "SNAPSHOT"}, "body": {"S": dump(snapshot)}}
        for _ in range(TRIES):
            try:
                await self._store.call("PutItem", {"TableName": self._table, "Item": body})
                before = await get(self._store, self._table, "CURRENT", "CURRENT")
                await self._store.call("PutItem", self._pointer(snapshot, actor, before))
                self._snapshot, self._checked_at = snapshot, self._clock()
                return
            except (ConditionFailed, Busy, OutcomeUnknown):
                # Whether it was ours that counted up is seen by doing it again: the same catalog is in force then.
                continue
        raise Unavailable("the catalog is being changed")

    def _pointer(self, snapshot: Snapshot, actor: str, before: Item | None) -> Params:
        number = int(before["number"]["N"]) if before and "number" in before else 0
        item = {
            "pk": "CURRENT",
            "sk": "CURRENT",
            "version": snapshot.version,
            "number": number + 1,
            "applied_at": int(self._clock()),
            "applied_by": actor,
        }
        return {
            "TableName": self._table,
            "Item": encode_item(item),
            "ConditionExpression": "#number = :before" if number else "attribute_not_exists(#number)",
            "ExpressionAttributeNames": {"#number": "number"},
            **({"ExpressionAttributeValues": encode_item({":before": number})} if number else {}),
        }

    async def _read(self, version: str) -> Snapshot:
        item = await get(self._store, self._table, f"SNAPSHOT#{version}", "SNAPSHOT")
        if item is None:
            raise Unavailable("the catalog in force is missing")
        return load(item["body"]["S"])
