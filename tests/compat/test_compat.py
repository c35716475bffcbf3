"""Real clients do all that they offer, and docs/compatibility.md says so: `make compat` writes the table there.

Node is needed: without it the run fails and says so, because a table without its rows would not be the table.
"""

import asyncio

import pytest

from tests.compat.capabilities import CAPABILITIES
from tests.compat.snippets import PAGE, snippets
from tests.compat.table import CLIENTS, TRIALS, Trial, render, run
from tests.support.matrix import held


@pytest.fixture(scope="module")
def results() -> dict[Trial, str | None]:
    return asyncio.run(run())


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: "-".join(trial).replace(" ", "-"))
def test_a_client_does_what_it_offers(trial: Trial, results: dict[Trial, str | None]) -> None:
    assert results[trial] is None, results[trial]


def test_the_committed_table_is_what_a_run_gives(results: dict[Trial, str | None]) -> None:
    assert held(PAGE, "table") == render(results)
    assert set(results) == set(TRIALS)


def test_a_failure_and_what_never_ran_are_seen_in_the_table() -> None:
    table = render({TRIALS[0]: "it broke"})

    assert table.count("FAILED") == 1
    assert table.count("untested") == len(TRIALS) - 1


def test_what_is_said_to_be_not_offered_is_a_capability_that_others_have() -> None:
    for client in CLIENTS:
        assert client.not_offered < set(CAPABILITIES)
    for capability in CAPABILITIES:
        assert any(capability not in client.not_offered for client in CLIENTS)


def test_the_page_shows_each_client_once() -> None:
    assert list(snippets()) == [client.name for client in CLIENTS]
