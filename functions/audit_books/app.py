"""The daily schedule that reads every book and pages someone if one does not balance (schedules/audit.py)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from infergate.schedules.audit import Report, audit, audit_usage
from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


async def _audit() -> Report:
    """Every book as it is, and the usage totals of yesterday, which are complete."""
    report = await audit(rooms.store, rooms.tables)
    yesterday = datetime.fromtimestamp(rooms.desk.now_s() - 86_400, UTC)
    await audit_usage(rooms.rebuild, report, yesterday.strftime("%Y%m%d"))
    return report


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    report = asyncio.run(_audit())
    line = {"accounts": report.accounts, "receipts": report.receipts, "holds": report.holds}
    rooms.log({"event": "audited", **line, "books_difference": sum(report.differences.values())})
    return {**line, "differences": report.differences, "broken": sorted(report.broken)}
