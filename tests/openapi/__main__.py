"""`make fuzz`: the gateway attacked by its own document, and its parsers by changed bodies. Exit status 1 if anything was found.

    python -m tests.openapi [--cases N] [--inputs N] [--seed N]

`--cases` are requests over HTTP, `--inputs` bodies given to the parsers.
"""

import argparse
import asyncio
import sys

from tests.openapi.attack import SEED, attack
from tests.openapi.parsers import fuzz
from tests.prove.table import Row, print_table, timed


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    rows = [_requests(arguments.cases, arguments.seed), _bodies(arguments.inputs, arguments.seed)]
    print_table(rows)
    return 1 if any(row.violations for row in rows) else 0


def _requests(cases: int, seed: int) -> Row:
    with timed("requests by the document") as row:
        done = asyncio.run(attack(cases, seed=seed))
        row.how_many = f"{done.cases} cases"
        row.notes = ", ".join(f"{status}: {count}" for status, count in sorted(done.answers.items()))
        row.violations = done.findings
    return row


def _bodies(inputs: int, seed: int) -> Row:
    with timed("bodies to the parsers") as row:
        done = fuzz(inputs, seed)
        row.how_many = f"{done.outcomes.total()} inputs"
        accepted = sum(count for (_, outcome), count in done.outcomes.items() if outcome == "accepted")
        row.notes = f"accepted: {accepted}"
        row.violations = done.violations
    return row


if __name__ == "__main__":
    sys.exit(main())
