"""The fast suite by itself, so that a plain `pytest` runs it too."""

from collections.abc import Callable

import pytest

from tests.prove.mutants_run import cases_in

CASES = list(cases_in("tests.prove.ledger_suite"))


@pytest.mark.parametrize(("name", "case"), CASES, ids=[name for name, _ in CASES])
def test_the_fast_suite_passes(name: str, case: Callable[[], None]) -> None:
    case()
