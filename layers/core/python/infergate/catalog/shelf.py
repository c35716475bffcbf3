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
from infergate.store.client import Store, get
from infergate.store.errors import StoreError

FRESH_S = 15
"""The pointer is looked at again after this long, beside a request;"""
STALE_S = 30
"""and before one after this long: a change is in force everywhere within it."""


class Shelf:
    def __init__(self, store: Store, table: str, clock: Clock) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._checked_at = 0.0

    def age_s(self) -> float:
        return self._clock() - self._checked_at

    @property
    def cached(self) -> Snapshot | None:
        """The snapshot, if it may still be used without looking."""
        return self._snapshot if self._snapshot is not None and self.age_s() < STALE_S else None

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
        """Put the snapshot in force."""
        body = {"pk": {"S": f"SNAPSHOT#{snapshot.version}"}, "sk": {"S": "SNAPSHOT"}, "body": {"S": dump(snapshot)}}
        await self._store.call("PutItem", {"TableName": self._table, "Item": body})
        pointer = {
            "pk": {"S": "CURRENT"},
            "sk": {"S": "CURRENT"},
            "version": {"S": snapshot.version},
            "applied_at": {"N": str(int(self._clock()))},
            "applied_by": {"S": actor},
        }
        await self._store.call("PutItem", {"TableName": self._table, "Item": pointer})
        self._snapshot, self._checked_at = snapshot, self._clock()

    async def _read(self, version: str) -> Snapshot:
        item = await get(self._store, self._table, f"SNAPSHOT#{version}", "SNAPSHOT")
        if item is None:
            raise Unavailable("the catalog in force is missing")
        return load(item["body"]["S"])
