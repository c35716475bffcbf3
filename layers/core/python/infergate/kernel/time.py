"""Time is an int of seconds or milliseconds since the epoch, in UTC, and always passed in."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

type Clock = Callable[[], float]
"""Seconds since the epoch; `time.time` in production, a value that the test moves elsewhere."""

NEVER = 253_402_300_799
"""9999-12-31T23:59:59Z: the expiry of what does not expire, so that one comparison serves all."""


def iso(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds: 2026-11-24T15:00:00Z."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hour_of(milliseconds: int) -> str:
    """yyyymmddhh in UTC."""
    return _hour(milliseconds // 3_600_000)


def iso_or_none(seconds: int) -> str | None:
    """For an expiry: None for what does not expire."""
    return iso(seconds) if seconds < NEVER else None


@lru_cache(maxsize=64)
def _hour(hours: int) -> str:
    return datetime.fromtimestamp(hours * 3600, UTC).strftime("%Y%m%d%H")
