"""Receipts and statements, and what the schedules do: sweep, expire, audit."""

import json
import sys
from datetime import UTC, datetime

import click
from infergate.edge.reads import receipt_object
from infergate.kernel.errors import InvalidRequest, NotFound
from infergate.kernel.money import format_usd
from infergate.ledger.statement import Sums, csv_header, csv_row, json_row, rows, sums_object
from infergate.schedules.audit import audit as audit_books
from infergate.schedules.audit import audit_usage
from infergate.schedules.sweep import LOOK_BACK_S, WEEK_S
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, account_id, cli, run, session

COUNTED = ("entries missing", "wallet missing", "usage totals")
"""Differences that are numbers of things, not money."""


@cli.command()
@click.argument("account")
@click.argument("request_id", required=False)
@click.option("--hours", default=24, show_default=True, type=click.IntRange(1, 24 * 366))
@session
def receipts(session: Session, account: str, request_id: str | None, hours: int) -> None:
    """What an account's requests cost, and why."""

    async def work(rooms: Rooms) -> Rows:
        name = await account_id(rooms, account)
        if request_id is None:
            since_s = rooms.desk.now_s() - hours * 3600
            return [receipt_object(r) for r in await rooms.ledger.receipts(name, since_s=since_s)]
        try:
            found = await rooms.ledger.receipt(name, request_id)
        except ValueError as error:
            raise InvalidRequest(str(error), "request_id") from error
        if found is None:
            raise NotFound("such receipt")
        return [receipt_object(found)]

    run(session, work)


@cli.command()
@click.argument("account")
@click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day, UTC.")
@click.option("--to", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day after the last, UTC.")
@click.option("--format", "as_", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@session
def statement(session: Session, account: str, from_: datetime, to: datetime, as_: str) -> None:
    """Every movement of an account's credit in a period. The sums go to standard error."""

    async def work(rooms: Rooms) -> Rows:
        owner, sums = await account_id(rooms, account), Sums()
        start, end = (int(day.replace(tzinfo=UTC).timestamp()) for day in (from_, to))
        if as_ == "csv":
            click.echo(csv_header(), nl=False)
        async for row in rows(rooms.books, rooms.ledger, owner, start, end, sums):
            click.echo(csv_row(row) if as_ == "csv" else json_row(row), nl=False)
        click.echo(json.dumps(sums_object(owner, start, end, sums)), err=True)
        return []

    run(session, work)


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Look a week back instead of two hours.")
@session
def sweep(session: Session, everything: bool) -> None:
    """End holds whose requests did not end them. The schedule does this every two minutes."""

    async def work(rooms: Rooms) -> Rows:
        swept = await rooms.sweep.run(look_back_s=WEEK_S if everything else LOOK_BACK_S)
        return [
            {
                "accounts": swept.accounts,
                "settled": swept.settled,
                "abandoned": swept.abandoned,
                "released": swept.released,
                "oldest_hold_age_s": swept.oldest_hold_age_s,
            }
        ]

    run(session, work)


@cli.command()
@session
def expire(session: Session) -> None:
    """End credit whose time has come. The schedule does this every fifteen minutes."""

    async def work(rooms: Rooms) -> Rows:
        expired = await rooms.expire.run()
        return [{"marks": expired.marks, "expired": format_usd(expired.amount), "failed": expired.failed}]

    run(session, work)


@cli.command()
@click.argument("account", required=False)
@click.option(
    "--usage-day", type=click.DateTime(["%Y-%m-%d"]), help="Whose usage totals to compare; yesterday's if not given."
)
@session
def audit(session: Session, account: str | None, usage_day: datetime | None) -> None:
    """Add up every book, and say each identity's difference. Exit status 1 if any is not 0."""
    clean = True

    async def work(rooms: Rooms) -> Rows:
        nonlocal clean
        name = await account_id(rooms, account) if account else None
        report = await audit_books(rooms.store, rooms.tables, name)
        day = usage_day or datetime.fromtimestamp(rooms.desk.now_s() - 86_400, UTC)
        await audit_usage(rooms.rebuild, report, day.strftime("%Y%m%d"))
        clean = report.clean
        rows: Rows = [
            {"identity": identity, "difference": format_usd(difference) if identity not in COUNTED else difference}
            for identity, difference in report.differences.items()
        ]
        rows += [{"account": one, "broken": wrong} for one, wrong in report.broken.items()]
        rows.append({"accounts": report.accounts, "receipts": report.receipts, "holds": report.holds, "clean": clean})
        return rows

    run(session, work)
    if not clean:
        sys.exit(1)
