"""Somebody who paid for credit, and what happens to the payment: bought, asked back, disputed."""

from dataclasses import replace

from infergate.kernel.money import format_usd, usd
from infergate.ledger.cases import Case
from infergate.ledger.grants import bump_epoch
from infergate.ledger.types import Grant

from tests.support.world import World

PAID = "payment:pi_1"


async def buyer(world: World, *, spend: str = "0", days: int | None = None, amount: str = "10") -> str:
    """Somebody who paid 10 and has used some of it."""
    account = await world.account()
    await buy(world, account, amount, PAID, days=days)
    if usd(spend):
        await world.settle(account, await world.held(account, spend), spend)
    return account


async def buy(world: World, account: str, amount: str, payment: str, *, days: int | None = None) -> None:
    lot = replace(world.grant(amount, days=days), source=payment)
    await world.grants.add(account, lot, cause=payment, actor="provider", reason="bought")


async def asked_back(world: World, account: str, amount: str, *steps: str) -> None:
    await world.refunds.request(account, "r1", usd(amount), actor="anna", reason="unused")
    for step in steps:
        await getattr(world.refunds, step)(account, "r1", actor="op")


async def disputed(world: World, account: str, amount: str = "10", case: str = "d1", payment: str = PAID) -> Case:
    return await world.disputes.opened(account, case, payment, usd(amount), actor="bank")


async def standing(world: World, account: str) -> tuple[str, str, str]:
    """(available, debt, status), in books that balance."""
    assert await world.clean(account)
    wallet = await world.books.wallet(account)
    return format_usd(wallet.available), format_usd(wallet.debt), wallet.status


async def lot_of(world: World, account: str, payment: str = PAID) -> Grant:
    return next(g for g in await world.books.grants(account) if g.source == payment)


async def movements(world: World, account: str) -> list[tuple[str, str, str]]:
    return [(e.kind, format_usd(e.amount), format_usd(e.debt)) for e in await world.books.entries(account)]


async def activate(world: World, account: str) -> None:
    members = [bump_epoch(world.tables.accounts, account, "active")]
    await world.store.call("TransactWriteItems", {"TransactItems": members})
