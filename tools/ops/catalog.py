"""The catalog in force."""

from pathlib import Path

import click
from infergate.catalog.compile import compile_file
from infergate.catalog.file import parse
from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import format_usd
from infergate.wiring.rooms import Rooms

from tools.ops.session import Rows, Session, cli, run, session


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
