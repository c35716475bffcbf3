"""Every kind of provider does what it offers, and docs/providers.md says so: `make providers` writes the table there."""

import asyncio
import re
import shutil
import time

import pytest
import yaml
from infergate.catalog.file import ChannelTerms
from infergate.store.signing import Credentials
from infergate.wiring.gateway import providers

from tests.providers.kinds import KINDS
from tests.providers.table import PAGE, Trial, dialects, render, run, trials
from tests.support.matrix import held

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="the mock server comes from npm")
TRIALS = [trial for kind in KINDS for trial in trials(kind)]


@pytest.fixture(scope="module")
def results() -> dict[Trial, str | None]:
    return asyncio.run(run())


def test_every_kind_that_the_gateway_speaks_is_put_to_the_test() -> None:
    assert {kind.kind for kind in KINDS} == set(providers(Credentials("a", "b"), time.time))


@pytest.mark.parametrize("trial", TRIALS, ids=lambda t: f"{t.kind.name}-{t.capability}-{t.upstream}".replace(" ", "-"))
def test_a_kind_does_what_it_offers(trial: Trial, results: dict[Trial, str | None]) -> None:
    assert results[trial] is None, results[trial]


def test_the_committed_table_is_what_a_run_gives(results: dict[Trial, str | None]) -> None:
    assert held(PAGE, "table") == render(results)
    assert "untested" not in held(PAGE, "table")


def test_the_page_says_what_is_refused_and_how_each_kind_is_configured() -> None:
    sections = dict(section.split("\n", 1) for section in PAGE.read_text().split("\n### ")[1:])

    assert held(PAGE, "dialects") == dialects()
    assert set(sections) == set(providers(Credentials("a", "b"), time.time))
    for kind, section in sections.items():
        (block,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
        for terms in yaml.safe_load(block).values():
            assert ChannelTerms.model_validate(terms).kind == kind
