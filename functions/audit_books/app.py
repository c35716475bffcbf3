"""The daily schedule that reads every book and pages someone if one does not balance (schedules/audit.py)."""

import asyncio
from typing import Any

from infergate.schedules.audit import audit
from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    report = asyncio.run(audit(rooms.store, rooms.tables))
    line = {"accounts": report.accounts, "receipts": report.receipts, "holds": report.holds}
    rooms.log({"event": "audited", **line, "books_difference": sum(report.differences.values())})
    return {**line, "differences": report.differences, "broken": sorted(report.broken)}
