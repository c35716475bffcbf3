"""Random histories of one or two accounts, each step beside a naive model that burns every request's cost at once.

After every step: the wallet's identity, and available, held, spent, debt, status and epoch equal the model's. After every
movement: each grant's parts equal the model's lots (so attributing spend lazily equals burning it at each request), and
the entries are numbered without gaps, never changed, and add up to the balance. At quiescence the audit is clean.

Where a fault was injected, what happened is read from the store (a hold is there or not, a movement was made or not); it
must be one of the outcomes that the model allows, and the model then follows it.
"""

import random
import sys
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from infergate.kernel.ids import made_at_ms
from infergate.kernel.time import NEVER
from infergate.ledger.books import HOLDS_END_S
from infergate.ledger.grants import bump_epoch
from infergate.ledger.keys import WINDOW_S
from infergate.ledger.ledger import Ask, Held
from infergate.ledger.types import Grant, Receipt
from infergate.ledger.wallet import request_of
from infergate.schedules.audit import audit
from infergate.schedules.expire import DAY_S, LOOK_BACK_DAYS
from infergate.schedules.sweep import LOOK_BACK_S, SLACK_S, Swept
from infergate.store.errors import TransactionFailed

from tests.prove import machine_model
from tests.prove.machine_cases import Model
from tests.prove.machine_follow import ALONE_MAX, Account, Fault, Follower, Tally
from tests.prove.machine_model import Decision, Lot
from tests.prove.machine_world import TABLES, Process, done
from tests.prove.table import Row, timed
from tests.support.faults import Mode

SEQUENCES, STEPS = 1_000, 50
HOLD_S_MAX = 1140
NO_FAULT: list[Fault] = [None]
faults = st.sampled_from(NO_FAULT * 150 + [(call, mode) for mode in Mode for call in range(8)])
"""One movement in four meets one, if it makes as many calls."""
hot_faults = st.sampled_from(NO_FAULT * 25 + [(call, mode) for mode in Mode for call in range(3)])
"""A request makes fewer calls."""
accounts = st.sampled_from((0, 0, 0, 1))
picks = st.integers(0, 7)
amounts = st.integers(1, 15)


class Machine(Follower):
    # requests

    @rule(
        who=accounts,
        amount=amounts,
        stale=st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1)),
        room=st.sampled_from((100, 100, 100, 100, 2, 1)),
        life=st.sampled_from((600, 60, HOLD_S_MAX)),
        fault=hot_faults,
    )
    def reserve(self, who: int, amount: int, stale: int, room: int, life: int, fault: Fault) -> None:
        account = self.accounts[who]
        model = account.model
        ask = Ask(account.name, self.world.new_id("req"), amount, self.now + life, model.epoch - stale, room)
        expected = model.verdict(amount, epoch=ask.epoch, room=room, now=self.now)
        outcome = self._attempt(fault, lambda process: process.ledger.reserve(ask))
        wallet = self._wallet(account)
        new = [hold for name, hold in sorted(wallet.holds.items()) if name not in model.holds]
        self.count(f"reserve: {expected}")
        if new:
            self._must(expected == "Held", f"reserved where the model says {expected}")
            self._must(not model.due(self.now), "expired credit was reserved")
            self._must(model.status == "active" and not model.debt and not model.disputes, "admitted while barred")
        for hold in new:
            self._must(request_of(hold.id) == ask.request_id, "a hold of another request came up")
            self._must((hold.amount, hold.deadline) == (amount, ask.deadline), "another hold than was asked for")
            model.holds[hold.id] = machine_model.Held(amount, ask.deadline)
        if not outcome.crashed:
            answer = type(outcome.value).__name__
            self._must(answer == expected, f"reserve answered {answer}, the model {expected}")
        if isinstance(outcome.value, Held):
            self._must([hold.id for hold in new] == [outcome.value.hold.id], "what is held is not what was answered")
            self._must(outcome.value.available == model.available, "reserve answered another balance")
            account.requests.append((ask.request_id, outcome.value.hold))
        self._remember(account, outcome, None)
        if expected == "CreditDue":
            # As the gateway does: end it, then ask again.
            self.expire(who, None)
            self.reserve(who, amount, stale, room, life, None)

    @rule(
        who=accounts, amount=amounts, share=st.sampled_from((100, 0, 37, 81)), reserving=hot_faults, settling=hot_faults
    )
    def request(self, who: int, amount: int, share: int, reserving: Fault, settling: Fault) -> None:
        """The common case: reserved, and settled at once."""
        before = len(self.accounts[who].requests)
        self.reserve(who, amount, 0, 100, 600, reserving)
        if len(self.accounts[who].requests) > before:
            self.settle(who, 0, share, settling)

    @rule(who=accounts, amount=amounts, share=st.sampled_from((100, 37)))
    def stray(self, who: int, amount: int, share: int) -> None:
        """A reserve that lands when its request has been served on another hold and settled."""
        before = len(self.late)
        self.request(who, amount, share, (1, Mode.LATE), None)
        if len(self.late) > before:
            self._arrive(self.late.pop())

    @rule(who=accounts, several=st.lists(st.integers(1, 12), min_size=2, max_size=4))
    def reserve_several(self, who: int, several: list[int]) -> None:
        for amount in several:
            self.reserve(who, amount, 0, 100, 600, None)

    @precondition(lambda self: any(account.requests for account in self.accounts))
    @rule(who=accounts, pick=picks, share=st.sampled_from((100, 0, 37, 50, 81)), fault=hot_faults)
    def settle(self, who: int, pick: int, share: int, fault: Fault) -> None:
        """In time, twice, or long after the sweep has decided."""
        account = self.accounts[who]
        if not account.requests:
            return
        request, hold = account.requests[-1 - pick % len(account.requests)]
        if request in account.released:
            return
        model = account.model
        cost = hold.amount * share // 100
        receipt = Receipt(account.name, request, hold.id, hold.amount, cost, "completed", self.now * 1000)

        async def work(process: Process) -> Receipt:
            standing = await process.ledger.write_receipt(receipt)
            await process.ledger.settle(standing)
            return standing

        outcome = self._attempt(fault, work)
        self.count("settle" if hold.id in model.holds else "settle, gone")
        if outcome.crashed:
            self._observe(account)
        else:
            decision = model.decide(request, Decision(hold.id, hold.amount, cost))
            self._must(outcome.value.cost == decision.cost, "another receipt stands")
            model.finish(request)
        self._remember(account, outcome, None)

    @precondition(lambda self: any(account.requests for account in self.accounts))
    @rule(who=accounts, pick=picks, fault=hot_faults)
    def release(self, who: int, pick: int, fault: Fault) -> None:
        """The limits refused it: its hold goes back and nobody writes a receipt."""
        account = self.accounts[who]
        free = [(r, h) for r, h in account.requests if r not in account.model.decisions and r not in account.released]
        if not free:
            return
        request, hold = free[-1 - pick % len(free)]
        account.released.add(request)
        outcome = self._attempt(fault, lambda process: process.ledger.release(account.name, hold))
        if outcome.crashed:
            self._observe(account)
        elif hold.id in account.model.holds:
            account.model.settle(hold.id, 0)
        self._remember(account, outcome, None)

    @precondition(lambda self: any(account.model.holds for account in self.accounts))
    @rule(who=accounts, fault=faults)
    def sweep(self, who: int, fault: Fault) -> None:
        account = self.accounts[who]
        self.count("sweep" if account.model.holds else "sweep of nothing")
        outcome = self._attempt(fault, lambda process: process.sweep.account(account.name, Swept()))
        if outcome.crashed:
            self._observe(account)
        else:
            account.model.sweep(self.world.clock.now)
        self._remember(account, outcome, None)

    @precondition(lambda self: any(account.model.holds for account in self.accounts))
    @rule()
    def sweep_run(self) -> None:
        """The schedule's own run finds every account with a hold of the last two hours."""
        done(self.world.main.sweep.run())
        for account in self.accounts:
            model, made = account.model, [made_at_ms(request_of(name)) / 1000 for name in account.model.holds]
            found = any(at > self.now - LOOK_BACK_S + WINDOW_S for at in made)
            if found or not model.holds.keys() <= self._wallet(account).holds.keys():
                model.sweep(self.world.clock.now)

    # movements

    @rule(
        who=accounts,
        kind=st.sampled_from(("paid", "promo", "paid", "trial", "bonus", "goodwill")),
        amount=st.integers(1, 40),
        life=st.sampled_from((NEVER, 1800, 60, 3600, DAY_S)),
        priority=st.sampled_from((100, 100, 50, 1)),
        fault=faults,
    )
    def grant(self, who: int, kind: str, amount: int, life: int, priority: int, fault: Fault) -> None:
        account = self.accounts[who]
        name = self.world.new_id("grant")
        source = f"campaign:{priority}" if kind == "promo" else name
        if kind == "paid":
            account.payments.append(source)
        account.causes.append(f"grant:{name}")
        self._grant(account, name, kind, amount, life, priority, source, account.causes[-1], fault)

    @precondition(lambda self: any(account.causes for account in self.accounts))
    @rule(who=accounts, pick=picks, amount=amounts, fault=faults)
    def grant_again(self, who: int, pick: int, amount: int, fault: Fault) -> None:
        """The same cause, whatever it brings this time. It counts only if the first attempt never arrived."""
        account = self.accounts[who]
        if account.causes:
            cause = account.causes[-1 - pick % len(account.causes)]
            name = self.world.new_id("grant")
            self._grant(account, name, "paid", amount, NEVER, 100, name, cause, fault)

    def _grant(
        self,
        account: Account,
        name: str,
        kind: str,
        amount: int,
        life: int,
        priority: int,
        source: str,
        cause: str,
        fault: Fault,
    ) -> None:
        now = self.now
        expires = NEVER if life == NEVER else now + life
        grant = Grant(name, kind, amount, amount, self.now, expires, priority, source=source)
        lot = Lot(name, kind, amount, amount, self.now, expires, priority, source)
        self._move(
            account,
            fault,
            lambda process: process.grants.add(account.name, grant, cause=cause, actor="test", reason="test"),
            lambda model: model.add(lot, cause, now),
        )

    @precondition(lambda self: any(account.model.next_expiry <= self.now for account in self.accounts))
    @rule(who=accounts, fault=faults)
    def expire(self, who: int, fault: Fault) -> None:
        account, now = self.accounts[who], self.now
        before = account.model.holds and account.model.due(now)
        self.count("expire under holds" if before else "expire")
        self._move(account, fault, lambda process: process.grants.expire(account.name), lambda model: model.expire(now))

    @rule(who=accounts, amount=amounts, fault=faults)
    def expire_over_a_hold(self, who: int, amount: int, fault: Fault) -> None:
        """Reserved in time, and still under way when the next lot's time comes."""
        self.reserve(who, amount, 0, 100, HOLD_S_MAX, None)
        if self.accounts[who].model.next_expiry < NEVER:
            self.world.clock.now = max(self.world.clock.now, self.accounts[who].model.next_expiry)
            self.expire(who, fault)

    @rule(
        who=accounts,
        amount=st.integers(5, 25),
        how=st.sampled_from(("rejected", "won", "failed", "lost")),
        is_run=st.booleans(),
    )
    def expire_over_a_case(self, who: int, amount: int, how: str, is_run: bool) -> None:
        """Frozen in time, and still frozen when the next lot's time comes."""
        account = self.accounts[who]
        disputed = how in ("won", "lost")
        if disputed:
            lots = [lot for lot in account.model.lots.values() if lot.kind == "paid" and self.now < lot.expires < NEVER]
            if not lots:
                return
            self.dispute_open(who, len(account.payments) - 1 - account.payments.index(lots[-1].source), amount, None)
        else:
            self.refund_request(who, amount, None)
        if account.model.next_expiry == NEVER:
            return
        self.world.clock.now = max(self.world.clock.now, account.model.next_expiry)
        if is_run:
            self.expire(who, None)
        if disputed and account.cases("dispute"):
            self.dispute_end(who, 1, how, None)
        elif account.cases("refund"):
            self.refund_step(who, 0, 10 if how == "failed" else 11, None)

    @precondition(lambda self: any(account.model.next_expiry <= self.now for account in self.accounts))
    @rule()
    def expire_run(self) -> None:
        versions = [self._wallet(account).version for account in self.accounts]
        for account in self.accounts:
            self._settle_the_split(account)
        done(self.world.main.expire.run())
        now = self.now
        for account, version in zip(self.accounts, versions, strict=True):
            if self._wallet(account).version != version:
                self._follow(account, version, lambda model: model.expire(now), must=True)
            due = [lot for lot in account.model.lots.values() if lot.left and not lot.ended and lot.expires <= now]
            self._must(all(lot.expires < now - LOOK_BACK_DAYS * DAY_S for lot in due), "the expiry run left some")

    @precondition(lambda self: any(account.model.unbooked for account in self.accounts))
    @rule(who=accounts, fault=faults)
    def attribute(self, who: int, fault: Fault) -> None:
        account, now = self.accounts[who], self.now
        self._move(
            account, fault, lambda process: process.grants.attribute(account.name), lambda model: model.attribute(now)
        )

    @rule(who=accounts, campaign=st.sampled_from((100, 50)), fault=faults)
    def remove_campaign(self, who: int, campaign: int, fault: Fault) -> None:
        account, now = self.accounts[who], self.now
        self._move(
            account,
            fault,
            lambda process: process.grants.remove_campaign(account.name, str(campaign), actor="op", reason="over"),
            lambda model: model.remove(str(campaign), now),
        )

    @rule(who=accounts, amount=amounts, fault=faults)
    def refund_request(self, who: int, amount: int, fault: Fault) -> None:
        account, now, case = self.accounts[who], self.now, self.world.new_id("rf")
        self._move(
            account,
            fault,
            lambda process: process.refunds.request(account.name, case, amount, actor="anna", reason="please"),
            lambda model: model.ask_refund(case, amount, now),
        )

    @precondition(lambda self: any(account.cases("refund") for account in self.accounts))
    @rule(
        who=accounts,
        pick=st.sampled_from((0, 0, 0, 1, 2)),
        choice=st.integers(0, 11),
        fault=faults,
    )
    def refund_step(self, who: int, pick: int, choice: int, fault: Fault) -> None:
        """Mostly along the arrows, now and then not."""
        account, now = self.accounts[who], self.now
        found = account.cases("refund")
        if not found:
            return
        case = found[-1 - pick % len(found)]
        steps = ("approved", "sent", "refunded", "failed", "rejected")
        arrows = {"requested": ("approved", "rejected"), "approved": ("sent", "failed"), "sent": ("refunded", "failed")}
        likely = arrows.get(account.model.cases[case].state, steps)
        to = steps[choice] if choice < len(steps) else likely[choice % len(likely)]

        def work(process: Process) -> Coroutine[Any, Any, Any]:
            refunds = process.refunds
            match to:
                case "approved":
                    return refunds.approve(account.name, case, actor="op")
                case "sent":
                    return refunds.sent(account.name, case, actor="op")
                case "refunded":
                    return refunds.refunded(account.name, case, reference="re_1", actor="op")
                case "failed":
                    return refunds.failed(account.name, case, actor="op", reason="no")
                case _:
                    return refunds.reject(account.name, case, actor="op", reason="no")

        def effect(model: Model) -> None:
            if to in ("approved", "sent"):
                model.step_refund(case, to, now)
            else:
                model.end_refund(case, to, now)

        self._move(account, fault, work, effect)

    @precondition(lambda self: any(account.payments for account in self.accounts))
    @rule(who=accounts, pick=picks, amount=amounts, fault=faults)
    def dispute_open(self, who: int, pick: int, amount: int, fault: Fault) -> None:
        """Of any amount, and of the same payment as often as may be."""
        account, dispute, now = self.accounts[who], self.world.new_id("dp"), self.now
        if not account.payments:
            return
        payment = account.payments[-1 - pick % len(account.payments)]
        self._move(
            account,
            fault,
            lambda process: process.disputes.opened(account.name, dispute, payment, amount, actor="bank"),
            lambda model: model.open_dispute(dispute, payment, amount, now),
        )

    @precondition(lambda self: any(account.cases("dispute") for account in self.accounts))
    @rule(who=accounts, pick=picks, to=st.sampled_from(("won", "lost")), fault=faults)
    def dispute_end(self, who: int, pick: int, to: str, fault: Fault) -> None:
        account, now = self.accounts[who], self.now
        found = account.cases("dispute")
        if not found:
            return
        still = [case for case in found if account.model.cases[case].state == "open"]
        case = still[0] if still and pick else found[-1 - pick % len(found)]
        self._move(
            account,
            fault,
            lambda process: getattr(process.disputes, to)(account.name, case, actor="bank"),
            lambda model: model.end_dispute(case, to, now),
        )

    @precondition(lambda self: any(account.payments for account in self.accounts))
    @rule(
        who=accounts,
        pick=picks,
        several=st.lists(st.integers(5, 40), min_size=2, max_size=3),
        ends=st.lists(st.sampled_from(("lost", "won", "lost")), min_size=2, max_size=3),
    )
    def dispute_twice(self, who: int, pick: int, several: list[int], ends: list[str]) -> None:
        """One payment, contested again while it is contested; and its disputes end in any order."""
        for amount in several:
            self.dispute_open(who, pick, amount, None)
        for number, to in enumerate(ends):
            self.dispute_end(who, number, to, None)

    @precondition(lambda self: any(account.payments for account in self.accounts))
    @rule(
        who=accounts,
        pick=picks,
        amount=st.integers(1, 15),
        far=st.integers(0, 2),
        contested=st.integers(5, 40),
        ends=st.permutations(("refund", "dispute")),
        to=st.sampled_from(("lost", "won", "lost")),
        choice=st.integers(10, 11),
    )
    def refund_and_dispute(
        self, who: int, pick: int, amount: int, far: int, contested: int, ends: list[str], to: str, choice: int
    ) -> None:
        """The same payment asked back by its owner and by the bank, and the answers in any order."""
        account = self.accounts[who]
        before = len(account.cases("refund"))
        self.refund_request(who, amount, None)
        refunds = account.cases("refund")
        if len(refunds) == before:
            return
        for step in range(far):
            self.refund_step(who, 0, step, None)
        asked = account.model.lots[next(iter(account.model.cases[refunds[-1]].parts))]
        if asked.source in account.payments:
            pick = len(account.payments) - 1 - account.payments.index(asked.source)
        self.dispute_open(who, pick, contested, None)
        for ending in ends:
            if ending == "refund":
                self.refund_step(who, 0, choice, None)
            elif account.cases("dispute"):
                self.dispute_end(who, 1, to, None)

    @precondition(lambda self: any(account.payments for account in self.accounts))
    @rule(
        who=accounts, pick=picks, held=amounts, share=st.sampled_from((0, 37, 100)), far=st.sampled_from((0, 1, 1801))
    )
    def lose_over_a_hold(self, who: int, pick: int, held: int, share: int, far: int) -> None:
        """A dispute is lost while a request holds some of the payment; then the request ends, or its time comes first."""
        account = self.accounts[who]
        before = len(account.requests)
        self.reserve(who, held, 0, 100, HOLD_S_MAX, None)
        self.dispute_open(who, pick, 40, None)
        self.dispute_end(who, 1, "lost", None)
        self.world.clock.now += far
        if len(account.requests) > before:
            self.settle(who, 0, share, None)

    @rule(who=accounts, amount=st.integers(1, 25), fault=faults)
    def adjust_what_is_due(self, who: int, amount: int, fault: Fault) -> None:
        """A correction downwards in the very second in which credit ends, before any run has come."""
        next_expiry = self.accounts[who].model.next_expiry
        if next_expiry < NEVER:
            self.world.clock.now = max(self.world.clock.now, next_expiry)
        self.adjust(who, -amount, fault)

    @rule(who=accounts, amount=st.integers(-20, 20).filter(bool), fault=faults)
    def adjust(self, who: int, amount: int, fault: Fault) -> None:
        account, now, case = self.accounts[who], self.now, self.world.new_id("adj")
        self._move(
            account,
            fault,
            lambda process: process.adjustments.propose(account.name, case, amount, actor="op", reason="because"),
            lambda model: model.propose(case, amount, alone=abs(amount) <= ALONE_MAX, now=now),
        )

    @precondition(lambda self: any(account.cases("adjustment") for account in self.accounts))
    @rule(who=accounts, pick=picks, to=st.sampled_from(("applied", "rejected")), fault=faults)
    def adjust_end(self, who: int, pick: int, to: str, fault: Fault) -> None:
        account, now = self.accounts[who], self.now
        found = account.cases("adjustment")
        if not found:
            return
        case = found[-1 - pick % len(found)]
        name = "approve" if to == "applied" else "reject"
        self._move(
            account,
            fault,
            lambda process: getattr(process.adjustments, name)(account.name, case, actor="second"),
            lambda model: model.end_adjustment(case, to, now),
        )

    # the account, and time

    @rule(who=accounts)
    def revoke(self, who: int) -> None:
        account = self.accounts[who]
        done(self._transact([bump_epoch(TABLES.accounts, account.name)]))
        account.model.epoch += 1

    @rule(who=accounts, status=st.sampled_from(("active", "active", "suspended", "closed")))
    def set_status(self, who: int, status: str) -> None:
        account = self.accounts[who]
        if account.model.status in ("suspended", "closed"):
            status = "active"
        barred = status == "active" and (account.model.debt or account.model.disputes)
        try:
            done(self._transact([bump_epoch(TABLES.accounts, account.name, status)]))
        except TransactionFailed:
            self._must(bool(barred), "an account without debt or dispute cannot be made active")
        else:
            self._must(not barred, "an account with a debt or a dispute was made active")
            account.model.status = status
            account.model.epoch += 1

    @precondition(lambda self: any(account.model.status in ("suspended", "closed") for account in self.accounts))
    @rule()
    def reinstate(self) -> None:
        for who, account in enumerate(self.accounts):
            if account.model.status in ("suspended", "closed"):
                self.set_status(who, "active")

    @rule(seconds=st.sampled_from((60, 1, 700, 1300, 1800, 3600, DAY_S)))
    def tick(self, seconds: int) -> None:
        self.world.clock.now += seconds

    @precondition(lambda self: self.late)
    @rule(pick=picks)
    def deliver(self, pick: int) -> None:
        self._arrive(self.late.pop(pick % len(self.late)))

    @rule()
    def quiesce(self) -> None:
        """Faults stop; twenty minutes later everything has come right by itself."""
        while self.late:
            self._arrive(self.late.pop(0))
        self.world.clock.now += HOLD_S_MAX + SLACK_S + 1
        for who, account in enumerate(self.accounts):
            self.sweep(who, None)
            self._must(not self._wallet(account).holds, "a hold is older than twenty minutes")
        self.world.clock.now += HOLDS_END_S - HOLD_S_MAX
        self.expire_run()
        for who, account in enumerate(self.accounts):
            collectible = account.model.copy()
            self._must(
                not (collectible.debt and collectible.begin(self.now)), "the expiry run left what could repay a debt"
            )
            self.expire(who, None)
            self.attribute(who, None)
            stored = done(self.world.main.books.entries(account.name))
            self._must(stored == account.entries, "an entry changed, or was never seen")
            costs = sum(decision.cost for decision in account.model.decisions.values())
            self._must(costs == account.model.spent, "receipts and spend differ in the model itself")
        report = done(audit(self.world.store, TABLES))
        self._must(report.clean, f"the audit says {report.broken}")

    # comparing

    @invariant()
    def the_wallets_equal_the_models(self) -> None:
        self.tally.steps += 1
        self._compare_wallets()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.quiesce()
            self._compare_wallets()


def run(sequences: int, *, fresh: int | None = None, shrink: bool = True) -> tuple[Tally, list[str]]:
    """The same sequences every time, or others for a `fresh` seed. A violation comes with the steps that lead to it."""

    class Counted(Machine):
        tally = Tally()

    said: list[str] = []
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        derandomize=fresh is None,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(Counted if fresh is None else seed(fresh)(Counted), settings=chosen)
    except Exception as error:
        steps = [line.strip() for line in getattr(error, "__notes__", ()) if "the_wallets" not in line]
        said.append(f"{type(error).__name__}: {error}; " + " ".join(steps))
    return Counted.tally, said


def prove(scale: int) -> Row:
    fresh = None if scale == 1 else random.SystemRandom().randrange(1 << 32)
    with timed("random histories against a naive model") as row:
        tally, row.violations = run(SEQUENCES * scale, fresh=fresh)
        row.how_many = f"{tally.sequences:,} sequences, {tally.steps:,} steps"
        late = sum(count for what, count in tally.rules.items() if what.startswith("late"))
        row.notes = (
            f"{tally.rules.get('reserve: Held', 0):,} holds, {late:,} writes that came late, "
            f"{tally.rules.get('expire under holds', 0):,} expiries under holds; seed {fresh or 'fixed'}"
        )
    return row
