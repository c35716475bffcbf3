"""The auditor: reads every item and says whether the books balance. Writes nothing.

Per account, in nano-dollars, each of these differences is 0 (promise P1; `entries` to `receipts` when no request is under way):
  wallet     available + sum(holds) + spent + debited - credited
  entries    sum(ledger entries) - sum(receipts) - (available + sum(holds))
  grants     sum(what is left of each grant, after attribution) - (available + sum(holds))
  receipts   sum(receipts) - spent
  credited   sum(grants) - credited
  debited    what expired, was frozen, refunded or removed - debited
  debt       sum(changes of debt) - debt
  owed       what was used of payments that were charged back (ledger/rules.py) - debt
  taken back what was refunded, contested and charged back of a payment above what was paid
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from infergate.kernel.money import Nanos
from infergate.ledger import entries, receipts
from infergate.ledger.keys import ENTRY, GRANT, WALLET
from infergate.ledger.ledger import Tables
from infergate.ledger.rules import owed, plan_attribution, promised
from infergate.ledger.types import Entry, Grant, Wallet
from infergate.ledger.wallet import read_wallet
from infergate.store.client import Params, Store
from infergate.store.errors import Item
from infergate.usage.rebuild import Rebuild


@dataclass(slots=True)
class Books:
    """One account's items, added up."""

    account: str
    wallet: Wallet | None = None
    entries: list[Entry] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    receipts_cost: Nanos = 0
    receipts: int = 0

    def differences(self) -> dict[str, Nanos]:
        """By identity; all 0 in books that balance."""
        if self.wallet is None:
            return {"wallet missing": self.receipts_cost or 1}
        wallet = self.wallet
        balance = wallet.available + wallet.held
        # What settled holds gave back to expiry becomes an entry at the next attribution.
        unbooked = wallet.lapsed - wallet.lapse_attributed
        return {
            "wallet": wallet.difference,
            "entries": sum(e.amount for e in self.entries) - unbooked - self.receipts_cost - balance,
            "entries missing": wallet.entries - len(self.entries),
            "grants": self._left() - balance,
            "grants' own sums": sum(abs(g.difference) for g in self.grants),
            "credited": sum(g.granted for g in self.grants) - wallet.credited,
            "debited": self._ended() - wallet.debited,
            "debt": sum(e.debt for e in self.entries) - wallet.debt,
            "owed": owed(self.grants) - wallet.debt,
            "taken back": sum(max(0, promised(g) - g.granted) for g in self.grants),
            "receipts": self.receipts_cost - wallet.spent,
            "overdrawn": min(0, wallet.available),
        }

    def _ended(self) -> Nanos:
        """What left grants other than by spending, with what is not yet booked to them."""
        assert self.wallet is not None
        unbooked = self.wallet.lapsed - self.wallet.lapse_attributed
        return unbooked + sum(g.expired + g.frozen + g.refunded + g.removed for g in self.grants)

    def _left(self) -> Nanos:
        assert self.wallet is not None
        try:
            shares = plan_attribution(self.wallet, self.grants)
        except ValueError:
            return -self.wallet.spent
        return sum(g.left for g in self.grants) - sum(s.spent + s.expired for s in shares.values())


@dataclass(slots=True)
class Report:
    accounts: int
    receipts: int
    holds: int
    differences: dict[str, Nanos]
    broken: dict[str, dict[str, Nanos]]
    """account -> the identities that do not hold, with their differences."""
    names: list[str]

    @property
    def clean(self) -> bool:
        return not self.broken


async def audit(store: Store, tables: Tables, account: str | None = None) -> Report:
    """Read everything (or everything of one account) and add it up. Memory grows with accounts, not with receipts."""
    books: dict[str, Books] = {}

    def of(name: str) -> Books:
        return books.setdefault(name, Books(name))

    async for item in _scan(store, tables.accounts):
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if not pk.startswith("ACCOUNT#"):
            continue
        name = pk.removeprefix("ACCOUNT#")
        if account not in (None, name):
            continue
        if sk == WALLET:
            of(name).wallet = read_wallet(item)
        elif sk.startswith(ENTRY):
            of(name).entries.append(entries.read_entry(item))
        elif sk.startswith(GRANT):
            of(name).grants.append(entries.read_grant(item))
    async for item in _scan(store, tables.receipts):
        receipt = receipts.read(item)
        if account in (None, receipt.account):
            of(receipt.account).receipts_cost += receipt.cost
            of(receipt.account).receipts += 1
    return _report(list(books.values()))


def _report(books: list[Books]) -> Report:
    totals: dict[str, Nanos] = defaultdict(int)
    broken: dict[str, dict[str, Nanos]] = {}
    for one in books:
        differences = one.differences()
        for identity, difference in differences.items():
            totals[identity] += abs(difference)
        wrong = {identity: difference for identity, difference in differences.items() if difference}
        if wrong:
            broken[one.account] = wrong
    return Report(
        accounts=len(books),
        receipts=sum(b.receipts for b in books),
        holds=sum(len(b.wallet.holds) for b in books if b.wallet),
        differences=dict(totals),
        broken=broken,
        names=[one.account for one in books],
    )


async def audit_usage(rebuild: Rebuild, report: Report, day: str) -> None:
    """Compare the usage totals of a day that is over (yyyymmdd) with its receipts, and add what differs to the report.

    "usage totals" counts cells, not money. Raises Malformed for a receipt that cannot be read.
    """
    report.differences["usage totals"] = 0
    for account in report.names:
        if wrong := len(await rebuild.verify(account, day)):
            report.differences["usage totals"] += wrong
            report.broken.setdefault(account, {})["usage totals"] = wrong


async def _scan(store: Store, table: str) -> AsyncIterator[Item]:
    params: Params = {"TableName": table, "ConsistentRead": True}
    while True:
        page = await store.call("Scan", params)
        for item in page.get("Items", []):
            yield item
        if "LastEvaluatedKey" not in page:
            return
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]
