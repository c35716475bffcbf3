"""The patches still say what they said, and the checks pass on healthy code; `make prove` puts the bugs back."""

import ast
from collections.abc import Callable

import pytest

from tests.prove.mutants_run import cases_in
from tests.prove.peer_bugs import patched
from tests.prove.peer_bugs_patches import PEER_BUGS, PeerBug

CHECKS = list(cases_in("tests.prove.peer_bugs_checks"))


@pytest.mark.parametrize("bug", PEER_BUGS, ids=lambda bug: bug.name)
def test_a_peers_bug_can_still_be_put_back(bug: PeerBug) -> None:
    for source in patched(bug.patches).values():
        ast.parse(source)


def test_each_bug_is_another() -> None:
    assert len({bug.name for bug in PEER_BUGS}) == len({bug.patches for bug in PEER_BUGS}) == len(PEER_BUGS) >= 20


@pytest.mark.parametrize(("name", "case"), CHECKS, ids=[name for name, _ in CHECKS])
def test_a_check_passes_where_nothing_is_wrong(name: str, case: Callable[[], None]) -> None:
    case()


def test_code_that_has_changed_too_much_is_told_and_not_taken_for_caught() -> None:
    with pytest.raises(LookupError):
        patched((("infergate.ledger.wallet", "no such text", ""),))
