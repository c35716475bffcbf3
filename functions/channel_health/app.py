"""The schedule that looks after the channels (schedules/channel_health.py)."""

import asyncio
from dataclasses import asdict
from typing import Any

from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    checked = asdict(asyncio.run(rooms.channel_health.run()))
    rooms.log({"event": "channels_checked", **checked})
    return checked
