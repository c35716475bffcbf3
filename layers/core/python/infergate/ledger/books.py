"""The one way in which credit moves other than by requests: plan from what is true, write it whole, or plan again.

A movement is one transaction of the wallet, the grants it touches, its entries and its cause. It is written only if the
books would balance afterwards, and only if nothing that it was planned from has changed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from infergate.kernel.errors import NotFound, Unavailable
from infergate.kernel.time import Clock
from infergate.ledger import entries
from infergate.ledger.keys import CAUSE, ENTRY, GRANT, WALLET, account_pk, entry_sk
from infergate.ledger.ledger import Chance, Sleep, Tables
from infergate.ledger.plan import Plan, Planner, check, plan_movement
from infergate.ledger.types import Entry, Grant, Wallet
from infergate.ledger.wallet import read_wallet
from infergate.store.client import Params, Store, get, query
from infergate.store.errors import Busy, OutcomeUnknown, TransactionFailed

TRIES = 12
HOLDS_END_S = 1_800
"""When every hold that was open has ended for certain (in 20 minutes, promise P7), and what it gave back can be collected."""

type Look = Callable[[], Awaitable[None]]
"""Reads what else a plan depends on, of the same moment as the wallet and the grants."""


class Books:
    def __init__(self, store: Store, tables: Tables, clock: Clock, sleep: Sleep, chance: Chance) -> None:
        self.store = store
        self.table = tables.accounts
        self.clock = clock
        self._sleep = sleep
        self._chance = chance

    def now_s(self) -> int:
        return int(self.clock())

    async def move(
        self, account: str, planner: Planner, *, cause: str, actor: str, reason: str, look: Look | None = None
    ) -> list[Entry]:
        """The entries that it made; none if there was nothing to do. With a `cause` it happens once: repeated, it returns
        the entry that the cause has made. Raises NotFound, Unavailable, and what the planner raises."""
        unsure: list[list[Entry]] = []
        for tried in range(TRIES):
            if cause and (made := await self.made_by(account, cause)):
                return [made]
            wallet, grants = await self._read(account, look)
            for sent in unsure:
                if await self._stands(account, sent[-1]):
                    return sent
            try:
                planned = self._planned(wallet, grants, planner, actor, reason)
            except Exception:
                # The same cause may have happened since it was looked for; then this was planned from its result.
                if cause and (made := await self.made_by(account, cause)):
                    return [made]
                raise
            if planned is None:
                return []
            made_entries, members = planned
            try:
                await self.store.call("TransactWriteItems", {"TransactItems": members})
                return made_entries
            except OutcomeUnknown:
                # It may have happened, or may yet: then its last entry stands when the wallet is read again.
                unsure += [made_entries] if made_entries else []
            except (TransactionFailed, Busy):
                # Whatever happened, the next round reads it: the cause, or a wallet that has moved on.
                pass
            await self._sleep(self._chance() * 0.02 * 2 ** min(tried, 6))
        raise Unavailable("the account's books are busy")

    def _planned(
        self, wallet: Wallet, grants: list[Grant], planner: Planner, actor: str, reason: str
    ) -> tuple[list[Entry], list[Params]] | None:
        plan = plan_movement(wallet, grants, planner, self.now_s())
        if plan is None:
            return None
        made = self._numbered(wallet, plan, actor, reason)
        check(wallet, plan, made)
        return made, self._members(wallet, grants, plan, made)

    async def grants(self, account: str) -> list[Grant]:
        items = await query(self.store, self.table, account_pk(account), prefix=GRANT)
        return [entries.read_grant(item) for item in items]

    async def entries(self, account: str, limit: int | None = None, *, newest_first: bool = False) -> list[Entry]:
        items = await query(
            self.store, self.table, account_pk(account), prefix=ENTRY, limit=limit, newest_first=newest_first
        )
        return [entries.read_entry(item) for item in items]

    async def made_by(self, account: str, cause: str) -> Entry | None:
        """The entry that this cause has made."""
        marker = await get(self.store, self.table, account_pk(account), CAUSE + cause)
        if marker is None:
            return None
        item = await get(self.store, self.table, account_pk(account), entry_sk(int(marker["entry"]["N"])))
        return entries.read_entry(item) if item else None

    async def _stands(self, account: str, entry: Entry) -> bool:
        item = await get(self.store, self.table, account_pk(account), entry_sk(entry.number))
        return item is not None and entries.read_entry(item) == entry

    async def _read(self, account: str, look: Look | None) -> tuple[Wallet, list[Grant]]:
        """A wallet and the grants that belong to it: no movement came between the two reads."""
        wallet = await self.wallet(account)
        while True:
            grants = await self.grants(account)
            if look is not None:
                await look()
            again = await self.wallet(account)
            if again.version == wallet.version:
                return again, grants
            wallet = again

    async def wallet(self, account: str) -> Wallet:
        """Raises NotFound."""
        item = await get(self.store, self.table, account_pk(account), WALLET)
        if item is None:
            raise NotFound(f"account {account}")
        return read_wallet(item)

    def _numbered(self, wallet: Wallet, plan: Plan, actor: str, reason: str) -> list[Entry]:
        # What settled holds gave back to expiry has left the balance already, and becomes an entry here.
        balance = wallet.available + wallet.held + wallet.lapsed - wallet.lapse_attributed
        made = []
        for number, draft in enumerate(plan.drafts, start=wallet.entries + 1):
            balance += draft.amount
            made.append(
                Entry(
                    number,
                    draft.kind,
                    draft.amount,
                    balance,
                    draft.cause or f"{draft.kind}:{number}",
                    draft.actor or actor,
                    draft.reason or reason,
                    self.now_s(),
                    draft.grant,
                    draft.debt,
                )
            )
        return made

    def _members(self, wallet: Wallet, before: list[Grant], plan: Plan, made: list[Entry]) -> list[Params]:
        known = {grant.id: grant for grant in before}
        members: list[Params] = []
        for grant in plan.grants:
            if grant.id not in known:
                members += entries.put_grant(self.table, wallet.account, grant)
            elif grant != known[grant.id]:
                members.append(entries.replace_grant(self.table, wallet.account, known[grant.id], grant))
        for entry, draft in zip(made, plan.drafts, strict=True):
            members.append(entries.put_entry(self.table, wallet.account, entry))
            if draft.cause:
                members.append(entries.put_cause(self.table, wallet.account, draft.cause, entry.number))
        put = {
            **plan.put,
            "version": wallet.version + 1,
            "entries": wallet.entries + len(made),
            "next_expiry": entries.next_expiry(plan.grants),
            "attributed": wallet.spent,
        }
        if wallet.lapsed or wallet.due_spent:
            put |= {"due_attributed": wallet.due_spent, "lapse_attributed": wallet.lapsed}
        if plan.holds is not None:
            put["holds"] = entries.stored_holds(replace(wallet, holds=plan.holds))
        add = {name: amount for name, amount in plan.add.items() if amount}
        guard_holds = plan.holds is not None
        members.append(entries.update_wallet(self.table, wallet, add=add, put=put, guard_holds=guard_holds))
        if plan.add.get("debt", 0) > 0 and plan.after(wallet).holds:
            members.append(entries.put_debt_mark(self.table, wallet.account, self.now_s() + HOLDS_END_S))
        return members + plan.members
