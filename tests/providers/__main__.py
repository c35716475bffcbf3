"""`make providers`: run it all, print the table, and write it into docs/providers.md."""

import asyncio
import sys

from tests.providers.table import PAGE, dialects, render, run
from tests.support.matrix import fill


def main() -> int:
    results = asyncio.run(run())
    table = render(results)
    print(table)
    failed = {trial: failure for trial, failure in results.items() if failure}
    for trial, failure in failed.items():
        print(f"{trial.kind.name}, {trial.capability}, {trial.upstream}:\n{failure}", file=sys.stderr)
    if failed or "untested" in table:
        return 1
    fill(PAGE, "table", table)
    fill(PAGE, "dialects", dialects())
    return 0


if __name__ == "__main__":
    sys.exit(main())
