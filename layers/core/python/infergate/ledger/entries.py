"""Ledger entries and the transaction that makes them.

A movement is one TransactWriteItems: the wallet (guarded by the state it was planned from), the grants it touches, its
entries, and its cause. So it happens whole, once per cause, or not at all.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from infergate.kernel.ids import spread_of
from infergate.kernel.time import NEVER
from infergate.ledger.keys import CAUSE, DEBT, DUE_SPREAD, GRANT, WALLET, account_pk, due_pk, due_sk, entry_sk
from infergate.ledger.types import Entry, Grant, Wallet
from infergate.store.client import Params
from infergate.store.codec import decode_item, encode, encode_item, record
from infergate.store.errors import Item
from infergate.store.transact import put_new


def put_entry(table: str, account: str, entry: Entry) -> Params:
    return put_new(table, {"pk": account_pk(account), "sk": entry_sk(entry.number), **asdict(entry)})


def put_cause(table: str, account: str, cause: str, entry: int) -> Params:
    return put_new(table, {"pk": account_pk(account), "sk": CAUSE + cause, "entry": entry})


def put_grant(table: str, account: str, grant: Grant) -> list[Params]:
    """The grant and, if it ends, the mark by which the expiry run finds it."""
    members = [put_new(table, {"pk": account_pk(account), "sk": GRANT + grant.id, **asdict(grant)})]
    if grant.expires_at < NEVER:
        pk = due_pk(grant.expires_at, spread_of(grant.id, DUE_SPREAD))
        mark = {"pk": pk, "sk": due_sk(grant.expires_at, account, grant.id), "account": account}
        members.append({"Put": {"TableName": table, "Item": encode_item(mark)}})
    return members


def put_debt_mark(table: str, account: str, at: int) -> Params:
    """The mark by which the expiry run finds an account whose open holds may give back what repays a debt."""
    pk = due_pk(at, spread_of(account, DUE_SPREAD))
    return {
        "Put": {
            "TableName": table,
            "Item": encode_item({"pk": pk, "sk": due_sk(at, account, DEBT), "account": account}),
        }
    }


def replace_grant(table: str, account: str, before: Grant, after: Grant) -> Params:
    """Guarded by what it held when it was planned; the wallet's version guards the rest."""
    item = {"pk": account_pk(account), "sk": GRANT + after.id, **asdict(after)}
    return {
        "Put": {
            "TableName": table,
            "Item": encode_item(item),
            "ConditionExpression": "#left = :left AND frozen = :frozen",
            "ExpressionAttributeNames": {"#left": "left"},
            "ExpressionAttributeValues": encode_item({":left": before.left, ":frozen": before.frozen}),
        }
    }


def update_wallet(table: str, before: Wallet, *, add: dict[str, int], put: dict[str, Any], guard_holds: bool) -> Params:
    """`add` to and `put` attributes, provided nothing moved, settled or lapsed and the status is the same since `before`.

    A reserve in between is harmless, for the balance moves by differences, unless `guard_holds`.
    """
    adds = [f"#{name} = if_not_exists(#{name}, :zero) + :add_{name}" for name in add]
    puts = [f"#{name} = :put_{name}" for name in put]
    condition = (
        "version = :version AND spent = :spent AND (attribute_not_exists(lapsed) OR lapsed = :lapsed) "
        "AND #status = :status"
    )
    values: dict[str, Any] = {":version": before.version, ":spent": before.spent, ":lapsed": before.lapsed}
    values |= {":status": before.status}
    values |= {f":add_{name}": amount for name, amount in add.items()}
    values |= {f":put_{name}": value for name, value in put.items()}
    if adds:
        values[":zero"] = 0
    if add.get("available", 0) < 0:
        condition += " AND available >= :need"
        values[":need"] = -add["available"]
    if guard_holds:
        condition += " AND holds = :holds"
        values[":holds"] = stored_holds(before)
    return {
        "Update": {
            "TableName": table,
            "Key": {"pk": {"S": account_pk(before.account)}, "sk": {"S": WALLET}},
            "UpdateExpression": "SET " + ", ".join(adds + puts),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {f"#{name}": name for name in {*add, *put, "status"}},
            "ExpressionAttributeValues": {name: encode(value) for name, value in values.items()},
        }
    }


def stored_holds(wallet: Wallet) -> dict[str, dict[str, Any]]:
    return {
        name: {"amount": h.amount, "deadline": h.deadline} | ({"due": [list(part) for part in h.due]} if h.due else {})
        for name, h in wallet.holds.items()
    }


def next_expiry(grants: Iterable[Grant]) -> int:
    """When something spendable expires next. What is lapsing already lies in holds."""
    return min((g.expires_at for g in grants if g.left > 0 and not g.lapsing), default=NEVER)


def read_entry(item: Item) -> Entry:
    return record(Entry, decode_item(item))


def read_grant(item: Item) -> Grant:
    return record(Grant, decode_item(item))
