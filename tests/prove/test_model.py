"""The model's small instances; `make prove` explores them all."""

import pytest
from infergate.ledger.wallet import NEW

from tests.prove.model import misjudged, without
from tests.prove.model_conditions import (
    ALONE,
    CONDITIONS,
    EXPIRING,
    NARROW,
    REVOKED,
    SLEEPY,
    TIGHT,
    TWO_LOTS,
    TWO_MOVES,
    Condition,
    bounded,
    dropped,
)
from tests.prove.model_search import Instance, Search

SMALL = [condition for condition in CONDITIONS if condition.instance is not TWO_MOVES]


@pytest.mark.parametrize("instance", [ALONE, SLEEPY, TIGHT, NARROW, REVOKED, EXPIRING, TWO_LOTS], ids=lambda i: i.name)
def test_no_interleaving_breaks_a_promise(instance: Instance) -> None:
    with bounded():
        outcome = Search(instance).run()

    assert (outcome.wrong, outcome.trace, outcome.complete) == ("", [], True)
    assert outcome.quiescent


@pytest.mark.parametrize("condition", SMALL, ids=lambda condition: condition.name)
def test_each_condition_is_missed_when_it_is_gone_unless_we_say_why_not(condition: Condition) -> None:
    with bounded():
        assert misjudged([(condition, without(condition))]) == []


def test_the_shortest_way_to_break_a_promise_is_told() -> None:
    enough = next(condition for condition in CONDITIONS if condition.name == "reserve: ENOUGH")

    with bounded():
        assert without(enough).trace == ["A: reserve A.1", "B: reserve B.1"]


def test_a_dropped_clause_takes_its_placeholders_with_it() -> None:
    params = {
        "UpdateExpression": "SET a = :a",
        "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(holds.#hold)",
        "ExpressionAttributeNames": {"#hold": "x"},
        "ExpressionAttributeValues": {":a": {"N": "1"}},
    }

    assert dropped(NEW)("UpdateItem", params) == {
        "UpdateExpression": "SET a = :a",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": {":a": {"N": "1"}},
    }
