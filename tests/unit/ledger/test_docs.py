"""The worked examples of docs/ledger.md are what the code does."""

import re
from dataclasses import replace

import pytest
from infergate.kernel.money import format_usd

from tests.support.world import World
from tools.local.template import ROOT

PAGE = ROOT / "docs" / "ledger.md"


async def example(world: World) -> str:
    lines = [f"{'':34}{'available':>10}{'held':>8}{'spent':>8}{'debited':>9}{'credited':>10}"]
    anna = await world.account()

    async def note(what: str) -> None:
        found = await world.ledger.wallet(anna)
        assert found is not None
        assert found.difference == 0
        amounts = (found.available, found.held, found.spent, found.debited, found.credited)
        cells = [f"{format_usd(a):>{w}}" for a, w in zip(amounts, (10, 8, 8, 9, 10), strict=True)]
        lines.append(f"{what:34}{''.join(cells)}")

    trial = world.grant("20", kind="trial", days=90)
    promo = world.grant("5", kind="promo", days=1, priority=10)
    for grant, name in ((trial, "trial"), (promo, "promotion"), (world.grant("50"), "purchase")):
        await world.grants.add(anna, replace(grant, source=name), cause=name, actor="system", reason=name)
    await note("granted 20, 5 and 50")
    held = await world.held(anna, "6")
    await note("a request holds 6")
    world.clock.advance(86_401)
    await world.grants.expire(anna)
    await note("the promotion ends, under the hold")
    await world.settle(anna, held, "4.20")
    await note("the request costs 4.20")
    await world.refunds.request(anna, "r1", 30_000_000_000, actor="ada", reason="moving on")
    await note("asks for 30 back: frozen")
    await world.refunds.approve(anna, "r1", actor="operator")
    await world.refunds.sent(anna, "r1", actor="operator")
    await world.refunds.refunded(anna, "r1", reference="re_1", actor="provider")
    await note("paid back")
    lines += ["", f"{'grant':12}{'granted':>9}{'spent':>8}{'expired':>9}{'refunded':>10}{'left':>8}"]
    for grant in await world.grants.attribute(anna):
        amounts = (grant.granted, grant.spent, grant.expired, grant.refunded, grant.left)
        cells = [f"{format_usd(a):>{w}}" for a, w in zip(amounts, (9, 8, 9, 10, 8), strict=True)]
        lines.append(f"{grant.source:12}{''.join(cells)}")
    lines += ["", f"{'entry':>5}  {'kind':16}{'amount':>8}{'balance':>9}"]
    for entry in await world.books.entries(anna):
        amounts = f"{format_usd(entry.amount):>8}{format_usd(entry.balance_after):>9}"
        lines.append(f"{entry.number:>5}  {entry.kind:16}{amounts}")
    assert await world.clean(anna)
    return "\n".join(lines)


async def taken_back(world: World) -> str:
    lines = [f"{'':48}{'available':>10}{'held':>7}{'debited':>9}{'debt':>7}  status"]
    ben = await world.account()

    async def note(what: str) -> None:
        found = await world.books.wallet(ben)
        amounts = (found.available, found.held, found.debited, found.debt)
        cells = [f"{format_usd(a):>{w}}" for a, w in zip(amounts, (10, 7, 9, 7), strict=True)]
        lines.append(f"{what:48}{''.join(cells)}  {found.status}")

    async def buy(amount: str, payment: str) -> None:
        lot = replace(world.grant(amount), source=payment)
        await world.grants.add(ben, lot, cause=payment, actor="provider", reason="bought")

    await buy("10", "first")
    await world.settle(ben, await world.held(ben, "3"), "3")
    await note("buys 10, uses 3")
    held = await world.held(ben, "2")
    await world.refunds.request(ben, "r1", 4_000_000_000, actor="ben", reason="moving on")
    await note("a request holds 2; asks for 4 back: frozen")
    await world.disputes.opened(ben, "d1", "first", 10_000_000_000, actor="bank")
    await note("disputes all 10: the refund is rejected")
    await world.disputes.lost(ben, "d1", actor="bank")
    await note("the dispute is lost: 3 were used, 2 are held")
    await world.settle(ben, held, "0.50")
    await note("the request costs 0.50, and 1.50 come back")
    await world.expire.run()
    world.clock.advance(1_800)
    await world.expire.run()
    await note("half an hour later the expiry run collects them")
    await buy("5", "second")
    await note("buys 5, which repays the rest")
    lines += [
        "",
        f"{'grant':8}{'granted':>9}{'spent':>7}{'removed':>9}{'left':>7}{'charged back':>14}{'repaid a debt':>15}",
    ]
    for grant in await world.grants.attribute(ben):
        amounts = (grant.granted, grant.spent, grant.removed, grant.left, grant.charged_back, grant.repaid)
        cells = [f"{format_usd(a):>{w}}" for a, w in zip(amounts, (9, 7, 9, 7, 14, 15), strict=True)]
        lines.append(f"{grant.source:8}{''.join(cells)}")
    lines += ["", f"{'entry':>5}  {'kind':16}{'amount':>8}{'balance':>9}{'debt':>8}"]
    for entry in await world.books.entries(ben):
        amounts = f"{format_usd(entry.amount):>8}{format_usd(entry.balance_after):>9}{format_usd(entry.debt):>8}"
        lines.append(f"{entry.number:>5}  {entry.kind:16}{amounts}")
    assert await world.clean(ben)
    return "\n".join(lines)


@pytest.mark.parametrize("number", [0, 1])
async def test_the_worked_examples_show_what_the_code_does(world: World, number: int) -> None:
    blocks = re.findall(r"<!-- made by .*? -->\n```\n(.*?)\n```", PAGE.read_text(), re.S)
    made_by = (example, taken_back)
    assert len(blocks) == len(made_by)

    assert blocks[number] == await made_by[number](world)
