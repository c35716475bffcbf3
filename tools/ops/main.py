"""`infergate`: what an operator does, through the same code as the dashboard and the schedules.

Prints one line of JSON per thing with --json, words otherwise. Exit status: 0 done, 1 refused or not clean, 2 wrong use.
"""

from tools.ops import accounts, books, cases, catalog, credit, keys
from tools.ops.session import cli

__all__ = ["accounts", "books", "cases", "catalog", "credit", "keys", "main"]


def main() -> None:
    cli(prog_name="infergate")


if __name__ == "__main__":
    main()
