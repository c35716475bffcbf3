"""Putting a catalog in force."""

from dataclasses import replace

import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.catalog.shelf import STALE_S, Change, Shelf
from infergate.kernel.errors import NotFound, Unavailable

from tests.support.faults import FaultyStore, Mode
from tests.support.memory_store import MemoryStore
from tools.local.template import ROOT

FIRST = compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text()))
SECOND = replace(FIRST, version="second")


async def in_force(store: MemoryStore) -> str:
    return (await Shelf(store, "catalog", lambda: 0.0).current()).version


async def test_a_write_that_arrives_late_cannot_put_an_older_catalog_back_in_force() -> None:
    memory = MemoryStore(["catalog"])
    faulty = FaultyStore(memory, {2: Mode.LATE})
    await Shelf(faulty, "catalog", lambda: 0.0).apply(FIRST, "a")
    await Shelf(memory, "catalog", lambda: 0.0).apply(SECOND, "b")

    assert await faulty.deliver_late() == 1

    assert await in_force(memory) == "second"


@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.THROTTLED])
@pytest.mark.parametrize("call", [0, 1, 2])
async def test_a_lost_answer_is_tried_again(mode: Mode, call: int) -> None:
    memory = MemoryStore(["catalog"])

    await Shelf(FaultyStore(memory, {call: mode}), "catalog", lambda: 0.0).apply(FIRST, "a")

    assert await in_force(memory) == FIRST.version


async def test_every_gateway_follows_within_thirty_seconds_and_none_sees_half_a_change() -> None:
    memory, now = MemoryStore(["catalog"]), [1_000.0]
    theirs = Shelf(memory, "catalog", lambda: now[0])
    await Shelf(memory, "catalog", lambda: now[0]).apply(FIRST, "a")
    assert (await theirs.current()).version == FIRST.version
    await Shelf(memory, "catalog", lambda: now[0]).apply(SECOND, "b")

    now[0] += STALE_S - 1
    assert (await theirs.current()).version == FIRST.version
    now[0] += 1
    assert (await theirs.current()).version == "second"


async def test_without_a_catalog_nothing_is_sold() -> None:
    with pytest.raises(Unavailable):
        await Shelf(MemoryStore(["catalog"]), "catalog", lambda: 0.0).current()


async def test_every_change_stands_in_the_history_with_its_author_and_reason() -> None:
    memory, now = MemoryStore(["catalog"]), [1_000.0]
    shelf = Shelf(memory, "catalog", lambda: now[0])
    await shelf.apply(FIRST, "anna", "opening")
    now[0] += 5
    await shelf.apply(SECOND, "bob", "dearer")
    await shelf.apply(await shelf.at(FIRST.version), "anna", "back")

    assert await shelf.history() == [
        Change(1, FIRST.version, 1000, "anna", "opening"),
        Change(2, "second", 1005, "bob", "dearer"),
        Change(3, FIRST.version, 1005, "anna", "back"),
    ]
    assert await in_force(memory) == FIRST.version


@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.THROTTLED])
@pytest.mark.parametrize("call", [0, 1, 2])
async def test_a_change_whose_answer_was_lost_stands_in_the_history_once(mode: Mode, call: int) -> None:
    memory = MemoryStore(["catalog"])
    shelf = Shelf(FaultyStore(memory, {call: mode}), "catalog", lambda: 7.0)

    await shelf.apply(FIRST, "anna")

    assert await shelf.history() == [Change(1, FIRST.version, 7, "anna")]


async def test_a_version_that_never_was_is_not_found() -> None:
    with pytest.raises(NotFound):
        await Shelf(MemoryStore(["catalog"]), "catalog", lambda: 0.0).at("never")
