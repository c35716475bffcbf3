"""The writes of the hot path and how their refusals read. Pure: parameters out, answers in; Ledger sends them.

The database decides, we translate: every clause of the reserve's condition has a name, and the old item that comes back
with a refusal says which of them failed.
"""

from dataclasses import dataclass
from typing import Any

from infergate.kernel.money import Nanos
from infergate.ledger.keys import WALLET, account_pk
from infergate.ledger.rules import lapse_of_unused
from infergate.ledger.types import Hold, Slices, Wallet
from infergate.store.client import Params
from infergate.store.codec import decode, decode_item, encode, record
from infergate.store.errors import Item

EXISTS = "attribute_exists(pk)"
ENOUGH = "available >= :amount"
ACTIVE = "#status = :active"
FRESH = "epoch = :epoch"
UNEXPIRED = "next_expiry > :now"
ROOM = "size(holds) < :room"
NEW = "attribute_not_exists(holds.#hold)"
RESERVE = " AND ".join([EXISTS, ENOUGH, ACTIVE, FRESH, UNEXPIRED, ROOM, NEW])

HELD_WHOLE = "holds.#hold.amount = :amount AND attribute_not_exists(holds.#hold.due)"
HELD_SLICED = "holds.#hold.amount = :amount AND holds.#hold.due = :due"


def reserve(table: str, account: str, hold: Hold, *, epoch: int, room: int, now_s: int) -> Params:
    """Take `hold` from what is available, if everything that must be true is true, in one write."""
    return _update(
        table,
        account,
        "SET available = available - :amount, holds.#hold = :hold",
        RESERVE,
        {"#hold": hold.id, "#status": "status"},
        {
            ":amount": hold.amount,
            ":hold": {"amount": hold.amount, "deadline": hold.deadline},
            ":active": "active",
            ":epoch": epoch,
            ":now": now_s,
            ":room": room,
        },
    )


def settle(table: str, account: str, hold_id: str, amount: Nanos, cost: Nanos, due: Slices = ()) -> Params:
    """Book `cost` and give the rest of the hold back, if the hold is still there. Anyone may send it, any number of times.

    Parts of the hold that are `due` go to expiry instead of back.
    """
    if not 0 <= cost <= amount:
        raise ValueError(f"a charge of {cost} against a hold of {amount}")
    unused = amount - cost
    names = {"#hold": hold_id}
    if not due:
        update = "SET available = available + :unused, spent = spent + :cost REMOVE holds.#hold"
        return _update(table, account, update, HELD_WHOLE, names, {":amount": amount, ":unused": unused, ":cost": cost})
    lapsed = lapse_of_unused(unused, due)
    return _update(
        table,
        account,
        "SET available = available + :unused, spent = spent + :cost, debited = debited + :lapsed, "
        "lapsed = if_not_exists(lapsed, :zero) + :lapsed, "
        "due_spent = if_not_exists(due_spent, :zero) + :due_spent REMOVE holds.#hold",
        HELD_SLICED,
        names,
        {
            ":amount": amount,
            ":due": [list(part) for part in due],
            ":zero": 0,
            ":unused": unused - lapsed,
            ":cost": cost,
            ":lapsed": lapsed,
            ":due_spent": sum(length for length, _ in due) - lapsed,
        },
    )


def _update(
    table: str, account: str, update: str, condition: str, names: dict[str, str], values: dict[str, Any]
) -> Params:
    return {
        "TableName": table,
        "Key": {"pk": {"S": account_pk(account)}, "sk": {"S": WALLET}},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {name: encode(value) for name, value in values.items()},
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def available_after(answer: dict[str, Any]) -> Nanos:
    """From the answer to either write."""
    available: Nanos = decode(answer["Attributes"]["available"])
    return available


# -- why a reserve was refused -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such wallet: an account half made, or a bug. Fail closed."""


@dataclass(frozen=True, slots=True)
class NotActive:
    status: str


@dataclass(frozen=True, slots=True)
class Stale:
    """Something about the account or its keys changed since the key was read."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CreditDue:
    """Credit expired and is still counted: expire it, then try again."""


@dataclass(frozen=True, slots=True)
class TooManyInFlight:
    in_flight: int


@dataclass(frozen=True, slots=True)
class NotEnough:
    """`strays` are holds of this very request from earlier attempts whose outcome was unknown."""

    available: Nanos
    strays: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class AlreadyHeld:
    """This very hold is there: the write was applied and its answer was lost."""

    available: Nanos


type Refusal = Missing | NotActive | Stale | CreditDue | TooManyInFlight | NotEnough | AlreadyHeld


def why_refused(old: Item | None, hold: Hold, *, epoch: int, room: int, now_s: int) -> Refusal:
    """Which clause failed, most telling first. `old` is the item that the refusal brought."""
    if not old:
        return Missing()
    wallet = read_wallet(old)
    if hold.id in wallet.holds:
        return AlreadyHeld(wallet.available)
    if wallet.status != "active":
        return NotActive(wallet.status)
    if wallet.epoch != epoch:
        return Stale(wallet.epoch)
    if wallet.next_expiry <= now_s:
        return CreditDue()
    request = request_of(hold.id)
    strays = tuple(h for h in wallet.holds.values() if request_of(h.id) == request)
    if wallet.available < hold.amount:
        return NotEnough(wallet.available, strays)
    return TooManyInFlight(len(wallet.holds))


def hold_id(request_id: str, attempt: int) -> str:
    """Never used twice, so that a reserve that lands late is a stray hold and never a second charge."""
    return f"{request_id}.{attempt}"


def request_of(hold: str) -> str:
    return hold.rpartition(".")[0]


def read_wallet(item: Item) -> Wallet:
    values = decode_item(item)
    account = values.pop("pk").removeprefix("ACCOUNT#")
    holds = {
        name: Hold(name, h["amount"], h["deadline"], tuple((a, b) for a, b in h.get("due", [])))
        for name, h in values.pop("holds").items()
    }
    return record(Wallet, {**values, "account": account, "holds": holds})
