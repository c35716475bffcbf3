"""The schedule that tidies expired credit (schedules/expire.py)."""

import asyncio
from dataclasses import asdict
from typing import Any

from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    expired = asdict(asyncio.run(rooms.expire.run()))
    rooms.log({"event": "expired", **expired})
    return expired
