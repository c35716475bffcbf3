"""Disputes of a payment: unspent credit of it is frozen, not destroyed; what was spent becomes a debt if the dispute is lost.

From its opening to `won` the account is not active, so nothing is admitted.
"""

from dataclasses import replace

from infergate.kernel.errors import NotFound
from infergate.kernel.money import Nanos
from infergate.ledger import cases
from infergate.ledger.books import Books, Draft, Plan, Planner
from infergate.ledger.cases import DISPUTE, Case
from infergate.ledger.rules import freeze, plan_burn, plan_thaw, remove
from infergate.ledger.types import Grant, Wallet


class Disputes:
    def __init__(self, books: Books) -> None:
        self._books = books

    async def opened(self, account: str, case_id: str, payment: str, amount: Nanos, *, actor: str) -> Case:
        """`payment` is the source of the grant that it paid for. The same dispute again changes nothing. Raises NotFound."""

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            lot = _lot(grants, payment)
            # What was refunded, or is on its way back, cannot be charged back as well.
            contested = max(0, min(amount, lot.granted - lot.refunded - lot.frozen - lot.removed))
            # What is left of a lapsed lot is promised to holds, and none of it is available.
            part = 0 if lot.lapsing else min(contested, lot.left, wallet.available)
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
            )
            return Plan(
                grants=[freeze(g, part) if g.id == lot.id else g for g in grants],
                drafts=[Draft("dispute_freeze", -part, lot.id, f"dispute:{case_id}:open")],
                add={"available": -part, "debited": part, "disputes": 1, "epoch": 1},
                put={} if wallet.status in ("suspended", "closed") else {"status": "disputed"},
                members=cases.open_members(self._books.table, case),
            )

        await self._books.move(account, plan, cause=f"dispute:{case_id}:open", actor=actor, reason=payment)
        return await self._case(account, case_id)

    async def won(self, account: str, case_id: str, *, actor: str) -> Case:
        """Restore to the unit what was frozen, except what has expired since."""
        case = await self._open(account, case_id, "won")

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            part = sum(case.parts.values())
            thaw = plan_thaw(grants, case.parts, self._books.now_s())
            free = wallet.status == "disputed" and wallet.disputes == 1
            return Plan(
                grants=thaw.grants,
                drafts=[
                    Draft("dispute_release", part, cause=f"dispute:{case_id}:end"),
                    *(Draft("expiry", -amount, name) for name, amount in thaw.expired.items()),
                ],
                add={"available": part - thaw.gone, "debited": thaw.gone - part, "disputes": -1, "epoch": 1},
                put={"status": "active"} if free else {},
                members=cases.step_members(self._books.table, case, "won", closes=True),
            )

        return await self._end(account, case, "won", plan, actor)

    async def lost(self, account: str, case_id: str, *, actor: str) -> Case:
        """The frozen part is gone; the spent part is taken from other paid credit, and is a debt for the rest.

        The account stays suspended until a person looks at it.
        """
        case = await self._open(account, case_id, "lost")

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            gone = [
                replace(g, frozen=g.frozen - case.parts.get(g.id, 0), removed=g.removed + case.parts.get(g.id, 0))
                for g in grants
            ]
            spent = case.amount - sum(case.parts.values())
            paid = (g for g in gone if g.kind == "paid" and not g.lapsing)
            taken = plan_burn(paid, min(spent, wallet.available))
            clawed = sum(taken.taken.values())
            debt = spent - clawed
            return Plan(
                grants=[remove(g, taken.taken.get(g.id, 0)) for g in gone],
                drafts=[Draft("chargeback", -clawed, cause=f"dispute:{case_id}:end", debt=debt)],
                add={"available": -clawed, "debited": clawed, "debt": debt, "disputes": -1, "epoch": 1},
                put={} if wallet.status == "closed" else {"status": "suspended"},
                members=cases.step_members(self._books.table, case, "lost", closes=True),
            )

        return await self._end(account, case, "lost", plan, actor)

    async def _open(self, account: str, case_id: str, to: str) -> Case:
        case = await self._case(account, case_id)
        cases.check_state(case, to, ("open", to))
        return case

    async def _end(self, account: str, case: Case, to: str, plan: Planner, actor: str) -> Case:
        if case.state == "open":
            await self._books.move(account, plan, cause=f"dispute:{case.id}:end", actor=actor, reason=case.reference)
        return await self._open(account, case.id, to)

    async def _case(self, account: str, case_id: str) -> Case:
        return await cases.read(self._books.store, self._books.table, DISPUTE, account, case_id)


def _lot(grants: list[Grant], payment: str) -> Grant:
    lot = next((g for g in grants if g.kind == "paid" and g.source == payment), None)
    if lot is None:
        raise NotFound(f"credit of payment {payment}")
    return lot
