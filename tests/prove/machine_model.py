"""One account's credit as a child would keep it: lots of coins, and every request burns its coins at once.

Written from the documents and not from ledger/rules.py: no intervals, no lazy attribution, no totals that run ahead of
the lots. A coin is a nano-dollar, so amounts are small.

Coins under an open hold are not spent yet, so which they are is settled by the documented rule: when a lot's time comes,
the coins lie in burn order and the holds cover them from the front in the order in which they were made. Coins of the lot
that a hold covers may still be spent (a hold is spent from its front); what a hold does not spend of them expires.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from infergate.kernel.time import NEVER
from infergate.schedules.sweep import SLACK_S


class Refused(Exception):
    """Named as the product's error is."""


class Nothing(Exception):
    """There is nothing to do: no movement, no entry."""


@dataclass
class Lot:
    id: str
    kind: str
    granted: int
    left: int
    created: int
    expires: int
    priority: int
    source: str = ""
    spent: int = 0
    expired: int = 0
    frozen: int = 0
    refunded: int = 0
    removed: int = 0
    repaid: int = 0
    """Of what was removed: it repaid a debt."""
    refunding: int = 0
    """Of what is frozen: for a refund."""
    contested: int = 0
    charged: int = 0
    """Disputes took it, whether it was there or not."""
    ended: bool = False
    """Its time has come and was dealt with: what is left of it lies in holds that were open then."""

    @property
    def room(self) -> int:
        """What can still be asked back of it."""
        return self.granted - self.refunded - self.refunding - self.contested - self.charged

    @property
    def unpaid(self) -> int:
        """What was had of it above what was paid in the end. What is left will be taken, so it counts."""
        kept = self.granted - self.refunded - self.refunding - self.charged
        return max(0, self.spent + self.repaid + self.left - kept)

    @property
    def burns(self) -> tuple[int, int, bool, int, str]:
        """Priority, then what expires first, then what cannot be refunded, then the oldest."""
        return self.priority, self.expires, self.kind == "paid", self.created, self.id


@dataclass
class Held:
    amount: int
    deadline: int
    due: tuple[str, ...] = ()
    """For each coin, front to back: the ended lot it is of, or "". Empty: no coin is of an ended lot."""


@dataclass(frozen=True)
class Decision:
    hold: str
    amount: int
    cost: int


@dataclass
class Case:
    kind: str
    state: str
    amount: int
    parts: dict[str, int] = field(default_factory=dict)
    demanded: int = 0


@dataclass
class Coins:
    """What an account has, and what happens to it without anybody's decision; machine_cases.py has the rest."""

    lots: dict[str, Lot] = field(default_factory=dict)
    holds: dict[str, Held] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    """request -> its receipt."""
    cases: dict[str, Case] = field(default_factory=dict)
    causes: set[str] = field(default_factory=set)
    spent: int = 0
    debt: int = 0
    disputes: int = 0
    status: str = "active"
    epoch: int = 1
    version: int = 1
    next_expiry: int = NEVER
    unbooked: bool = False
    """Something was spent or lapsed since the last movement."""
    ambiguous: bool = False
    """Coins of ended lots were spent or lapsed while there were several such lots: which of them bore it, the wallet's
    totals do not say, so only their sum is compared."""

    def copy(self) -> Self:
        lots = {name: replace(lot) for name, lot in self.lots.items()}
        holds = {name: replace(held) for name, held in self.holds.items()}
        cases = {name: replace(case, parts=dict(case.parts)) for name, case in self.cases.items()}
        return replace(
            self, lots=lots, holds=holds, cases=cases, decisions=dict(self.decisions), causes=set(self.causes)
        )

    # what it comes to

    @property
    def held(self) -> int:
        return sum(held.amount for held in self.holds.values())

    @property
    def available(self) -> int:
        return sum(lot.left for lot in self.lots.values()) - self.held

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots.values())

    def due(self, now: int) -> bool:
        """Whether anything that could still be reserved has expired."""
        return any(lot.left and not lot.ended and lot.expires <= now for lot in self.lots.values())

    def in_burn_order(self) -> list[Lot]:
        return sorted(self.lots.values(), key=lambda lot: lot.burns)

    # requests

    def verdict(self, amount: int, *, epoch: int, room: int, now: int) -> str:
        if self.status != "active":
            return "NotActive"
        if self.epoch != epoch:
            return "Stale"
        if self.next_expiry <= now:
            return "CreditDue"
        if self.available < amount:
            return "NotEnough"
        return "Held" if len(self.holds) < room else "TooManyInFlight"

    def settle(self, hold: str, cost: int) -> None:
        held = self.holds.pop(hold)
        due = held.due or ("",) * held.amount
        for name in filter(None, due[:cost]):
            self.lots[name].left -= 1
            self.lots[name].spent += 1
        for name in filter(None, due[cost:]):
            self.lots[name].left -= 1
            self.lots[name].expired += 1
        burn((lot for lot in self.in_burn_order() if not lot.ended), due[:cost].count(""), "spent")
        self.spent += cost
        of_ended = any(due)
        self.unbooked |= bool(cost) or any(due[cost:])
        self.ambiguous |= (
            of_ended and sum(1 for lot in self.lots.values() if lot.ended and (lot.left or lot.id in due)) > 1
        )

    def decide(self, request: str, decision: Decision) -> Decision:
        return self.decisions.setdefault(request, decision)

    def finish(self, request: str) -> bool:
        """Settle the request's hold by its receipt, if it is there."""
        decision = self.decisions[request]
        if decision.hold not in self.holds:
            return False
        self.settle(decision.hold, decision.cost)
        return True

    def sweep(self, now: float) -> None:
        for name, held in sorted(self.holds.items()):
            if held.deadline + SLACK_S < now:
                request = name.rpartition(".")[0]
                decision = self.decide(request, Decision(name, held.amount, 0))
                self.settle(name, decision.cost if decision.hold == name else 0)

    # movements: each either raises and changes nothing, or is one movement

    def begin(self, now: int) -> bool:
        """Before anything else: what is due expires, and what is there repays what is owed. Whether that changed anything."""
        due = self.next_expiry <= now
        if due:
            self.end(now, lambda lot: lot.expires <= now)
        return self._repay() or due

    def moved(self, cause: str = "") -> None:
        self._repay()
        self.version += 1
        self.unbooked = self.ambiguous = False
        self.next_expiry = min((lot.expires for lot in self.lots.values() if lot.left and not lot.ended), default=NEVER)
        if cause:
            self.causes.add(cause)

    def _repay(self) -> bool:
        """Coins that were paid for, those of the payment in question first, pay what is owed."""
        before = self.debt
        self.debt = max(0, sum(lot.unpaid - lot.repaid for lot in self.lots.values()))
        paid = [lot for lot in self.in_burn_order() if lot.kind == "paid" and not lot.ended]
        coins = min(self.debt, self.available, sum(lot.left for lot in paid))
        in_question = [lot for lot in paid if lot.unpaid]
        taken = burn([*in_question, *(lot for lot in paid if not lot.unpaid)], coins, "removed")
        for name, part in taken.items():
            self.lots[name].repaid += part
        self.debt -= coins
        return self.debt != before

    def attribute(self, now: int) -> None:
        if not self.begin(now) and not self.unbooked:
            raise Nothing
        self.moved()

    def add(self, lot: Lot, cause: str, now: int) -> None:
        self.once(cause)
        self.begin(now)
        self.lots[lot.id] = replace(lot)
        self.moved(cause)

    def expire(self, now: int) -> None:
        if not self.begin(now):
            raise Nothing
        self.moved()

    def remove(self, campaign: str, now: int) -> None:
        began = self.begin(now)
        gifts = [lot for lot in self.lots.values() if lot.source == f"campaign:{campaign}" and lot.kind != "paid"]
        if any(lot.left and not lot.ended for lot in gifts):
            self.end(now, lambda lot: lot in gifts)
        elif not began:
            raise Nothing
        self.moved()

    def end(self, now: int, ends: Callable[[Lot], bool]) -> None:
        for lot in self.lots.values():
            if ends(lot):
                lot.expires = min(lot.expires, now)
        coins = [lot.id for lot in self.in_burn_order() for _ in range(lot.left)]
        for lot in self.lots.values():
            lot.ended |= lot.expires <= now
        for _, held in sorted(self.holds.items()):
            covered, coins = coins[: held.amount], coins[held.amount :]
            held.due = tuple(name if self.lots[name].ended else "" for name in covered)
            if not any(held.due):
                held.due = ()
        for name in coins:
            if self.lots[name].ended:
                self.lots[name].left -= 1
                self.lots[name].expired += 1

    def once(self, cause: str) -> None:
        if cause in self.causes:
            raise Nothing

    # what cannot be known

    def adopt(self, split: dict[str, tuple[int, int, int]]) -> None:
        """Take over how spent, expired and left lie among ended lots, and relabel the coins in holds to fit."""
        for name, (spent, expired, left) in split.items():
            lot = self.lots[name]
            lot.spent, lot.expired, lot.left = spent, expired, left
        labels = [lot.id for lot in self.in_burn_order() if lot.ended for _ in range(lot.left)]
        for _, held in sorted(self.holds.items()):
            held.due = tuple(name and labels.pop(0) for name in held.due)


def burn(lots: Iterable[Lot], amount: int, into: str) -> dict[str, int]:
    """Move coins from what is left of the lots, in the order given. Raises AssertionError where there are too few."""
    taken: dict[str, int] = {}
    for lot in lots:
        part = min(lot.left, amount)
        if part:
            lot.left -= part
            setattr(lot, into, getattr(lot, into) + part)
            amount -= part
            taken[lot.id] = part
    assert amount == 0, f"{amount} coins burn from nowhere"
    return taken
