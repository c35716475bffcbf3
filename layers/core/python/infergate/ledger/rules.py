"""The ledger's arithmetic: pure, ints in and ints out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from infergate.kernel.money import Nanos
from infergate.ledger.types import Grant, Hold, Slices, Wallet


@dataclass(frozen=True, slots=True)
class Burn:
    taken: dict[str, Nanos]
    uncovered: Nanos


def burn_order(grant: Grant) -> tuple[int, int, bool, int, str]:
    """Priority, then what expires first, then what cannot be refunded before paid credit, then the oldest."""
    return (grant.priority, grant.expires_at, grant.kind == "paid", grant.created_at, grant.id)


def plan_burn(grants: Iterable[Grant], amount: Nanos) -> Burn:
    """Spend what dies first. Burned plus uncovered is always `amount`."""
    taken: dict[str, Nanos] = {}
    for grant in sorted(grants, key=burn_order):
        part = min(grant.left, amount)
        if part > 0:
            taken[grant.id] = part
            amount -= part
    return Burn(taken=taken, uncovered=amount)


@dataclass(frozen=True, slots=True)
class Share:
    """What of the wallet's unattributed totals one grant bears."""

    spent: Nanos = 0
    expired: Nanos = 0


def plan_attribution(wallet: Wallet, grants: Iterable[Grant]) -> dict[str, Share]:
    """Book the spend since the last time to grants, as if each settled request had burned at once.

    What holds spent of credit that expired under them, and what they gave back to expiry, belongs to the lapsing grants;
    everything else burns from the others. Raises ValueError where the grants do not cover it: the books are broken.
    """
    lapsing = [g for g in grants if g.lapsing]
    others = [g for g in grants if not g.lapsing]
    due_spent = wallet.due_spent - wallet.due_attributed
    expired = plan_burn(lapsing, wallet.lapsed - wallet.lapse_attributed)
    from_lapsing = plan_burn((less(g, Share(expired=expired.taken.get(g.id, 0))) for g in lapsing), due_spent)
    from_others = plan_burn(others, wallet.spent - wallet.attributed - due_spent)
    if expired.uncovered or from_lapsing.uncovered or from_others.uncovered:
        raise ValueError(f"spend of {wallet.account} is not covered by its grants")
    spent = from_lapsing.taken | from_others.taken
    touched = sorted(spent.keys() | expired.taken.keys())
    return {g: Share(spent=spent.get(g, 0), expired=expired.taken.get(g, 0)) for g in touched}


def less(grant: Grant, share: Share) -> Grant:
    return replace(
        grant,
        left=grant.left - share.spent - share.expired,
        spent=grant.spent + share.spent,
        expired=grant.expired + share.expired,
    )


def freeze(grant: Grant, amount: Nanos) -> Grant:
    """Move `amount` from what is left to what is frozen."""
    return replace(grant, left=grant.left - amount, frozen=grant.frozen + amount)


def remove(grant: Grant, amount: Nanos) -> Grant:
    """Take `amount` of what is left away for good."""
    return replace(grant, left=grant.left - amount, removed=grant.removed + amount)


def repay(grant: Grant, amount: Nanos) -> Grant:
    """Take `amount` of what is left to repay a debt."""
    return replace(remove(grant, amount), repaid=grant.repaid + amount)


# -- payments that are taken back --------------------------------------------------------------------------------------


def promised(grant: Grant) -> Nanos:
    """What of a payment has gone back, or is asked back. Never more than was paid."""
    return grant.refunded + grant.refunding + grant.contested + grant.charged_back


def room(grant: Grant) -> Nanos:
    """What of a payment can still be refunded or contested."""
    return grant.granted - promised(grant)


def claim(grant: Grant) -> Nanos:
    """What was used of a payment above what was paid in the end: credit that was never used is charged back first.

    Used is what was spent or repaid another debt, and what is left, which repays this one as soon as no hold has it.
    """
    used = grant.spent + grant.repaid + grant.left
    return max(0, used + grant.refunded + grant.refunding + grant.charged_back - grant.granted)


def owed(grants: Iterable[Grant]) -> Nanos:
    """An account's debt. It follows from its grants alone, so credit that expires unused lowers it."""
    return max(0, sum(claim(grant) - grant.repaid for grant in grants))


def plan_repayment(grants: Iterable[Grant], available: Nanos) -> dict[str, Nanos]:
    """By grant: the paid credit that repays what is owed. What is left of the payments in question goes first."""
    grants = list(grants)
    paid = [g for g in grants if g.kind == "paid" and not g.lapsing]
    own = plan_burn((g for g in paid if claim(g)), min(owed(grants), available))
    return own.taken | plan_burn((g for g in paid if not claim(g)), own.uncovered).taken


@dataclass(frozen=True, slots=True)
class Thaw:
    """`expired[grant]` is what did not come back, because its time came while it was frozen."""

    grants: list[Grant]
    expired: dict[str, Nanos]

    @property
    def gone(self) -> Nanos:
        return sum(self.expired.values())


def plan_thaw(grants: Iterable[Grant], parts: Mapping[str, Nanos], now_s: int) -> Thaw:
    """Give back what was frozen, to each grant its part."""
    after: list[Grant] = []
    expired: dict[str, Nanos] = {}
    for grant in grants:
        part = parts.get(grant.id, 0)
        if part and grant.expires_at <= now_s:
            expired[grant.id] = part
            after.append(replace(grant, frozen=grant.frozen - part, expired=grant.expired + part))
        else:
            after.append(freeze(grant, -part))
    return Thaw(after, expired)


@dataclass(frozen=True, slots=True)
class Lapse:
    """What an expiry run does: `expired[grant]` ends now; `held[hold]` are the slices that this hold may still spend."""

    expired: dict[str, Nanos]
    held: dict[str, Slices]


def plan_lapse(grants: Iterable[Grant], holds: Iterable[Hold], now_s: int) -> Lapse:
    """Split what is due between "gone now" and "reserved in time".

    Grants lie end to end in burn order, holds end to end in the order they were made, both from 0: what of a due grant no
    hold covers expires now.
    """
    held_intervals = _end_to_end((h.id, h.amount) for h in sorted(holds, key=lambda h: h.id))
    held_total = held_intervals[-1][2] if held_intervals else 0
    ordered = sorted(grants, key=burn_order)
    expired: dict[str, Nanos] = {}
    due: list[tuple[int, int]] = []
    for grant, (_, start, end) in zip(ordered, _end_to_end((g.id, g.left) for g in ordered), strict=True):
        if grant.expires_at > now_s:
            continue
        covered_end = max(start, min(end, held_total))
        if end > covered_end:
            expired[grant.id] = end - covered_end
        if covered_end > start:
            due.append((start, covered_end))
    held: dict[str, Slices] = {}
    for hold, start, end in held_intervals:
        overlaps = [(max(start, a), min(end, b)) for a, b in due if max(start, a) < min(end, b)]
        if overlaps:
            held[hold] = tuple((b - a, end - b) for a, b in overlaps)
    return Lapse(expired, held)


def _end_to_end(parts: Iterable[tuple[str, Nanos]]) -> list[tuple[str, int, int]]:
    intervals, position = [], 0
    for name, length in parts:
        intervals.append((name, position, position + length))
        position += length
    return intervals


def lapse_of_unused(unused: Nanos, due: Slices) -> Nanos:
    """How much of a settled hold's unused part goes to expiry. A hold is spent from its front and given back from its end."""
    return sum(max(0, min(length, unused - after)) for length, after in due)
