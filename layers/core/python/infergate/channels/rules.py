"""The circuit breaker of a channel. Pure: a breaker, what happened and the time in, the breaker afterwards out.

closed ──enough failures──> open ──its time is over──> half-open ──the probe succeeds──> closed
                              ^                            │
                              └────── the probe fails, and it stays open twice as long ──┘

It opens when in the last minute at least FAILURES_MIN attempts failed and no more than as many succeeded. A worker tells
of its successes only together with a failure, or while others' failures leave it in doubt (`succeeded`), so that a healthy
channel costs no write; and it tells no more of them than two for each failure, so that good times do not hide an outage.
A step returns None where it changes nothing: then nothing is written.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

WINDOW_S = 60
BUCKET_S = 10
FAILURES_MIN = 5
DOUBT_MIN = 2
"""From this many failures on, successes are told."""
OUTWEIGHS = 2
"""So many successes for each failure settle the doubt."""
OPEN_S = 15
OPEN_S_MAX = 300
PROBE_S = 60
"""A probe of which nobody has heard for so long is given up: its worker died."""
COOL_S = 5
"""Where a provider says "too many" and not for how long."""
COOL_S_MAX = 120
CLOCKS_S = 60
"""How far two workers' clocks may differ before one of them is not believed."""

type Failure = Literal["unreachable", "timed out", "server error", "refused our key", "rate limited"]
type Phase = Literal["closed", "cooled", "open", "half-open", "off"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Attempts of BUCKET_S seconds from `start_s` on, as far as they were told."""

    start_s: int
    failures: int
    successes: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """What all workers share about a channel. Times are seconds since the epoch; 0: never."""

    version: int = 0
    by: str = ""
    """Names the write that made this version."""
    buckets: tuple[Bucket, ...] = ()
    openings: int = 0
    """How often it has opened since it was last closed; above 0 it is open or half-open."""
    open_until: int = 0
    reason: str = ""
    """Why it opened or cooled last."""
    probe: str = ""
    probe_until: int = 0
    cool_until: int = 0
    off: str = ""
    """Why it may not be used at all, whatever else it is."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """`until_s` is when an opening, a cooling or another worker's probe ends."""

    phase: Phase = "closed"
    reason: str = ""
    until_s: int = 0
    probing: bool = False
    """Half-open, and somebody's probe is under way: nobody else may."""


def failure_of(status: int) -> Failure | None:
    """What the status of an attempt says about the channel; 0: there was no answer. None: it answers, and the request is
    the caller's affair (or one of our names for a model is)."""
    if status == 0:
        return "unreachable"
    if status in (408, 504):
        return "timed out"
    if status >= 500:
        return "server error"
    if status in (401, 402, 403):
        return "refused our key"
    return "rate limited" if status == 429 else None


def state_of(breaker: Breaker, now: float) -> ChannelState:
    if breaker.off:
        return ChannelState("off", breaker.off)
    if breaker.openings:
        if _lasts(breaker.open_until, now, OPEN_S_MAX):
            return ChannelState("open", breaker.reason, breaker.open_until)
        if _lasts(breaker.probe_until, now, PROBE_S):
            return ChannelState("half-open", breaker.reason, breaker.probe_until, probing=True)
        return ChannelState("half-open", breaker.reason)
    if _lasts(breaker.cool_until, now, COOL_S_MAX):
        return ChannelState("cooled", breaker.reason, breaker.cool_until)
    return ChannelState()


def tally(breaker: Breaker, now: float) -> tuple[int, int]:
    """(failures, successes) of the last minute, as far as they were told."""
    window = _window(breaker, now)
    return sum(bucket.failures for bucket in window), sum(bucket.successes for bucket in window)


def failed(
    breaker: Breaker,
    kind: Failure,
    now: float,
    *,
    probe: str = "",
    retry_after_s: float | None = None,
    successes: int = 0,
) -> Breaker | None:
    """An attempt failed; `probe` is the token of the probe that it was. `successes` are the worker's, not told before."""
    probed = _is_probe(breaker, probe)
    if kind == "rate limited":
        # It answers, so it is not broken: it only wants to be left alone for a while.
        closed = _closed(breaker) if probed else None
        return _cooled(closed or breaker, now, retry_after_s) or closed
    if breaker.openings:
        # Anything but the probe was under way when it opened, and says nothing new.
        return _opened(breaker, kind, now) if probed else None
    if kind == "refused our key":
        return _opened(breaker, kind, now)
    counted = _counted(breaker, now, failures=1)
    counted = _told(counted, now, successes) or counted
    bad, good = tally(counted, now)
    return _opened(counted, kind, now) if bad >= FAILURES_MIN and bad >= good else counted


def succeeded(breaker: Breaker, now: float, *, probe: str = "", successes: int = 1) -> Breaker | None:
    """An attempt was answered. Worth telling if it was the probe, or if failures are not yet outweighed."""
    if breaker.openings:
        return _closed(breaker) if _is_probe(breaker, probe) else None
    return _told(breaker, now, successes) if tally(breaker, now)[0] >= DOUBT_MIN else None


def probing(breaker: Breaker, token: str, now: float) -> Breaker | None:
    """Take the one probe of a half-open channel, if nobody has it."""
    state = state_of(breaker, now)
    if state.phase != "half-open" or state.probing:
        return None
    return replace(breaker, probe=token, probe_until=math.ceil(now) + PROBE_S)


def turned_off(breaker: Breaker, reason: str) -> Breaker | None:
    return replace(breaker, off=reason) if breaker.off != reason else None


def turned_on(breaker: Breaker) -> Breaker | None:
    return replace(breaker, off="") if breaker.off else None


def reset(breaker: Breaker) -> Breaker | None:
    """Closed and with nothing held against it; what is off stays off."""
    clean = Breaker(breaker.version, breaker.by, off=breaker.off)
    return clean if clean != breaker else None


def _lasts(until: int, now: float, longest_s: int) -> bool:
    """Not over yet; and not so far away that only a wrong clock can have said so."""
    return now < until <= now + longest_s + CLOCKS_S


def _is_probe(breaker: Breaker, probe: str) -> bool:
    return bool(breaker.openings and probe) and breaker.probe == probe


def _opened(breaker: Breaker, kind: Failure, now: float) -> Breaker:
    openings = breaker.openings + 1
    open_s = min(OPEN_S_MAX, OPEN_S << min(openings - 1, 8))
    return replace(
        breaker,
        buckets=(),
        openings=openings,
        open_until=math.ceil(now) + open_s,
        reason=kind,
        probe="",
        probe_until=0,
    )


def _closed(breaker: Breaker) -> Breaker:
    return replace(breaker, buckets=(), openings=0, open_until=0, reason="", probe="", probe_until=0)


def _cooled(breaker: Breaker, now: float, retry_after_s: float | None) -> Breaker | None:
    wait_s = COOL_S if retry_after_s is None else min(COOL_S_MAX, max(1, math.ceil(retry_after_s)))
    until = math.ceil(now) + wait_s
    if breaker.openings or (_lasts(breaker.cool_until, now, COOL_S_MAX) and until <= breaker.cool_until):
        return None
    return replace(breaker, cool_until=until, reason="rate limited")


def _counted(breaker: Breaker, now: float, *, failures: int = 0, successes: int = 0) -> Breaker:
    start = int(now) // BUCKET_S * BUCKET_S
    window = _window(breaker, now)
    mine = next((bucket for bucket in window if bucket.start_s == start), Bucket(start, 0, 0))
    mine = Bucket(start, mine.failures + failures, mine.successes + successes)
    others = [bucket for bucket in window if bucket.start_s != start]
    return replace(breaker, buckets=tuple(sorted([*others, mine], key=lambda bucket: bucket.start_s)))


def _told(breaker: Breaker, now: float, successes: int) -> Breaker | None:
    bad, good = tally(breaker, now)
    news = min(successes, OUTWEIGHS * bad - good)
    return _counted(breaker, now, successes=news) if news > 0 else None


def _window(breaker: Breaker, now: float) -> list[Bucket]:
    """Buckets that began within the last minute. What a clock ahead of ours has counted belongs to it for as long."""
    return [bucket for bucket in breaker.buckets if abs(now - bucket.start_s) < WINDOW_S]
