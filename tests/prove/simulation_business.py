"""Fifty customers and what happens to them. Every choice comes from one seed, so the same seed is the same history."""

import random
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from infergate.kernel.errors import InferGateError
from infergate.kernel.money import usd
from infergate.kernel.time import NEVER
from infergate.ledger.grants import bump_epoch
from infergate.ledger.ledger import Ask, Held
from infergate.ledger.types import Grant, Hold, Receipt
from infergate.store.errors import TransactionFailed

from tests.prove.machine_world import TABLES, Process, World, done
from tests.support.faults import Crash, FaultyStore, Mode

HOUR_S, DAY_S = 3600, 86_400
SWEEP_EVERY_S = 240
HOLD_S = 480
LATE_S_MAX = 300
HOLD_MAX = usd("0.05")


@dataclass
class Customer:
    account: str
    epoch: int = 1
    """As a gateway has it cached."""
    payments: list[tuple[str, int]] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """request -> the cost of the receipt that a worker was told stands."""


@dataclass
class Served:
    """A request whose provider is still answering."""

    customer: Customer
    request: str
    hold: Hold
    until: float


class Business:
    def __init__(self, world: World, seed: int, customers: int) -> None:
        self.world = world
        self.seed = seed
        self.requests = 0
        self.happened: Counter[str] = Counter()
        self.violations: list[str] = []
        self._random = random.Random(seed)
        self._open: deque[Served] = deque()
        self._late: deque[tuple[float, FaultyStore]] = deque()
        self._cases: list[tuple[str, Customer, str]] = []
        self._swept = self._expired = 0.0
        self.customers = [Customer(world.open()) for _ in range(customers)]
        for customer in self.customers:
            self._gift(customer)
            self._buy(customer)

    def run(self, requests: int, *, days: int) -> None:
        pause_s = 2 * days * DAY_S / requests
        for _ in range(requests):
            self.world.clock.now += self._random.random() * pause_s
            self._clockwork()
            self._request(self._random.choice(self.customers))
            if self._random.random() < 0.04:
                self._event(self._random.choice(self.customers))

    def come_to_rest(self) -> None:
        """No new requests, no new faults; what is on its way arrives, and half an hour passes."""
        for served in self._open:
            self._settle(served, self.world.main)
        for _, store in self._late:
            done(store.deliver_late())
        self.world.clock.now += 1200
        done(self.world.main.sweep.run())
        self.world.clock.now += 600
        done(self.world.main.expire.run())
        for customer in self.customers:
            done(self.world.main.grants.attribute(customer.account))

    def _clockwork(self) -> None:
        now = self.world.clock.now
        while self._late and self._late[0][0] <= now:
            done(self._late.popleft()[1].deliver_late())
        while self._open and self._open[0].until <= now:
            self._settle(self._open.popleft(), self.world.main)
        if now - self._swept >= SWEEP_EVERY_S:
            self._swept = now
            swept = done(self.world.main.sweep.run())
            self.happened["holds swept"] += swept.settled + swept.released
            if swept.oldest_hold_age_s > 1200:
                self.violations.append(f"seed {self.seed}: a hold was {swept.oldest_hold_age_s} s old")
        if now - self._expired >= HOUR_S:
            self._expired = now
            self.happened["marks expired"] += done(self.world.main.expire.run()).marks

    # a request

    def _request(self, customer: Customer) -> None:
        self.requests += 1
        amount = self._random.randrange(1, HOLD_MAX)
        faulty = self._random.random() < 0.02
        store = FaultyStore(self.world.store, self._one_fault()) if faulty else None
        process = self.world.process(store) if store else self.world.main
        try:
            held = self._reserve(process, customer, amount)
            if held is None:
                return
            served = Served(customer, *held, self.world.clock.now)
            if self._random.random() < 0.05:
                # One in ten has been given up by the sweep when it comes back.
                served.until += self._random.randrange(HOLD_S - 30) + (self._random.random() < 0.1) * 1200
                self._open.append(served)
                self._open = deque(sorted(self._open, key=lambda s: s.until))
            else:
                self._settle(served, process)
        except Crash:
            self.happened["workers died"] += 1
        if store and store.delayed:
            self.happened["writes late"] += 1
            self._late.append((self.world.clock.now + self._random.random() * LATE_S_MAX, store))
            self._late = deque(sorted(self._late, key=lambda late: late[0]))

    def _one_fault(self) -> dict[int, Mode]:
        """Of the calls of a request: mark, reserve, receipt, settle, and those of retries."""
        return {self._random.randrange(6): self._random.choice(list(Mode))}

    def _reserve(self, process: Process, customer: Customer, amount: int) -> tuple[str, Hold] | None:
        """As the gateway does: a stale key is read again, expired credit ended; otherwise a refusal is an answer."""
        for _ in range(3):
            request = self.world.new_id("req")
            deadline = int(self.world.clock.now) + HOLD_S
            answer = done(process.ledger.reserve(Ask(customer.account, request, amount, deadline, customer.epoch, 100)))
            if isinstance(answer, Held):
                if answer.available < 0:
                    self.violations.append(f"seed {self.seed}: {customer.account} overdrawn")
                return request, answer.hold
            refusal = type(answer).__name__
            if refusal == "CreditDue":
                done(process.grants.expire(customer.account))
            elif refusal == "Stale":
                customer.epoch = self._epoch(customer)
            else:
                self.happened["refused"] += 1
                if refusal == "NotEnough" and self._random.random() < 0.3:
                    self._buy(customer)
                return None
        return None

    def _settle(self, served: Served, process: Process) -> None:
        cost = self._random.randrange(served.hold.amount + 1) if self._random.random() < 0.95 else 0
        made_at_ms = int(self.world.clock.now * 1000)
        receipt = Receipt(
            served.customer.account,
            served.request,
            served.hold.id,
            served.hold.amount,
            cost,
            "completed",
            made_at_ms,
            model="demo-chat",
            units={"input": 20, "output": 40},
        )
        standing = done(process.ledger.write_receipt(receipt))
        served.customer.told[served.request] = standing.cost
        done(process.ledger.settle(standing))

    # what else happens

    def _event(self, customer: Customer) -> None:
        happening = self._random.choices(
            (self._gift, self._buy, self._refund, self._dispute, self._adjust, self._revoke, self._go_on, self._remove),
            (6, 2, 5, 2, 3, 3, 16, 1),
        )[0]
        happening(customer)

    def _gift(self, customer: Customer) -> None:
        amount, hours = usd(str(self._random.randrange(1, 4))), self._random.randrange(1, 30)
        kind = self._random.choice(("promo", "trial", "bonus", "goodwill"))
        self._grant(customer, kind, amount, int(self.world.clock.now) + hours * HOUR_S)

    def _buy(self, customer: Customer) -> None:
        amount = usd(str(self._random.randrange(2, 12)))
        lasts = self._random.choice((NEVER, NEVER, DAY_S))
        name = self._grant(customer, "paid", amount, min(NEVER, int(self.world.clock.now) + lasts))
        customer.payments.append((name, amount))

    def _grant(self, customer: Customer, kind: str, amount: int, expires_at: int) -> str:
        name = self.world.new_id("grant")
        source = "campaign:spring" if kind == "promo" else name
        priority = self._random.choice((100, 100, 10))
        now_s = int(self.world.clock.now)
        grant = Grant(name, kind, amount, amount, now_s, expires_at, priority, source=source)
        add = self.world.main.grants.add
        for _ in range(2):  # a payment is often told twice
            done(add(customer.account, grant, cause=f"grant:{name}", actor="test", reason="test"))
        self.happened["grants"] += 1
        return name

    def _refund(self, customer: Customer) -> None:
        amount, case = self._random.randrange(1, usd("3")), self.world.new_id("rf")
        asked = self.world.main.refunds.request(customer.account, case, amount, actor="customer", reason="please")
        if self._if_allowed("refunds", asked):
            self._cases.append(("refund", customer, case))

    def _dispute(self, customer: Customer) -> None:
        if customer.payments:
            # Any payment, whether or not it has been disputed, or asked back, before.
            name, amount = self._random.choice(customer.payments[-4:])
            case = self.world.new_id("dp")
            opened = self.world.main.disputes.opened(customer.account, case, name, amount, actor="bank")
            if self._if_allowed("disputes", opened):
                self._cases.append(("dispute", customer, case))

    def _adjust(self, customer: Customer) -> None:
        amount, case = self._random.randrange(-usd("1"), usd("1")), self.world.new_id("adj")
        propose = self.world.main.adjustments.propose
        self._if_allowed("adjustments", propose(customer.account, case, amount, actor="op", reason="because"))

    def _remove(self, customer: Customer) -> None:
        self._if_allowed(
            "removals", self.world.main.grants.remove_campaign(customer.account, "spring", actor="op", reason="over")
        )

    def _revoke(self, customer: Customer) -> None:
        self._transact(bump_epoch(TABLES.accounts, customer.account))
        self.happened["keys revoked"] += 1

    def _go_on(self, _: Customer) -> None:
        """The oldest open case goes a step further; a suspended customer pays what is owed and is let in again."""
        if not self._cases:
            return
        kind, customer, case = self._cases.pop(0)
        account, refunds, disputes = customer.account, self.world.main.refunds, self.world.main.disputes
        if kind == "dispute":
            if self._random.random() < 0.6:
                self._if_allowed("disputes won", disputes.won(account, case, actor="bank"))
                return
            self._if_allowed("disputes lost", disputes.lost(account, case, actor="bank"))
            while (wallet := done(self.world.main.ledger.wallet(account))) and wallet.debt:
                self._buy(customer)
            self._transact(bump_epoch(TABLES.accounts, account, "active"))
        elif self._random.random() < 0.2:
            self._if_allowed("refunds rejected", refunds.reject(account, case, actor="op", reason="no"))
        elif self._if_allowed("", refunds.approve(account, case, actor="op")):
            self._if_allowed("", refunds.sent(account, case, actor="op"))
            if self._random.random() < 0.7:
                self._if_allowed("refunded", refunds.refunded(account, case, reference="re", actor="op"))
            else:
                self._if_allowed("refunds failed", refunds.failed(account, case, actor="op", reason="no"))
        else:
            self._cases.append((kind, customer, case))

    def _if_allowed(self, what: str, work: Coroutine[Any, Any, Any]) -> bool:
        try:
            done(work)
        except InferGateError:
            return False
        if what:
            self.happened[what] += 1
        return True

    def _transact(self, member: dict[str, Any]) -> None:
        try:
            done(self.world.store.call("TransactWriteItems", {"TransactItems": [member]}))
        except TransactionFailed:
            self.happened["still barred"] += 1

    def _epoch(self, customer: Customer) -> int:
        wallet = done(self.world.main.ledger.wallet(customer.account))
        assert wallet is not None
        return wallet.epoch
