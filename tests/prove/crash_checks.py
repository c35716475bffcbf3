"""What must be true when a run of the crash explorer is over, whatever was broken in it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from infergate.accounts import keys
from infergate.accounts.accounts import ACCOUNT, AUDIT
from infergate.accounts.keys import ApiKey
from infergate.kernel.ids import made_at_ms, spread_of
from infergate.kernel.time import NEVER
from infergate.ledger import cases, entries, receipts
from infergate.ledger.keys import DUE_SPREAD, ENTRY, GRANT, WALLET, due_pk, due_sk
from infergate.ledger.rules import Share, less, plan_attribution, promised
from infergate.ledger.types import Entry, Grant, Wallet
from infergate.ledger.wallet import read_wallet, request_of
from infergate.schedules.audit import audit
from infergate.store.codec import decode_item

from tests.prove.crash_world import CATALOG, TABLES, Run
from tests.support.memory_store import MemoryStore

HOLD_S_MAX = 1200


@dataclass(slots=True)
class Account:
    """What lies in one account's partition."""

    wallet: Wallet | None = None
    grants: list[Grant] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    keys: list[ApiKey] = field(default_factory=list)
    profile: dict[str, Any] | None = None
    audits: int = 0

    def attributed(self) -> list[Grant]:
        """The grants with all spend booked to them. Raises ValueError where it cannot be: broken books."""
        assert self.wallet is not None
        shares = plan_attribution(self.wallet, self.grants)
        return [less(g, shares.get(g.id, Share())) for g in self.grants]


class State:
    """Everything in the store, read past all faults."""

    def __init__(self, store: MemoryStore) -> None:
        self.accounts: dict[str, Account] = {}
        self.receipts = [receipts.read(item) for item in store.items(TABLES.receipts)]
        self.lookups: list[ApiKey] = []
        self.claims: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.due: set[tuple[str, str]] = set()
        self.queue: set[tuple[str, str]] = set()
        self.rates: dict[str, int] = {}
        self.catalog = {item["pk"]["S"]: item for item in store.items(CATALOG)}
        for item in store.items(TABLES.accounts):
            self._take(item)
        for item in store.items(TABLES.counters):
            if item["sk"]["S"] == "RATE":
                self.rates[item["pk"]["S"]] = int(item["requests"]["N"])

    def _take(self, item: dict[str, Any]) -> None:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        kind, _, name = pk.partition("#")
        match kind:
            case "KEY":
                self.lookups.append(keys.read(item))
            case "EMAIL":
                self.claims[name] = item["account"]["S"]
            case "USER":
                self.links[name] = sk.removeprefix("ACCOUNT#")
            case "DUE":
                self.due.add((pk, sk))
            case "QUEUE":
                self.queue.add((name, sk))
            case "ACCOUNT":
                self._of_account(self.accounts.setdefault(name, Account()), sk, item)

    def _of_account(self, account: Account, sk: str, item: dict[str, Any]) -> None:
        if sk == WALLET:
            account.wallet = read_wallet(item)
        elif sk == ACCOUNT:
            account.profile = decode_item(item)
        elif sk.startswith(GRANT):
            account.grants.append(entries.read_grant(item))
        elif sk.startswith(ENTRY):
            account.entries.append(entries.read_entry(item))
        elif sk.startswith(AUDIT):
            account.audits += 1
        elif sk.startswith(keys.OWNED):
            account.keys.append(keys.read(item))
        elif sk.partition("#")[0] in (cases.REFUND, cases.DISPUTE, cases.ADJUST):
            account.cases.append(decode_item(item))

    def only(self) -> Account:
        """The one account of flows that have one."""
        (account,) = self.accounts.values()
        return account

    def wallet(self, account: str) -> Wallet:
        wallet = self.accounts[account].wallet
        assert wallet is not None
        return wallet


def books(state: State) -> Any:
    """An account's money without ids and times, so that two histories with the same outcome are equal."""
    return [_money(account) for _, account in sorted(state.accounts.items())]


def _money(account: Account) -> Any:
    wallet = account.wallet
    assert wallet is not None
    moved: Counter[str] = Counter()
    for entry in account.entries:
        moved[entry.kind] += entry.amount
        moved["debt"] += entry.debt
    # What settled holds gave back to expiry becomes an entry at the next movement.
    moved["expiry"] -= wallet.lapsed - wallet.lapse_attributed
    grants = sorted((g.kind, g.source, *_parts(g)) for g in account.attributed())
    decided = sorted((c["kind"], c["id"], c["state"], c["amount"], c["reference"]) for c in account.cases)
    return {
        "wallet": (wallet.available, wallet.credited, wallet.debited, wallet.spent, wallet.debt),
        "standing": (wallet.status, wallet.disputes),
        "entries": {kind: amount for kind, amount in moved.items() if amount},
        "grants": grants,
        "cases": decided,
    }


def _parts(grant: Grant) -> tuple[int, ...]:
    asked_back = (grant.repaid, grant.refunding, grant.contested, grant.charged_back)
    return (
        grant.granted,
        grant.left,
        grant.spent,
        grant.expired,
        grant.frozen,
        grant.refunded,
        grant.removed,
        *asked_back,
    )


def holds_too_old(run: Run) -> list[str]:
    """P7."""
    now, wrong = run.clock(), []
    for name, account in State(run.tap.store).accounts.items():
        for hold in account.wallet.holds if account.wallet else ():
            age_s = int(now) - made_at_ms(request_of(hold)) // 1000
            if age_s > HOLD_S_MAX:
                wrong.append(f"P7: a hold of {name} is {age_s} s old")
    return wrong


async def invariants(run: Run, before: State) -> list[str]:
    """P1, P2, P4, P6, P7 and what belongs together, at the end of a run that has recovered."""
    wrong = list(run.tap.wrong)
    report = await audit(run.tap, TABLES)
    wrong += [f"P1: the books of {name} are out by {by}" for name, by in report.broken.items()]
    if report.holds:
        wrong.append(f"P7: {report.holds} holds are left")
    state = State(run.tap.store)
    now_s = int(run.clock())
    for name, account in state.accounts.items():
        wrong += _of_one(name, account, state, now_s)
    kept = {receipt.request_id: receipt for receipt in state.receipts}
    wrong += [f"P21: the receipt of {r.request_id} changed" for r in before.receipts if kept.get(r.request_id) != r]
    per_request = Counter(r.request_id for r in state.receipts)
    wrong += [f"P4: {count} receipts of {request}" for request, count in per_request.items() if count > 1]
    wrong += [f"P2: {r.request_id} costs more than its hold" for r in state.receipts if not 0 <= r.cost <= r.hold]
    wrong += [f"bug: {line}" for line in run.lines if line["event"] in ("bug", "wallet_missing")]
    return wrong + _pairs(state)


def _of_one(name: str, account: Account, state: State, now_s: int) -> list[str]:
    wallet = account.wallet
    if wallet is None:
        return [f"the account {name} has no wallet"]
    wrong = []
    try:
        ended = sum(g.left for g in account.attributed() if g.expires_at <= now_s)
    except ValueError:
        return [f"P1: spend of {name} is not covered by its grants"]
    if ended or wallet.next_expiry <= now_s:
        wrong.append(f"P6: {ended} of {name} has expired and may be spent (next expiry {wallet.next_expiry})")
    wrong += [f"P16: more of {g.id} goes back than was paid" for g in account.grants if promised(g) > g.granted]
    for grant in account.grants:
        if now_s < grant.expires_at < NEVER:
            pk = due_pk(grant.expires_at, spread_of(grant.id, DUE_SPREAD))
            if (pk, due_sk(grant.expires_at, name, grant.id)) not in state.due:
                wrong.append(f"P6: the expiry run cannot find {grant.id}")
    if [e.number for e in sorted(account.entries, key=lambda e: e.number)] != [*range(1, wallet.entries + 1)]:
        wrong.append(f"P21: the entries of {name} are not numbered without gaps")
    if wallet.status == "active" and (wallet.debt or wallet.disputes):
        wrong.append(f"P17: {name} is active with {wallet.debt} of debt and {wallet.disputes} disputes")
    frozen = {
        case["id"] for case in account.cases if case["state"] in ("requested", "approved", "sent", "open", "proposed")
    }
    queued = {sk for kind, sk in state.queue}
    if len(state.accounts) == 1 and frozen != queued:
        wrong.append(f"the queue holds {queued}, open are {frozen}")
    return wrong


def _pairs(state: State) -> list[str]:
    """What is written in two places is the same in both."""
    wrong = []
    owned = {key.id: key for account in state.accounts.values() for key in account.keys}
    lookups = {key.id: key for key in state.lookups}
    if owned != lookups:
        wrong.append(f"P8: keys differ between their two places: {owned.keys() ^ lookups.keys() or 'same ids'}")
    for key in lookups.values():
        if key.epoch > state.wallet(key.account).epoch:
            wrong.append(f"P8: {key.id} is ahead of its wallet's epoch")
    profiles = {name for name, account in state.accounts.items() if account.profile}
    if state.claims and set(state.claims.values()) != profiles:
        wrong.append("P15: claimed addresses and accounts differ")
    wrong += [f"the user {sub} belongs to no account" for sub, of in state.links.items() if of not in profiles]
    return wrong
