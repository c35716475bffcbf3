"""Mutation testing of the ledger: small things made wrong one at a time; the tests of the ledger must notice.

    python -m tests.prove.mutants [--full] [--only MODULE]     # every mutant, and which of them live

An own mutator, because what matters most here are clauses in strings, most of them constants of a module. Tried first:
mutmut 3.8 changes the bodies of functions only, and a string only into "XX…XX"; cosmic-ray 8.7 starts a process with all
its imports for every mutant, and changes no strings.
"""

import argparse
import ast
import random
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import hypothesis

import tests.support.world  # noqa: F401  costly, and wanted before the first fork
from tests.prove.mutants_make import Mutant, mutants_of
from tests.prove.mutants_run import LAWS, SUITES, survives
from tests.prove.table import Row, timed

PACKAGE = "infergate.ledger"
SEED = 20_261_124
SAMPLE = 240
KILLED_MIN = 0.85


def prove(scale: int = 1) -> Row:
    with timed("mutants of the ledger") as row:
        warm()
        every = all_mutants()
        chosen = every if scale > 1 else sampled(every)
        living = [mutant for mutant in chosen if lives(mutant)]
        rate = 1 - len(living) / len(chosen)
        row.how_many = f"{len(chosen)} of {len(every)} mutants, {rate:.1%} killed"
        row.notes = f"{len(living)} live"
        print("\n".join(f"  lives: {mutant}" for mutant in living))
        if rate < KILLED_MIN:
            row.violations = [f"{rate:.1%} killed, {KILLED_MIN:.0%} are needed", *map(str, living)]
    return row


def all_mutants(only: str = "") -> list[Mutant]:
    files = sorted(Path(str(resources.files(PACKAGE))).glob("*.py"))
    return [
        mutant
        for file in files
        if file.stem != "__init__" and only in file.stem
        for mutant in mutants_of(f"{PACKAGE}.{file.stem}", file)
    ]


def sampled(mutants: Sequence[Mutant]) -> list[Mutant]:
    """The same ones every time, from all over the package."""
    return sorted(random.Random(SEED).sample(mutants, min(SAMPLE, len(mutants))), key=mutants.index)


def lives(mutant: Mutant) -> bool:
    """The laws of the arithmetic are slow, and speak of two modules only."""
    lawful = mutant.module.rpartition(".")[2] in ("rules", "types")
    return survives(mutant.module, mutant.tree(), (*SUITES, *LAWS) if lawful else SUITES)


def warm() -> None:
    """Import what is costly before the first fork; and see that the suite passes where nothing is wrong."""
    hypothesis.settings.register_profile(
        "mutants", max_examples=40, deadline=None, database=None, derandomize=True, print_blob=False
    )
    hypothesis.settings.load_profile("mutants")
    for mutant in all_mutants("keys")[:1]:
        if not survives(mutant.module, ast.parse(mutant.source), (*SUITES, *LAWS)):
            raise RuntimeError("the suite fails where nothing is wrong")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="modules whose name has this in it")
    parser.add_argument("--sample", action="store_true", help="what CI runs")
    arguments = parser.parse_args()
    warm()
    chosen = all_mutants(arguments.only)
    if arguments.sample:
        chosen = sampled(chosen)
    living = 0
    for mutant in chosen:
        if lives(mutant):
            living += 1
            print(mutant, flush=True)
    print(f"{len(chosen)} mutants, {living} live, {1 - living / len(chosen):.1%} killed")


if __name__ == "__main__":
    main()
