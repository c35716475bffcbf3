"""What every command stands on: which deployment it speaks to, how it shows what it found and what it was refused."""

import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from infergate.console import accounts
from infergate.edge.errors import wire_error
from infergate.kernel.errors import InferGateError, InvalidRequest, NotFound
from infergate.kernel.money import format_usd, usd
from infergate.kernel.time import iso_or_none
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
        "next_expiry": iso_or_none(wallet.next_expiry),
    }


def positive(amount: str) -> int:
    try:
        nanos = usd(amount)
    except ValueError as error:
        raise InvalidRequest(str(error), "amount") from error
    if not 0 < nanos <= usd("1000000"):
        raise InvalidRequest("An amount is above 0 and at most 1000000 dollars.", "amount")
    return nanos


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
