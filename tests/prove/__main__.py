"""`make prove`: every proof of the ledger in one table. Exit status 1 if any found a violation.

    python -m tests.prove [NAME ...] [--nightly]

A proof is a module of this package with `prove(scale: int) -> Row`; 1 is CI's scale, 40 the nightly one.
"""

import argparse
import importlib
import sys

from tests.prove.table import print_table

PROOFS = ("crashes", "machine", "model", "histories", "simulation", "peer_bugs", "mutants")
NIGHTLY = 40


def main() -> int:
    parser = argparse.ArgumentParser(prog="prove", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PROOFS), metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--nightly", action="store_true", help="forty times as much")
    arguments = parser.parse_args()
    scale = NIGHTLY if arguments.nightly else 1
    rows = [importlib.import_module(f"tests.prove.{name}").prove(scale) for name in arguments.names]
    print_table(rows)
    return 1 if any(row.violations for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
