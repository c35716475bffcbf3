"""The catalog in force: shown, compared with files, changed, put back."""

from pathlib import Path

import click
from infergate.catalog.compile import compile_file
from infergate.catalog.diff import differences
from infergate.catalog.read import CatalogRefused, read_folder
from infergate.catalog.types import Snapshot
from infergate.kernel.errors import InvalidRequest, NotFound
from infergate.kernel.money import format_usd
from infergate.kernel.time import iso
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, cli, run, session

FILES = click.argument("files", type=click.Path(exists=True, path_type=Path))
OVERRIDES = click.option("--set", "overrides", multiple=True, help="Replace one value: channels.demo.enabled=true")


@cli.group()
def catalog() -> None:
    """Models, channels, prices, plans. FILES is a folder of YAML files, or one file."""


def compiled(files: Path, overrides: tuple[str, ...]) -> Snapshot:
    """Raises InvalidRequest with every problem, each with its file, its path and the reason."""
    try:
        return compile_file(read_folder(files, dict(o.partition("=")[::2] for o in overrides)))
    except CatalogRefused as refused:
        raise InvalidRequest(
            f"The catalog is not in force; {len(refused.problems)} to mend:\n{refused}", "files"
        ) from None


async def in_force(rooms: Rooms) -> Snapshot:
    return await rooms.shelf.current() if await rooms.shelf.history() else Snapshot("")


def rows_of(before: Snapshot, after: Snapshot) -> Rows:
    return [{"path": path, "in_force": was or "-", "new": is_ or "-"} for path, was, is_ in differences(before, after)]


@catalog.command("apply")
@FILES
@OVERRIDES
@click.option("--reason", default="", help="Stands in the history.")
@session
def catalog_apply(session: Session, files: Path, overrides: tuple[str, ...], reason: str) -> None:
    """Validate a catalog and put it in force. Gateways follow within 30 seconds."""

    async def work(rooms: Rooms) -> Rows:
        snapshot = compiled(files, overrides)
        await rooms.shelf.apply(snapshot, session.actor, reason)
        return [{"version": snapshot.version, "models": len(snapshot.models), "plans": len(snapshot.plans)}]

    run(session, work)


@catalog.command("diff")
@FILES
@OVERRIDES
@session
def catalog_diff(session: Session, files: Path, overrides: tuple[str, ...]) -> None:
    """What `apply` would change, value by value."""

    async def work(rooms: Rooms) -> Rows:
        return rows_of(await in_force(rooms), compiled(files, overrides))

    run(session, work)


@catalog.command("history")
@session
def catalog_history(session: Session) -> None:
    """Every change, the last one first."""

    async def work(rooms: Rooms) -> Rows:
        return [
            {
                "number": change.number,
                "version": change.version,
                "at": iso(change.applied_at),
                "by": change.applied_by,
                "reason": change.reason,
            }
            for change in reversed(await rooms.shelf.history())
        ]

    run(session, work)


@catalog.command("rollback")
@click.argument("version", required=False)
@click.option("--reason", required=True)
@session
def catalog_rollback(session: Session, version: str | None, reason: str) -> None:
    """Put VERSION back in force; without one, the version before the one in force. This too is a line in the history."""

    async def work(rooms: Rooms) -> Rows:
        now = await in_force(rooms)
        earlier = [change.version for change in await rooms.shelf.history() if change.version != now.version]
        if version is None and not earlier:
            raise InvalidRequest("There is no earlier version to go back to.", "version")
        snapshot = await rooms.shelf.at(version or earlier[-1])
        await rooms.shelf.apply(snapshot, session.actor, reason)
        return rows_of(now, snapshot) or [{"version": snapshot.version}]

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


@cli.group("channel")
def channel_group() -> None:
    """The ways to providers, as their health is now."""


@channel_group.command("list")
@session
def channel_list(session: Session) -> None:
    """Every channel of the catalog in force: on or off, and why."""

    async def work(rooms: Rooms) -> Rows:
        snapshot = await rooms.shelf.current()
        seen = await rooms.channels.overview(sorted(snapshot.channels))
        return [
            {
                "channel": name,
                "kind": snapshot.channels[name].kind,
                "enabled": snapshot.channels[name].enabled,
                "phase": now.state.phase,
                "reason": now.state.reason or "-",
                "until": iso(now.state.until_s) if now.state.until_s else "-",
                "failures_last_minute": now.failures,
            }
            for name, now in seen.items()
        ]

    run(session, work)


@channel_group.command("reset")
@click.argument("channel")
@session
def channel_reset(session: Session, channel: str) -> None:
    """Close a channel's breaker at once: it is well again, or is to be tried as if it were."""

    async def work(rooms: Rooms) -> Rows:
        if channel not in (await rooms.shelf.current()).channels:
            raise NotFound(f"channel {channel}")
        await rooms.channels.reset(channel)
        return [{"channel": channel, "phase": "closed"}]

    run(session, work)
