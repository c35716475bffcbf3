"""Opening, suspending and reinstating accounts, and what they chose."""

from dataclasses import asdict
from typing import Any

import click
from infergate.console import accounts, api_keys
from infergate.console.api_keys import Terms
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


@cli.command()
@click.argument("account")
@click.option("--plan", help="One of the catalog in force.")
@click.option("--price-bp", type=int, help="What it pays, in basis points of the list price: 9000 is ten per cent off.")
@click.option("--region", "regions", multiple=True, help="Where its prompts may be processed. `any`: everywhere.")
@click.option("--no-retention/--may-retain", default=None, help="Only over providers that keep no prompts.")
@click.option("--keep-answers/--keep-no-answers", default=None, help="For two days, with their Idempotency-Key.")
@click.option("--reason", required=True)
@session
def terms(session: Session, /, account: str, reason: str, regions: tuple[str, ...], **changes: Any) -> None:
    """Change an account's plan, price or settings. In force at its next request."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        if changes["plan"] is not None and changes["plan"] not in (await rooms.shelf.current()).plans:
            raise InvalidRequest(f"There is no plan {changes['plan']}.", "plan")
        listed = None if not regions else [] if regions == ("any",) else list(regions)
        asked = Terms(regions=listed, **changes)
        await api_keys.change_terms(rooms.desk, owner, asked, actor=session.actor, reason=reason)
        return [{"account": owner} | {name: value for name, value in asdict(asked).items() if value is not None}]

    run(session, work)
