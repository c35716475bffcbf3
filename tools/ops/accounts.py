"""Opening, suspending and reinstating accounts, and what they chose."""

import click
from infergate.console import accounts, api_keys
from infergate.kernel.errors import InvalidRequest
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, account_id, balance_row, cli, run, session


@cli.group()
def account() -> None:
    """Accounts."""


@account.command("create")
@click.option("--email", required=True)
@click.option("--name", default="")
@click.option("--plan", default="starter", show_default=True)
@click.option("--trial/--no-trial", default=True, show_default=True, help="With the trial campaign's credit.")
@session
def account_create(session: Session, email: str, name: str, plan: str, trial: bool) -> None:
    """Open an account. The same address again shows the account that it has: one trial each."""

    async def work(rooms: Rooms) -> Rows:
        snapshot = await rooms.shelf.current()
        if plan not in snapshot.plans:
            raise InvalidRequest(f"There is no plan {plan!r}; there are {', '.join(snapshot.plans)}.", "plan")
        campaign = snapshot.campaigns.get("trial") if trial else None
        made, new = await accounts.open_account(
            rooms.desk, email, name=name, plan=plan, trial=campaign, actor=session.actor
        )
        return [
            {"account": made.id, "email": made.email, "plan": made.plan, "new": new},
            await balance_row(rooms, made.id),
        ]

    run(session, work)


@cli.command()
@click.argument("account")
@click.option("--reason", required=True)
@session
def suspend(session: Session, account: str, reason: str) -> None:
    """Refuse everything from an account, from its next request on."""
    set_status(session, account, "suspended", reason)


@cli.command()
@click.argument("account")
@click.option("--reason", required=True)
@session
def reinstate(session: Session, account: str, reason: str) -> None:
    """End a suspension."""
    set_status(session, account, "active", reason)


def set_status(session: Session, account: str, status: str, reason: str) -> None:
    async def work(rooms: Rooms) -> Rows:
        name = await account_id(rooms, account)
        await accounts.set_status(rooms.desk, name, status, actor=session.actor, reason=reason)
        return [{"account": name, "status": status}]

    run(session, work)


@cli.command("keep-answers")
@click.argument("account")
@click.argument("choice", type=click.Choice(["on", "off"]))
@session
def keep_answers(session: Session, account: str, choice: str) -> None:
    """Whether answers are kept for two days with their Idempotency-Key. Off unless the customer asked for it."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        await api_keys.keep_answers(rooms.desk, owner, choice == "on", actor=session.actor)
        return [{"account": owner, "keep_answers": choice}]

    run(session, work)
