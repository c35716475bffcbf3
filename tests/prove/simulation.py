"""Days of business of many accounts through the real ledger: do all the ways to add up what was spent agree, to the unit?

Requests (one in fifty with a fault: a worker that dies, a write that is lost, comes late or is refused for a while), gifts
that expire, purchases, refunds, disputes, corrections and revoked keys, with the sweep and the expiry run at their times.
Then, for every account: the entries, the receipts, the statement as it is exported, the wallet, the grants, and what the
workers were told, each added up by itself; and for every fifth the usage totals, counted from receipts that come twice.

Accounts share a store by fifties, which is forgotten when it has been added up: so memory is that of fifty accounts.
"""

import asyncio
import resource
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from infergate.kernel.money import usd
from infergate.ledger import statement
from infergate.ledger.statement import Sums
from infergate.schedules.audit import audit
from infergate.store.codec import decode_item
from infergate.store.errors import Item
from infergate.usage.count import Count

from tests.prove.machine_world import START_S, TABLES, World, done
from tests.prove.simulation_business import Business
from tests.prove.table import Row, timed
from tests.support.memory_store import MemoryStore

COHORT = 50
DAYS = 3
ROLLED_UP = 5
"""Of so many accounts one's usage totals are counted: that takes as long as all of its requests did."""
BATCH = 100


@dataclass
class Outcome:
    """`differences` by what differs, in nano-dollars, summed over accounts without regard to sign."""

    requests: int = 0
    receipts: int = 0
    spent: int = 0
    violations: list[str] = field(default_factory=list)
    differences: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)


def simulate(accounts: int, requests: int, *, seed: int = 1) -> Outcome:
    outcome = Outcome()
    cohorts = -(-accounts // COHORT)
    for cohort in range(cohorts):
        size = min(COHORT, accounts - cohort * COHORT)
        business = Business(World(seed * 1000 + cohort, alone_max=usd("5")), seed * 1000 + cohort, size)
        business.run(requests // cohorts + (cohort < requests % cohorts), days=DAYS)
        business.come_to_rest()
        _add_up(business, outcome)
    return outcome


def _add_up(business: Business, outcome: Outcome) -> None:
    world = business.world
    outcome.requests += business.requests
    outcome.happened += business.happened
    outcome.violations += business.violations
    receipts: dict[str, dict[str, Item]] = defaultdict(dict)
    for partition in world.store.tables[TABLES.receipts].partitions.values():
        for item, _ in partition.items.values():
            receipts[item["account"]["S"]][item["request_id"]["S"]] = item
    for number, customer in enumerate(business.customers):
        stored = receipts[customer.account]
        costs = {request: int(item["cost"]["N"]) for request, item in stored.items()}
        differences = _differences(world, customer.account, costs)
        differences["what workers were told"] = sum(costs.get(r) != cost for r, cost in customer.told.items())
        if number % ROLLED_UP == 0:
            differences |= _rolled_up(stored, costs)
        outcome.receipts += len(costs)
        outcome.spent += sum(costs.values())
        for what, difference in differences.items():
            outcome.differences[what] += abs(difference)
            if difference:
                outcome.violations.append(f"{customer.account} of seed {business.seed}: {what} off by {difference}")
    report = done(audit(world.store, TABLES))
    if not report.clean or report.holds:
        outcome.violations.append(f"the audit of seed {business.seed} says {report.broken}, {report.holds} holds left")


def _rolled_up(stored: dict[str, Item], costs: dict[str, int]) -> dict[str, int]:
    """The usage totals of one account by day, when the stream brings each batch of receipts twice."""
    store = MemoryStore(["rollups"])

    async def count() -> None:
        totals = Count(store, "rollups", lambda: START_S, asyncio.sleep, lambda: 0.0)
        names = sorted(stored)
        for start in range(0, len(names), BATCH):
            for _ in range(2):
                counted = await totals.run((name, stored[name]) for name in names[start : start + BATCH])
                assert not counted.malformed
                assert not counted.stuck

    asyncio.run(count())
    days = [decode_item(i) for i in store.items("rollups") if "#day#" in i["pk"]["S"]]
    return {
        "rollups' cost": sum(day.get("cost", 0) for day in days) - sum(costs.values()),
        "rollups' requests": sum(day.get("requests", 0) for day in days) - len(costs),
    }


def _differences(world: World, account: str, receipts: dict[str, int]) -> dict[str, int]:
    """Each against the balance, or against what was spent, by plain sums of what is stored."""
    items = [part[0] for part in world.store.tables[TABLES.accounts].partitions[f"ACCOUNT#{account}"].items.values()]
    stored = [decode_item(item) for item in items]
    wallet = next(item for item in stored if item["sk"] == "WALLET")
    entries = [item for item in stored if item["sk"].startswith("ENTRY#")]
    grants = [item for item in stored if item["sk"].startswith("GRANT#")]
    assert not wallet["holds"]
    balance, spent = wallet["available"], sum(receipts.values())
    sums, exported, usage_rows = _statement(world, account)
    return {
        "wallet": wallet["credited"] - wallet["debited"] - wallet["spent"] - balance,
        "entries": sum(e["amount"] for e in entries) - spent - balance,
        "entries' debt": sum(e["debt"] for e in entries) - wallet.get("debt", 0),
        "entries' numbers": sum(e["number"] for e in entries) - wallet["entries"] * (wallet["entries"] + 1) // 2,
        "receipts": spent - wallet["spent"],
        "grants' left": sum(g["left"] for g in grants) - balance,
        "grants' spent": sum(g["spent"] for g in grants) - spent,
        "statement": sums.closing - balance,
        "statement's usage": sums.usage - spent,
        "statement's requests": sums.requests - len(receipts),
        "exported rows": exported - balance,
        "exported requests": usage_rows - len(receipts),
    }


def _statement(world: World, account: str) -> tuple[Sums, int, int]:
    """The sums of all time; and, from the exported lines, what their amounts come to and how many are requests."""

    async def read() -> tuple[Sums, int, int]:
        sums, total, usage = Sums(), 0, 0
        books, ledger = world.main.books, world.main.ledger
        to_s = int(world.clock.now) + 1
        last = ""
        async for row in statement.rows(books, ledger, account, START_S, to_s, sums):
            cells = statement.csv_row(row).split(",", 5)
            assert cells[0] >= last, "the statement is out of order"
            last = cells[0]
            total += usd(cells[3])
            usage += cells[1] == "usage"
            assert usd(cells[4]) == total, "the statement's balance is not the sum of its amounts"
        return sums, total, usage

    return done(read())


def prove(scale: int) -> Row:
    accounts, requests = (200, 100_000) if scale == 1 else (1_000, 1_000_000)
    with timed("days of business, added up") as row:
        outcome = simulate(accounts, requests)
        row.violations = outcome.violations
        row.how_many = f"{outcome.requests:,} requests, {accounts:,} accounts"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    happened = ", ".join(f"{count:,} {what}" for what, count in sorted(outcome.happened.items()))
    row.notes = (
        f"difference {sum(outcome.differences.values())} over {len(outcome.differences)} ways to add up; "
        f"{outcome.receipts:,} receipts; process peak {peak:,} MiB; {happened}"
    )
    return row
