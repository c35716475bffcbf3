"""The one way in which credit moves other than by requests: plan from what is true, write it whole, or plan again.

A movement is one transaction of the wallet, the grants it touches, its entries and its cause. It is written only if the
books would balance afterwards, and only if nothing that it was planned from has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from infergate.kernel.errors import NotFound, Unavailable
from infergate.kernel.money import Nanos
from infergate.kernel.time import Clock
from infergate.ledger import entries
from infergate.ledger.keys import CAUSE, ENTRY, GRANT, WALLET, account_pk, entry_sk
from infergate.ledger.ledger import Chance, Sleep, Tables
from infergate.ledger.rules import Share, less, plan_attribution
from infergate.ledger.types import Entry, Grant, Hold, Wallet
from infergate.ledger.wallet import read_wallet
from infergate.store.client import Params, Store, get, query
from infergate.store.errors import Busy, OutcomeUnknown, TransactionFailed

TRIES = 12


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a number. `cause` "" is for what the state of the books itself makes happen once."""

    kind: str
    amount: Nanos
    grant: str = ""
    cause: str = ""
    debt: Nanos = 0


@dataclass(slots=True)
class Plan:
    """What a movement makes of the books. `grants` are all of the account's, as they will be, new ones included.

    `members` are writes of others that must happen with it, or not at all.
    """

    grants: list[Grant]
    drafts: list[Draft] = field(default_factory=list)
    add: dict[str, int] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)
    holds: dict[str, Hold] | None = None
    members: list[Params] = field(default_factory=list)


type Planner = Callable[[Wallet, list[Grant]], Plan | None]
"""From the wallet and its grants, with all spend attributed, to a plan; None: there is nothing to do."""


class Unbalanced(Exception):
    """A plan that would break the books: a bug, stopped before it is written."""


class Books:
    def __init__(self, store: Store, tables: Tables, clock: Clock, sleep: Sleep, chance: Chance) -> None:
        self.store = store
        self.table = tables.accounts
        self.clock = clock
        self._sleep = sleep
        self._chance = chance

    def now_s(self) -> int:
        return int(self.clock())

    async def move(self, account: str, planner: Planner, *, cause: str, actor: str, reason: str) -> list[Entry]:
        """The entries that it made; none if there was nothing to do. With a `cause` it happens once: repeated, it returns
        the entry that the cause has made. Raises NotFound, Unavailable, and what the planner raises."""
        for tried in range(TRIES):
            if cause and (made := await self.made_by(account, cause)):
                return [made]
            wallet, grants = await self._read(account)
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
            except (TransactionFailed, Busy, OutcomeUnknown):
                # Whatever happened, the next round reads it: the cause, or a wallet that has moved on.
                await self._sleep(self._chance() * 0.02 * 2 ** min(tried, 6))
        raise Unavailable("the account's books are busy")

    def _planned(
        self, wallet: Wallet, grants: list[Grant], planner: Planner, actor: str, reason: str
    ) -> tuple[list[Entry], list[Params]] | None:
        shares = plan_attribution(wallet, grants)
        plan = planner(wallet, [less(g, shares.get(g.id, Share())) for g in grants])
        if plan is None:
            return None
        plan.drafts[:0] = [Draft("expiry", -s.expired, name) for name, s in shares.items() if s.expired]
        made = self._numbered(wallet, plan, actor, reason)
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

    async def _read(self, account: str) -> tuple[Wallet, list[Grant]]:
        """A wallet and the grants that belong to it: no movement came between the two reads."""
        wallet = await self._wallet(account)
        while True:
            grants = await self.grants(account)
            again = await self._wallet(account)
            if again.version == wallet.version:
                return again, grants
            wallet = again

    async def _wallet(self, account: str) -> Wallet:
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
            cause = draft.cause or f"{draft.kind}:{number}"
            made.append(
                Entry(
                    number,
                    draft.kind,
                    draft.amount,
                    balance,
                    cause,
                    actor,
                    reason,
                    self.now_s(),
                    draft.grant,
                    draft.debt,
                )
            )
        return made

    def _members(self, wallet: Wallet, before: list[Grant], plan: Plan, made: list[Entry]) -> list[Params]:
        _check(wallet, plan, made)
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
        guard_holds = plan.holds is not None
        members.append(entries.update_wallet(self.table, wallet, add=plan.add, put=put, guard_holds=guard_holds))
        return members + plan.members


def _check(wallet: Wallet, plan: Plan, made: list[Entry]) -> None:
    """Raises Unbalanced. The last line of defence: nothing that does not add up is ever sent."""
    add = plan.add
    balance = wallet.available + add.get("available", 0) + wallet.held
    wrong = [grant.id for grant in plan.grants if grant.difference or min(grant.left, grant.frozen, grant.removed) < 0]
    if (
        wrong
        or len({grant.id for grant in plan.grants}) != len(plan.grants)
        or sum(grant.left for grant in plan.grants) != balance
        or (made and made[-1].balance_after != balance)
        or add.get("credited", 0) != add.get("available", 0) + add.get("debited", 0)
        or wallet.debt + add.get("debt", 0) < 0
        or sum(entry.debt for entry in made) != add.get("debt", 0)
    ):
        raise Unbalanced(f"{wallet.account}: {[draft.kind for draft in plan.drafts]}, grants {wrong}")
