"""What a flow of the crash explorer is, and how it is judged."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from infergate.kernel.errors import InferGateError, Refused
from infergate.store.errors import StoreError

from tests.prove.crash_checks import State
from tests.prove.crash_world import Exchange, Process, Run
from tests.support.faults import Crash

type Facts = dict[str, Any]
"""What a flow's preparation made: names of accounts, keys, cases."""
type Act = Callable[[Process, Facts], Awaitable[object]]
type Effect = Callable[[State], Any]


@dataclass(slots=True)
class Told:
    """What one caller learned: done, refused (for good), failed (try again), crashed (nothing) or bug."""

    how: str
    what: str = ""
    value: Any = None

    def __str__(self) -> str:
        return f"{self.how} ({self.what})" if self.what else self.how


@dataclass(slots=True)
class History:
    """A run that is over."""

    facts: Facts
    before: State
    after: State
    told: list[Told]
    run: Run

    @property
    def succeeded(self) -> list[Told]:
        return [told for told in self.told if told.how == "done"]


type Judge = Callable[[History], list[str]]


@dataclass(frozen=True, slots=True)
class Flow:
    """`act` is what is broken; `prepare` came before it, without faults.

    `effect`, if given, has two legal values: that of never having acted, and that of a clean run; `always`: only the latter,
    for recovery does it too. `between`: a third one, legal while nobody was told success. `judge` says what else must hold.
    `retries`: a caller who was not told success tries again, once. `closing`: what a caller does in the end, when nothing
    fails any more. `suspends`: every call gives way to others, so that what a process does at once interleaves.
    """

    name: str
    prepare: Callable[[Process], Awaitable[Facts]]
    act: Act
    effect: Effect | None = None
    judge: Judge | None = None
    always: bool = False
    between: Callable[[State], bool] | None = None
    retries: bool = True
    closing: Act | None = None
    suspends: bool = False
    clean: str = "done"
    """What the caller of a clean run is told."""


async def attempt(act: Act, process: Process, facts: Facts) -> Told:
    try:
        value = await act(process, facts)
    except Crash:
        return Told("crashed")
    except Refused as error:
        return Told("refused", repr(error))
    except InferGateError as error:
        return Told("failed", repr(error))
    except StoreError as error:
        return Told("failed", f"bare {error!r}")
    except Exception as error:
        return Told("bug", repr(error))
    if isinstance(value, Exchange):
        return _of_exchange(value)
    return Told("done", "", value)


def _of_exchange(exchange: Exchange) -> Told:
    if exchange.done:
        return Told("done", "200", exchange)
    how = "refused" if 400 <= exchange.status < 500 else "failed"
    return Told(how, f"{exchange.status} {exchange.body[:60]!r}", exchange)


def verdict(flow: Flow, history: History, untouched: Any, acted: Any) -> list[str]:
    """What differs from every legal outcome, in words."""
    wrong = [f"a bug came out: {told.what}" for told in history.told if told.how == "bug"]
    if flow.effect is not None:
        wrong += _of_effect(flow, history, untouched, acted)
    if flow.judge is not None:
        wrong += flow.judge(history)
    return wrong


def _of_effect(flow: Flow, history: History, untouched: Any, acted: Any) -> list[str]:
    assert flow.effect is not None
    try:
        effect = flow.effect(history.after)
    except ValueError as error:
        return [str(error)]
    told = ", ".join(map(str, history.told))
    if effect == acted:
        refused = [t for t in history.told if t.how == "refused"]
        if flow.clean == "done" and refused and acted != untouched:
            return [f"it happened, and a caller was told: {refused[0]}"]
        return []
    if history.succeeded:
        return [f"the caller was told {told}, but it did not happen: {difference(acted, effect)}"]
    if flow.always:
        return [f"it must have happened by now: {difference(acted, effect)}"]
    if effect != untouched and not (flow.between and flow.between(history.after)):
        return [f"neither happened nor did not (told {told}): {difference(acted, effect)}"]
    return []


def difference(expected: Any, found: Any) -> str:
    """The first place where two effects part."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        return "; ".join(f"{k}: {difference(expected[k], found[k])}" for k in expected if expected[k] != found[k])
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return "; ".join(difference(a, b) for a, b in zip(expected, found, strict=True) if a != b)
    return f"expected {expected!r}, found {found!r}"
