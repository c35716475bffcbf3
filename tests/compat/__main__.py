"""`make compat`: run it all, print the table, and write it into docs/compatibility.md."""

import asyncio
import sys

from tests.compat.snippets import PAGE
from tests.compat.table import render, run
from tests.support.matrix import fill


def main() -> int:
    results = asyncio.run(run())
    table = render(results)
    print(table)
    failed = {trial: failure for trial, failure in results.items() if failure}
    for (client, capability), failure in failed.items():
        print(f"{client}, {capability}:\n{failure}", file=sys.stderr)
    if failed or "untested" in table:
        return 1
    fill(PAGE, "table", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
