"""The store of the model: every content that it ever has is one number, and what a write makes of it is looked up or worked out.

Writes are evaluated by the expression engine of tests/support on the real items: no condition is written down twice.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from infergate.accounts import keys
from infergate.ledger.grants import bump_epoch, opening
from infergate.ledger.rules import Share, less, plan_attribution, plan_lapse
from infergate.ledger.types import Grant, Wallet
from infergate.ledger.wallet import read_wallet
from infergate.schedules.audit import Report, audit
from infergate.store.client import Params
from infergate.store.codec import decode
from infergate.store.errors import ConditionFailed, TransactionFailed

from tests.prove.model_replay import ACCOUNT, BASE, NEVER_S, TABLES, TICK_S, Answer, packed, the_key
from tests.support.memory_store import MemoryStore

type Edit = Callable[[str, Params], Params]
"""What a dropped condition makes of a call on its way out."""

_KEY = f"ACCOUNT#{ACCOUNT}"
_UNDER_WAY = ("receipts", "entries")
"""Identities that hold only when no request is under way."""


def drive[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """To its end, without a loop: nothing in it waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


@dataclass(slots=True)
class Effect:
    """Of one write on one content."""

    content: int
    answer: int
    wrong: str = ""


@dataclass(slots=True)
class Facts:
    """About one content. `wrong` must be empty always, `unsettled` once nothing is under way."""

    wrong: str
    unsettled: str
    holds: int


@dataclass(slots=True)
class Call:
    """`params` as the product built them, `sent` as they go out: without a dropped condition."""

    operation: str
    params: Params
    sent: Params
    label: str

    @property
    def reads(self) -> bool:
        return self.operation in ("GetItem", "Query")


class World:
    def __init__(self, grants: list[Grant], *, room: int, open_wallet: bool = True, edit: Edit | None = None) -> None:
        self._room = room
        self._edit = edit
        self._stores: list[MemoryStore] = []
        self._contents: dict[bytes, int] = {}
        self._calls_by: dict[bytes, int] = {}
        self.calls: list[Call] = []
        self._answers_by: dict[bytes, int] = {}
        self.answers: list[Answer] = []
        self._effects: dict[tuple[int, int], Effect] = {}
        self._facts: dict[int, Facts] = {}
        self._reads: dict[tuple[int, int], int] = {}
        store = MemoryStore([TABLES.accounts, TABLES.receipts, TABLES.counters])
        members = keys.put_members(TABLES.accounts, the_key())
        if open_wallet:
            members += opening(TABLES.accounts, ACCOUNT, grants, BASE, "model")
        drive(store.call("TransactWriteItems", {"TransactItems": members}))
        self.first = self._content_of(store)

    # numbers

    def call(self, operation: str, params: Params) -> int:
        key = packed([operation, params])
        number = self._calls_by.get(key)
        if number is None:
            number = self._calls_by[key] = len(self.calls)
            sent = self._edit(operation, params) if self._edit else params
            self.calls.append(Call(operation, params, sent, label_of(operation, params)))
        return number

    def answer(self, answer: Answer) -> int:
        key = packed([answer.kind, answer.body])
        number = self._answers_by.get(key)
        if number is None:
            number = self._answers_by[key] = len(self.answers)
            self.answers.append(answer)
        return number

    def _content_of(self, store: MemoryStore) -> int:
        key = packed([store.items(table) for table in store.tables])
        number = self._contents.get(key)
        if number is None:
            number = self._contents[key] = len(self._stores)
            self._stores.append(store)
        return number

    @property
    def contents(self) -> int:
        return len(self._stores)

    # what calls do

    def read(self, call: int, content: int) -> int:
        number = self._reads.get((call, content))
        if number is None:
            said = self.calls[call]
            body = drive(self._stores[content].call(said.operation, said.sent))
            number = self._reads[call, content] = self.answer(Answer("ok", body))
        return number

    def write(self, call: int, content: int) -> Effect:
        effect = self._effects.get((call, content))
        if effect is None:
            effect = self._effects[call, content] = self._work_out(call, content)
        return effect

    def _work_out(self, number: int, content: int) -> Effect:
        call, store = self.calls[number], self._stores[content].copy()
        try:
            body = drive(store.call(call.operation, call.sent))
        except ConditionFailed as failed:
            return Effect(content, self.answer(Answer("refused", failed.old)))
        except TransactionFailed as failed:
            return Effect(content, self.answer(Answer("cancelled", failed.reasons)))
        after = self._content_of(store)
        wrong = self.facts(after).wrong or self._wrong_step(call, content, after)
        return Effect(after, self.answer(Answer("ok", body)), wrong)

    # what must be true

    def facts(self, content: int) -> Facts:
        facts = self._facts.get(content)
        if facts is None:
            facts = self._facts[content] = self._look(content)
        return facts

    def _look(self, content: int) -> Facts:
        report: Report = drive(audit(self._stores[content], TABLES))
        broken = report.broken.get(ACCOUNT, {})
        wallet = self.wallet(content)
        if wallet is None:
            return Facts("" if not self._receipts(content) else "a receipt without a wallet", "", 0)
        wrong = {name: difference for name, difference in broken.items() if name not in _UNDER_WAY}
        open_cost = broken.get("receipts", 0)
        text = ", ".join(f"{name} is off by {difference}" for name, difference in wrong.items())
        if not text and open_cost < 0:
            text = f"charged {-open_cost} more than the receipts say"
        if not text and broken.get("entries", 0) != -open_cost:
            text = f"entries are off by {broken.get('entries', 0)}"
        if not text and len(wallet.holds) > self._room:
            text = f"{len(wallet.holds)} requests in flight, {self._room} allowed"
        unsettled = ", ".join(f"{name} is off by {difference}" for name, difference in broken.items())
        return Facts(text, unsettled, len(wallet.holds))

    def _wrong_step(self, call: Call, before: int, after: int) -> str:
        values = call.params.get("ExpressionAttributeValues", {})
        if ":hold" in values:
            return self._wrong_reserve(call, before)
        if call.operation == "TransactWriteItems":
            return self._wrong_movement(call, before, after)
        return ""

    def _wrong_reserve(self, call: Call, before: int) -> str:
        wallet = self.wallet(before)
        if wallet is None:
            return "held where there is no wallet"
        values = call.params["ExpressionAttributeValues"]
        now_s, amount = decode(values[":now"]), decode(values[":amount"])
        if wallet.status != "active":
            return f"held although the account is {wallet.status}"
        key = self._item(before, keys.lookup_pk("hash"), keys.KEY)
        if key and key["revoked_at"] != {"N": "0"}:
            return "held under a key that was revoked before"
        lapse = plan_lapse(self._attributed(before, wallet), wallet.holds.values(), now_s)
        if wallet.available - sum(lapse.expired.values()) < amount:
            return "held credit that had expired"
        return ""

    def _wrong_movement(self, call: Call, before: int, after: int) -> str:
        """The last entry's balance is the balance; a payment is credited once; and who is not active gets no refund."""
        puts = [member["Put"]["Item"] for member in call.params["TransactItems"] if "Put" in member]
        made = [item for item in puts if "balance_after" in item]
        wallet, status = self.wallet(after), getattr(self.wallet(before), "status", "")
        if made and wallet and int(made[-1]["balance_after"]["N"]) != wallet.available + wallet.held:
            said, there = made[-1]["balance_after"]["N"], wallet.available + wallet.held
            return f"entry {made[-1]['number']['N']} says {said} where there is {there}"
        credited = [
            item for item in self._stores[after].items(TABLES.accounts) if item.get("source") == {"S": "payment"}
        ]
        if len(credited) > 1:
            return "one payment is credited twice"
        if status != "active" and any(item["sk"]["S"].startswith("REFUND#") for item in puts):
            return f"a refund for an account that is {status}"
        return ""

    def expired_left(self, content: int, now_s: int) -> str:
        """Once everything is tidied: what has expired and is still there."""
        wallet = self.wallet(content)
        if wallet is None:
            return ""
        left = sum(g.left for g in self._attributed(content, wallet) if g.expires_at <= now_s)
        return f"{left} of expired credit is left" if left else ""

    def wallet(self, content: int) -> Wallet | None:
        item = self._item(content, _KEY, "WALLET")
        return read_wallet(item) if item else None

    def _attributed(self, content: int, wallet: Wallet) -> list[Grant]:
        grants = [
            Grant(**{name: decode(value) for name, value in stored.items() if name not in ("pk", "sk")})
            for stored in self._stores[content].items(TABLES.accounts)
            if stored["sk"]["S"].startswith("GRANT#")
        ]
        shares = plan_attribution(wallet, grants)
        return [less(grant, shares.get(grant.id, Share())) for grant in grants]

    def _receipts(self, content: int) -> int:
        return len(self._stores[content].items(TABLES.receipts))

    def _item(self, content: int, pk: str, sk: str) -> dict[str, Any] | None:
        stored = self._stores[content].tables[TABLES.accounts].get((pk, sk))
        return stored[0] if stored else None


def revoke() -> Params:
    members = keys.change_members(TABLES.accounts, the_key(), {"revoked_at": BASE})
    return {"TransactItems": [*members, bump_epoch(TABLES.accounts, ACCOUNT)]}


def suspend() -> Params:
    return {"TransactItems": [bump_epoch(TABLES.accounts, ACCOUNT, "suspended")]}


def lot(name: str, amount: int, expires: int | None) -> Grant:
    """Paid credit, or a gift that ends at a tick."""
    kind, expires_at = ("paid", NEVER_S) if expires is None else ("promo", BASE + TICK_S * expires)
    return Grant(f"grant_{name}", kind, amount, amount, BASE, expires_at, source=name)


def label_of(operation: str, params: Params) -> str:
    """In short: reserve A.1, settle A.1 for 1, receipt A for 1."""
    values = params.get("ExpressionAttributeValues", {})
    if operation == "PutItem":
        item = params["Item"]
        cost, named = item["cost"]["N"], _short(item["hold_id"]["S"])
        return f"receipt {named} for {cost}"
    if operation == "UpdateItem":
        hold = _short(params["ExpressionAttributeNames"].get("#hold", "?"))
        if ":hold" in values:
            return f"reserve {hold}"
        cost = values[":cost"]["N"]
        return f"settle {hold} for {cost}" if cost != "0" else f"release {hold}"
    if operation == "TransactWriteItems":
        kinds = [
            m["Put"]["Item"]["kind"]["S"]
            for m in params["TransactItems"]
            if "number" in m.get("Put", {}).get("Item", {})
        ]
        return f"movement ({', '.join(kinds) or 'no entry'})"
    return "read " + " ".join(v["S"] for v in (params.get("Key") or {}).values() if "S" in v).replace(_KEY, "").strip()


def _short(hold: str) -> str:
    return hold[-3] + hold[-2:] if "." in hold else hold
