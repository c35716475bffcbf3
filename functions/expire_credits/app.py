"""The schedule that tidies expired credit, and gives notice of what will expire (schedules/expire.py, remind.py)."""

import asyncio
from dataclasses import asdict
from typing import Any

from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    expired = asdict(asyncio.run(rooms.expire.run()))
    reminded = asdict(asyncio.run(rooms.remind.run()))
    rooms.log({"event": "expired", **expired, **{f"reminders_{name}": count for name, count in reminded.items()}})
    return expired
