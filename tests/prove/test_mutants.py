"""The mutator itself: what it makes of a few lines, and that a mutant really runs instead of the original."""

import ast
from pathlib import Path

import pytest

from tests.prove.mutants_make import mutants_of, texts
from tests.prove.mutants_run import run_apart

SOURCE = '''"""A docstring of 1 is left alone."""
LIMIT: int = 5

def f(a: int, b: int) -> int:
    if a < b and not a:
        raise ValueError("left alone " + str(1))
    return min(a + b, LIMIT)
'''


def test_each_small_mistake_is_made_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(SOURCE)

    made = {ast.unparse(mutant.tree()) for mutant in mutants_of("m", path)}

    assert len(made) == len(mutants_of("m", path))
    for wrong in (
        "LIMIT: int = 6",
        "a <= b and",
        "a > b and",
        "a < b or not a",
        "and a:",
        "max(a + b",
        "a - b",
        "return None",
    ):
        assert any(wrong in text for text in made), wrong
    assert not any("docstring of 2" in text or "str(2)" in text for text in made)


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("a = :a AND b > :b", "a = :a AND (b > :b OR attribute_not_exists(never))"),
        ("a = :a AND b > :b", "a = :a AND b >= :b"),
        ("SET a = a - :a REMOVE h.#h", "SET a = a - :a"),
        ("SET a = a - :a REMOVE h.#h", "SET a = a + :a REMOVE h.#h"),
        ("attribute_not_exists(pk)", "(attribute_not_exists(pk) OR attribute_not_exists(never))"),
    ],
)
def test_the_clauses_of_an_expression_are_code_too(expression: str, wrong: str) -> None:
    assert wrong in list(texts(expression))


def test_what_is_no_expression_is_left_alone() -> None:
    assert list(texts("The wallet is busy, and so are we.")) == []


def test_a_module_made_wrong_is_what_the_tests_meet() -> None:
    test = "tests.unit.ledger.test_ledger::test_a_charge_above_its_hold_cannot_be_written"
    source = Path(__file__).parents[2] / "layers/core/python/infergate/ledger/wallet.py"
    wrong = source.read_text().replace("if not 0 <= cost <= amount:", "if False:")

    assert run_apart({}, [test]).kind == "passed"
    assert run_apart({"infergate.ledger.wallet": wrong}, [test]).kind == "failed"
    assert run_apart({"infergate.ledger.wallet": "1 / 0"}, [test]).kind == "unusable"
