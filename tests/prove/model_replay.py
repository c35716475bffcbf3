"""The product's own coroutines as states of a model: what a process will do next is a function of the answers that it got.

A process is a program and its history of answers. Replayed against that history, the real code runs to its first
unanswered call: that is what it is about to send. So nothing of the protocol is written down a second time here.
"""

import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
from infergate.accounts.directory import KeyDirectory
from infergate.accounts.keys import ApiKey
from infergate.chat import admit
from infergate.kernel.errors import Refused, Unavailable
from infergate.kernel.ids import new_id
from infergate.ledger.adjustments import Adjustments
from infergate.ledger.books import Books
from infergate.ledger.grants import Grants
from infergate.ledger.ledger import Ask, Ledger, Tables
from infergate.ledger.refunds import Refunds
from infergate.ledger.types import Grant, Hold, Receipt
from infergate.schedules.sweep import Sweep, Swept
from infergate.store.client import Params
from infergate.store.errors import ConditionFailed, OutcomeUnknown, StoreError, TransactionFailed

BASE = 1_800_000_000
TICK_S = 60
"""One tick of the model: the slack that no comparison of two clocks goes below, and far above any call's timeout."""
SKEW_S = 60
"""The sweep's clock is this far ahead of the workers'."""
ACCOUNT = "acct_MODEL"
TABLES = Tables("accounts", "receipts", "counters")
REQUESTS = tuple(
    new_id("req", BASE, entropy) for entropy in (lambda n: bytes(n - 1) + b"\x0a", lambda n: bytes(n - 1) + b"\x0b")
)
"""They end in A and B."""
NEVER_S = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one call: ok with `body`, refused with the old item, cancelled with reasons, unknown."""

    kind: str
    body: Any = None

    def give(self) -> dict[str, Any]:
        """Raises StoreError."""
        if self.kind == "ok":
            return self.body  # type: ignore[no-any-return]
        raise self.error()

    def error(self) -> StoreError:
        if self.kind == "refused":
            return ConditionFailed(self.body)
        if self.kind == "cancelled":
            return TransactionFailed(list(self.body))
        return OutcomeUnknown("lost")


UNKNOWN = Answer("unknown")


class GivenUp(Exception):
    """A live worker, within its time, found that its request was given up."""


@dataclass(frozen=True, slots=True)
class Program:
    """`args` are plain values. `start` is the tick at which its request began (workers), or it itself (all others)."""

    name: str
    args: tuple[Any, ...] = ()
    start: int = 0
    actor: str = ""


@dataclass(slots=True)
class Setting:
    """What the programs need to know of the instance."""

    holds: tuple[int, ...]
    costs: tuple[int, ...]
    room: int
    deadline_ticks: int = 2
    """A worker's own deadline is one tick after its start; its hold's one more."""
    top_up: int = 0
    take: int = 0
    fresh_keys: bool = False
    punctual: bool = True


@types.coroutine
def _unanswered(operation: str, params: Params) -> Generator[tuple[str, Params], Answer, Answer]:
    return (yield operation, params)


@dataclass(slots=True)
class ReplayStore:
    """Answers from the history, then stands still."""

    history: list[tuple[Answer, int]]
    now: int
    clock_read: bool = False
    position: int = 0

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if self.position == len(self.history):
            await _unanswered(operation, params)
            raise AssertionError("a replayed process is never resumed")
        answer, self.now = self.history[self.position]
        self.position += 1
        self.clock_read = False
        return answer.give()

    def clock(self) -> float:
        self.clock_read = True
        return BASE + TICK_S * self.now


@dataclass(slots=True)
class Next:
    """What a process is about to send; or, done, what follows it (None: nothing). `clock_read` since its last answer."""

    clock_read: bool
    operation: str = ""
    params: Params = field(default_factory=dict)
    done: bool = False
    then: Program | None = None
    wrong: str = ""


async def no_wait(_: float) -> None:
    return


def at_once() -> float:
    return 0.0


def run(program: Program, setting: Setting, history: list[tuple[Answer, int]]) -> Next:
    store = ReplayStore(history, program.start)
    coroutine = PROGRAMS[program.name](Desk(store, setting), program)
    try:
        operation, params = coroutine.send(None)
    except StopIteration as stop:
        return Next(store.clock_read, done=True, then=stop.value)
    except (Refused, Unavailable):
        return Next(store.clock_read, done=True)
    except GivenUp as error:
        return Next(store.clock_read, done=True, wrong=str(error))
    except StoreError as error:
        return Next(store.clock_read, done=True, wrong=f"{program.name} let {error!r} through")
    except Exception as error:
        return Next(store.clock_read, done=True, wrong=f"{program.name}: {type(error).__name__}: {error}")
    coroutine.close()
    return Next(store.clock_read, operation, params)


class Desk:
    """The real parts, on a replayed store."""

    def __init__(self, store: ReplayStore, setting: Setting) -> None:
        self.store = store
        self.setting = setting
        self.ledger = Ledger(store, TABLES, store.clock, no_wait, at_once)
        # The marks that tell a sweep where to look are no part of the model: it looks.
        self.ledger._marked_window, self.ledger._marked = BASE // 600, {ACCOUNT}
        self.books = Books(store, TABLES, store.clock, no_wait, at_once)
        self.grants = Grants(self.books)


async def _admit(desk: Desk, program: Program) -> Program | None:
    """The real rounds of admission: stale keys reread, expired credit ended, strays given back."""
    (request,) = program.args
    setting, start_s = desk.setting, BASE + TICK_S * program.start
    amount = setting.holds[request]
    keys = KeyDirectory(desk.store, TABLES.accounts, None, "", desk.store.clock)  # type: ignore[arg-type]
    house: Any = SimpleNamespace(ledger=desk.ledger, grants=desk.grants, keys=keys, log=lambda _: None)
    asked: Any = SimpleNamespace(kind="embedding", max_output=None)
    terms: Any = SimpleNamespace(hold=lambda _: amount, affordable_output=lambda _: 0)
    limits: Any = SimpleNamespace(concurrency=SimpleNamespace(name="", value=setting.room, source=""))
    deadline = start_s + TICK_S * setting.deadline_ticks
    epoch = 1
    if setting.fresh_keys and (wallet := await desk.ledger.wallet(ACCOUNT)):
        epoch = wallet.epoch
    ask = Ask(ACCOUNT, REQUESTS[request], amount, deadline, epoch, setting.room)
    held, _ = await admit._hold(house, asked, the_key(), limits, terms, ask, 0)
    return Program("receipt", (request, held.hold.id), program.start, program.actor)


async def _receipt(desk: Desk, program: Program) -> Program | None:
    """The answer has been relayed; what it cost is decided."""
    request, hold = program.args
    ours = Receipt(
        ACCOUNT,
        REQUESTS[request],
        hold,
        desk.setting.holds[request],
        desk.setting.costs[request],
        "completed",
        BASE * 1000,
    )
    standing = await desk.ledger.write_receipt(ours)
    if standing.reason == "abandoned" and desk.setting.punctual:
        raise GivenUp("a live worker, within its time, found its request given up")
    return Program("settle", (request, hold, standing.hold_id, standing.cost), program.start, program.actor)


async def _settle(desk: Desk, program: Program) -> Program | None:
    """As chat.complete does it: by the receipt that stands."""
    request, hold, named, cost = program.args
    amount = desk.setting.holds[request]
    if named == hold:
        await desk.ledger.settle(Receipt(ACCOUNT, REQUESTS[request], hold, amount, cost, "completed", BASE * 1000))
    else:
        await desk.ledger.release(ACCOUNT, Hold(hold, amount, 0))
    return None


async def _sweep(desk: Desk, program: Program) -> Program | None:
    def ahead() -> float:
        return desk.store.clock() + SKEW_S

    await Sweep(desk.store, desk.ledger, TABLES.counters, ahead).account(ACCOUNT, Swept())
    return None


async def _expire(desk: Desk, program: Program) -> Program | None:
    await desk.grants.expire(ACCOUNT)
    return None


async def _top_up(desk: Desk, program: Program) -> Program | None:
    amount = desk.setting.top_up
    name = "grant_Z" if program.name == "top up" else "grant_Y"
    grant = Grant(name, "paid", amount, amount, BASE, NEVER_S, source="payment")
    await desk.grants.add(ACCOUNT, grant, cause="payment:1", actor="model", reason="paid")
    return None


async def _take(desk: Desk, program: Program) -> Program | None:
    books = Adjustments(desk.books, alone_max=1000)
    await books.propose(ACCOUNT, "c1", -desk.setting.take, actor="model", reason="taken")
    return None


async def _refund(desk: Desk, program: Program) -> Program | None:
    await Refunds(desk.books).request(ACCOUNT, "r1", desk.setting.take, actor="model", reason="asked for")
    return None


def the_key() -> ApiKey:
    return ApiKey("key_1", ACCOUNT, "hash", "", "", "starter", 1, BASE)


PROGRAMS: dict[str, Callable[[Desk, Program], Coroutine[Any, Any, Program | None]]] = {
    "admit": _admit,
    "receipt": _receipt,
    "settle": _settle,
    "sweep": _sweep,
    "expire": _expire,
    "top up": _top_up,
    "top up again": _top_up,
    "take": _take,
    "refund": _refund,
}


def packed(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
