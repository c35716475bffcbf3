"""A movement before it is written. Pure: from a wallet and its grants to all that changes.

What use, time and debts have made of the books comes first, in the same transaction: spend is booked to grants, what is due
has expired, what is owed is repaid. So whoever plans a movement never sees credit that is no longer there.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infergate.kernel.money import Nanos
from infergate.ledger.rules import Share, less, owed, plan_attribution, plan_lapse, plan_repayment, promised, repay
from infergate.ledger.types import Entry, Grant, Hold, Wallet
from infergate.store.client import Params


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a number. `cause` "" is for what the state of the books itself makes happen once.

    `actor` and `reason` are the movement's, unless given. `debt` is filled in here, never by a planner.
    """

    kind: str
    amount: Nanos
    grant: str = ""
    cause: str = ""
    debt: Nanos = 0
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a movement makes of the books. `grants` are all of the account's, as they will be, new ones included.

    `members` are writes of others that must happen with it, or not at all.
    """

    grants: list[Grant]
    drafts: list[Draft] = field(default_factory=list)
    add: Mapping[str, int] = field(default_factory=dict)
    put: dict[str, Any] = field(default_factory=dict)
    holds: dict[str, Hold] | None = None
    members: list[Params] = field(default_factory=list)

    def then(self, later: "Plan") -> "Plan":
        """Both, in one movement. `later` was planned from what this one makes of the books."""
        add = Counter(self.add)
        add.update(later.add)
        return Plan(
            later.grants,
            self.drafts + later.drafts,
            add,
            self.put | later.put,
            self.holds if later.holds is None else later.holds,
            self.members + later.members,
        )

    def after(self, wallet: Wallet) -> Wallet:
        """As the wallet will be, as far as the next one who plans is concerned."""
        moved = {name: getattr(wallet, name) + self.add.get(name, 0) for name in ("available", "debited", "debt")}
        return replace(wallet, **moved, holds=wallet.holds if self.holds is None else self.holds)


type Planner = Callable[[Wallet, list[Grant]], Plan | None]
"""From the wallet and its grants, as use, time and debts have left them, to a plan; None: there is nothing to do."""


class Unbalanced(Exception):
    """A plan that would break the books: a bug, stopped before it is written."""


def plan_movement(wallet: Wallet, grants: list[Grant], planner: Planner, now_s: int) -> Plan | None:
    """All of a movement, or None if there is nothing to write. Raises what the planner raises."""
    due = wallet.next_expiry <= now_s
    first = _attributed(wallet, grants)
    if due:
        first = first.then(plan_end(wallet, first.grants, now_s))
    first = _settled(first, wallet)
    own = planner(first.after(wallet), first.grants)
    if own is None:
        return first if due or first.add.get("debt", 0) else None
    return first.then(_settled(own, first.after(wallet)))


def plan_end(wallet: Wallet, grants: Iterable[Grant], now_s: int, removed: Collection[str] = ()) -> Plan:
    """End every grant whose time has come, except what open holds have reserved of it. `removed` ends by an operator's word."""
    grants = list(grants)
    lapse = plan_lapse(grants, wallet.holds.values(), now_s)
    gone = sum(lapse.expired.values())
    after = [
        replace(less(g, Share(expired=lapse.expired.get(g.id, 0))), lapsing=g.lapsing or g.expires_at <= now_s)
        for g in grants
    ]
    return Plan(
        grants=after,
        drafts=[
            Draft("removal", -amount, name) if name in removed else expiry(name, amount)
            for name, amount in lapse.expired.items()
        ],
        add={"available": -gone, "debited": gone},
        holds={name: replace(h, due=lapse.held.get(name, ())) for name, h in wallet.holds.items()},
    )


def expiry(grant: str, amount: Nanos) -> Draft:
    """Nobody's doing, whatever movement it is booked with."""
    return Draft("expiry", -amount, grant, actor="clock", reason="its time had come")


def _attributed(wallet: Wallet, grants: Iterable[Grant]) -> Plan:
    shares = plan_attribution(wallet, grants)
    drafts = [expiry(name, share.expired) for name, share in shares.items() if share.expired]
    return Plan([less(g, shares.get(g.id, Share())) for g in grants], drafts)


def _settled(plan: Plan, before: Wallet) -> Plan:
    """With what it makes the account owe, on the entry that makes it so; and with what is there to repay it."""
    drafts = list(plan.drafts)
    change = owed(plan.grants) - before.debt
    if change:
        if not drafts:
            raise Unbalanced(f"{before.account}: a debt of {change} from nowhere")
        drafts[0] = replace(drafts[0], debt=drafts[0].debt + change)
    plan = replace(plan, drafts=drafts).then(Plan(plan.grants, add={"debt": change}))
    taken = plan_repayment(plan.grants, plan.after(before).available)
    repaid = sum(taken.values())
    return plan.then(
        Plan(
            [repay(g, taken.get(g.id, 0)) for g in plan.grants],
            [Draft("debt_repaid", -amount, name, debt=-amount) for name, amount in taken.items()],
            {"available": -repaid, "debited": repaid, "debt": -repaid},
        )
    )


def check(wallet: Wallet, plan: Plan, made: list[Entry]) -> None:
    """Raises Unbalanced. The last line of defence: nothing that does not add up is ever sent."""
    add = plan.add
    balance = wallet.available + add.get("available", 0) + wallet.held
    debt = wallet.debt + add.get("debt", 0)
    wrong = [grant.id for grant in plan.grants if not _sound(grant)]
    if (
        wrong
        or len({grant.id for grant in plan.grants}) != len(plan.grants)
        or sum(grant.left for grant in plan.grants) != balance
        or (made and made[-1].balance_after != balance)
        or add.get("credited", 0) != add.get("available", 0) + add.get("debited", 0)
        or debt != owed(plan.grants)
        or sum(entry.debt for entry in made) != add.get("debt", 0)
        or (debt and plan.put.get("status", wallet.status) == "active")
    ):
        raise Unbalanced(f"{wallet.account}: {[draft.kind for draft in plan.drafts]}, grants {wrong}")


def _sound(grant: Grant) -> bool:
    parts = (grant.left, grant.contested, grant.charged_back, grant.refunding, grant.repaid)
    return (
        not grant.difference
        and min(parts) >= 0
        and grant.refunding <= grant.frozen
        and grant.repaid <= grant.removed
        and promised(grant) <= grant.granted
    )
