"""The naive model's refunds, disputes and adjustments: what a person, a bank or a provider decides about an account's coins."""

from collections.abc import Iterable
from dataclasses import dataclass

from infergate.kernel.time import NEVER

from tests.prove.machine_model import Case, Coins, Lot, Nothing, Refused, burn


@dataclass
class Model(Coins):
    def ask_refund(self, case: str, amount: int, now: int) -> None:
        self.once(case)
        self.begin(now)
        if self.status != "active":
            raise Refused("AccountNotActive")
        paid = [lot for lot in self.in_burn_order() if lot.kind == "paid" and not lot.ended]
        if amount > min(self.available, sum(lot.left for lot in paid)):
            raise Refused("InvalidRequest")
        parts = burn(reversed(paid), amount, "frozen")
        for name, part in parts.items():
            self.lots[name].refunding += part
        self.cases[case] = Case("refund", "requested", amount, parts)
        self.moved(case)

    def step_refund(self, case: str, to: str, now: int) -> None:
        came_from = self._came_from(case, to, {"approved": ("requested",), "sent": ("approved",)}[to])
        self.begin(now)
        if self.status != "active":
            raise Refused("AccountNotActive")
        came_from.state = to
        self.moved()

    def end_refund(self, case: str, to: str, now: int) -> None:
        before = {"rejected": ("requested",), "failed": ("approved", "sent"), "refunded": ("sent",)}[to]
        found = self._came_from(case, to, before)
        self.begin(now)
        if to == "refunded":
            for name, part in found.parts.items():
                self.lots[name].frozen -= part
                self.lots[name].refunding -= part
                self.lots[name].refunded += part
        else:
            self._give_back(found, now)
            self._make_up()
        found.state = to
        self.moved()

    def _give_back(self, refund: Case, now: int) -> None:
        for name, part in refund.parts.items():
            self.lots[name].refunding -= part
            self._thaw(name, part, now)

    def open_dispute(self, case: str, payment: str, amount: int, now: int) -> None:
        self.once(case)
        self.begin(now)
        lot = next((lot for lot in self.lots.values() if lot.kind == "paid" and lot.source == payment), None)
        if lot is None:
            raise Refused("NotFound")
        for refund in self.cases.values():
            if refund.kind == "refund" and refund.state in ("requested", "approved") and lot.id in refund.parts:
                self._give_back(refund, now)
                refund.state = "rejected"
        self.cases[case] = Case("dispute", "open", 0, {lot.id: 0}, amount)
        self._contest(self.cases[case], min(amount, lot.room))
        self.disputes += 1
        self.epoch += 1
        if self.status not in ("suspended", "closed"):
            self.status = "disputed"
        self.moved(case)

    def _contest(self, dispute: Case, more: int) -> None:
        """An open dispute freezes what is there of its payment; a lost one takes it."""
        (lot,) = (self.lots[name] for name in dispute.parts)
        part = 0 if lot.ended else min(more, lot.left, self.available)
        lot.left -= part
        dispute.amount += more
        if dispute.state == "open":
            lot.frozen += part
            lot.contested += more
            dispute.parts[lot.id] += part
        else:
            lot.removed += part
            lot.charged += more

    def _make_up(self) -> None:
        """What has come back goes to disputes of the same payment that have found too little, the oldest first."""
        for _, dispute in sorted(self.cases.items()):
            if dispute.kind == "dispute" and dispute.state != "won":
                (lot,) = (self.lots[name] for name in dispute.parts)
                if more := min(dispute.demanded - dispute.amount, lot.room):
                    self._contest(dispute, more)

    def end_dispute(self, case: str, to: str, now: int) -> None:
        found = self._came_from(case, to, ("open",))
        self.begin(now)
        found.state = to
        self.disputes -= 1
        self.epoch += 1
        ((name, part),) = found.parts.items()
        lot = self.lots[name]
        lot.contested -= found.amount
        if to == "won":
            self._thaw(name, part, now)
            self._make_up()
            if self.status == "disputed" and self.disputes == 0:
                self.status = "active"
        else:
            lot.frozen -= part
            lot.removed += part
            lot.charged += found.amount
            there = 0 if lot.ended else min(found.amount - part, lot.left, self.available)
            lot.left -= there
            lot.removed += there
            if self.status != "closed":
                self.status = "suspended"
        self.moved()

    def propose(self, case: str, amount: int, *, alone: bool, now: int) -> None:
        self.once(case)
        self.begin(now)
        if alone:
            self._adjust(case, amount, now)
        self.cases[case] = Case("adjustment", "applied" if alone else "proposed", amount)
        self.moved(case)

    def end_adjustment(self, case: str, to: str, now: int) -> None:
        found = self._came_from(case, to, ("proposed",))
        self.begin(now)
        if to == "applied":
            self._adjust(case, found.amount, now)
        found.state = to
        self.moved()

    def _adjust(self, case: str, amount: int, now: int) -> None:
        if amount > 0:
            name = f"grant_{case}"
            self.lots[name] = Lot(name, "goodwill", amount, amount, now, NEVER, 100, f"adjustment:{case}")
            return
        lots = [lot for lot in self.in_burn_order() if not lot.ended]
        if -amount > min(self.available, sum(lot.left for lot in lots)):
            raise Refused("InvalidRequest")
        burn(lots, -amount, "removed")

    def _thaw(self, name: str, part: int, now: int) -> None:
        """Frozen credit comes back; if its time came meanwhile, it is gone."""
        lot = self.lots[name]
        lot.frozen -= part
        if lot.expires <= now:
            lot.expired += part
        else:
            lot.left += part

    def _came_from(self, case: str, to: str, states: Iterable[str]) -> Case:
        found = self.cases[case]
        if found.state == to:
            raise Nothing
        if found.state not in states:
            raise Refused("InvalidRequest")
        return found
