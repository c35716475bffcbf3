"""Credit comes, and credit ends: opening a wallet, grants, expiry, removal by a campaign's terms."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infergate.kernel.errors import Unavailable
from infergate.kernel.money import Nanos
from infergate.ledger import entries
from infergate.ledger.books import Books
from infergate.ledger.keys import WALLET, account_pk
from infergate.ledger.plan import Draft, Plan, plan_end
from infergate.ledger.rules import burn_order
from infergate.ledger.types import Entry, Grant, Wallet
from infergate.store.client import Params
from infergate.store.codec import encode_item
from infergate.store.transact import put_new


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
        "version": 1,
        "entries": len(grants),
        "next_expiry": entries.next_expiry(grants),
    }
    return [put_new(table, wallet), *members]


def bump_epoch(table: str, account: str, status: str | None = None) -> Params:
    """The transaction member that makes every cached key of the account stale, and may set the account's status.

    An account with a debt or an open dispute cannot be made active.
    """
    values: dict[str, Any] = {":one": 1}
    update: Params = {
        "TableName": table,
        "Key": {"pk": {"S": account_pk(account)}, "sk": {"S": WALLET}},
        "UpdateExpression": "SET epoch = epoch + :one",
        "ConditionExpression": "attribute_exists(pk)",
    }
    if status is not None:
        update["UpdateExpression"] += ", #status = :status"
        update["ExpressionAttributeNames"] = {"#status": "status"}
        values[":status"] = status
    if status == "active":
        update["ConditionExpression"] += (
            " AND (attribute_not_exists(debt) OR debt = :zero) AND (attribute_not_exists(disputes) OR disputes = :zero)"
        )
        values[":zero"] = 0
    update["ExpressionAttributeValues"] = encode_item(values)
    return {"Update": update}


class Grants:
    def __init__(self, books: Books) -> None:
        self._books = books

    async def add(self, account: str, grant: Grant, *, cause: str, actor: str, reason: str) -> Entry:
        """Credit a grant once per `cause`; the second time returns the first's entry. Paid credit repays a debt first.

        Raises NotFound without a wallet.
        """

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            add = {"available": grant.granted, "credited": grant.granted}
            return Plan([*grants, grant], [Draft(grant.kind, grant.granted, grant.id, cause)], add)

        made = await self._books.move(account, plan, cause=cause, actor=actor, reason=reason)
        entry = next((e for e in made if e.cause == cause), None)
        if entry is None:
            raise Unavailable("a grant's entry cannot be read")
        return entry

    async def expire(self, account: str) -> Nanos:
        """End everything whose time has come; what open holds have reserved of it in time stays theirs.

        Returns what expired now, 0 if nothing was due.
        """
        made = await self._books.move(account, _nothing_more, cause="", actor="clock", reason="its time had come")
        return -sum(entry.amount for entry in made if entry.kind == "expiry")

    async def remove_campaign(self, account: str, campaign: str, *, actor: str, reason: str) -> Nanos:
        """End what is left of a campaign's gifts, by its terms. What open holds have reserved may still be spent.

        Returns what was removed now; what had expired is none of it.
        """
        source = f"campaign:{campaign}"

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan | None:
            ends = {g.id for g in grants if g.source == source and g.kind != "paid"}
            if not any(g.left and not g.lapsing for g in grants if g.id in ends):
                return None
            now_s = self._books.now_s()
            # Whatever ends by another cause than its time ends now; and what has lapsed before is laid out anew.
            ending = [replace(g, expires_at=min(g.expires_at, now_s)) if g.id in ends else g for g in grants]
            return plan_end(wallet, ending, now_s, removed={g.id for g in grants if g.id in ends and not g.lapsing})

        made = await self._books.move(account, plan, cause="", actor=actor, reason=reason)
        return -sum(entry.amount for entry in made if entry.kind == "removal")

    async def collect(self, account: str) -> bool:
        """Let what has come back from holds repay a debt. Returns whether open holds may still give back some."""
        await self._books.move(account, _nothing_more, cause="", actor="clock", reason="a hold ended")
        wallet = await self._books.wallet(account)
        return bool(wallet.debt and wallet.holds)

    async def attribute(self, account: str) -> list[Grant]:
        """Book what was spent to grants, so that what is left of each can be shown. In the order in which they burn."""

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan | None:
            booked = wallet.spent == wallet.attributed and wallet.lapsed == wallet.lapse_attributed
            return None if booked else Plan(grants=grants)

        await self._books.move(account, plan, cause="", actor="clock", reason="attributed")
        return sorted(await self._books.grants(account), key=burn_order)


def _nothing_more(wallet: Wallet, grants: list[Grant]) -> Plan | None:
    """What is due ends and what is owed is repaid in every movement: this one does only that."""
    return None
