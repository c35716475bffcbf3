"""A store with scripted faults, for the crash explorer: run a flow cleanly, count its calls, then break every one in every way.

store = FaultyStore(inner, {3: Mode.CRASH_AFTER})
try:
    await flow(store)
except Crash:
    ...                          # the process died; start the next one on a fresh FaultyStore over the same `inner`
await store.deliver_late()       # what was on its way arrives, whoever is dead by then
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from infergate.store.client import Params, Store
from infergate.store.errors import Busy, OutcomeUnknown, StoreError, TransactionFailed

READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"})


class Mode(StrEnum):
    """What happens to one call."""

    CRASH_BEFORE = "crash before"
    """The process dies before it sends."""
    CRASH_AFTER = "crash after"
    """It is applied, and the process dies before it learns so."""
    REPLY_LOST = "reply lost"
    """It is applied, and answered with OutcomeUnknown."""
    NEVER_SENT = "never sent"
    """It is not applied, and answered with OutcomeUnknown."""
    THROTTLED = "throttled"
    """It is not applied, and answered with Busy."""
    CONFLICT = "conflict"
    """As if a transaction held the item: Busy, or for a transaction a cancellation for TransactionConflict."""
    LATE = "late"
    """OutcomeUnknown now, applied by `deliver_late`. A read that is late is a read that was never sent."""


class Crash(BaseException):
    """The process was killed here.

    No `Exception`, so that no handler of the product takes it for a failed call. A killed process does not run its
    `finally` blocks either; Python runs them all the same, and so every later call raises Crash again: nothing that
    they try reaches the store.
    """


@dataclass(frozen=True, slots=True)
class Call:
    """`key` is "pk sk" of an item, the keys of a transaction's members one after another, or what a query asked for."""

    operation: str
    table: str
    key: str

    def __str__(self) -> str:
        return f"{self.operation} {self.table} {self.key}".strip()


class FaultyStore:
    """One process's view of `inner`. Its calls are counted from 0, reads included; `plan` says which of them go wrong."""

    def __init__(self, inner: Store, plan: Mapping[int, Mode] | None = None) -> None:
        self.calls: list[Call] = []
        self.delayed: list[tuple[str, Params]] = []
        """Writes that are on their way, oldest first."""
        self.dead = False
        self._inner = inner
        self._plan = dict(plan or {})

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Raises StoreError, Crash."""
        if self.dead:
            raise Crash("a dead process sends nothing")
        mode = self._plan.get(len(self.calls))
        self.calls.append(described(operation, params))
        if mode is not None:
            await self._go_wrong(mode, operation, params)
        return await self._inner.call(operation, params)

    async def _go_wrong(self, mode: Mode, operation: str, params: Params) -> NoReturn:
        match mode:
            case Mode.CRASH_BEFORE:
                self._die(mode)
            case Mode.CRASH_AFTER:
                await self._apply(operation, params)
                self._die(mode)
            case Mode.REPLY_LOST:
                await self._apply(operation, params)
                raise OutcomeUnknown(mode)
            case Mode.NEVER_SENT:
                raise OutcomeUnknown(mode)
            case Mode.THROTTLED:
                raise Busy("ThrottlingException")
            case Mode.CONFLICT:
                raise conflict(operation, params)
            case Mode.LATE:
                if operation not in READS:
                    self.delayed.append((operation, copy.deepcopy(params)))
                raise OutcomeUnknown(mode)

    async def deliver_late(self) -> int:
        """Apply what is delayed, whatever comes of it: nobody waits for the answers. Returns how many there were."""
        arriving, self.delayed = self.delayed, []
        for operation, params in arriving:
            await self._apply(operation, params)
        return len(arriving)

    async def _apply(self, operation: str, params: Params) -> None:
        """A refusal is an answer, and answers get lost too."""
        try:
            await self._inner.call(operation, params)
        except StoreError:
            return

    def _die(self, mode: Mode) -> NoReturn:
        self.dead = True
        raise Crash(f"{mode}: {self.calls[-1]}")


def conflict(operation: str, params: Params) -> StoreError:
    """A transaction is cancelled for its first member; the others say None, as on AWS."""
    if operation not in ("TransactWriteItems", "TransactGetItems"):
        return Busy("TransactionConflictException")
    others = len(params["TransactItems"]) - 1
    return TransactionFailed([("TransactionConflict", None), *[("None", None)] * others])


def described(operation: str, params: Params) -> Call:
    if operation.startswith("Transact"):
        members = [request for member in params["TransactItems"] for request in member.values()]
        tables = dict.fromkeys(str(request["TableName"]) for request in members)
        return Call(operation, ", ".join(tables), ", ".join(map(_key, members)))
    if operation == "BatchGetItem":
        wanted = params["RequestItems"]
        keys = [_key({"Key": key}) for table in wanted.values() for key in table["Keys"]]
        return Call(operation, ", ".join(wanted), ", ".join(keys))
    return Call(operation, str(params.get("TableName", "")), _key(params))


def _key(params: Params) -> str:
    if "KeyConditionExpression" in params:
        values = params.get("ExpressionAttributeValues", {}).values()
        return " ".join(str(next(iter(value.values()))) for value in values)
    key = params.get("Key") or params.get("Item") or {}
    return " ".join(str(key[name].get("S", "")) for name in ("pk", "sk") if name in key)
