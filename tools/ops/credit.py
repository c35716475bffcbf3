"""Balances and grants."""

from typing import Any

import click
from infergate.kernel.money import format_usd
from infergate.kernel.time import NEVER, iso_or_none
from infergate.ledger.types import GRANT_KINDS, Grant
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, account_id, balance_row, cli, positive, run, session


@cli.command()
@click.argument("account")
@session
def balance(session: Session, account: str) -> None:
    """The wallet and its grants, to the nano-dollar; the grants in the order in which they are used."""

    async def work(rooms: Rooms) -> Rows:
        name = await account_id(rooms, account)
        grants = await rooms.grants.attribute(name)
        return [await balance_row(rooms, name), *(grant_row(grant) for grant in grants if grant.granted)]

    run(session, work)


def grant_row(grant: Grant) -> dict[str, Any]:
    return {
        "grant": grant.id,
        "kind": grant.kind,
        "granted": format_usd(grant.granted),
        "left": format_usd(grant.left),
        "frozen": format_usd(grant.frozen) if grant.frozen else None,
        "expires": iso_or_none(grant.expires_at) or "never",
        "source": grant.source,
    }


@cli.command()
@click.argument("account")
@click.argument("amount")
@click.option("--kind", type=click.Choice(GRANT_KINDS), default="goodwill", show_default=True)
@click.option("--reason", required=True)
@click.option("--cause", help="Its idempotency key: the same cause credits once, however often it is run.")
@click.option("--expires-after-days", type=click.IntRange(1, 3650))
@session
def credit(
    session: Session,
    account: str,
    amount: str,
    kind: str,
    reason: str,
    cause: str | None,
    expires_after_days: int | None,
) -> None:
    """Grant credit: AMOUNT in US dollars, such as 25 or 0.50."""

    async def work(rooms: Rooms) -> Rows:
        name = await account_id(rooms, account)
        nanos = positive(amount)
        now_s = rooms.desk.now_s()
        expires_at = NEVER if expires_after_days is None else now_s + expires_after_days * 86_400
        grant_id = rooms.desk.new_id("grant")
        grant = Grant(grant_id, kind, nanos, nanos, now_s, expires_at, source=session.actor)
        entry = await rooms.grants.add(
            name, grant, cause=f"operator:{cause or grant_id}", actor=session.actor, reason=reason
        )
        shown = {
            "entry": entry.number,
            "kind": entry.kind,
            "amount": format_usd(entry.amount),
            "new": entry.grant == grant_id,
        }
        return [shown, await balance_row(rooms, name)]

    run(session, work)
