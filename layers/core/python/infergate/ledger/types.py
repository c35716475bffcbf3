"""What the ledger speaks of. Amounts are nano-dollars, times are epoch seconds unless the name says otherwise."""

from dataclasses import dataclass, field
from typing import Literal

from infergate.kernel.money import Nanos

type GrantKind = Literal["trial", "promo", "bonus", "goodwill", "paid"]
GRANT_KINDS: tuple[GrantKind, ...] = ("trial", "promo", "bonus", "goodwill", "paid")
type Status = Literal["active", "disputed", "suspended", "closed"]


type Slices = tuple[tuple[Nanos, Nanos], ...]
"""Parts of a hold, each as (length, how much of the hold burns after it)."""


@dataclass(frozen=True, slots=True)
class Hold:
    """`due`: the parts of the held credit that expired while it was held. They may be spent, but not given back."""

    id: str
    amount: Nanos
    deadline: int
    due: Slices = ()


@dataclass(frozen=True, slots=True)
class Wallet:
    """One account's spendable credit. available + sum(holds) + spent + debited = credited, after every write.

    `credited` is the sum of all grants ever, `debited` what left other than by spending: expired, frozen, refunded, removed.
    `debt` is what was charged back of credit that had been used (rules.owed); while there is any, the account cannot be active.
    `version` counts the rare movements, `disputes` the open ones.

    `attributed` of `spent`, `due_attributed` of `due_spent` and `lapse_attributed` of `lapsed` are already booked to
    grants. `due_spent` (inside spent) and `lapsed` (inside debited) come from holds that were open across an expiry.
    `entries` is the number of the last ledger entry.
    """

    account: str
    available: Nanos
    credited: Nanos
    debited: Nanos
    spent: Nanos
    status: str
    epoch: int
    next_expiry: int
    entries: int
    holds: dict[str, Hold] = field(default_factory=dict)
    attributed: Nanos = 0
    due_spent: Nanos = 0
    due_attributed: Nanos = 0
    lapsed: Nanos = 0
    lapse_attributed: Nanos = 0
    version: int = 0
    debt: Nanos = 0
    disputes: int = 0

    @property
    def held(self) -> Nanos:
        return sum(hold.amount for hold in self.holds.values())

    @property
    def difference(self) -> Nanos:
        """0, or the books are broken."""
        return self.available + self.held + self.spent + self.debited - self.credited


@dataclass(frozen=True, slots=True)
class Grant:
    """One lot. granted = spent + expired + frozen + refunded + removed + left.

    `removed` was clawed back, adjusted away, or went to repay a debt (`repaid`). Of what is frozen, `refunding` is for refunds.
    `contested` is what open disputes contest of the payment, `charged_back` what lost ones took, spent or not:
    refunded + refunding + contested + charged_back is never above granted.
    """

    id: str
    kind: str
    granted: Nanos
    left: Nanos
    created_at: int
    expires_at: int
    priority: int = 100
    spent: Nanos = 0
    expired: Nanos = 0
    frozen: Nanos = 0
    refunded: Nanos = 0
    removed: Nanos = 0
    repaid: Nanos = 0
    refunding: Nanos = 0
    contested: Nanos = 0
    charged_back: Nanos = 0
    source: str = ""
    lapsing: bool = False
    """Expired; what is left of it lies in holds that were open then."""

    @property
    def difference(self) -> Nanos:
        """0, or the books are broken."""
        parts = self.spent + self.expired + self.frozen + self.refunded + self.removed + self.left
        return self.granted - parts


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of credit; never changed, never deleted. The sum of an account's entries and receipts is its balance."""

    number: int
    kind: str
    amount: Nanos
    balance_after: Nanos
    cause: str
    actor: str
    reason: str
    at: int
    grant: str = ""
    debt: Nanos = 0
    """The change of the account's debt, which is no part of its balance."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one request cost, from which usage, at which price, why, and which hold it settles. The decision itself.

    `units` and `rates` are by bucket (kernel.money.cost_of); cost = min(cost_of(units, rates), hold).
    `loss` is what the provider's usage came to above the hold: the house bears it.
    """

    account: str
    request_id: str
    hold_id: str
    hold: Nanos
    cost: Nanos
    reason: str
    created_at_ms: int
    key_id: str = ""
    endpoint: str = ""
    model: str = ""
    route: str = ""
    channel: str = ""
    upstream_model: str = ""
    price_version: str = ""
    units: dict[str, int] = field(default_factory=dict)
    rates: dict[str, Nanos] = field(default_factory=dict)
    estimated: bool = False
    loss: Nanos = 0
    stream: bool = False
    latency_ms: int = 0
    first_token_ms: int = 0
    attempts: list[dict[str, str | int]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    service_tier: str = "default"
