"""Usage totals from the stream of receipts (usage/count.py).

A record that cannot be counted is named in the answer: Lambda sends it again, alone at last, and then to the queue of
dead letters. Those after it in the batch are counted meanwhile, and once only, however often they come again.
"""

from collections.abc import Iterator
from typing import Any

from infergate.wiring.rollups import from_lambda

rollups = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    counted = rollups.run(_receipts(event))
    for what, names in (("malformed_receipt", counted.malformed), ("uncounted_receipt", counted.stuck)):
        for sequence_number, why in names.items():
            rollups.log({"event": what, "alarm": True, "sequence_number": sequence_number, "why": why})
    rollups.log({"event": "counted", "receipts": counted.counted, "again": counted.again})
    return {"batchItemFailures": [{"itemIdentifier": name} for name in (*counted.malformed, *counted.stuck)]}


def _receipts(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(sequence number, item) of what was inserted; what ages out leaves the stream as REMOVE and stays counted."""
    for record in event["Records"]:
        if record["eventName"] == "INSERT":
            yield record["dynamodb"]["SequenceNumber"], record["dynamodb"].get("NewImage")
