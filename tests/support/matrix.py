"""What two tables of trials have in common: a trial's fault, and the place on a page that a run fills."""

import re
import traceback
from collections.abc import Awaitable
from pathlib import Path


async def fault_of(trial: Awaitable[object]) -> str | None:
    """The traceback of a trial that failed, None of one that passed: each cell of a table is told, not only the first."""
    try:
        await trial
    except Exception:
        return traceback.format_exc()
    return None


def held(page: Path, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- end of name -->`. Raises ValueError where there is no such place."""
    found = _between(name).search(page.read_text())
    if found is None:
        raise ValueError(f"{page} has no place for the {name}")
    return found[0]


def fill(page: Path, name: str, text: str) -> None:
    page.write_text(_between(name).sub(lambda _: text, page.read_text()))


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
