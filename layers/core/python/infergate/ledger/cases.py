"""Cases: what a person decides about an account's credit, each with a state that moves only along its arrows.

  refund       requested ─> approved ─> sent ─> refunded
                   ├─────────┤   └──────┴─> failed
                   └─> rejected (from approved only by a dispute of the same payment, which takes its credit over)
  dispute      open ─> won | lost
  adjustment   proposed ─> applied | rejected

accounts table:
  ACCOUNT#<account>   REFUND#<id>, DISPUTE#<id>, ADJUST#<id>   the case
  QUEUE#<kind>        <id>                                     open cases of every account, for those who decide
"""

from dataclasses import asdict, dataclass, field

from infergate.kernel.errors import InvalidRequest, NotFound
from infergate.kernel.money import Nanos
from infergate.ledger.keys import account_pk
from infergate.store.client import Params, Store, get, query
from infergate.store.codec import decode_item, encode_item, record
from infergate.store.transact import put_new

REFUND, DISPUTE, ADJUST = "REFUND", "DISPUTE", "ADJUST"
_NAMES = {REFUND: "refund", DISPUTE: "dispute", ADJUST: "adjustment"}


@dataclass(frozen=True, slots=True)
class Case:
    """`parts`: what of which grant is frozen for it. `amount` of an adjustment may be negative.

    A dispute contests `amount` of the `demanded`; the rest has been refunded, is on its way, or is contested by another.
    """

    id: str
    kind: str
    account: str
    state: str
    amount: Nanos
    opened_at: int
    opened_by: str
    reason: str
    parts: dict[str, Nanos] = field(default_factory=dict)
    reference: str = ""
    """The payment in question, the provider's name for the refund, or the dispute that took the refund's credit over."""
    demanded: Nanos = 0


def open_members(table: str, case: Case) -> list[Params]:
    """They fail if a case of this id exists."""
    item = {"pk": account_pk(case.account), "sk": f"{case.kind}#{case.id}", **asdict(case)}
    mark = {"pk": f"QUEUE#{case.kind}", "sk": case.id, "account": case.account}
    return [put_new(table, item), {"Put": {"TableName": table, "Item": encode_item(mark)}}]


def step_members(table: str, case: Case, to: str, *, closes: bool, reference: str = "") -> list[Params]:
    """From the state that `case` was read in to the next. They fail if somebody was faster."""
    step: Params = {
        "TableName": table,
        "Key": encode_item({"pk": account_pk(case.account), "sk": f"{case.kind}#{case.id}"}),
        "UpdateExpression": "SET #state = :to, #reference = :reference",
        "ConditionExpression": "#state = :from",
        "ExpressionAttributeNames": {"#state": "state", "#reference": "reference"},
        "ExpressionAttributeValues": encode_item(
            {":to": to, ":from": case.state, ":reference": reference or case.reference}
        ),
    }
    members: list[Params] = [{"Update": step}]
    if closes:
        key = encode_item({"pk": f"QUEUE#{case.kind}", "sk": case.id})
        members.append({"Delete": {"TableName": table, "Key": key}})
    return members


def grow_member(table: str, dispute: Case, more: Nanos, parts: dict[str, Nanos]) -> Params:
    """The dispute contests `more` than it did, and these parts are frozen for it."""
    return {
        "Update": {
            "TableName": table,
            "Key": encode_item({"pk": account_pk(dispute.account), "sk": f"{dispute.kind}#{dispute.id}"}),
            "UpdateExpression": "SET #amount = :after, #parts = :parts",
            "ConditionExpression": "#state = :state AND #amount = :before",
            "ExpressionAttributeNames": {"#state": "state", "#amount": "amount", "#parts": "parts"},
            "ExpressionAttributeValues": encode_item(
                {":state": dispute.state, ":before": dispute.amount, ":after": dispute.amount + more, ":parts": parts}
            ),
        }
    }


def check_state(case: Case, to: str, from_: tuple[str, ...]) -> None:
    """Raises InvalidRequest unless the case may go from where it is to `to`."""
    if case.state not in from_:
        raise InvalidRequest(f"The {_NAMES[case.kind]} {case.id} is {case.state}: it cannot become {to}.", "state")


async def read(store: Store, table: str, kind: str, account: str, case_id: str) -> Case:
    """Raises NotFound."""
    item = await get(store, table, account_pk(account), f"{kind}#{case_id}")
    if item is None:
        raise NotFound(f"{kind.lower()} {case_id}")
    return record(Case, decode_item(item))


async def of_account(store: Store, table: str, kind: str, account: str) -> list[Case]:
    """All of one kind, oldest first."""
    found = [record(Case, decode_item(i)) for i in await query(store, table, account_pk(account), prefix=f"{kind}#")]
    return sorted(found, key=lambda case: (case.opened_at, case.id))


async def waiting(store: Store, table: str, kind: str, limit: int = 100) -> list[Case]:
    """The oldest open cases, of every account."""
    marks = await query(store, table, f"QUEUE#{kind}", limit=limit)
    return [await read(store, table, kind, m["account"]["S"], m["sk"]["S"]) for m in marks]
