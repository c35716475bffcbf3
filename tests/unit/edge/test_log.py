"""What a line carries besides its fields."""

import io
from typing import Any

import orjson
from infergate.edge.log import json_lines


def written(fields: dict[str, Any]) -> dict[str, Any]:
    out = io.StringIO()
    json_lines(lambda: 1_800_000_000.0, out)(fields)
    line: dict[str, Any] = orjson.loads(out.getvalue())
    return line


def metric(line: dict[str, Any]) -> dict[str, Any]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert isinstance(directive, dict)
    return directive


def test_a_plain_line_carries_no_metric() -> None:
    assert written({"event": "swept"}) == {"at_ms": 1_800_000_000_000, "event": "swept"}


def test_an_alarm_is_counted_once_for_all() -> None:
    line = written({"event": "bug", "alarm": True})

    assert line["Alarm"] == 1
    assert metric(line)["Dimensions"] == [[]]


def test_whether_a_channel_is_open_is_kept_by_channel_and_for_all_together() -> None:
    line = written({"event": "channel_state", "channel": "openai", "channel_open": 0})

    assert (line["channel"], line["ChannelOpen"]) == ("openai", 0)
    assert metric(line)["Dimensions"] == [["channel"], []]
    assert [one["Name"] for one in metric(line)["Metrics"]] == ["ChannelOpen"]
