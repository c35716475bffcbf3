"""Corrections by an operator, with a reason; above a limit only with a second person's approval."""

from dataclasses import replace

from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import Nanos, format_usd
from infergate.kernel.time import NEVER
from infergate.ledger import cases
from infergate.ledger.books import Books
from infergate.ledger.cases import ADJUST, Case
from infergate.ledger.plan import Draft, Plan
from infergate.ledger.rules import plan_burn, remove
from infergate.ledger.types import Grant, Wallet


class Adjustments:
    def __init__(self, books: Books, *, alone_max: Nanos) -> None:
        """`alone_max`: what one person may do without a second, in either direction."""
        self._books = books
        self._alone_max = alone_max

    async def propose(self, account: str, case_id: str, amount: Nanos, *, actor: str, reason: str) -> Case:
        """Applied at once up to the limit; above it, a proposal. The same `case_id` again changes nothing.

        Raises InvalidRequest for no amount, no reason, or for taking more than is available.
        """
        if amount == 0 or not reason.strip():
            raise InvalidRequest("An adjustment has an amount other than 0, and a reason.", "amount")
        alone = abs(amount) <= self._alone_max
        cause = f"adjustment:{case_id}:open"

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            state = "applied" if alone else "proposed"
            case = Case(case_id, ADJUST, account, state, amount, self._books.now_s(), actor, reason)
            opening = cases.open_members(self._books.table, case)
            if not alone:
                return Plan(grants, [Draft("adjustment_proposed", 0, cause=cause)], members=opening)
            return replace(self._adjusted(case, wallet, grants, cause), members=opening[:1])

        await self._books.move(account, plan, cause=cause, actor=actor, reason=reason)
        return await self._case(account, case_id)

    async def approve(self, account: str, case_id: str, *, actor: str) -> Case:
        """Raises InvalidRequest where it is the proposer who approves, or where the proposal is no longer open."""
        case = await self._proposed(account, case_id, "applied")
        if actor == case.opened_by:
            raise InvalidRequest("A second person approves an adjustment, not the one who proposed it.", "actor")

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            steps = cases.step_members(self._books.table, case, "applied", closes=True)
            return replace(self._adjusted(case, wallet, grants, f"adjustment:{case_id}:end"), members=steps)

        if case.state == "proposed":
            cause = f"adjustment:{case_id}:end"
            await self._books.move(account, plan, cause=cause, actor=actor, reason=case.reason)
        return await self._proposed(account, case_id, "applied")

    async def reject(self, account: str, case_id: str, *, actor: str) -> Case:
        case = await self._proposed(account, case_id, "rejected")

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            draft = Draft("adjustment_rejected", 0, cause=f"adjustment:{case_id}:end")
            steps = cases.step_members(self._books.table, case, "rejected", closes=True)
            return Plan(grants, [draft], members=steps)

        if case.state == "proposed":
            cause = f"adjustment:{case_id}:end"
            await self._books.move(account, plan, cause=cause, actor=actor, reason=case.reason)
        return await self._proposed(account, case_id, "rejected")

    def _adjusted(self, case: Case, wallet: Wallet, grants: list[Grant], cause: str) -> Plan:
        if case.amount > 0:
            grant = Grant(
                f"grant_{case.id}",
                "goodwill",
                case.amount,
                case.amount,
                self._books.now_s(),
                NEVER,
                source=f"adjustment:{case.id}",
            )
            add = {"available": case.amount, "credited": case.amount}
            return Plan([*grants, grant], [Draft("adjustment", case.amount, grant.id, cause)], add)
        taken = plan_burn((g for g in grants if not g.lapsing), -case.amount)
        if taken.uncovered or -case.amount > wallet.available:
            raise InvalidRequest(f"Only ${format_usd(wallet.available)} is available to take.", "amount")
        after = [remove(g, taken.taken.get(g.id, 0)) for g in grants]
        add = {"available": case.amount, "debited": -case.amount}
        return Plan(after, [Draft("adjustment", case.amount, cause=cause)], add)

    async def _proposed(self, account: str, case_id: str, to: str) -> Case:
        case = await self._case(account, case_id)
        cases.check_state(case, to, ("proposed", to))
        return case

    async def _case(self, account: str, case_id: str) -> Case:
        return await cases.read(self._books.store, self._books.table, ADJUST, account, case_id)
