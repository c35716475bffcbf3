"""The schedule that ends the holds of requests that did not end them (schedules/sweep.py)."""

import asyncio
from dataclasses import asdict
from typing import Any

from infergate.wiring.rooms import from_lambda

rooms = from_lambda()


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    swept = asdict(asyncio.run(rooms.sweep.run()))
    rooms.log({"event": "swept", **swept})
    return swept
