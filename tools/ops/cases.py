"""What a person decides about credit: refunds, disputes, adjustments, removals."""

from collections.abc import Callable, Coroutine
from typing import Any

import click
from infergate.kernel.money import format_usd
from infergate.kernel.time import iso
from infergate.ledger.cases import ADJUST, REFUND, Case, waiting
from infergate.ledger.refunds import Refunds
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, account_id, balance_row, cli, positive, run, session


@cli.group()
def refund() -> None:
    """Refunds of paid, unspent credit: request, approve or reject, sent, refunded or failed."""


def case_row(case: Case) -> dict[str, Any]:
    return {
        case.kind.lower(): case.id,
        "account": case.account,
        "state": case.state,
        "amount": format_usd(case.amount),
        "opened": iso(case.opened_at),
        "by": case.opened_by,
        "reason": case.reason,
    }


@refund.command("request")
@click.argument("account")
@click.argument("amount")
@click.option("--reason", required=True)
@click.option("--case", "case_id", help="Its id: the same id again changes nothing.")
@session
def refund_request(session: Session, account: str, amount: str, reason: str, case_id: str | None) -> None:
    """Freeze the credit and open the case for review."""

    async def work(rooms: Rooms) -> Rows:
        name, named = await account_id(rooms, account), case_id or rooms.desk.new_id("refund")
        case = await rooms.refunds.request(name, named, positive(amount), actor=session.actor, reason=reason)
        return [case_row(case)]

    run(session, work)


@refund.command("list")
@session
def refund_list(session: Session) -> None:
    """The open cases of every account, oldest first."""
    run(session, lambda rooms: waiting_cases(rooms, REFUND))


async def waiting_cases(rooms: Rooms, kind: str) -> Rows:
    return [case_row(case) for case in await waiting(rooms.store, rooms.tables.accounts, kind)]


def refund_step(name: str, summary: str, step: Callable[..., Coroutine[Any, Any, Case]], option: str | None) -> None:
    """One command for each decision about a refund."""

    def command(session: Session, account: str, case_id: str, **given: str) -> None:
        async def work(rooms: Rooms) -> Rows:
            owner = await account_id(rooms, account)
            return [case_row(await step(rooms.refunds, owner, case_id, actor=session.actor, **given))]

        run(session, work)

    body: Any = session(command)
    if option is not None:
        body = click.option(f"--{option}", required=True)(body)
    body = click.argument("account")(click.argument("case_id")(body))
    refund.command(name, help=summary)(body)


refund_step("approve", "A person has looked at it: it may be paid back.", Refunds.approve, None)
refund_step("reject", "Give the frozen credit back.", Refunds.reject, "reason")
refund_step("sent", "The payment provider is about to be asked.", Refunds.sent, None)
refund_step("refunded", "The provider has paid it back.", Refunds.refunded, "reference")
refund_step("failed", "The provider has not: give the frozen credit back.", Refunds.failed, "reason")


@cli.group()
def dispute() -> None:
    """Chargebacks: what is unspent is frozen, the account stands still until it is won."""


@dispute.command("open")
@click.argument("account")
@click.argument("case_id")
@click.option("--payment", required=True, help="The source of the grant that the payment made.")
@click.option("--amount", required=True)
@session
def dispute_open(session: Session, account: str, case_id: str, payment: str, amount: str) -> None:
    """A customer's bank contests a payment."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        case = await rooms.disputes.opened(owner, case_id, payment, positive(amount), actor=session.actor)
        return [case_row(case), await balance_row(rooms, owner)]

    run(session, work)


@dispute.command("end")
@click.argument("account")
@click.argument("case_id")
@click.argument("outcome", type=click.Choice(["won", "lost"]))
@session
def dispute_end(session: Session, account: str, case_id: str, outcome: str) -> None:
    """Won restores what was frozen; lost removes it, and what was spent becomes a debt."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        end = rooms.disputes.won if outcome == "won" else rooms.disputes.lost
        return [case_row(await end(owner, case_id, actor=session.actor)), await balance_row(rooms, owner)]

    run(session, work)


@cli.group()
def adjust() -> None:
    """Corrections, each with a reason; above $100 a second person approves."""


@adjust.command("propose")
@click.argument("account")
@click.argument("amount")
@click.option("--reason", required=True)
@click.option("--take", is_flag=True, help="Take the amount instead of giving it.")
@click.option("--case", "case_id", help="Its id: the same id again changes nothing.")
@session
def adjust_propose(session: Session, account: str, amount: str, reason: str, take: bool, case_id: str | None) -> None:
    """Applied at once up to $100; above that it waits for somebody else."""

    async def work(rooms: Rooms) -> Rows:
        owner, named = await account_id(rooms, account), case_id or rooms.desk.new_id("adjust")
        nanos = -positive(amount) if take else positive(amount)
        case = await rooms.adjustments.propose(owner, named, nanos, actor=session.actor, reason=reason)
        return [case_row(case), await balance_row(rooms, owner)]

    run(session, work)


@adjust.command("decide")
@click.argument("account")
@click.argument("case_id")
@click.argument("decision", type=click.Choice(["approve", "reject"]))
@session
def adjust_decide(session: Session, account: str, case_id: str, decision: str) -> None:
    """By another person than the one who proposed it."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        decide = rooms.adjustments.approve if decision == "approve" else rooms.adjustments.reject
        return [case_row(await decide(owner, case_id, actor=session.actor)), await balance_row(rooms, owner)]

    run(session, work)


@adjust.command("list")
@session
def adjust_list(session: Session) -> None:
    """The proposals that wait, of every account."""
    run(session, lambda rooms: waiting_cases(rooms, ADJUST))


@cli.command("remove-campaign")
@click.argument("account")
@click.argument("campaign")
@click.option("--reason", required=True)
@session
def remove_campaign(session: Session, account: str, campaign: str, reason: str) -> None:
    """End what is left of a campaign's gift, by the campaign's terms."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        gone = await rooms.grants.remove_campaign(owner, campaign, actor=session.actor, reason=reason)
        return [{"removed": format_usd(gone)}, await balance_row(rooms, owner)]

    run(session, work)
