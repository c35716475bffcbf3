"""API keys."""

from typing import Any

import click
from infergate.accounts.keys import ApiKey
from infergate.console import api_keys
from infergate.kernel.time import iso, iso_or_none
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, account_id, cli, run, session


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
        "expires": iso_or_none(key.expires_at) or "never",
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
