"""Payments that are taken back, by a refund or by a dispute: what each leaves for the other. Pure.

Of a payment no more is ever refunded, on its way back, contested and charged back together than was paid (rules.room).
"""

from collections.abc import Iterable
from dataclasses import replace

from infergate.kernel.errors import NotFound
from infergate.kernel.money import Nanos
from infergate.ledger import cases
from infergate.ledger.cases import Case
from infergate.ledger.plan import Draft, Plan, expiry
from infergate.ledger.rules import freeze, plan_thaw, remove, room
from infergate.ledger.types import Grant


def lot_of(grants: Iterable[Grant], payment: str) -> Grant:
    """The credit that a payment bought. Raises NotFound."""
    lot = next((g for g in grants if g.kind == "paid" and g.source == payment), None)
    if lot is None:
        raise NotFound(f"credit of payment {payment}")
    return lot


def swapped(grants: Iterable[Grant], lot: Grant) -> list[Grant]:
    return [lot if g.id == lot.id else g for g in grants]


def release(grants: Iterable[Grant], refund: Case, now_s: int, reason: str) -> Plan:
    """What was frozen for a refund comes back, except what has expired since."""
    thaw = plan_thaw(
        (replace(g, refunding=g.refunding - refund.parts.get(g.id, 0)) for g in grants), refund.parts, now_s
    )
    back = refund.amount - thaw.gone
    return Plan(
        thaw.grants,
        [
            Draft("refund_release", refund.amount, cause=f"refund:{refund.id}:end", reason=reason),
            *(expiry(name, amount) for name, amount in thaw.expired.items()),
        ],
        {"available": back, "debited": -back},
    )


def contest(lot: Grant, amount: Nanos, available: Nanos) -> tuple[Grant, Nanos]:
    """A dispute contests `amount` more of the lot. Returns the lot and what of it could be frozen."""
    # What is left of a lapsed lot is promised to holds, and none of it is available.
    part = 0 if lot.lapsing else min(amount, lot.left, available)
    return freeze(replace(lot, contested=lot.contested + amount), part), part


def charge_back(lot: Grant, amount: Nanos, part: Nanos, available: Nanos) -> tuple[Grant, Nanos]:
    """A lost dispute took `amount`, of which `part` was frozen. Returns the lot and what of it was still there to be taken."""
    own = 0 if lot.lapsing else min(amount - part, lot.left, available)
    lot = replace(lot, frozen=lot.frozen - part, removed=lot.removed + part, charged_back=lot.charged_back + amount)
    return remove(lot, own), own


def make_up(table: str, grants: Iterable[Grant], disputes: Iterable[Case], available: Nanos) -> Plan:
    """Credit that came back goes first to the disputes of its payment that have found too little, open or lost, oldest first."""
    plan = Plan(list(grants))
    for dispute in disputes:
        lot = lot_of(plan.grants, dispute.reference)
        more = min(dispute.demanded - dispute.amount, room(lot))
        if dispute.state == "won" or more <= 0:
            continue
        there = available + plan.add.get("available", 0)
        if dispute.state == "open":
            kind = "dispute_freeze"
            lot, part = contest(lot, more, there)
            parts = {lot.id: dispute.parts[lot.id] + part}
        else:
            kind, parts = "chargeback", dispute.parts
            lot, part = charge_back(lot, more, 0, there)
        plan = plan.then(
            Plan(
                swapped(plan.grants, lot),
                [Draft(kind, -part, lot.id)],
                {"available": -part, "debited": part},
                members=[cases.grow_member(table, dispute, more, parts)],
            )
        )
    return plan
