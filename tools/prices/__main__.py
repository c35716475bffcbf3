"""`python -m tools.prices generate|check`: catalog/models.yaml, from two price packages.

Exit status 1: a person is needed.
"""

import difflib
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click

from tools.prices.compare import Difference, shown
from tools.prices.document import HEADER, render
from tools.prices.publish import Findings, publish
from tools.prices.selection import SELECTION, SIGNED_OFF, read_selection, read_signed_off

MODELS = Path(__file__).parents[2] / "catalog" / "models.yaml"

_ON = click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), default=lambda: datetime.now(UTC), help="The day whose prices count."
)
_FILE = click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), default=MODELS, help="Instead of catalog/models.yaml."
)


def catalog_on(on: date) -> tuple[str, Findings]:
    """The text of models.yaml without its header, and what there is to say about it."""
    selection = read_selection(SELECTION.read_text())
    models, findings = publish(selection, read_signed_off(SIGNED_OFF.read_text()), on)
    return render(models, selection.markup), findings


@click.group()
def main() -> None:
    """The catalog's models and prices."""


@main.command()
@_ON
@_FILE
def generate(on: datetime, file: Path) -> None:
    """Write catalog/models.yaml: all that agrees, or is signed off."""
    body, findings = catalog_on(on.date())
    file.write_text(HEADER.format(on=on.date()) + body)
    _tell(findings)
    sys.exit(0 if findings.clean else 1)


@main.command()
@_ON
@_FILE
def check(on: datetime, file: Path) -> None:
    """Compare catalog/models.yaml with what would be generated, and list every difference that nobody has signed off."""
    body, findings = catalog_on(on.date())
    _, _, committed = file.read_text().partition("\n")
    changes = list(
        difflib.unified_diff(committed.splitlines(), body.splitlines(), "committed", "generated", lineterm="", n=1)
    )
    for line in changes:
        click.echo(line)
    _tell(findings)
    sys.exit(0 if findings.clean and not changes else 1)


def _tell(findings: Findings) -> None:
    _list("differences that nobody has signed off: model, bucket, genai-prices, models.dev, percent", findings.open)
    _list("models without an owner, a day of release or a limit", findings.missing)
    _list("service tiers not sold, since the second opinion is missing or another one", findings.tiers)
    _list("coming prices that nobody has signed off: to be settled before that day", findings.coming)
    for difference in (*findings.open, *findings.coming):
        click.echo(_entry(difference))
    _list("sign-offs that no longer count, or that nothing needs", findings.unused)
    _list("left out", findings.left_out)


def _list(title: str, things: list[Difference] | list[str]) -> None:
    if things:
        click.echo(f"\n# {title}: {len(things)}")
        for thing in things:
            click.echo(f"  {thing}")


def _entry(difference: Difference) -> str:
    """To be copied into signed_off.yaml, and completed."""
    return (
        f"- {{models: [{difference.model}], bucket: {difference.bucket}, "
        f'genai_prices: "{shown(difference.genai_prices)}", models_dev: "{shown(difference.models_dev)}", '
        "use: , by: , when: , why: }"
    )


if __name__ == "__main__":
    main()
