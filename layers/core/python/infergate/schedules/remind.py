"""Notices that credit will expire: one per grant and threshold, written once, for whatever mails or shows them later.

accounts table:
  ACCOUNT#<account>   NOTICE#expiry#<grant>#<days>   put if absent; `sent_at` is added by who sends it
"""

from dataclasses import dataclass

from infergate.kernel.errors import NotFound, Unavailable
from infergate.kernel.time import Clock
from infergate.ledger.grants import Grants
from infergate.ledger.keys import DUE_SPREAD, account_pk, due_pk
from infergate.store.client import Store, query
from infergate.store.codec import encode_item
from infergate.store.errors import ConditionFailed

DAY_S = 86_400
DAYS_BEFORE = (14, 3)


@dataclass(slots=True)
class Reminded:
    notices: int = 0
    failed: int = 0


class Remind:
    def __init__(self, store: Store, grants: Grants, accounts_table: str, clock: Clock) -> None:
        self._store = store
        self._grants = grants
        self._table = accounts_table
        self._clock = clock

    async def run(self) -> Reminded:
        """Looks at the grants that end on the day a threshold away, and at those of the day before, should a run be missed."""
        reminded = Reminded()
        for days in DAYS_BEFORE:
            for end_s in (int(self._clock()) + days * DAY_S, int(self._clock()) + (days - 1) * DAY_S):
                for spread in range(DUE_SPREAD):
                    for mark in await query(self._store, self._table, due_pk(end_s, spread)):
                        await self._one(mark["account"]["S"], mark["sk"]["S"].rpartition("#")[2], days, reminded)
        return reminded

    async def _one(self, account: str, grant_id: str, days: int, reminded: Reminded) -> None:
        try:
            grants = await self._grants.attribute(account)
        except (NotFound, Unavailable):
            reminded.failed += 1
            return
        grant = next((g for g in grants if g.id == grant_id), None)
        if grant is None or grant.left == 0:
            return
        notice = {
            "pk": account_pk(account),
            "sk": f"NOTICE#expiry#{grant_id}#{days}",
            "kind": "credit_expires",
            "grant": grant_id,
            "left": grant.left,
            "expires_at": grant.expires_at,
            "made_at": int(self._clock()),
        }
        try:
            await self._store.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": encode_item(notice),
                    "ConditionExpression": "attribute_not_exists(pk)",
                },
            )
            reminded.notices += 1
        except ConditionFailed:
            return
