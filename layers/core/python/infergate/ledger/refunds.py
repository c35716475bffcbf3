"""Refunds of paid, unspent credit, after a person's review. The credit is frozen before anybody is asked for money."""

from collections.abc import Callable
from dataclasses import replace

from infergate.kernel.errors import AccountNotActive, InvalidRequest
from infergate.kernel.money import Nanos, format_usd
from infergate.ledger import cases
from infergate.ledger.books import Books, Look
from infergate.ledger.cases import DISPUTE, REFUND, Case
from infergate.ledger.plan import Draft, Plan, Planner
from infergate.ledger.rules import burn_order, freeze
from infergate.ledger.taken_back import make_up, release
from infergate.ledger.types import Grant, Wallet

type PlanOf = Callable[[Case], Planner]


class Refunds:
    def __init__(self, books: Books) -> None:
        self._books = books

    async def request(self, account: str, case_id: str, amount: Nanos, *, actor: str, reason: str) -> Case:
        """Freeze `amount` of paid credit, the part that would burn last. The same `case_id` again changes nothing.

        Raises AccountNotActive, and InvalidRequest for more than is paid and unspent.
        """
        if amount <= 0:
            raise InvalidRequest("A refund is of a positive amount.", "amount")

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            if wallet.status != "active":
                raise AccountNotActive(wallet.status)
            # What is left of lapsed credit lies in holds.
            paid = [g for g in grants if g.kind == "paid" and not g.lapsing]
            refundable = min(wallet.available, sum(g.left for g in paid))
            if amount > refundable:
                message = (
                    f"${format_usd(refundable)} is paid and unspent; trial and promotional credit is not refundable."
                )
                raise InvalidRequest(message, "amount")
            parts = _from_the_end(paid, amount)
            case = Case(case_id, REFUND, account, "requested", amount, self._books.now_s(), actor, reason, parts)
            return Plan(
                grants=[_freeze(g, parts.get(g.id, 0)) for g in grants],
                drafts=[Draft("refund_freeze", -amount, cause=f"refund:{case_id}:freeze")],
                add={"available": -amount, "debited": amount},
                members=cases.open_members(self._books.table, case),
            )

        await self._books.move(account, plan, cause=f"refund:{case_id}:freeze", actor=actor, reason=reason)
        return await self._case(account, case_id)

    async def approve(self, account: str, case_id: str, *, actor: str) -> Case:
        """Raises AccountNotActive: an account that was suspended meanwhile gets no refund."""
        return await self._step(account, case_id, "approved", ("requested",), actor=actor)

    async def reject(self, account: str, case_id: str, *, actor: str, reason: str) -> Case:
        """Give the frozen credit back."""
        return await self._release(account, case_id, "rejected", ("requested",), actor=actor, reason=reason)

    async def sent(self, account: str, case_id: str, *, actor: str) -> Case:
        """Before the payment provider is asked: from here on only its word ends the case."""
        return await self._step(account, case_id, "sent", ("approved",), actor=actor)

    async def refunded(self, account: str, case_id: str, *, reference: str, actor: str) -> Case:
        """The provider has paid it back."""

        def plan_of(case: Case) -> Planner:
            def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
                after = [_refunded(g, case.parts.get(g.id, 0)) for g in grants]
                steps = cases.step_members(self._books.table, case, "refunded", closes=True, reference=reference)
                return Plan(after, [Draft("refund", 0, cause=f"refund:{case_id}:end")], members=steps)

            return plan

        return await self._end(account, case_id, "refunded", ("sent",), plan_of, actor=actor, reason=reference)

    async def failed(self, account: str, case_id: str, *, actor: str, reason: str) -> Case:
        """The provider has not paid it back: the frozen credit is spendable again."""
        return await self._release(account, case_id, "failed", ("approved", "sent"), actor=actor, reason=reason)

    async def _release(
        self, account: str, case_id: str, to: str, from_: tuple[str, ...], *, actor: str, reason: str
    ) -> Case:
        """What comes back of a disputed payment goes to the dispute, if that has found too little."""
        disputes: list[Case] = []

        async def look() -> None:
            disputes[:] = await cases.of_account(self._books.store, self._books.table, DISPUTE, account)

        def plan_of(case: Case) -> Planner:
            def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
                released = release(grants, case, self._books.now_s(), reason)
                steps = cases.step_members(self._books.table, case, to, closes=True)
                available = released.after(wallet).available
                made_up = make_up(self._books.table, released.grants, disputes, available)
                return replace(released, members=steps).then(made_up)

            return plan

        return await self._end(account, case_id, to, from_, plan_of, actor=actor, reason=reason, look=look)

    async def _end(
        self,
        account: str,
        case_id: str,
        to: str,
        from_: tuple[str, ...],
        plan_of: PlanOf,
        *,
        actor: str,
        reason: str,
        look: Look | None = None,
    ) -> Case:
        case = await self._case(account, case_id)
        if case.state != to:
            cases.check_state(case, to, from_)
            cause = f"refund:{case_id}:end"
            await self._books.move(account, plan_of(case), cause=cause, actor=actor, reason=reason, look=look)
        ended = await self._case(account, case_id)
        if ended.state != to:
            # Another decision was faster; this one changed nothing.
            cases.check_state(ended, to, ())
        return ended

    async def _step(self, account: str, case_id: str, to: str, from_: tuple[str, ...], *, actor: str) -> Case:
        case = await self._case(account, case_id)
        if case.state == to:
            return case
        cases.check_state(case, to, from_)

        def plan(wallet: Wallet, grants: list[Grant]) -> Plan:
            if wallet.status != "active":
                raise AccountNotActive(wallet.status)
            draft = Draft(f"refund_{to}", 0, cause=f"refund:{case_id}:{to}")
            return Plan(grants, [draft], members=cases.step_members(self._books.table, case, to, closes=False))

        await self._books.move(account, plan, cause=f"refund:{case_id}:{to}", actor=actor, reason=case.reason)
        return await self._case(account, case_id)

    async def _case(self, account: str, case_id: str) -> Case:
        return await cases.read(self._books.store, self._books.table, REFUND, account, case_id)


def _from_the_end(paid: list[Grant], amount: Nanos) -> dict[str, Nanos]:
    """Credit that would burn last goes first, so that a refund leaves what is used next alone."""
    parts: dict[str, Nanos] = {}
    for grant in sorted(paid, key=burn_order, reverse=True):
        part = min(grant.left, amount)
        if part:
            parts[grant.id] = part
            amount -= part
    return parts


def _freeze(grant: Grant, amount: Nanos) -> Grant:
    return replace(freeze(grant, amount), refunding=grant.refunding + amount)


def _refunded(grant: Grant, amount: Nanos) -> Grant:
    return replace(
        grant,
        frozen=grant.frozen - amount,
        refunding=grant.refunding - amount,
        refunded=grant.refunded + amount,
    )
