"""What a store may answer instead of a result.

StoreError
├── ConditionFailed     old: the item as it was, if asked for
├── TransactionFailed   reasons: one (code, old item) per member, in order
├── Busy                throttled, or in conflict with a transaction: not applied, try again
├── OutcomeUnknown      it may have been applied, now or later: read, or make the retry harmless
└── Rejected            the request itself is wrong or not allowed: a bug or a missing permission
"""

from dataclasses import dataclass, field
from typing import Any

type Item = dict[str, Any]
"""An item in DynamoDB's JSON: {"available": {"N": "5"}}."""


class StoreError(Exception):
    pass


@dataclass
class ConditionFailed(StoreError):
    old: Item | None = None


@dataclass
class TransactionFailed(StoreError):
    reasons: list[tuple[str, Item | None]] = field(default_factory=list)

    @property
    def conflicted(self) -> bool:
        """Every failing member failed for a reason that passes by itself."""
        passing = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
        failing = {code for code, _ in self.reasons if code != "None"}
        return bool(failing) and failing <= passing


@dataclass
class Busy(StoreError):
    why: str = ""


@dataclass
class OutcomeUnknown(StoreError):
    why: str = ""


@dataclass
class Rejected(StoreError):
    code: str
    message: str = ""


BUSY_CODES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionInProgressException",
        "LimitExceededException",
    }
)


def error_from(code: str, message: str, body: dict[str, Any]) -> StoreError:
    """The error for an AWS error code (without its namespace) and the parsed error body."""
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(body.get("Item"))
    if code == "TransactionCanceledException":
        reasons = [(r.get("Code") or "None", r.get("Item")) for r in body.get("CancellationReasons") or []]
        return TransactionFailed(reasons)
    if code in BUSY_CODES:
        return Busy(code)
    if code in {"InternalServerError", "InternalServerErrorException", "InternalFailure", "ServiceUnavailable"}:
        return OutcomeUnknown(code)
    return Rejected(code, message[:300])
