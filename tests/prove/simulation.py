"""A business in fast motion: many accounts, grants, expiry, refunds, crashes and sweeps, and then the books are added up.

The real ledger on the store in memory. At the end every account's ledger entries, receipts, statement and wallet must agree
to the nano-dollar. 100,000 requests of 200 accounts at CI's scale, 1,000,000 of 1,000 above it.
"""

import asyncio
import random
import resource
from dataclasses import dataclass, field

from infergate.kernel.errors import AccountNotActive, InvalidRequest
from infergate.kernel.ids import new_id
from infergate.kernel.money import Nanos
from infergate.kernel.time import NEVER
from infergate.ledger.books import Books
from infergate.ledger.grants import Grants, opening
from infergate.ledger.ledger import Ask, Held, Ledger, Tables
from infergate.ledger.refunds import Refunds
from infergate.ledger.statement import Sums, rows
from infergate.ledger.types import Grant, Receipt
from infergate.ledger.wallet import CreditDue
from infergate.schedules.audit import audit
from infergate.schedules.expire import Expire
from infergate.schedules.sweep import Sweep

from tests.prove.table import Row, timed
from tests.support.memory_store import MemoryStore

TABLES = Tables("accounts", "receipts", "counters")
START_S = 1_780_000_000
DAY_S = 86_400
DAYS = 20
DIES = 0.01
"""How many workers die between their hold and their settle."""


@dataclass
class Business:
    accounts: int
    requests: int
    seed: int = 20261124
    now_s: float = START_S
    served: int = 0
    refused: int = 0
    died: int = 0
    refunds: int = 0
    charged: dict[str, Nanos] = field(default_factory=dict)
    """What each account was told that its requests cost: counted here, beside the ledger."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.store = MemoryStore(["accounts", "receipts", "counters"], clock=self.clock)
        self.ledger = Ledger(self.store, TABLES, self.clock, no_wait, self.random.random)
        self.books = Books(self.store, TABLES, self.clock, no_wait, self.random.random)
        self.grants, self.refunding = Grants(self.books), Refunds(self.books)
        self.sweep = Sweep(self.store, self.ledger, "counters", self.clock)
        self.expire = Expire(self.store, self.grants, "accounts", self.clock)

    def clock(self) -> float:
        return self.now_s

    def name(self, prefix: str) -> str:
        return new_id(prefix, self.now_s, self.random.randbytes)

    def grant(self, kind: str, amount: Nanos, days: int | None) -> Grant:
        expires_at = NEVER if days is None else int(self.now_s) + days * DAY_S
        return Grant(
            self.name("grant"), kind, amount, amount, int(self.now_s), expires_at, self.random.choice((50, 100))
        )

    async def open(self) -> list[str]:
        names = [self.name("acct") for _ in range(self.accounts)]
        for name in names:
            trial = self.grant("trial", 20_000_000_000, self.random.randint(3, 12))
            members = opening("accounts", name, [trial], int(self.now_s), "simulation")
            await self.store.call("TransactWriteItems", {"TransactItems": members})
        return names

    async def request(self, account: str) -> None:
        amount = self.random.randint(1_000, 400_000_000)
        ask = Ask(account, self.name("req"), amount, int(self.now_s) + 660, 1, 200)
        answer = await self.ledger.reserve(ask)
        if isinstance(answer, CreditDue):
            await self.grants.expire(account)
            answer = await self.ledger.reserve(ask)
        if not isinstance(answer, Held):
            self.refused += 1
            return
        cost = self.random.randint(0, answer.hold.amount)
        receipt = Receipt(account, ask.request_id, answer.hold.id, amount, cost, "completed", int(self.now_s * 1000))
        fate = self.random.random()
        if fate < DIES / 2:
            self.died += 1
            return
        await self.ledger.write_receipt(receipt)
        self.charged[account] = self.charged.get(account, 0) + cost
        if fate < DIES:
            self.died += 1
            return
        await self.ledger.settle(receipt)
        self.served += 1

    async def now_and_then(self, account: str) -> None:
        """Purchases, gifts, refunds."""
        chance = self.random.random()
        if chance < 0.6:
            bought = self.grant("paid", self.random.randint(1, 40) * 1_000_000_000, None)
            await self.grants.add(account, bought, cause=bought.id, actor="simulation", reason="bought")
        elif chance < 0.8:
            gift = self.grant("promo", 2_000_000_000, self.random.randint(1, 5))
            await self.grants.add(account, gift, cause=gift.id, actor="simulation", reason="gift")
        else:
            await self.refund(account, self.name("refund"))

    async def refund(self, account: str, case: str) -> None:
        try:
            await self.refunding.request(account, case, self.random.randint(1, 10**10), actor="customer", reason="")
        except (InvalidRequest, AccountNotActive):
            return
        self.refunds += 1
        if self.random.random() < 0.5:
            await self.refunding.reject(account, case, actor="operator", reason="")
            return
        await self.refunding.approve(account, case, actor="operator")
        await self.refunding.sent(account, case, actor="operator")
        if self.random.random() < 0.8:
            await self.refunding.refunded(account, case, reference=case, actor="provider")
        else:
            await self.refunding.failed(account, case, actor="provider", reason="")

    async def run(self) -> list[str]:
        names = await self.open()
        per_hour = self.requests // (DAYS * 24)
        for hour in range(DAYS * 24):
            extra = self.requests - per_hour * DAYS * 24 if hour == 0 else 0
            for _ in range(per_hour + extra):
                self.now_s += 3000 / (per_hour + 1)
                await self.request(self.random.choice(names))
            for _ in range(max(1, self.accounts // 100)):
                await self.now_and_then(self.random.choice(names))
            self.now_s = START_S + (hour + 1) * 3600
            await self.sweep.run()
            if hour % 6 == 0:
                await self.expire.run()
        self.now_s += 2 * 3600
        await self.sweep.run(look_back_s=4 * 3600)
        await self.expire.run()
        return names

    async def differences(self, names: list[str]) -> list[str]:
        """What does not agree, account by account: the auditor, the statement, and what customers were told."""
        report = await audit(self.store, TABLES)
        wrong = [f"{name}: {identities}" for name, identities in report.broken.items()]
        if report.holds:
            wrong.append(f"{report.holds} holds are left after the sweep")
        for name in names:
            wallet = await self.ledger.wallet(name)
            assert wallet is not None
            sums = Sums()
            async for _ in rows(self.books, self.ledger, name, START_S - DAY_S, int(self.now_s) + 1, sums):
                pass
            # What lapsed in settled holds becomes an entry when it is attributed: let it, as a reader of the books would.
            told = self.charged.get(name, 0)
            unbooked = wallet.lapsed - wallet.lapse_attributed
            if (sums.closing - unbooked, sums.usage, wallet.spent) != (wallet.available, told, told):
                wrong.append(f"{name}: statement {sums}, wallet {wallet}, told {told}")
        return wrong


async def no_wait(_: float) -> None:
    return


def prove(scale: int) -> Row:
    accounts, requests = (200, 100_000) if scale == 1 else (1_000, 1_000_000)
    business = Business(accounts, requests)

    async def work() -> list[str]:
        return await business.differences(await business.run())

    with timed("a business in fast motion: ledger = receipts = statement = wallet") as row:
        row.violations = asyncio.run(work())
    row.how_many = f"{requests:,} requests, {accounts:,} accounts"
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    row.notes = (
        f"{business.served:,} served, {business.refused:,} refused, {business.died:,} died, "
        f"{business.refunds:,} refunds; {peak_mib:,} MiB"
    )
    return row
