"""The ledger on a real store, with a clock that the test moves."""

import asyncio
import os
import random
from dataclasses import dataclass, replace

from infergate.kernel.ids import new_id
from infergate.kernel.money import format_usd, usd
from infergate.kernel.time import NEVER
from infergate.ledger import wallet
from infergate.ledger.adjustments import Adjustments
from infergate.ledger.books import Books
from infergate.ledger.disputes import Disputes
from infergate.ledger.grants import Grants, opening
from infergate.ledger.ledger import Ask, Held, Ledger, Tables
from infergate.ledger.refunds import Refunds
from infergate.ledger.types import Grant, Hold, Receipt
from infergate.schedules.audit import audit
from infergate.schedules.expire import Expire
from infergate.schedules.sweep import Sweep
from infergate.store.client import Store

from tests.support.live import Time


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


@dataclass
class World:
    store: Store
    tables: Tables
    clock: Time

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store, self.tables, self.clock, no_wait, random.random)
        self.books = Books(self.store, self.tables, self.clock, no_wait, random.random)
        self.grants = Grants(self.books)
        self.refunds = Refunds(self.books)
        self.disputes = Disputes(self.books)
        self.adjustments = Adjustments(self.books, alone_max=usd("100"))
        self.sweep = Sweep(self.store, self.ledger, self.tables.counters, self.clock)
        self.expire = Expire(self.store, self.grants, self.tables.accounts, self.clock)

    def grant(self, amount: str, *, days: int | None = None, kind: str = "paid", priority: int = 100) -> Grant:
        now_s = int(self.clock())
        nanos = usd(amount)
        expires_at = NEVER if days is None else now_s + days * 86_400
        return Grant(new_id("grant", now_s, os.urandom), kind, nanos, nanos, now_s, expires_at, priority)

    async def account(self, *grants: Grant) -> str:
        name = new_id("acct", self.clock(), os.urandom)
        members = opening(self.tables.accounts, name, [replace(g, source=g.id) for g in grants], int(self.clock()), "t")
        await self.store.call("TransactWriteItems", {"TransactItems": members})
        return name

    def ask(self, account: str, amount: str, *, epoch: int = 1, room: int = 100) -> Ask:
        deadline = int(self.clock()) + 600
        return Ask(account, new_id("req", self.clock(), os.urandom), usd(amount), deadline, epoch, room)

    async def held(self, account: str, amount: str) -> Held:
        answer = await self.ledger.reserve(self.ask(account, amount))
        assert isinstance(answer, Held)
        return answer

    async def settle(self, account: str, held: Held, cost: str) -> int | None:
        return await self.ledger.settle(await self.ledger.write_receipt(receipt(account, held.hold, cost)))

    async def balance(self, account: str) -> tuple[str, str]:
        """(available, held), in dollars, after checking the wallet's identity."""

        found = await self.ledger.wallet(account)
        assert found is not None
        assert found.difference == 0
        return format_usd(found.available), format_usd(found.held)

    async def clean(self, account: str) -> bool:
        report = await audit(self.store, self.tables, account)
        assert report.clean, report.broken
        return True


def receipt(account: str, hold: Hold, cost: str, reason: str = "completed") -> Receipt:
    request_id = wallet.request_of(hold.id)
    return Receipt(account, request_id, hold.id, hold.amount, usd(cost), reason, 1_700_000_000_000)
