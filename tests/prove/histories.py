"""Linearizability of what clients of one wallet see: reserves, settles, payments and reads, at once, with answers lost.

Every call that the ledger's code makes to a wallet is recorded with its beginning, its end and its answer, on the store in
memory (with other clients let in between any two calls) and on the embedded AWS (a process of its own, over HTTP). Each
history must be one that a wallet which does one thing at a time could have had.
"""

import asyncio
import contextlib
import itertools
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from infergate.kernel.errors import Unavailable
from infergate.kernel.ids import new_id
from infergate.ledger.ledger import Held, Tables
from infergate.ledger.plan import Unbalanced
from infergate.ledger.types import Grant
from infergate.ledger.wallet import read_wallet
from infergate.store.client import Params, Store
from infergate.store.codec import decode
from infergate.store.errors import Busy, ConditionFailed, OutcomeUnknown, StoreError, TransactionFailed
from infergate.transport.http1 import HttpClient

from tests.prove.histories_check import Event, Move, Operation, Purse, Read, Reserve, Settle, Verdict, check
from tests.prove.table import Row, timed
from tests.support.live import Time, thin_store
from tests.support.memory_store import MemoryStore
from tests.support.world import World, receipt
from tools.local.aws import EmbeddedAws
from tools.local.template import create_tables

CLIENTS, OPERATIONS = 8, 6
CREDIT, ROOM = 20, 6
IN_MEMORY, EMBEDDED = 180, 40
PLANTED = 12


@dataclass
class Recorder:
    """Stands between a ledger and its store; loses answers now and then, and lets others in before and after each call."""

    inner: Store
    random: random.Random
    lossy: float = 0.05
    events: list[Event] = field(default_factory=list)
    late: list[asyncio.Task[None]] = field(default_factory=list)
    _clock: Any = field(default_factory=itertools.count)

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Raises StoreError."""
        await self._let_others_in()
        said = operation_of(operation, params)
        event = Event(said, next(self._clock)) if said else None
        if event:
            self.events.append(event)
        try:
            answer = await self._send(operation, params, breaks=event is not None)
        except (ConditionFailed, TransactionFailed) as failed:
            self._end(event, ("no", _seen(failed.old) if isinstance(failed, ConditionFailed) else None))
            raise
        except Busy:
            # Not applied, by the store's word: as if it had never been sent.
            if event:
                self.events.remove(event)
            raise
        self._end(event, _answer_of(said, answer))
        await self._let_others_in()
        return answer

    async def _send(self, operation: str, params: Params, *, breaks: bool) -> dict[str, Any]:
        fate = self.random.random() if breaks and operation != "GetItem" else 1.0
        if fate < self.lossy / 3:
            raise OutcomeUnknown("never sent")
        if fate < self.lossy * 2 / 3:
            self.late.append(asyncio.create_task(self._later(operation, params)))
            raise OutcomeUnknown("late")
        answer = await self.inner.call(operation, params)
        if fate < self.lossy:
            raise OutcomeUnknown("answer lost")
        return answer

    async def _later(self, operation: str, params: Params) -> None:
        for _ in range(self.random.randrange(60)):
            await asyncio.sleep(0)
        with contextlib.suppress(StoreError):
            await self.inner.call(operation, params)

    def _end(self, event: Event | None, answer: Any) -> None:
        if event:
            event.answer, event.ended = answer, next(self._clock)

    async def _let_others_in(self) -> None:
        for _ in range(self.random.randrange(3)):
            await asyncio.sleep(0)


def operation_of(operation: str, params: Params) -> Operation | None:
    """What a call means to the wallet, None if nothing."""
    values = {name: decode(value) for name, value in params.get("ExpressionAttributeValues", {}).items()}
    if operation == "GetItem":
        return Read() if params["Key"]["sk"] == {"S": "WALLET"} else None
    if operation == "UpdateItem":
        hold = params["ExpressionAttributeNames"]["#hold"]
        if ":hold" in values:
            return Reserve(hold, values[":amount"], values[":room"])
        return Settle(hold, values[":amount"], values[":cost"])
    if operation == "TransactWriteItems":
        update = next(member["Update"] for member in params["TransactItems"] if "Update" in member)
        values = {name: decode(value) for name, value in update["ExpressionAttributeValues"].items()}
        entries = [
            m["Put"]["Item"] for m in params["TransactItems"] if "balance_after" in m.get("Put", {}).get("Item", {})
        ]
        balance = decode(entries[-1]["balance_after"])
        return Move(values[":add_available"], values[":version"], values[":spent"], balance)
    return None


def _answer_of(said: Operation | None, answer: dict[str, Any]) -> Any:
    if isinstance(said, Read):
        return "yes", _seen(answer.get("Item"))
    if isinstance(said, Move):
        return "yes", None
    return "yes", decode(answer["Attributes"]["available"]) if said else None


def _seen(item: dict[str, Any] | None) -> Any:
    if not item:
        return None
    wallet = read_wallet(item)
    holds = frozenset((hold.id, hold.amount) for hold in wallet.holds.values())
    return wallet.available, wallet.spent, wallet.version, holds


type Broken = tuple[type[Exception], ...]

# -- clients ----------------------------------------------------------------------------------------------------------


async def client(world: World, account: str, chance: random.Random, broken: Broken) -> None:
    """OPERATIONS of the ledger's own, one after the other. What it cannot know is left to nobody: there is no sweep here."""
    held: list[Held] = []
    for _ in range(OPERATIONS):
        # Unbalanced, ValueError: what the ledger says to books that a store which is not atomic has broken.
        with contextlib.suppress(Unavailable, *broken):
            await one(world, account, chance, held)


async def one(world: World, account: str, chance: random.Random, held: list[Held]) -> None:
    """Raises Unavailable."""
    what = chance.random()
    if what < 0.45 or (not held and what < 0.75):
        ask = world.ask(account, "0", room=ROOM)
        ask.amount = chance.randrange(1, 8)
        answer = await world.ledger.reserve(ask)
        if isinstance(answer, Held):
            held.append(answer)
    elif what < 0.75:
        ended = held.pop(chance.randrange(len(held)))
        if chance.random() < 0.2:
            await world.ledger.release(account, ended.hold)
        else:
            cost = chance.randrange(ended.hold.amount + 1)
            await world.ledger.settle(replace(receipt(account, ended.hold, "0"), cost=cost))
    elif what < 0.85:
        amount = chance.randrange(1, 6)
        grant = Grant(
            new_id("grant", 0, chance.randbytes), "paid", amount, amount, 0, 253_402_300_799, source="payment"
        )
        await world.grants.add(account, grant, cause=f"payment:{grant.id}", actor="client", reason="paid")
    else:
        await world.ledger.wallet(account)


async def history(store: Store, tables: Tables, seed: int, *, lossy: float = 0.05, broken: Broken = ()) -> list[Event]:
    """What CLIENTS at once saw of a new account's wallet."""
    chance = random.Random(seed)
    clock = Time()
    opened = World(store, tables, clock)
    account = await opened.account(Grant("grant_0", "paid", CREDIT, CREDIT, 0, 253_402_300_799))
    recorder = Recorder(store, random.Random(chance.random()), lossy)
    worlds = [World(recorder, tables, clock) for _ in range(CLIENTS)]
    await asyncio.gather(*(client(world, account, random.Random(chance.random()), broken) for world in worlds))
    await asyncio.gather(*recorder.late)
    await World(recorder, tables, clock).ledger.wallet(account)
    return recorder.events


def judge(events: list[Event]) -> Verdict:
    return check(events, Purse(CREDIT))


# -- a store that is not atomic, to see that the checker sees --------------------------------------------------------


class Torn:
    """Looks, waits, writes what it worked out from what it saw: two at once lose one of the two."""

    def __init__(self, inner: MemoryStore, chance: random.Random) -> None:
        self.inner = inner
        self.chance = chance

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation != "UpdateItem":
            return await self.inner.call(operation, params)
        before = self.inner.copy()
        answer = await before.call(operation, params)
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        pk, sk = params["Key"]["pk"]["S"], params["Key"]["sk"]["S"]
        self.inner.tables[params["TableName"]].put((pk, sk), before.tables[params["TableName"]].get((pk, sk)))
        return answer


# -- the proof --------------------------------------------------------------------------------------------------------


def prove(scale: int = 1) -> Row:
    with timed("histories: linearizable on both stores") as row:
        asyncio.run(_prove(scale, row))
    return row


async def _prove(scale: int, row: Row) -> None:
    calls = unanswered = refused = count = 0
    async for where, seed, events in recorded(scale):
        count += 1
        calls += len(events)
        unanswered += sum(not event.answered for event in events)
        refused += sum(event.answered and event.answer[0] == "no" for event in events)
        try:
            verdict = judge(events)
        except RuntimeError as undecided:
            row.violations.append(f"{where} {seed}: {undecided}")
            continue
        if not verdict.linearizable:
            row.violations.append(
                f"{where} {seed}: no order explains more than {verdict.longest} of {len(events)} calls"
            )
    caught = await planted()
    if caught < PLANTED // 2:
        row.violations.append(f"a store that is not atomic was noticed in {caught} of {PLANTED} histories only")
    row.how_many = f"{count} histories, {calls:,} calls, {CLIENTS} clients"
    row.notes = (
        f"{unanswered} answers lost, {refused} refusals; a store that is not atomic is noticed in {caught} of {PLANTED}"
    )


async def recorded(scale: int) -> AsyncIterator[tuple[str, int, list[Event]]]:
    names = Tables("accounts", "receipts", "counters")
    for seed in range(IN_MEMORY * scale):
        store = MemoryStore([names.accounts, names.receipts, names.counters])
        yield "in memory", seed, await history(store, names, seed)
    with EmbeddedAws() as aws:
        tables = create_tables(boto3.client("dynamodb", **aws.client_arguments()), f"h{uuid.uuid4().hex[:8]}-")
        names = Tables(tables["ACCOUNTS_TABLE"], tables["RECEIPTS_TABLE"], tables["COUNTERS_TABLE"])
        http = HttpClient()
        for seed in range(EMBEDDED * min(scale, 5)):
            yield "on the embedded AWS", seed, await history(thin_store(http, aws.endpoint), names, seed)
        await http.close()


async def planted() -> int:
    """In how many histories a store that is not atomic is found out."""
    names = Tables("accounts", "receipts", "counters")
    caught = 0
    for seed in range(PLANTED):
        inner = MemoryStore([names.accounts, names.receipts, names.counters])
        events = await history(
            Torn(inner, random.Random(seed)), names, seed, lossy=0.0, broken=(Unbalanced, ValueError)
        )
        caught += not judge(events).linearizable
    return caught


if __name__ == "__main__":
    from tests.prove.table import print_table

    print_table([prove()])
