"""Each condition of the money path taken away, one at a time: the model must then find a history that breaks a promise."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from infergate.ledger import books, ledger, wallet
from infergate.ledger.books import Books
from infergate.ledger.types import Hold, Receipt
from infergate.schedules import sweep
from infergate.schedules.sweep import Sweep
from infergate.store.client import Params

from tests.prove import model_replay
from tests.prove.model_replay import Program
from tests.prove.model_search import Instance
from tests.prove.model_world import Edit

type Patch = Callable[[], contextlib.AbstractContextManager[Any]]

PLAIN = Instance("two requests", grants=((7, None),), faults=2, deaths=1)
ALONE = Instance("one request", grants=((7, None),), holds=(3,), costs=(2,), latest_start=(0,), faults=2, deaths=1)
TIGHT = Instance("credit for one", grants=((4, None),), faults=0, deaths=0, sweeps=False)
NARROW = Instance("room for one", grants=((7, None),), room=1, faults=0, deaths=0, sweeps=False)
TWICE = Instance(
    "a write that comes twice",
    grants=((7, None),),
    holds=(3,),
    costs=(2,),
    latest_start=(0,),
    faults=1,
    deaths=0,
    twice=True,
)
REVOKED = Instance("a key is revoked", grants=((7, None),), event="revoke", faults=0, deaths=0)
SUSPENDED = Instance("an account is suspended", grants=((7, None),), event="suspend", faults=0, deaths=0)
SUSPENDED_KEYS = replace(SUSPENDED, name="a key is made while the account is suspended", fresh_keys=True)
SLEEPY = replace(ALONE, name="a worker sleeps past its deadline", punctual=False)
NO_WALLET = Instance("no wallet", grants=(), wallet=False, faults=1, deaths=0, sweeps=False)
EXPIRING = Instance(
    "credit expires", grants=((4, None), (3, 1)), movements=("expire",), latest_start=(0, 1), last_tick=4,
    faults=0, deaths=0, atomic_reads=True,
)  # fmt: skip
LATE_START = replace(
    EXPIRING, name="a request begins after the expiry", holds=(5,), costs=(3,), latest_start=(1,), faults=0
)
TWO_LOTS = Instance(
    "two lots expire", grants=((1, None), (3, 1), (3, 2)), movements=("expire",), holds=(6,), costs=(1,), latest_start=(0,),
    faults=1, deaths=0, atomic_reads=True,
)  # fmt: skip
TOP_UP = Instance(
    "a payment comes", grants=((7, None),), holds=(3,), costs=(2,), latest_start=(0,), movements=("top up",), faults=1, deaths=0,
)  # fmt: skip
TAKE = replace(TOP_UP, name="an operator takes credit", movements=("take",), take=5, faults=0)
REFUND = replace(
    TOP_UP, name="a refund of an account that is being suspended", movements=("refund",), event="suspend", faults=0
)
TWO_MOVES = Instance(
    "a payment and an expiry", grants=((4, None), (3, 1)), holds=(3,), costs=(2,), latest_start=(0,),
    movements=("top up", "expire"), faults=1, deaths=0, sweeps=True, atomic_reads=True,
)  # fmt: skip
PAYMENT_ALONE = Instance(
    "a payment whose answer is lost", grants=((7, None),), holds=(), costs=(), latest_start=(), movements=("top up",),
    faults=2, deaths=1, sweeps=False,
)  # fmt: skip
PAYMENT_TWICE = replace(
    PAYMENT_ALONE, name="two events of one payment", movements=("top up", "top up again"), faults=1, deaths=0
)
PAYMENT_AND_EXPIRY = Instance(
    "a payment, an expiry, nobody else", grants=((4, None), (3, 1)), holds=(), costs=(), latest_start=(),
    movements=("top up", "expire"), faults=1, deaths=0, sweeps=False,
)  # fmt: skip
BIG = (
    replace(PLAIN, name="two requests, three faults", faults=3),
    replace(PLAIN, name="two requests, sleepy workers", punctual=False),
    replace(PLAIN, name="two requests, two deaths", deaths=2),
    replace(EXPIRING, name="credit expires, with faults", faults=1, latest_start=(0, 0), last_tick=3),
    replace(TWO_LOTS, name="two lots expire, with a death", deaths=1),
    replace(REVOKED, name="a key is revoked, with faults", faults=2, deaths=1),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """How it is taken away: from the calls (`edit`), from the code (`patch`), or from the world (`changed`).

    `unneeded`: why the model finds nothing without it, where that is so.
    """

    name: str
    instance: Instance
    edit: Edit | None = None
    patch: Patch = contextlib.nullcontext
    changed: Instance | None = None
    unneeded: str = ""


def dropped(clause: str, *, if_: str = "") -> Edit:
    """Take one clause out of the conditions that have it (and whose update or condition has `if_`)."""

    def edit(operation: str, params: Params) -> Params:
        if operation == "TransactWriteItems":
            members = [
                {kind: edit(kind, request) for kind, request in member.items()} for member in params["TransactItems"]
            ]
            return {**params, "TransactItems": members}
        text = params.get("ConditionExpression", "")
        if clause not in text or if_ not in text + params.get("UpdateExpression", ""):
            return params
        rest = (
            text.replace(f"{clause} AND ", "", 1) if f"{clause} AND " in text else text.replace(f" AND {clause}", "", 1)
        )
        return pruned({**params, "ConditionExpression": "" if rest == clause else rest})

    return edit


def pruned(params: Params) -> Params:
    """Without placeholders that no expression speaks of any more."""
    if not params["ConditionExpression"]:
        del params["ConditionExpression"]
    used = set(re.findall(r"[#:]\w+", f"{params.get('UpdateExpression', '')} {params.get('ConditionExpression', '')}"))
    for place in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        kept = {name: value for name, value in params.get(place, {}).items() if name in used}
        params.pop(place, None)
        if kept:
            params[place] = kept
    return params


# -- what is no clause but code --------------------------------------------------------------------------------------


def _same_id_for_every_attempt() -> Any:
    return mock.patch.object(wallet, "hold_id", lambda request, attempt: f"{request}.1")


def _any_hold_of_the_request() -> Any:
    """The sweep settles every hold of a request by its receipt, whichever the receipt names."""

    async def end(self: Sweep, found: Any, hold: Hold, swept: Any) -> None:
        receipt = await self._ledger.receipt(found.account, wallet.request_of(hold.id))
        if receipt is None:
            receipt = await self._ledger.write_receipt(
                sweep._abandoned(found.account, wallet.request_of(hold.id), hold)
            )
        await self._ledger.settle(replace(receipt, hold_id=hold.id))

    return mock.patch.object(Sweep, "_end", end)


def _release_without_a_receipt() -> Any:
    async def end(self: Sweep, found: Any, hold: Hold, swept: Any) -> None:
        receipt = await self._ledger.receipt(found.account, wallet.request_of(hold.id))
        if receipt is not None and receipt.hold_id == hold.id:
            await self._ledger.settle(receipt)
        else:
            await self._ledger.release(found.account, hold)

    return mock.patch.object(Sweep, "_end", end)


def _release_before_the_receipt() -> Any:
    async def end(self: Sweep, found: Any, hold: Hold, swept: Any) -> None:
        receipt = await self._ledger.receipt(found.account, wallet.request_of(hold.id))
        if receipt is None:
            await self._ledger.release(found.account, hold)
            await self._ledger.write_receipt(sweep._abandoned(found.account, wallet.request_of(hold.id), hold))
        elif receipt.hold_id == hold.id:
            await self._ledger.settle(receipt)
        else:
            await self._ledger.release(found.account, hold)

    return mock.patch.object(Sweep, "_end", end)


def _own_receipt_whatever_stands() -> Any:
    """A worker settles what it worked out itself, though somebody else's receipt stands."""

    async def settle(desk: model_replay.Desk, program: Program) -> Program | None:
        request, hold, _, _ = program.args
        amount, cost = desk.setting.holds[request], desk.setting.costs[request]
        ours = Receipt(model_replay.ACCOUNT, model_replay.REQUESTS[request], hold, amount, cost, "completed", 0)
        await desk.ledger.settle(ours)
        return None

    async def receipt(desk: model_replay.Desk, program: Program) -> Program | None:
        request, hold = program.args
        amount, cost = desk.setting.holds[request], desk.setting.costs[request]
        ours = Receipt(model_replay.ACCOUNT, model_replay.REQUESTS[request], hold, amount, cost, "completed", 0)
        await desk.ledger.write_receipt(ours)
        return Program("settle", (request, hold, hold, cost), program.start, program.actor)

    return mock.patch.dict(model_replay.PROGRAMS, {"settle": settle, "receipt": receipt})


def _no_slack() -> Any:
    return mock.patch.object(sweep, "SLACK_S", 0)


def _no_cause() -> Any:
    async def made_by(self: Books, account: str, cause: str) -> None:
        return None

    return mock.patch.object(Books, "made_by", made_by)


def _unconditional(what: str, value: str) -> Edit:
    """A Put that has this attribute loses its condition."""

    def edit(operation: str, params: Params) -> Params:
        if operation == "TransactWriteItems":
            members = [
                {kind: edit(kind, request) for kind, request in member.items()} for member in params["TransactItems"]
            ]
            return {**params, "TransactItems": members}
        if what in params.get("Item", {}) and params["Item"].get("sk", {}).get("S", "").startswith(value):
            return {name: part for name, part in params.items() if name != "ConditionExpression"}
        return params

    return edit


_WHOLE_AMOUNT, _NOT_DUE = wallet.HELD_WHOLE.split(" AND ")
_SLICED_AMOUNT, _SAME_DUE = wallet.HELD_SLICED.split(" AND ")
_LAPSED = "(attribute_not_exists(lapsed) OR lapsed = :lapsed)"

CONDITIONS = (
    Condition("reserve: EXISTS", NO_WALLET, dropped(wallet.EXISTS),
              unneeded="an item that is not there fails every other clause"),
    Condition("reserve: ENOUGH", TIGHT, dropped(wallet.ENOUGH)),
    Condition("reserve: ACTIVE", SUSPENDED_KEYS, dropped(wallet.ACTIVE)),
    Condition("reserve: FRESH", REVOKED, dropped(wallet.FRESH)),
    Condition("reserve: UNEXPIRED", LATE_START, dropped(wallet.UNEXPIRED)),
    Condition("reserve: ROOM", NARROW, dropped(wallet.ROOM)),
    Condition("reserve: NEW", TWICE, dropped(wallet.NEW)),
    Condition("reserve: a fresh hold id for every attempt", ALONE, patch=_same_id_for_every_attempt),
    Condition("settle: the hold is there, with this amount", ALONE, dropped(_WHOLE_AMOUNT, if_=_NOT_DUE)),
    Condition("settle: no part of the hold is due", EXPIRING, dropped(_NOT_DUE)),
    Condition("settle of a sliced hold: its amount", TWO_LOTS, dropped(_SLICED_AMOUNT, if_="holds.#hold.due = :due"),
              unneeded="a hold that is gone has no slices either, and a hold's amount never changes"),
    Condition("settle of a sliced hold: the same slices are due", TWO_LOTS, dropped(_SAME_DUE)),
    Condition("receipt: put if absent", ALONE, dropped("attribute_not_exists(pk)")),
    Condition("receipt: it settles the one hold that it names", ALONE, patch=_any_hold_of_the_request),
    Condition("receipt: whoever settles obeys the one that stands", SLEEPY, patch=_own_receipt_whatever_stands),
    Condition("sweep: a receipt of 0 before a hold without one is given back", ALONE, patch=_release_without_a_receipt),
    Condition("sweep: that receipt first, the release after it", ALONE, patch=_release_before_the_receipt),
    Condition("sweep: a minute's slack for clocks that differ", ALONE, patch=_no_slack),
    Condition("hold: its deadline a minute after the worker's own", ALONE, changed=replace(ALONE, deadline_ticks=1)),
    Condition("transport: no call is sent a second time by itself", ALONE, changed=replace(ALONE, again=True)),
    Condition("movement: the holds are those it was planned from", EXPIRING, dropped("holds = :holds")),
    Condition("movement: nothing was spent since", TOP_UP, dropped("spent = :spent")),
    Condition("movement: nothing lapsed since", TWO_MOVES, dropped(_LAPSED)),
    Condition("movement: what it takes is available", TAKE, dropped("available >= :need")),
    Condition("movement: the wallet's version", TWO_MOVES, dropped("version = :version")),
    Condition("movement: the account's status", REFUND, dropped("#status = :status")),
    Condition("movement: an entry's number is new", PAYMENT_AND_EXPIRY, _unconditional("number", "ENTRY#"),
              unneeded="the wallet's version and its count of entries change in the same transaction"),
    Condition("movement: a grant is as it was", PAYMENT_AND_EXPIRY, dropped("#left = :left AND frozen = :frozen"),
              unneeded="grants change only together with the wallet's version"),
    Condition("movement: a cause is asked for first", PAYMENT_ALONE, patch=_no_cause),
    Condition("movement: a cause is new", PAYMENT_TWICE, _unconditional("entry", "CAUSE#")),
)  # fmt: skip


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Two attempts each: the loops that retry are cut short, or no instance would be finite."""
    with mock.patch.object(ledger, "TRIES", 2), mock.patch.object(books, "TRIES", 2):
        yield
