"""One mutant, one fork: the package is imported anew with something wrong in it, and tests run until one fails.

The parent has imported everything costly, so that a fork costs a tenth of a second; the child forgets all of ours.
"""

import ast
import asyncio
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import signal
import sys
import types
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SUITES = (
    "tests.prove.ledger_suite",
    "tests.unit.ledger.test_taken_back",
    "tests.unit.ledger.test_debts",
    "tests.unit.ledger.test_due_credit",
    "tests.unit.ledger.test_ledger",
    "tests.unit.ledger.test_cases",
)
LAWS = ("tests.unit.ledger.test_rules",)
ALONE_S = 20
"""A suite that runs longer has gone into a loop."""


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives modules another content."""

    def __init__(self, sources: Mapping[str, str | ast.Module]) -> None:
        self.sources = sources

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname in self.sources else None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.sources[module.__name__], f"<{module.__name__} made wrong>", "exec"), module.__dict__)


KEPT_WITH_THE_LEDGER = (
    "infergate.kernel",
    "infergate.store",
    "infergate.transport",
    "infergate.catalog",
    "infergate.providers",
    "tests.support.memory_store",
    "tests.support.expressions",
    "tests.support.syntax",
    "tests.support.values",
)
"""What has nothing of the ledger in it."""


def forget(*kept: str) -> None:
    ours = (
        "infergate.",
        "tests.support.",
        "tests.unit.",
        "tests.journeys.",
        "tests.prove.ledger_",
        "tests.prove.peer_bugs_",
    )
    for name in list(sys.modules):
        if name.startswith(ours) and not (kept and name.startswith(kept)):
            del sys.modules[name]


def survives(name: str, tree: ast.Module, suites: Sequence[str]) -> bool:
    """Whether the suites pass with this module instead of the real one. In a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _begin({name: tree})
            forget(*KEPT_WITH_THE_LEDGER)
            for suite in suites:
                for _, test in cases_in(suite):
                    test()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


@dataclass(frozen=True, slots=True)
class Result:
    """passed, failed, or unusable: it cannot even be imported, so that failing says nothing."""

    kind: str
    why: str = ""


def run_apart(sources: Mapping[str, str], tests: Sequence[str], *, endpoint: str = "") -> Result:
    """Run tests, named module::name, with these modules instead of the real ones. In a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens, the child never goes on as a second parent.
        try:
            os.close(reading)
            _begin(sources)
            os.write(writing, "\0".join(_run_named(sources, tests, endpoint)).encode("utf-8", "replace")[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return Result(*text.split("\0")) if text else Result("failed", f"no end within {ALONE_S} s")


def _run_named(sources: Mapping[str, str], tests: Sequence[str], endpoint: str) -> tuple[str, str]:
    forget()
    try:
        for module in sources:
            importlib.import_module(module)
    except BaseException as error:
        return "unusable", f"{type(error).__name__}: {error}"
    for test in tests:
        module, _, wanted = test.partition("::")
        try:
            found = [case for name, case in cases_in(module, endpoint, wanted)]
        except BaseException as error:
            return "unusable", f"{type(error).__name__}: {error}"
        if not found:
            return "unusable", f"there is no {test}"
        for case in found:
            try:
                case()
            except BaseException as error:
                return "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return "passed", ""


def _begin(sources: Mapping[str, str | ast.Module]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    signal.alarm(ALONE_S)
    sys.meta_path.insert(0, Finder(sources))


def cases_in(suite: str, endpoint: str = "", wanted: str = "") -> Iterator[tuple[str, Callable[[], None]]]:
    """Every case of every test of a module, each on a world of its own in memory."""
    module = importlib.import_module(suite)
    for name, test in list(vars(module).items()):
        if name.startswith("test_") and wanted in ("", name):
            for given in _cases(test):
                yield name, _bound(test, given, endpoint)


def _cases(test: Any) -> list[dict[str, Any]]:
    """What `parametrize` gives it."""
    cases: list[dict[str, Any]] = [{}]
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            said = mark.args[0]
            names = [name.strip() for name in (said.split(",") if isinstance(said, str) else said)]
            rows = [row if len(names) > 1 or isinstance(said, tuple) else (row,) for row in mark.args[1]]
            cases = [case | dict(zip(names, row, strict=True)) for case in cases for row in rows]
    return cases


def _bound(test: Any, given: dict[str, Any], endpoint: str) -> Callable[[], None]:
    def run() -> None:
        arguments = dict(given)
        if "world" in inspect.signature(test).parameters:
            arguments["world"] = world()
        if "live" in inspect.signature(test).parameters:
            asyncio.run(_alive(test, arguments, endpoint))
            return
        result = test(**arguments)
        if inspect.iscoroutine(result):
            asyncio.run(result)

    return run


# Imported where they are used: in the child, after all of ours was forgotten.


async def _alive(test: Any, arguments: dict[str, Any], endpoint: str) -> None:
    import boto3  # noqa: PLC0415

    from tests.support.live import live_house  # noqa: PLC0415
    from tools.local.aws import client_arguments  # noqa: PLC0415
    from tools.local.template import create_tables  # noqa: PLC0415

    tables = create_tables(boto3.client("dynamodb", **client_arguments(endpoint)), f"m{uuid.uuid4().hex[:8]}-")
    async with live_house(endpoint, tables) as live:
        await test(live=live, **arguments)


def world() -> Any:
    from infergate.ledger.ledger import Tables  # noqa: PLC0415

    from tests.support.live import Time  # noqa: PLC0415
    from tests.support.memory_store import MemoryStore  # noqa: PLC0415
    from tests.support.world import World  # noqa: PLC0415

    names = Tables("accounts", "receipts", "counters")
    return World(MemoryStore([names.accounts, names.receipts, names.counters]), names, Time())
