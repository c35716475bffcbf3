"""The deployed handler, with the events that `sam local invoke` takes."""

import asyncio
import copy
import importlib
import json
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from infergate.store.boto import BotoStore
from infergate.usage.series import Usage

from tools.local.aws import EmbeddedAws
from tools.local.template import ROOT

type Json = dict[str, Any]


@pytest.fixture
def event() -> Json:
    """The committed event, for an account of this test alone."""
    text = (ROOT / "events" / "rollups" / "receipts.json").read_text()
    account = json.loads(text)["Records"][0]["dynamodb"]["NewImage"]["account"]["S"]
    loaded: Json = json.loads(text.replace(account, f"acct_{uuid.uuid4().hex}"))
    return loaded


@pytest.fixture
def door(aws: EmbeddedAws, tables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (aws.environment() | tables).items():
        monkeypatch.setenv(name, value)
    door = importlib.import_module("functions.rollups.app")
    yield door
    door.rollups.runner.close()
    del sys.modules["functions.rollups.app"]


def total(event: Json, aws: EmbeddedAws, tables: dict[str, str]) -> int:
    """The cost that the dashboard would show for the event's day."""
    image = event["Records"][0]["dynamodb"]["NewImage"]
    day_s = int(image["created_at_ms"]["N"]) // 86_400_000 * 86_400
    store = BotoStore(boto3.client("dynamodb", **aws.client_arguments()))
    usage = Usage(store, tables["ROLLUPS_TABLE"])
    series = asyncio.run(usage.series(image["account"]["S"], day_s, day_s + 86_400, span="day"))
    return sum(point.totals.cost for point in series.points)


def costs(event: Json) -> int:
    images = [r["dynamodb"]["NewImage"] for r in event["Records"] if r["eventName"] == "INSERT"]
    return sum(int(image["cost"]["N"]) for image in images)


def test_the_sample_event_is_counted_once_although_it_comes_twice(
    door: Any, event: Json, aws: EmbeddedAws, tables: dict[str, str]
) -> None:
    assert door.handler(event, None) == {"batchItemFailures": []}
    assert door.handler(copy.deepcopy(event), None) == {"batchItemFailures": []}

    assert total(event, aws, tables) == costs(event) > 0


def test_a_poisoned_record_is_named_and_alarmed_and_the_rest_is_counted(
    door: Any, event: Json, aws: EmbeddedAws, tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Json] = []
    monkeypatch.setattr(door.rollups, "log", lines.append)
    poisoned = copy.deepcopy(event)
    poison = poisoned["Records"][0]["dynamodb"]
    poison["NewImage"]["cost"] = {"S": "SECRET"}

    answer = door.handler(poisoned, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": poison["SequenceNumber"]}]}
    assert total(event, aws, tables) == costs(event) - int(event["Records"][0]["dynamodb"]["NewImage"]["cost"]["N"])
    assert (lines[0]["event"], lines[0]["why"], lines[0]["alarm"]) == ("malformed_receipt", "cost", True)
    assert "SECRET" not in json.dumps(lines)


def test_a_record_without_an_image_is_named(door: Any, event: Json) -> None:
    del event["Records"][1]["dynamodb"]["NewImage"]

    answer = door.handler(event, None)

    assert answer["batchItemFailures"] == [{"itemIdentifier": event["Records"][1]["dynamodb"]["SequenceNumber"]}]


def test_receipts_that_age_out_are_not_subtracted(
    door: Any, event: Json, aws: EmbeddedAws, tables: dict[str, str]
) -> None:
    door.handler(event, None)
    removed = copy.deepcopy(event)
    for record in removed["Records"]:
        record["eventName"] = "REMOVE"
        del record["dynamodb"]["NewImage"]

    assert door.handler(removed, None) == {"batchItemFailures": []}
    assert total(event, aws, tables) == costs(event)


def test_a_store_that_cannot_be_reached_leaves_every_record_to_be_sent_again(
    aws: EmbeddedAws, tables: dict[str, str], event: Json, door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_sleep(_seconds: float) -> None:
        return

    monkeypatch.setattr(door.rollups.count, "_table", "no-such-table")
    monkeypatch.setattr(door.rollups.count, "_sleep", no_sleep)

    answer = door.handler(event, None)

    names = {record["dynamodb"]["SequenceNumber"] for record in event["Records"]}
    assert {failure["itemIdentifier"] for failure in answer["batchItemFailures"]} == names
