"""The sweep and the expiry run: one account that cannot be dealt with does not stop the others."""

from typing import Any

from infergate.kernel.money import usd
from infergate.store.client import Params
from infergate.store.errors import Busy

from tests.prove.crash_world import T0, TABLES, Process, Run, Tap
from tests.support.memory_store import MemoryStore


class OneAccountThrottled:
    """Every write that touches this account, or only the removal of marks, meets a partition that is too hot."""

    def __init__(self, inner: Tap, account: str) -> None:
        self.inner, self.account = inner, account

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation not in ("GetItem", "Query") and self.account in str(params):
            raise Busy("ThrottlingException")
        return await self.inner.call(operation, params)


async def two_accounts(p: Process) -> tuple[str, str]:
    """Named in the order in which they are swept: each has a gift that ends in five minutes, and a dead worker's hold."""
    names = []
    for _ in range(2):
        gift = p.grant("2", ends_in_s=300, kind="promo", source="campaign:spring")
        names.append(await p.account(gift, p.grant("5", source="payment:pi_1")))
        await p.held(names[-1], "3")
    p.clock.advance(800)
    first, second = sorted(names)
    return first, second


def blank() -> Run:
    return Run(MemoryStore([TABLES.accounts, TABLES.receipts, TABLES.counters, "catalog"]), T0)


async def test_a_throttled_wallet_is_counted_and_left_for_the_next_run_and_the_others_are_swept() -> None:
    run = blank()
    hot, other = await two_accounts(run.process())
    beside = run.process()
    beside.sweep._store = beside.ledger._store = OneAccountThrottled(run.tap, hot)

    swept = await beside.sweep.run()

    assert swept.failed == 1
    assert swept.settled == 1
    clean = run.process()
    assert await held(clean, other) == 0
    assert await held(clean, hot) == usd("3")
    assert (await clean.sweep.run()).failed == 0
    assert await held(clean, hot) == 0


async def test_an_account_that_cannot_be_expired_is_counted_and_the_others_expire() -> None:
    run = blank()
    hot, other = await two_accounts(run.process())
    beside = run.process()
    beside.expire._store = beside.books.store = OneAccountThrottled(run.tap, hot)

    expired = await beside.expire.run()

    assert (expired.marks, expired.failed) == (2, 1)
    assert [g.lapsing for g in await beside.books.grants(other) if g.kind == "promo"] == [True]
    again = await run.process().expire.run()
    assert (again.marks, again.failed) == (1, 0)


async def held(p: Process, account: str) -> int:
    wallet = await p.ledger.wallet(account)
    assert wallet is not None
    return wallet.held
