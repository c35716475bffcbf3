"""Disputes of a payment: unspent credit of it is frozen, not destroyed; what was used becomes a debt if the dispute is lost.

From its opening to `won` the account is not active, so nothing is admitted.
"""

from collections.abc import Callable
from dataclasses import replace

from infergate.kernel.money import Nanos
from infergate.ledger import cases
from infergate.ledger.books import Books
from infergate.ledger.cases import DISPUTE, REFUND, Case
from infergate.ledger.plan import Draft, Plan, expiry
from infergate.ledger.rules import plan_thaw, room
from infergate.ledger.taken_back import charge_back, contest, lot_of, make_up, release, swapped
from infergate.ledger.types import Grant, Wallet

type Ending = Callable[[Wallet, list[Grant], Case, list[Case]], Plan]
"""From the books, a dispute as it now is, and all others of the account."""


class Disputes:
    def __init__(self, books: Books) -> None:
        self._books = books

    async def opened(self, account: str, case_id: str, payment: str, amount: Nanos, *, actor: str) -> Case:
        """`payment` is the source of the grant that it paid for. The same dispute again changes nothing. Raises NotFound.

        A refund of the payment for which the provider has not been asked yet is rejected, and its credit contested.
        """
        refunds: list[Case] = []

        async def look() -> None:
            refunds[:] = await cases.of_account(self._books.store, self._books.table, REFUND, account)

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            first = self._taken_over(Plan(grants), lot_of(grants, payment), refunds, case_id)
            lot = lot_of(first.grants, payment)
            # What was refunded, is on its way back, or is contested already, cannot be charged back as well.
            contested = max(0, min(amount, room(lot)))
            lot, part = contest(lot, contested, first.after(wallet).available)
            case = Case(
                case_id,
                DISPUTE,
                account,
                "open",
                contested,
                self._books.now_s(),
                actor,
                payment,
                {lot.id: part},
                payment,
                amount,
            )
            opening = Plan(
                grants=swapped(first.grants, lot),
                drafts=[Draft("dispute_freeze", -part, lot.id, f"dispute:{case_id}:open")],
                add={"available": -part, "debited": part, "disputes": 1, "epoch": 1},
                put={} if wallet.status in ("suspended", "closed") else {"status": "disputed"},
                members=cases.open_members(self._books.table, case),
            )
            return first.then(opening)

        cause = f"dispute:{case_id}:open"
        await self._books.move(account, plan, cause=cause, actor=actor, reason=payment, look=look)
        return await self._case(account, case_id)

    def _taken_over(self, plan: Plan, lot: Grant, refunds: list[Case], dispute: str) -> Plan:
        for refund in refunds:
            if refund.state in ("requested", "approved") and lot.id in refund.parts:
                steps = cases.step_members(
                    self._books.table, refund, "rejected", closes=True, reference=f"dispute:{dispute}"
                )
                released = release(plan.grants, refund, self._books.now_s(), "disputed")
                plan = plan.then(replace(released, members=steps))
        return plan

    async def won(self, account: str, case_id: str, *, actor: str) -> Case:
        """Restore to the unit what was frozen, except what has expired since."""

        def plan(wallet: Wallet, grants: list[Grant], case: Case, others: list[Case]) -> Plan:
            part = sum(case.parts.values())
            thaw = plan_thaw(grants, case.parts, self._books.now_s())
            lot = lot_of(thaw.grants, case.reference)
            free = wallet.status == "disputed" and wallet.disputes == 1
            restored = Plan(
                grants=swapped(thaw.grants, replace(lot, contested=lot.contested - case.amount)),
                drafts=[
                    Draft("dispute_release", part, cause=f"dispute:{case_id}:end"),
                    *(expiry(name, amount) for name, amount in thaw.expired.items()),
                ],
                add={"available": part - thaw.gone, "debited": thaw.gone - part, "disputes": -1, "epoch": 1},
                put={"status": "active"} if free else {},
                members=cases.step_members(self._books.table, case, "won", closes=True),
            )
            same = [other for other in others if other.reference == case.reference]
            return restored.then(make_up(self._books.table, restored.grants, same, restored.after(wallet).available))

        return await self._end(account, case_id, "won", plan, actor)

    async def lost(self, account: str, case_id: str, *, actor: str) -> Case:
        """What is unspent of the payment is gone; what was used is owed, and taken from other paid credit as far as there is any.

        The account stays suspended until a person looks at it.
        """

        def plan(wallet: Wallet, grants: list[Grant], case: Case, others: list[Case]) -> Plan:
            lot = lot_of(grants, case.reference)
            lot = replace(lot, contested=lot.contested - case.amount)
            lot, own = charge_back(lot, case.amount, sum(case.parts.values()), wallet.available)
            return Plan(
                grants=swapped(grants, lot),
                drafts=[Draft("chargeback", -own, lot.id, f"dispute:{case_id}:end")],
                add={"available": -own, "debited": own, "disputes": -1, "epoch": 1},
                put={} if wallet.status == "closed" else {"status": "suspended"},
                members=cases.step_members(self._books.table, case, "lost", closes=True),
            )

        return await self._end(account, case_id, "lost", plan, actor)

    async def _end(self, account: str, case_id: str, to: str, ending: Ending, actor: str) -> Case:
        case = await self._open(account, case_id, to)
        found: dict[str, Case] = {}

        async def look() -> None:
            disputes = await cases.of_account(self._books.store, self._books.table, DISPUTE, account)
            found.update({dispute.id: dispute for dispute in disputes})

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            others = [dispute for name, dispute in found.items() if name != case_id]
            return ending(wallet, grants, found[case_id], others)

        if case.state == "open":
            cause = f"dispute:{case_id}:end"
            await self._books.move(account, plan, cause=cause, actor=actor, reason=case.reference, look=look)
        return await self._open(account, case_id, to)

    async def _open(self, account: str, case_id: str, to: str) -> Case:
        case = await self._case(account, case_id)
        cases.check_state(case, to, ("open", to))
        return case

    async def _case(self, account: str, case_id: str) -> Case:
        return await cases.read(self._books.store, self._books.table, DISPUTE, account, case_id)
