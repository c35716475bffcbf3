"""The gateway attacked by its own document: schemathesis makes requests, good and bad, and checks what comes back.

The gateway runs in this process over a store in memory; schemathesis runs in one of its own, so both cores work. Its key is
that of an account with plenty of credit, whose books are audited afterwards.

Every request counts as a case, whoever made it up: an example of the document, a boundary, a random one, a step of a chain.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.edge.asgi import Message, Receive, Scope, Send
from infergate.edge.openai import Gateway

from tests.openapi.document import Json, document, operations
from tests.support.live import CATALOG, Customer, Live, live_house, serve
from tests.support.memory_store import MemoryStore

SEED = 20261101
TABLES = {
    f"{name.upper()}_TABLE": name for name in ("accounts", "receipts", "counters", "catalog", "rollups", "events")
}
MODELS = {"ModelName": ["demo-chat", "gpt-4o-mini"], "EmbeddingModelName": ["demo-embedding", "no-such-model"]}
"""One of each kind, one that is not enabled, one that does not exist."""
ROUTES = ["demo", "demo-chat-a", "demo-embedding-a", "none-such"]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
KEYED = "/v1/completions"
OPERATIONS = len(operations())
BOUNDARIES = 2000
"""About how many cases the phases `examples` and `coverage` have."""
EXAMPLES_MAX = 400
"""Of one operation in one round: schemathesis remembers all of a round."""


@dataclass(slots=True)
class Attack:
    """`answers` counts by status what the gateway said; `findings` must be empty."""

    answers: Counter[int] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.answers.total()


class Counting:
    """The gateway, with its answers counted."""

    def __init__(self, gateway: Gateway, attack: Attack) -> None:
        self._gateway = gateway
        self._attack = attack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                self._attack.answers[status] += 1
                if status >= 500:
                    self._attack.findings.append(f"{status} to {scope['method']} {scope['path']}")
            await send(message)

        await self._gateway(scope, receive, counted)


async def attack(cases: int, *, seed: int = SEED) -> Attack:
    """At least as many cases as said. First the document's examples and the boundaries of each field, which are always the same;
    then random requests, the same for the same seed; then chains, which also depend on the ids that the answers gave."""
    done = Attack()
    async with _house() as live, serve(Counting(Gateway(live.house), done)) as url:
        customer = await live.customer("1000000", plan="business")
        live.lines.clear()
        phases, expected = "examples,coverage,fuzzing,stateful", BOUNDARIES
        while done.cases < cases and not done.findings:
            examples = min(EXAMPLES_MAX, max(10, (cases - done.cases - expected) // OPERATIONS))
            done.findings += await _schemathesis(url, customer, phases, examples, seed)
            phases, expected, seed = "fuzzing,stateful", 0, seed + 1
            done.findings += [str(line) for line in live.lines if line.get("event") == "bug"]
            live.lines.clear()
        done.findings += await _books(live, customer)
    return done


@asynccontextmanager
async def _house() -> AsyncIterator[Live]:
    async with live_house("", TABLES, memory=MemoryStore(list(TABLES.values()))) as live:
        overrides = {
            "channels.demo.enabled": "true",
            "channels.demo.base_url": f"{live.upstream_url}/v1",
            "channels.openai.enabled": "false",
            "plans.business.requests_per_minute": "1000000000",
            "plans.business.tokens_per_minute": "1000000000000",
        }
        await live.rooms.shelf.apply(compile_file(parse(CATALOG, overrides)), "test")
        yield live


async def _books(live: Live, customer: Customer) -> list[str]:
    wallet = await live.wallet(customer)
    report = await live.audit(customer)
    found = [f"the books differ: {report.broken}"] if report.broken else []
    if wallet.holds:
        found.append(f"{len(wallet.holds)} holds are left")
    if not wallet.spent:
        found.append("nothing was spent: the attack never got past the parsers")
    return found


async def _schemathesis(url: str, customer: Customer, phases: str, examples: int, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        attacked = Path(folder, "openapi.json")
        attacked.write_text(json.dumps(narrowed(document())))
        arguments = ["run", str(attacked), "--url", url, "--header", f"Authorization: Bearer {customer.key}"]
        arguments += ["--phases", phases, "--checks", ",".join(CHECKS), "--max-examples", str(examples)]
        arguments += ["--seed", str(seed), "--generation-database", "none", "--suppress-health-check", "all"]
        arguments += ["--generation-with-security-parameters", "false", "--continue-on-failure", "--no-shrink"]
        arguments += ["--no-color", "--warnings", "off"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", *arguments),
            cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": "0"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return [] if process.returncode == 0 else [said.decode()]


def narrowed(published: Json) -> Json:
    """The document, but models and routes are called by names of this house, for random ones would all end at the same 404. And
    but one operation has an Idempotency-Key, for what is generated repeats itself, and would mostly be refused as used before."""
    copy = deepcopy(published)
    schemas = copy["components"]["schemas"]
    for name, models in MODELS.items():
        schemas[name]["enum"] = models
    schemas["RouteNames"]["items"]["enum"] = ROUTES
    for path, methods in copy["paths"].items():
        if path != KEYED:
            methods.get("post", {}).pop("parameters", None)
    return copy
