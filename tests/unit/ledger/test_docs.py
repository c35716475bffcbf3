"""The worked example of docs/ledger.md is what the code does."""

import re
from dataclasses import replace

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


async def test_the_worked_example_shows_what_the_code_does(world: World) -> None:
    block = re.search(r"<!-- made by .*? -->\n```\n(.*?)\n```", PAGE.read_text(), re.S)
    assert block is not None

    assert block[1] == await example(world)
