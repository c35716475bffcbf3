"""`infergate`: what an operator does, through the same code as the dashboard and the schedules.

Prints one line of JSON per thing with --json, words otherwise. Exit status: 0 done, 1 refused or not clean, 2 wrong use.
"""

import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from infergate.accounts.keys import ApiKey
from infergate.catalog.compile import compile_file
from infergate.catalog.file import parse
from infergate.console import accounts, api_keys
from infergate.edge.errors import wire_error
from infergate.edge.openai import receipt_object
from infergate.kernel.errors import InferGateError, InvalidRequest, NotFound
from infergate.kernel.money import format_usd, usd
from infergate.kernel.time import NEVER, iso
from infergate.ledger.cases import ADJUST, REFUND, Case, waiting
from infergate.ledger.refunds import Refunds
from infergate.ledger.statement import Sums, csv_header, csv_row, json_row, rows, sums_object
from infergate.ledger.types import GRANT_KINDS, Grant
from infergate.schedules.audit import audit as audit_books
from infergate.schedules.sweep import LOOK_BACK_S, WEEK_S
from infergate.store.errors import StoreError
from infergate.wiring.rooms import Rooms

from tools.ops.deployment import NoDeployment, connect

type Rows = list[dict[str, Any]]


class Session:
    """One call of the command. `actor` stands in the audit log."""

    def __init__(self, stack: str | None, as_json: bool) -> None:
        self._stack = stack
        self.as_json = as_json
        self.actor = f"operator:{getpass.getuser()}"

    def rooms(self) -> Rooms:
        return connect(self._stack)

    def show(self, rows: Rows) -> None:
        for row in rows:
            if self.as_json:
                click.echo(json.dumps(row, ensure_ascii=False))
            else:
                click.echo(
                    "  ".join(f"{name}={value}" for name, value in row.items() if value not in (None, "", [], {}))
                )


@click.group()
@click.option("--stack", help="A deployed stack; without it, the local one of `make run`.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each thing shown.")
@click.pass_context
def cli(context: click.Context, stack: str | None, as_json: bool) -> None:
    """Run InferGate: accounts, keys, credit, the catalog, and the books."""
    context.obj = Session(stack, as_json)


session = click.make_pass_decorator(Session)


async def account_id(rooms: Rooms, named: str) -> str:
    """An account is named by its id or by its owner's address. Raises NotFound."""
    if "@" in named:
        found = await accounts.by_email(rooms.desk, named)
        if found is None:
            raise NotFound(f"account for {named}")
        return found
    return (await accounts.find(rooms.desk, named)).id


# -- accounts ----------------------------------------------------------------------------------------------------------


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


# -- credit ------------------------------------------------------------------------------------------------------------


async def balance_row(rooms: Rooms, name: str) -> dict[str, Any]:
    wallet = await rooms.ledger.wallet(name)
    if wallet is None:
        raise NotFound(f"wallet of account {name}")
    amounts = {"available": wallet.available, "held": wallet.held, "spent": wallet.spent, "debited": wallet.debited}
    return {
        "account": name,
        "status": wallet.status,
        **{label: format_usd(amount) for label, amount in amounts.items()},
        "credited": format_usd(wallet.credited),
        "debt": format_usd(wallet.debt) if wallet.debt else None,
        "difference": format_usd(wallet.difference),
        "holds": len(wallet.holds),
        "next_expiry": iso(wallet.next_expiry) if wallet.next_expiry < NEVER else None,
    }


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
        "expires": iso(grant.expires_at) if grant.expires_at < NEVER else "never",
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


def positive(amount: str) -> int:
    try:
        nanos = usd(amount)
    except ValueError as error:
        raise InvalidRequest(str(error), "amount") from error
    if not 0 < nanos <= usd("1000000"):
        raise InvalidRequest("An amount is above 0 and at most 1000000 dollars.", "amount")
    return nanos


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


# -- keys --------------------------------------------------------------------------------------------------------------


@cli.group()
def key() -> None:
    """API keys."""


def key_row(key: ApiKey, now_s: int) -> dict[str, Any]:
    return {
        "key": key.id,
        "name": key.name,
        "hint": key.hint,
        "state": key.state(now_s),
        "created": iso(key.created_at),
        "expires": iso(key.expires_at) if key.expires_at < NEVER else "never",
        "limits": key.limits,
    }


@key.command("create")
@click.argument("account")
@click.option("--name", default="key", show_default=True)
@click.option("--requests-per-minute", type=click.IntRange(1))
@click.option("--tokens-per-minute", type=click.IntRange(1))
@session
def key_create(
    session: Session, account: str, name: str, requests_per_minute: int | None, tokens_per_minute: int | None
) -> None:
    """Create a key. Its secret is shown now, and never again."""
    given = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        limits = {limit: value for limit, value in given.items() if value is not None}
        made = await api_keys.create(rooms.desk, owner, name=name, actor=session.actor, limits=limits)
        return [{**key_row(made.key, rooms.desk.now_s()), "secret": made.secret}]

    run(session, work)


@key.command("list")
@click.argument("account")
@session
def key_list(session: Session, account: str) -> None:
    """Every key of an account."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        return [key_row(k, rooms.desk.now_s()) for k in await api_keys.list_keys(rooms.desk, owner)]

    run(session, work)


@key.command("revoke")
@click.argument("account")
@click.argument("key_id")
@session
def key_revoke(session: Session, account: str, key_id: str) -> None:
    """Refuse a key from its next request on."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        revoked = await api_keys.revoke(rooms.desk, owner, key_id, actor=session.actor)
        return [key_row(revoked, rooms.desk.now_s())]

    run(session, work)


@key.command("rotate")
@click.argument("account")
@click.argument("key_id")
@click.option("--grace-s", default=86_400, show_default=True, help="How long the old key stays good, in seconds.")
@session
def key_rotate(session: Session, account: str, key_id: str, grace_s: int) -> None:
    """A new key in an old one's place. Its secret is shown now, and never again."""

    async def work(rooms: Rooms) -> Rows:
        owner = await account_id(rooms, account)
        made = await api_keys.rotate(rooms.desk, owner, key_id, grace_s=grace_s, actor=session.actor)
        return [{**key_row(made.key, rooms.desk.now_s()), "secret": made.secret}]

    run(session, work)


# -- the books ---------------------------------------------------------------------------------------------------------


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
@session
def audit(session: Session, account: str | None) -> None:
    """Add up every book, and say each identity's difference. Exit status 1 if any is not 0."""
    clean = True

    async def work(rooms: Rooms) -> Rows:
        nonlocal clean
        name = await account_id(rooms, account) if account else None
        report = await audit_books(rooms.store, rooms.tables, name)
        clean = report.clean
        rows: Rows = [
            {"identity": identity, "difference": format_usd(difference) if "missing" not in identity else difference}
            for identity, difference in report.differences.items()
        ]
        rows += [{"account": one, "broken": wrong} for one, wrong in report.broken.items()]
        rows.append({"accounts": report.accounts, "receipts": report.receipts, "holds": report.holds, "clean": clean})
        return rows

    run(session, work)
    if not clean:
        sys.exit(1)


# -- the catalog -------------------------------------------------------------------------------------------------------


@cli.group()
def catalog() -> None:
    """Models, channels, prices, plans."""


@catalog.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--set", "overrides", multiple=True, help="Replace one value: channels.demo.enabled=true")
@session
def catalog_apply(session: Session, file: Path, overrides: tuple[str, ...]) -> None:
    """Validate a catalog file and put it in force. Gateways follow within 30 seconds."""
    text = file.read_text()

    async def work(rooms: Rooms) -> Rows:
        try:
            snapshot = compile_file(parse(text, dict(o.partition("=")[::2] for o in overrides)))
        except ValueError as error:
            raise InvalidRequest(f"{file.name} is not in force: {error}", "file") from error
        await rooms.shelf.apply(snapshot, session.actor)
        return [{"version": snapshot.version, "models": len(snapshot.models), "plans": len(snapshot.plans)}]

    run(session, work)


@catalog.command("show")
@session
def catalog_show(session: Session) -> None:
    """The catalog in force."""

    async def work(rooms: Rooms) -> Rows:
        snapshot = await rooms.shelf.current()
        return [
            {
                "model": model.id,
                "route": route.id,
                "channel": route.channel.id,
                "enabled": route.channel.enabled,
                "price": f"{route.price.id}@{route.price.version}",
                **{bucket: format_usd(rate) for bucket, rate in route.price.rates.items()},
            }
            for model in snapshot.models.values()
            for route in model.routes
        ]

    run(session, work)


# -- running -----------------------------------------------------------------------------------------------------------


def run(session: Session, work: Callable[[Rooms], Coroutine[Any, Any, Rows]]) -> None:
    """Do the work and show it, or say in one line what stopped it."""
    try:
        session.show(asyncio.run(work(session.rooms())))
    except InferGateError as error:
        fail(wire_error(error).message)
    except NoDeployment as error:
        fail(str(error))
    except (StoreError, ClientError, BotoCoreError) as error:
        fail(f"the deployment does not answer: {type(error).__name__}: {str(error)[:200]}")


def fail(message: str) -> None:
    click.echo(f"infergate: {message}", err=True)
    sys.exit(1)


def main() -> None:
    cli(prog_name="infergate")


if __name__ == "__main__":
    main()
