"""Following the product with the naive model: what a step did is read from the store, and must be what the model allows."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine
from infergate.kernel.errors import InferGateError
from infergate.kernel.time import NEVER
from infergate.ledger.rules import Share, plan_attribution
from infergate.ledger.types import Entry, Grant, Hold, Wallet
from infergate.ledger.wallet import read_wallet, request_of
from infergate.schedules.sweep import SLACK_S
from infergate.store.client import Params

from tests.prove import machine_model
from tests.prove.machine_cases import Model
from tests.prove.machine_model import Decision, Lot
from tests.prove.machine_world import TABLES, Process, World, done
from tests.support.faults import Crash, FaultyStore, Mode

ALONE_MAX = 10
SIGNED_S = 900
"""AWS refuses a request whose signature is older (it says five minutes in most cases): so late is a write at most."""

type Fault = tuple[int, Mode] | None
"""Which of a process's calls to the store goes wrong, and how."""
type Work = Callable[[Process], Coroutine[Any, Any, Any]]
type Effect = Callable[[Model], None]


@dataclass
class Account:
    name: str
    model: Model
    requests: list[tuple[str, Hold]] = field(default_factory=list)
    """Reserved; a worker, or its ghost, may settle it at any time."""
    released: set[str] = field(default_factory=set)
    causes: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def cases(self, kind: str) -> list[str]:
        return [name for name, case in self.model.cases.items() if case.kind == kind]


@dataclass
class Late:
    """A write on its way. `effect` is what it does if it is a movement; `sent` is when."""

    account: Account
    store: FaultyStore
    effect: Effect | None
    sent: int


@dataclass
class Outcome:
    """`refusal` is the name of the error that the product raised."""

    value: Any = None
    refusal: str = ""
    crashed: bool = False
    store: FaultyStore | None = None


class Violation(AssertionError):
    pass


@dataclass
class Tally:
    sequences: int = 0
    steps: int = 0
    rules: dict[str, int] = field(default_factory=dict)


class Follower(RuleBasedStateMachine):
    """Amounts are single nano-dollars, so that the model can count coins."""

    tally = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(alone_max=ALONE_MAX)
        self.accounts = [self._open(), self._open()]
        self.late: list[Late] = []
        self.tally.sequences += 1
        self.tally.steps -= 1  # wallets are compared before the first step, too

    def _open(self) -> Account:
        """With coins given for an hour, paid for two hours, and paid for good."""
        lives = (
            ("promo", 20, self.now + 3600, "campaign:100"),
            ("paid", 30, self.now + 7200, "p1"),
            ("paid", 10, NEVER, "p2"),
        )
        grants = [
            Grant(self.world.new_id("grant"), kind, amount, amount, self.now, expires, source=source)
            for kind, amount, expires, source in lives
        ]
        lots = {g.id: Lot(g.id, g.kind, g.left, g.left, g.created_at, g.expires_at, 100, g.source) for g in grants}
        account = Account(
            self.world.open(*grants), Model(lots, next_expiry=grants[0].expires_at), payments=["p1", "p2"]
        )
        account.entries = done(self.world.main.books.entries(account.name))
        return account

    @property
    def now(self) -> int:
        return int(self.world.clock.now)

    def count(self, name: str) -> None:
        self.tally.rules[name] = self.tally.rules.get(name, 0) + 1

    # comparing

    def _compare_wallets(self) -> None:
        for account in self.accounts:
            wallet, model = self._wallet(account), account.model
            self._must(wallet.difference == 0, f"the wallet's identity is off by {wallet.difference}")
            stored = (wallet.available, wallet.held, wallet.spent, wallet.debt, wallet.disputes, wallet.status)
            naive = (model.available, model.held, model.spent, model.debt, model.disputes, model.status)
            self._must(stored == naive, f"the wallet says {stored}, the model {naive}")
            self._must(wallet.epoch == model.epoch, "another epoch than the model's")
            self._must(wallet.holds.keys() == model.holds.keys(), "other holds than the model's")
            self._must(wallet.available >= 0, "overdrawn")
            ended = sum(lot.left for lot in model.lots.values() if lot.ended)
            held = sum(1 for hold in model.holds.values() for name in hold.due if name)
            self._must(ended == held, "ended credit that no hold has reserved")

    def _compare_books(self, account: Account) -> None:
        """After a movement, when all spend is attributed."""
        model, wallet = account.model, self._wallet(account)
        self._must(wallet.next_expiry == model.next_expiry, "another next expiry than the model's")
        self._compare_lots(account)
        self._compare_debt(account)
        fresh = wallet.entries - len(account.entries)
        self._must(fresh >= 0, "entries are gone")
        read = self.world.main.books.entries(account.name, limit=fresh, newest_first=True) if fresh else None
        for entry in reversed(done(read) if read else []):
            before = account.entries[-1] if account.entries else None
            self._must(entry.number == (before.number if before else 0) + 1, "entries are numbered with gaps")
            account.entries.append(entry)
        self._must(len(account.entries) == wallet.entries, "entries are missing")
        total = sum(entry.amount for entry in account.entries)
        self._must(total - model.spent == model.balance, "entries less receipts are not the balance")
        self._must(not fresh or account.entries[-1].balance_after == model.balance, "the last entry's balance is wrong")
        self._must(sum(entry.debt for entry in account.entries) == model.debt, "entries do not add up to the debt")

    def _compare_lots(self, account: Account) -> None:
        model = account.model
        grants = {grant.id: grant for grant in done(self.world.main.books.grants(account.name))}
        self._must(grants.keys() == model.lots.keys(), "other grants than the model's")
        for name, lot in model.lots.items():
            grant = grants[name]
            stored = (grant.frozen, grant.refunded, grant.removed, grant.expires_at, grant.lapsing)
            naive = (lot.frozen, lot.refunded, lot.removed, lot.expires, lot.ended)
            self._must(stored == naive, f"{grant.kind} grant: {stored}, the model {naive}")
            asked_back = (grant.repaid, grant.refunding, grant.contested, grant.charged_back)
            naive_back = (lot.repaid, lot.refunding, lot.contested, lot.charged)
            self._must(asked_back == naive_back, f"{grant.kind} grant: {asked_back} asked back, the model {naive_back}")
            self._must(lot.room >= 0, "more was asked back of a payment than was paid")
            self._must(grant.difference == 0, "a grant's own sum is off")
            self._must(grant.refunded <= grant.granted and (grant.kind == "paid" or not grant.refunded), "refunded")
            split, naive_split = (grant.spent, grant.expired, grant.left), (lot.spent, lot.expired, lot.left)
            self._must(split == naive_split, f"{grant.kind} (spent, expired, left) {split}, the model {naive_split}")

    def _compare_debt(self, account: Account) -> None:
        """P2: a debt comes only from credit that was used, or is still held, of payments that were charged back."""
        model = account.model
        used = sum(lot.spent + lot.repaid + lot.left for lot in model.lots.values() if lot.charged)
        self._must(model.debt <= used, f"a debt of {model.debt}, and {used} was used")
        back = sum(min(lot.charged, lot.granted) for lot in model.lots.values())
        self._must(model.debt <= back, f"a debt of {model.debt}, and {back} was charged back")

    def _must(self, condition: bool, otherwise: str) -> None:
        if not condition:
            raise Violation(otherwise)

    # doing, and following

    def _attempt(self, fault: Fault, work: Work) -> Outcome:
        outcome = Outcome(store=FaultyStore(self.world.store, dict([fault])) if fault else None)
        process = self.world.process(outcome.store) if outcome.store else self.world.main
        try:
            outcome.value = done(work(process))
        except Crash:
            outcome.crashed = True
        except InferGateError as error:
            outcome.refusal = type(error).__name__
        return outcome

    def _move(self, account: Account, fault: Fault, work: Work, effect: Effect) -> None:
        version = self._wallet(account).version
        self._settle_the_split(account)
        outcome = self._attempt(fault, work)
        refusal = self._follow(account, version, effect, must=not outcome.crashed)
        if not outcome.crashed:
            self._must(outcome.refusal == refusal, f"refused with {outcome.refusal!r}, the model with {refusal!r}")
        self._remember(account, outcome, effect)

    def _follow(self, account: Account, version: int, effect: Effect, *, must: bool) -> str:
        """Let the model do what the product did, if it did. Returns the refusal that the model expects."""
        moved = self._wallet(account).version - version
        after, refusal = account.model.copy(), ""
        try:
            effect(after)
        except (machine_model.Refused, machine_model.Nothing) as why:
            self._must(moved == 0, f"{moved} movements where the model makes none: {why!r}")
            return str(why)
        self._must(moved == 1 or (moved == 0 and not must), f"{moved} movements where the model makes one")
        if moved:
            account.model = after
            self._compare_books(account)
        return refusal

    def _observe(self, account: Account) -> None:
        """A process died while it ended holds: see which receipts there are, and which holds are gone."""
        model, wallet = account.model, self._wallet(account)
        for name, held in sorted(model.holds.items()):
            request = request_of(name)
            receipt = done(self.world.main.ledger.receipt(account.name, request))
            if receipt and request not in model.decisions:
                worker = any(request == r for r, _ in account.requests) and receipt.reason == "completed"
                swept = receipt.cost == 0 and held.deadline + SLACK_S < self.world.clock.now
                self._must(worker or swept, "a receipt came up that nobody wrote")
                model.decisions[request] = Decision(receipt.hold_id, receipt.hold, receipt.cost)
            if name not in wallet.holds:
                decision = model.decisions.get(request)
                self._must(bool(decision) or request in account.released, "a hold ended without a receipt")
                model.settle(name, decision.cost if decision and decision.hold == name else 0)

    def _remember(self, account: Account, outcome: Outcome, effect: Effect | None) -> None:
        if outcome.store and outcome.store.delayed:
            self.late.append(Late(account, outcome.store, effect, self.now))

    def _arrive(self, late: Late) -> None:
        account = late.account
        ((operation, params),) = late.store.delayed
        if self.now - late.sent > SIGNED_S:
            return
        self.count(f"late {operation}")
        version = self._wallet(account).version
        self._settle_the_split(account)
        done(late.store.deliver_late())
        if operation == "TransactWriteItems":
            assert late.effect is not None
            if self._wallet(account).version != version:
                self._follow(account, version, late.effect, must=True)
        elif operation == "UpdateItem":
            self._arrive_at_wallet(account, params, late.sent)
        elif params["TableName"] == TABLES.receipts:
            self._observe_receipt(account, params)

    def _arrive_at_wallet(self, account: Account, params: Params, sent: int) -> None:
        model, there = account.model, self._wallet(account).holds
        name, values = params["ExpressionAttributeNames"]["#hold"], params["ExpressionAttributeValues"]
        if ":hold" in values:
            amount, deadline = (int(values[":hold"]["M"][part]["N"]) for part in ("amount", "deadline"))
            epoch, room = int(values[":epoch"]["N"]), int(values[":room"]["N"])
            allowed = name not in model.holds and model.verdict(amount, epoch=epoch, room=room, now=sent) == "Held"
            self._must((name in there) == (allowed or name in model.holds), "a late reserve was judged wrongly")
            if allowed:
                model.holds[name] = machine_model.Held(amount, deadline)
        elif name in model.holds and name not in there:
            model.settle(name, int(values[":cost"]["N"]))

    def _observe_receipt(self, account: Account, params: Params) -> None:
        """It stands if nothing else was written first."""
        item = params["Item"]
        decision = Decision(item["hold_id"]["S"], int(item["hold"]["N"]), int(item["cost"]["N"]))
        account.model.decide(item["request_id"]["S"], decision)

    def _settle_the_split(self, account: Account) -> None:
        """Laying holds out over lots anew starts from how ended lots share what they bore: their sums are compared, and the
        shares taken over, before every movement."""
        model, wallet = account.model, self._wallet(account)
        if not model.ambiguous:
            return
        grants = done(self.world.main.books.grants(account.name))
        shares = plan_attribution(wallet, grants)
        split: dict[str, tuple[int, int, int]] = {}
        for grant in grants:
            share = shares.get(grant.id, Share())
            if model.lots[grant.id].ended:
                split[grant.id] = (
                    grant.spent + share.spent,
                    grant.expired + share.expired,
                    grant.left - share.spent - share.expired,
                )
        naive = [(model.lots[n].spent, model.lots[n].expired, model.lots[n].left) for n in split]
        sums = [tuple(map(sum, zip(*parts, strict=True))) for parts in (list(split.values()), naive)]
        self._must(sums[0] == sums[1], f"ended (spent, expired, left) {sums[0]}, the model {sums[1]}")
        model.adopt(split)

    async def _transact(self, members: list[Params]) -> None:
        await self.world.store.call("TransactWriteItems", {"TransactItems": members})

    def _wallet(self, account: Account) -> Wallet:
        stored = self.world.store.tables[TABLES.accounts].get((f"ACCOUNT#{account.name}", "WALLET"))
        assert stored is not None
        return read_wallet(stored[0])
