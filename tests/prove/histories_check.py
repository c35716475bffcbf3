"""Whether a history of calls to one wallet is linearizable: a search after Wing, Gong and Lowe, on a wallet of our own.

Each call has a beginning, an end (none: its answer was lost) and what was answered. It is linearizable if the calls can be
put in an order that respects which ended before which began, and in which a wallet that does one thing at a time would
have answered the same. A call without an answer may stand anywhere after its beginning, or nowhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Purse:
    """The sequential wallet: knows nothing of DynamoDB, nor of the ledger's code."""

    available: int
    spent: int = 0
    version: int = 1
    holds: frozenset[tuple[str, int]] = frozenset()

    def seen(self) -> tuple[int, int, int, frozenset[tuple[str, int]]]:
        return self.available, self.spent, self.version, self.holds


@dataclass(frozen=True, slots=True)
class Reserve:
    hold: str
    amount: int
    room: int

    def on(self, purse: Purse) -> tuple[Purse, Any]:
        taken = any(name == self.hold for name, _ in purse.holds)
        if taken or purse.available < self.amount or len(purse.holds) >= self.room:
            return purse, ("no", purse.seen())
        holds = purse.holds | {(self.hold, self.amount)}
        after = Purse(purse.available - self.amount, purse.spent, purse.version, holds)
        return after, ("yes", after.available)


@dataclass(frozen=True, slots=True)
class Settle:
    hold: str
    amount: int
    cost: int

    def on(self, purse: Purse) -> tuple[Purse, Any]:
        mine = (self.hold, self.amount)
        if mine not in purse.holds:
            return purse, ("no", purse.seen())
        back = purse.available + self.amount - self.cost
        after = Purse(back, purse.spent + self.cost, purse.version, purse.holds - {mine})
        return after, ("yes", after.available)


@dataclass(frozen=True, slots=True)
class Move:
    """A movement that was planned from a version and a spend: it happens to exactly those, or not."""

    amount: int
    version: int
    spent: int
    balance_after: int

    def on(self, purse: Purse) -> tuple[Purse, Any]:
        if (purse.version, purse.spent) != (self.version, self.spent):
            return purse, ("no", None)
        after = Purse(purse.available + self.amount, purse.spent, purse.version + 1, purse.holds)
        balance = after.available + sum(amount for _, amount in after.holds)
        return after, ("yes", None) if balance == self.balance_after else ("a wrong balance", None)


@dataclass(frozen=True, slots=True)
class Read:
    def on(self, purse: Purse) -> tuple[Purse, Any]:
        return purse, ("yes", purse.seen())


type Operation = Reserve | Settle | Move | Read


@dataclass(slots=True)
class Event:
    """`ended` is infinite, and `answer` None, for a call whose answer was lost."""

    operation: Operation
    began: int
    ended: float = math.inf
    answer: Any = None

    @property
    def answered(self) -> bool:
        return self.ended < math.inf


@dataclass(slots=True)
class Verdict:
    linearizable: bool
    looked_at: int = 0
    longest: int = 0
    """How many calls the best order explained."""
    stuck: list[Event] = field(default_factory=list)
    """What could not come next, after that."""


STEPS_MAX = 2_000_000


def check(events: Sequence[Event], purse: Purse) -> Verdict:
    """Depth first, what ended first is tried first; a set of calls that led to the same purse before is not tried again."""
    order = sorted(events, key=lambda event: (event.ended, event.began))
    answered = sum(1 << i for i, event in enumerate(order) if event.answered)
    verdict = Verdict(False)
    seen: set[tuple[int, Purse]] = set()
    stack: list[tuple[int, Purse]] = [(0, purse)]
    while stack:
        done, now = stack.pop()
        if done & answered == answered:
            verdict.linearizable = True
            return verdict
        verdict.looked_at += 1
        if verdict.looked_at > STEPS_MAX:
            raise RuntimeError(f"undecided after {STEPS_MAX:,} steps")
        possible = _possible(order, done)
        fitting: list[tuple[int, Purse]] = []
        for i in possible:
            after, answer = order[i].operation.on(now)
            if order[i].answered and answer != order[i].answer:
                continue
            if not order[i].answered and after is now:
                continue
            following = (done | 1 << i, after)
            if following not in seen:
                seen.add(following)
                fitting.append(following)
        stack += reversed(fitting)
        if not fitting and done.bit_count() >= verdict.longest:
            verdict.longest, verdict.stuck = done.bit_count(), [order[i] for i in possible]
    return verdict


def _possible(order: Sequence[Event], done: int) -> list[int]:
    """What may come next: what began before anything outstanding ended. `order` is by end."""
    first_end = math.inf
    possible: list[int] = []
    for i, event in enumerate(order):
        if not done >> i & 1:
            first_end = min(first_end, event.ended)
            if event.began < first_end:
                possible.append(i)
    return possible
