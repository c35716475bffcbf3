"""One JSON line per event, with typed fields only: no header, no body, no prompt can get into it.

A line with `alarm` also carries a CloudWatch metric, in the embedded metric format, so that it pages someone; so does one
with `channel_open` (0 or 1), for its `channel` and for all together:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import sys
from collections.abc import Callable
from typing import Any, TextIO

import orjson

from infergate.kernel.time import Clock

NAMESPACE = "InferGate"


def json_lines(clock: Clock, out: TextIO = sys.stdout) -> Callable[[dict[str, Any]], None]:
    def log(fields: dict[str, Any]) -> None:
        line = {"at_ms": int(clock() * 1000), **fields}
        if fields.get("loss_nanos"):
            line |= _metric(line["at_ms"], "ChargeLoss", fields["loss_nanos"])
        elif "channel_open" in fields:
            line |= _metric(line["at_ms"], "ChannelOpen", fields["channel_open"], by="channel")
        elif fields.get("alarm"):
            line |= _metric(line["at_ms"], "Alarm", 1)
        out.write(orjson.dumps(line).decode() + "\n")
        # Lambda may freeze or end the process at any moment, and an alarm must not wait in a buffer.
        out.flush()

    return log


def _metric(at_ms: int, name: str, value: int, by: str = "") -> dict[str, Any]:
    """`by` names the field of the line that the metric is also kept apart by."""
    dimensions = [[by], []] if by else [[]]
    directive = {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": [{"Name": name, "Unit": "Count"}]}
    return {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]}, name: value}
