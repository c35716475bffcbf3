"""From a presented key to what it may do. Keys are cached without a time limit: the wallet's epoch says when one is stale.

Revoking a key or changing its account raises the epoch in the wallet. A request reserves under the epoch that its cached
key was read at, so a stale key is refused by the write itself; the key is then read again, once.
"""

from infergate.accounts.keys import KEY, ApiKey, hash_of, lookup_pk, read, well_formed
from infergate.kernel.errors import InvalidKey, Unavailable
from infergate.kernel.time import Clock
from infergate.store.client import Store, get
from infergate.store.errors import StoreError
from infergate.store.secrets import Secrets

CACHED_MAX = 20_000


class KeyDirectory:
    def __init__(self, store: Store, table: str, secrets: Secrets, pepper_ref: str, clock: Clock) -> None:
        self._store = store
        self._table = table
        self._secrets = secrets
        self._pepper_ref = pepper_ref
        self._clock = clock
        self._cached: dict[str, ApiKey] = {}

    async def find(self, presented: str | None) -> ApiKey:
        """The key, perhaps from the cache. Raises InvalidKey for every other case, Unavailable if it cannot be known."""
        if presented is None:
            raise InvalidKey("missing")
        if not well_formed(presented):
            raise InvalidKey("malformed")
        current = hash_of(presented, await self._secrets.value(self._pepper_ref))
        key = self._cached.get(current) or await self._read(current) or await self._by_older_pepper(presented, current)
        if key is None:
            raise InvalidKey("unknown")
        return self._usable(key)

    async def reread(self, key: ApiKey, epoch: int) -> ApiKey:
        """The key as it is now, good for `epoch`, which was seen in the wallet *before* this read. Raises InvalidKey."""
        fresh = await self._read(key.hash)
        if fresh is None:
            raise InvalidKey("unknown")
        fresh.epoch = epoch
        return self._usable(fresh)

    def _usable(self, key: ApiKey) -> ApiKey:
        state = key.state(self._clock())
        if state != "active":
            raise InvalidKey(state)
        return key

    async def _read(self, key_hash: str) -> ApiKey | None:
        try:
            item = await get(self._store, self._table, lookup_pk(key_hash), KEY)
        except StoreError as error:
            raise Unavailable("keys cannot be read") from error
        self._cached.pop(key_hash, None)
        if item is None:
            return None
        if len(self._cached) >= CACHED_MAX:
            self._cached.pop(next(iter(self._cached)))
        key = self._cached[key_hash] = read(item)
        return key

    async def _by_older_pepper(self, presented: str, current: str) -> ApiKey | None:
        """During a rotation of the pepper, keys made under the one before are still good."""
        for pepper in (await self._secrets.live_values(self._pepper_ref))[1:]:
            older = hash_of(presented, pepper)
            if older != current and (key := self._cached.get(older) or await self._read(older)):
                return key
        return None
