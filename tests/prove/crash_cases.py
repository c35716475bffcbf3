"""Flows of the crash explorer: refunds, disputes, adjustments, one after another and one under another."""

from collections.abc import Awaitable, Callable
from typing import Any

from infergate.kernel.money import usd

from tests.prove.crash_checks import books
from tests.prove.crash_flow import Facts, Flow
from tests.prove.crash_money import add_gift, add_grant, expire_run, gifts_have_ended, paid, remove_campaign
from tests.prove.crash_world import Process


async def all_spent(p: Process) -> Facts:
    account = await p.account(p.grant("5", source="payment:pi_1"))
    await p.spend(account, "5")
    return {"account": account}


async def in_debt(p: Process) -> Facts:
    facts = await all_spent(p)
    await dispute(p, facts)
    await p.disputes.lost(facts["account"], "dp_1", actor="provider")
    return facts


type Step = Callable[[Process, Facts], Awaitable[object]]


def after(prepare: Callable[[Process], Awaitable[Facts]], *steps: Step) -> Callable[[Process], Awaitable[Facts]]:
    async def prepared(p: Process) -> Facts:
        facts = await prepare(p)
        for step in steps:
            await step(p, facts)
        return facts

    return prepared


async def ask_refund(p: Process, facts: Facts) -> Any:
    return await p.refunds.request(facts["account"], "rf_1", usd("3"), actor="anna", reason="unused")


async def approve_refund(p: Process, facts: Facts) -> Any:
    return await p.refunds.approve(facts["account"], "rf_1", actor="operator")


async def send_refund(p: Process, facts: Facts) -> Any:
    return await p.refunds.sent(facts["account"], "rf_1", actor="operator")


async def refunded(p: Process, facts: Facts) -> Any:
    return await p.refunds.refunded(facts["account"], "rf_1", reference="re_1", actor="provider")


async def refund_failed(p: Process, facts: Facts) -> Any:
    return await p.refunds.failed(facts["account"], "rf_1", actor="provider", reason="account closed")


async def reject_refund(p: Process, facts: Facts) -> Any:
    return await p.refunds.reject(facts["account"], "rf_1", actor="operator", reason="no")


async def dispute(p: Process, facts: Facts) -> Any:
    return await p.disputes.opened(facts["account"], "dp_1", "payment:pi_1", usd("5"), actor="provider")


async def dispute_won(p: Process, facts: Facts) -> Any:
    return await p.disputes.won(facts["account"], "dp_1", actor="provider")


async def dispute_lost(p: Process, facts: Facts) -> Any:
    return await p.disputes.lost(facts["account"], "dp_1", actor="provider")


async def dispute_again(p: Process, facts: Facts) -> Any:
    return await p.disputes.opened(facts["account"], "dp_2", "payment:pi_1", usd("5"), actor="provider")


async def dispute_what_is_due(p: Process, facts: Facts) -> Any:
    return await p.disputes.opened(facts["account"], "dp_1", "payment:pi_0", usd("4"), actor="provider")


async def lost_again(p: Process, facts: Facts) -> Any:
    return await p.disputes.lost(facts["account"], "dp_2", actor="provider")


async def hold_two(p: Process, facts: Facts) -> None:
    facts["hold"] = await p.held(facts["account"], "2")


async def half_an_hour_later(p: Process, facts: Facts) -> None:
    """When whatever held something has ended."""
    await p.ledger.release(facts["account"], facts["hold"])
    p.clock.advance(1_800)


async def gifts_and_paid_have_ended(p: Process) -> Facts:
    """A gift and a payment of a day, and one that stays; a day and a minute later."""
    account = await p.account(
        p.grant("2", ends_in_s=300, kind="promo", source="campaign:spring"),
        p.grant("4", ends_in_s=300, source="payment:pi_0"),
        p.grant("5", source="payment:pi_1"),
    )
    await p.spend(account, "1")
    p.clock.advance(301)
    return {"account": account}


def propose(amount: str) -> Step:
    async def act(p: Process, facts: Facts) -> Any:
        return await p.adjustments.propose(facts["account"], "ad_1", usd(amount), actor="olga", reason="goodwill")

    return act


async def approve_adjustment(p: Process, facts: Facts) -> Any:
    return await p.adjustments.approve(facts["account"], "ad_1", actor="oleg")


async def reject_adjustment(p: Process, facts: Facts) -> Any:
    return await p.adjustments.reject(facts["account"], "ad_1", actor="oleg")


FLOWS = [
    Flow("add grant repaying debt", in_debt, add_grant, books),
    Flow("refund requested", paid, ask_refund, books),
    Flow("refund approved", after(paid, ask_refund), approve_refund, books),
    Flow("refund sent", after(paid, ask_refund, approve_refund), send_refund, books),
    Flow("refund refunded", after(paid, ask_refund, approve_refund, send_refund), refunded, books),
    Flow("refund failed", after(paid, ask_refund, approve_refund, send_refund), refund_failed, books),
    Flow("refund rejected", after(paid, ask_refund), reject_refund, books),
    Flow("dispute opened", paid, dispute, books),
    Flow("dispute opened, all spent", all_spent, dispute, books),
    Flow("dispute won", after(paid, dispute), dispute_won, books),
    Flow("dispute lost", after(paid, dispute), dispute_lost, books),
    Flow("dispute lost, all spent", after(all_spent, dispute), dispute_lost, books),
    Flow("dispute over a refund", after(paid, ask_refund), dispute, books),
    Flow("dispute over an approved refund", after(paid, ask_refund, approve_refund), dispute, books),
    Flow("dispute beside a refund under way", after(paid, ask_refund, approve_refund, send_refund), dispute, books),
    Flow(
        "refund failed under a dispute",
        after(paid, ask_refund, approve_refund, send_refund, dispute),
        refund_failed,
        books,
    ),
    Flow(
        "refund failed after a lost dispute",
        after(paid, ask_refund, approve_refund, send_refund, dispute, dispute_lost),
        refund_failed,
        books,
    ),
    Flow("disputed twice", after(all_spent, dispute), dispute_again, books),
    Flow("disputed twice, first won", after(paid, dispute, dispute_again), dispute_won, books),
    Flow("disputed twice, first won, second lost", after(paid, dispute, dispute_again, lost_again), dispute_won, books),
    Flow("disputed twice, both lost", after(all_spent, dispute, dispute_again, dispute_lost), lost_again, books),
    Flow("dispute lost under a hold", after(paid, hold_two, dispute), dispute_lost, books),
    Flow(
        "a debt collected by the expiry run",
        after(paid, hold_two, dispute, dispute_lost, half_an_hour_later),
        expire_run,
        books,
        always=True,
        retries=False,
    ),
    Flow(
        "a debt collected by the next grant",
        after(paid, hold_two, dispute, dispute_lost, half_an_hour_later),
        add_gift,
        books,
    ),
    Flow("adjustment downwards, some is due", gifts_and_paid_have_ended, propose("-2"), books),
    Flow("dispute of what is due", gifts_and_paid_have_ended, dispute_what_is_due, books),
    Flow("remove campaign, some is due", gifts_have_ended, remove_campaign, books),
    Flow("adjustment alone", paid, propose("4"), books),
    Flow("adjustment proposed", paid, propose("400"), books),
    Flow("adjustment approved", after(paid, propose("400")), approve_adjustment, books),
    Flow("adjustment rejected", after(paid, propose("400")), reject_adjustment, books),
    Flow("adjustment downwards", paid, propose("-2"), books),
]
