"""Rare movements of credit: grants, expiry, status. One transaction each; a lost race is planned again from what is true now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infergate.kernel.errors import NotFound, Unavailable
from infergate.kernel.money import Nanos
from infergate.kernel.time import Clock
from infergate.ledger import entries
from infergate.ledger.keys import CAUSE, ENTRY, GRANT, WALLET, account_pk, entry_sk
from infergate.ledger.ledger import Chance, Sleep, Tables
from infergate.ledger.rules import Share, less, plan_attribution, plan_lapse
from infergate.ledger.types import Entry, Grant, Wallet
from infergate.ledger.wallet import read_wallet
from infergate.store.client import Params, Store, get, query
from infergate.store.codec import encode_item
from infergate.store.errors import Busy, OutcomeUnknown, TransactionFailed

TRIES = 12


@dataclass(slots=True)
class Plan:
    """What a movement writes. `shares` and `lapsing` change grants; amounts of `drafts` move the balance."""

    drafts: list[tuple[str, Nanos, str, str]] = field(default_factory=list)
    """(kind, amount, cause, grant) of each entry."""
    shares: dict[str, Share] = field(default_factory=dict)
    lapsing: set[str] = field(default_factory=set)
    new_grant: Grant | None = None
    add: dict[str, int] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)
    guard_holds: bool = False


type Planner = Callable[[Wallet, list[Grant]], Plan | None]


def opening(table: str, account: str, grants: Sequence[Grant], now_s: int, actor: str) -> list[Params]:
    """The members of a transaction that open an account's wallet with these grants. They fail if it has one."""
    total = 0
    members: list[Params] = []
    for number, grant in enumerate(grants, start=1):
        total += grant.granted
        cause = f"grant:{grant.source}"
        entry = Entry(number, grant.kind, grant.granted, total, cause, actor, "account opened", now_s, grant.id)
        members += [
            *entries.put_grant(table, account, grant),
            entries.put_entry(table, account, entry),
            entries.put_cause(table, account, cause, number),
        ]
    wallet = {
        "pk": account_pk(account),
        "sk": WALLET,
        "available": total,
        "credited": total,
        "debited": 0,
        "spent": 0,
        "attributed": 0,
        "holds": {},
        "status": "active",
        "epoch": 1,
        "entries": len(grants),
        "next_expiry": entries.next_expiry(grants),
    }
    put = {"TableName": table, "Item": encode_item(wallet), "ConditionExpression": "attribute_not_exists(pk)"}
    return [{"Put": put}, *members]


def bump_epoch(table: str, account: str, status: str | None = None, *, only_from: str | None = None) -> Params:
    """The transaction member that makes every cached key of the account stale, and may set the account's status."""
    values: dict[str, Any] = {":one": {"N": "1"}}
    update: Params = {
        "TableName": table,
        "Key": {"pk": {"S": account_pk(account)}, "sk": {"S": WALLET}},
        "UpdateExpression": "SET epoch = epoch + :one",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": values,
    }
    if status is not None:
        update["UpdateExpression"] += ", #status = :status"
        update["ExpressionAttributeNames"] = {"#status": "status"}
        values[":status"] = {"S": status}
    if only_from is not None:
        update["ConditionExpression"] += " AND #status = :from"
        values[":from"] = {"S": only_from}
    return {"Update": update}


class Grants:
    def __init__(self, store: Store, tables: Tables, clock: Clock, sleep: Sleep, chance: Chance) -> None:
        self._store = store
        self._table = tables.accounts
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    async def add(self, account: str, grant: Grant, *, cause: str, actor: str, reason: str) -> Entry:
        """Credit a grant once per `cause`; the second time returns the first's entry. Raises NotFound without a wallet."""

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            shares, after = _attributed(wallet, grants)
            return Plan(
                drafts=[*_lapse_entries(wallet, shares), (grant.kind, grant.granted, cause, grant.id)],
                shares=shares,
                new_grant=grant,
                add={"available": grant.granted, "credited": grant.granted},
                put=_totals(wallet) | {"next_expiry": entries.next_expiry([*after, grant])},
            )

        entry = await self._move(account, plan, cause=cause, actor=actor, reason=reason)
        if entry is None:
            raise Unavailable("a grant's entry cannot be read")
        return entry

    async def expire(self, account: str) -> Nanos:
        """End everything whose time has come; what open holds have reserved of it in time stays theirs.

        Returns what expired now, 0 if nothing was due.
        """
        now_s = int(self._clock())
        gone = 0

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan | None:
            nonlocal gone
            gone = 0
            if wallet.next_expiry > now_s:
                return None
            shares, after = _attributed(wallet, grants)
            lapse = plan_lapse(after, wallet.holds.values(), now_s)
            gone = sum(lapse.expired.values())
            drafts = _lapse_entries(wallet, shares)
            drafts += [("expiry", -amount, "", grant) for grant, amount in lapse.expired.items()]
            for name, amount in lapse.expired.items():
                share = shares.get(name, Share())
                shares[name] = replace(share, expired=share.expired + amount)
            lapsing = {g.id for g in after if g.expires_at <= now_s and g.left > lapse.expired.get(g.id, 0)}
            left = [replace(g, lapsing=g.expires_at <= now_s) for g in after]
            held = replace(
                wallet, holds={name: replace(h, due=lapse.held.get(name, ())) for name, h in wallet.holds.items()}
            )
            return Plan(
                drafts=drafts,
                shares=shares,
                lapsing=lapsing,
                add={"available": -gone, "debited": gone},
                put=_totals(wallet) | {"next_expiry": entries.next_expiry(left), "holds": entries.stored_holds(held)},
                guard_holds=True,
            )

        await self._move(account, plan, cause=None, actor="clock", reason="expired")
        return gone

    async def attribute(self, account: str) -> list[Grant]:
        """Book what was spent to grants, so that what is left of each can be shown. Returns the grants then."""

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan | None:
            shares, _ = _attributed(wallet, grants)
            if not shares:
                return None
            return Plan(drafts=_lapse_entries(wallet, shares), shares=shares, put=_totals(wallet))

        await self._move(account, plan, cause=None, actor="clock", reason="attributed")
        return await self.of(account)

    async def of(self, account: str) -> list[Grant]:
        items = await query(self._store, self._table, account_pk(account), prefix=GRANT)
        return [entries.read_grant(item) for item in items]

    async def entries(self, account: str, limit: int | None = None, *, newest_first: bool = False) -> list[Entry]:
        items = await query(
            self._store, self._table, account_pk(account), prefix=ENTRY, limit=limit, newest_first=newest_first
        )
        return [entries.read_entry(item) for item in items]

    async def _move(
        self, account: str, planner: Planner, *, cause: str | None, actor: str, reason: str
    ) -> Entry | None:
        """Plan from what is true, write if it still is, else plan again. Returns the entry of `cause`, if one was given."""
        for tried in range(TRIES):
            if cause is not None and (made := await self._made_by(account, cause)):
                return made
            # The wallet first: a grant read later than it can only make the guarded write fail, never pass wrongly.
            item = await get(self._store, self._table, account_pk(account), WALLET)
            if item is None:
                raise NotFound(f"account {account}")
            wallet = read_wallet(item)
            grants = await self.of(account)
            plan = planner(wallet, grants)
            if plan is None:
                return None
            members, made = self._members(wallet, grants, plan, actor, reason)
            try:
                await self._store.call("TransactWriteItems", {"TransactItems": members})
                return made
            except (TransactionFailed, Busy, OutcomeUnknown):
                # Whatever happened, the next round reads it: the cause, or a wallet that has moved on.
                await self._sleep(self._chance() * 0.02 * 2 ** min(tried, 6))
        raise Unavailable("the account's books are busy")

    def _members(
        self, wallet: Wallet, grants: list[Grant], plan: Plan, actor: str, reason: str
    ) -> tuple[list[Params], Entry | None]:
        members: list[Params] = []
        made: Entry | None = None
        balance, number, now_s = (
            wallet.available + wallet.held + _unbooked_lapse(wallet),
            wallet.entries,
            int(self._clock()),
        )
        for kind, amount, cause, grant in plan.drafts:
            number, balance = number + 1, balance + amount
            made = Entry(number, kind, amount, balance, cause or f"{kind}:{number}", actor, reason, now_s, grant)
            members.append(entries.put_entry(self._table, wallet.account, made))
            if cause:
                members.append(entries.put_cause(self._table, wallet.account, cause, number))
        for grant_before in grants:
            lapsing = grant_before.lapsing or grant_before.id in plan.lapsing
            share = plan.shares.get(grant_before.id)
            if share or lapsing != grant_before.lapsing:
                members.append(
                    entries.update_grant(self._table, wallet.account, grant_before, share or Share(), lapsing=lapsing)
                )
        if plan.new_grant:
            members += entries.put_grant(self._table, wallet.account, plan.new_grant)
        put = plan.put | {"entries": number}
        members.append(entries.update_wallet(self._table, wallet, add=plan.add, put=put, guard_holds=plan.guard_holds))
        return members, made

    async def _made_by(self, account: str, cause: str) -> Entry | None:
        marker = await get(self._store, self._table, account_pk(account), CAUSE + cause)
        if marker is None:
            return None
        item = await get(self._store, self._table, account_pk(account), entry_sk(int(marker["entry"]["N"])))
        return entries.read_entry(item) if item else None


def _attributed(wallet: Wallet, grants: list[Grant]) -> tuple[dict[str, Share], list[Grant]]:
    shares = plan_attribution(wallet, grants)
    return shares, [less(g, shares.get(g.id, Share())) for g in grants]


def _unbooked_lapse(wallet: Wallet) -> Nanos:
    """Given back to expiry by settled holds, and not yet an entry."""
    return wallet.lapsed - wallet.lapse_attributed


def _lapse_entries(wallet: Wallet, shares: dict[str, Share]) -> list[tuple[str, Nanos, str, str]]:
    return [("expiry", -share.expired, "", grant) for grant, share in shares.items() if share.expired]


def _totals(wallet: Wallet) -> dict[str, int]:
    """The attribution marks after everything so far is attributed."""
    totals = {"attributed": wallet.spent}
    if wallet.lapsed or wallet.due_spent:
        totals |= {"due_attributed": wallet.due_spent, "lapse_attributed": wallet.lapsed}
    return totals
