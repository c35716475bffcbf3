"""Tidying expired credit, oldest first. Nothing waits for it: a reserve never passes an expiry that is due.

A grant that ends left a mark under its day when it was made, and so did a debt that open holds may repay. The mark goes
when its account has been dealt with, so that a run which dies half way, or comes a day late, goes on from what is left.
"""

from dataclasses import dataclass

from infergate.kernel.errors import InferGateError
from infergate.kernel.money import Nanos
from infergate.kernel.time import Clock
from infergate.ledger.grants import Grants
from infergate.ledger.keys import DEBT, DUE_SPREAD, due_pk
from infergate.store.client import Store, query
from infergate.store.errors import StoreError

LOOK_BACK_DAYS = 30
DAY_S = 86_400


@dataclass(slots=True)
class Expired:
    marks: int = 0
    amount: Nanos = 0
    failed: int = 0
    oldest_due_age_s: int = 0


class Expire:
    def __init__(self, store: Store, grants: Grants, accounts_table: str, clock: Clock) -> None:
        self._store = store
        self._grants = grants
        self._table = accounts_table
        self._clock = clock

    async def run(self, *, marks_max: int = 5_000) -> Expired:
        expired = Expired()
        now_s = int(self._clock())
        for day in range(LOOK_BACK_DAYS, -1, -1):
            for spread in range(DUE_SPREAD):
                pk = due_pk(now_s - day * DAY_S, spread)
                for mark in await query(self._store, self._table, pk, limit=marks_max):
                    due_at = int(mark["sk"]["S"].partition("#")[0])
                    if due_at > now_s or expired.marks >= marks_max:
                        break
                    expired.marks += 1
                    expired.oldest_due_age_s = max(expired.oldest_due_age_s, now_s - due_at)
                    await self._one(mark["account"]["S"], pk, mark["sk"]["S"], expired)
        return expired

    async def _one(self, account: str, pk: str, sk: str, expired: Expired) -> None:
        try:
            if sk.endswith(f"#{DEBT}"):
                if await self._grants.collect(account):
                    return
            else:
                expired.amount += await self._grants.expire(account)
            await self._store.call("DeleteItem", {"TableName": self._table, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}})
        except (InferGateError, StoreError):
            # One account that cannot be dealt with does not stop the others; its mark stays.
            expired.failed += 1
