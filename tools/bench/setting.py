"""What a run needs before it starts, made by the product's own code in the embedded AWS: tables, catalog, account, key.

The same embedded AWS then serves real requests, whose writes are counted; what it stores and says is what the stand-in of
the timed parts is primed with.
"""

import asyncio
import collections
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import orjson
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.console import accounts, api_keys
from infergate.edge.openai import Gateway
from infergate.kernel.errors import Unavailable
from infergate.kernel.money import usd
from infergate.kernel.time import NEVER
from infergate.ledger.keys import WALLET
from infergate.ledger.types import Grant
from infergate.store import aws
from infergate.store.client import Params, Store
from infergate.store.errors import Rejected
from infergate.store.secrets import Secrets
from infergate.store.signing import Credentials
from infergate.transport.http1 import HttpClient
from infergate.wiring.gateway import house
from infergate.wiring.rooms import rooms

from tools.bench.dynamodb import kind_of
from tools.bench.load import Task, request_of
from tools.local.aws import EmbeddedAws
from tools.local.template import create_tables

ACTOR = "bench"
SECRETS = {
    "bench/pepper": "a pepper of the bench, long enough to be none of the placeholders",
    "bench/channels/bench": "x",
}
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


@dataclass
class Setting:
    """`primed` is what tools.bench.dynamodb knows; `environment` is the gateway's."""

    environment: dict[str, str]
    key: str
    primed: dict[str, Any]
    writes: list["Writes"]
    item_bytes: dict[str, int]


@dataclass
class Writes:
    """What some requests wrote, in DynamoDB's write units, as the embedded AWS reports them."""

    what: str
    concurrency: int
    per_request: list[float] = field(default_factory=list)
    by_kind: dict[str, list[float]] = field(default_factory=dict)


class CountingStore:
    """Asks what each write consumed, and remembers what was answered to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.consumed: list[tuple[str, float]] = []
        self.said: dict[str, dict[str, Any]] = {}
        self.sent: dict[str, Params] = {}

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation not in WRITES:
            return await self._store.call(operation, params)
        answer = await self._store.call(operation, {**params, "ReturnConsumedCapacity": "TOTAL"})
        kind = kind_of(operation.encode(), orjson.dumps(params))
        self.consumed.append((kind, float(answer.pop("ConsumedCapacity")["CapacityUnits"])))
        self.said[kind], self.sent[kind] = answer, params
        return answer


class FixedSecrets:
    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        text = SECRETS.get(params["SecretId"]) if params["VersionStage"] == "AWSCURRENT" else None
        if text is None:
            raise Rejected("ResourceNotFoundException")
        return {"SecretString": text}


def make(upstream_url: str, requests: int) -> Setting:
    """`requests` of each kind are counted."""
    with EmbeddedAws() as embedded:
        client = boto3.client("dynamodb", **embedded.client_arguments())
        tables = create_tables(client, "bench-")
        return asyncio.run(_make(embedded.endpoint, tables, client, upstream_url, requests))


async def _make(endpoint: str, tables: dict[str, str], client: Any, upstream_url: str, requests: int) -> Setting:
    names = {**tables, "PEPPER_SECRET_ARN": "bench/pepper", "CHANNEL_SECRET_PREFIX": "bench/channels/"}
    http, secrets, keys = HttpClient(), Secrets(FixedSecrets(), time.time), Credentials("test", "test")
    store = aws.dynamodb(http, keys, region="us-east-1", clock=time.time, endpoint=endpoint)
    counting = CountingStore(store)
    key = await _stock(names, store, secrets, upstream_url)
    built = house(names, http=http, store=counting, secrets=secrets, role=keys, clock=time.time)
    lines: list[dict[str, Any]] = []
    built.log = lines.append
    gateway = Gateway(built)
    await ask(gateway, Task(0, "bench-json", key, 1, 0))  # the window's mark is written once, not by every request
    marked = dict(counting.said)
    writes = []
    for what, model, concurrency in (
        ("JSON", "bench-json", 1),
        ("stream", "bench-burst", 1),
        ("JSON", "bench-json", 16),
        ("JSON", "bench-json", 64),
    ):
        counting.consumed.clear()
        task = Task(0, model, key, concurrency, 0, tokens=64 if what == "stream" else 0)
        writes.append(await _counted(gateway, task, what, requests, counting))
    await http.close()
    environment = {
        **names,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    primed = {"items": list(_items(client, tables)), "secrets": SECRETS, "writes": {**marked, **counting.said}}
    _check(lines)
    return Setting(environment, key, primed, writes, _sizes(primed, counting))


async def _stock(names: dict[str, str], store: Store, secrets: Secrets, upstream_url: str) -> str:
    """Returns a key with a million dollars on its account."""
    made = rooms(names, store=store, secrets=secrets, clock=time.time)
    catalog = (Path(__file__).parent / "catalog.yaml").read_text()
    await made.shelf.apply(compile_file(parse(catalog, {"channels.bench.base_url": f"{upstream_url}/v1"})), ACTOR)
    account, _ = await accounts.open_account(
        made.desk, "bench@bench.example", name="Bench", plan="bench", trial=None, actor=ACTOR
    )
    amount = usd("1000000")
    grant = Grant(made.desk.new_id("grant"), "paid", amount, amount, made.desk.now_s(), NEVER, source="bench")
    await made.grants.add(account.id, grant, cause="bench:1", actor=ACTOR, reason="to run the bench")
    return (await api_keys.create(made.desk, account.id, name="bench", actor=ACTOR)).secret


async def ask(gateway: Gateway, task: Task) -> None:
    """One request, straight into the application. Raises RuntimeError unless it is answered with 200."""
    head, _, body = request_of(task).partition(b"\r\n\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (h.partition(b":") for h in head.split(b"\r\n")[1:])]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    if sent[0]["status"] != 200:
        raise RuntimeError(f"the embedded AWS's house answered {sent}")


async def _counted(gateway: Gateway, task: Task, what: str, requests: int, counting: CountingStore) -> Writes:
    """One after the other; or several at a time, where the mean is all that can be told of one of them."""
    writes = Writes(what, task.concurrency)
    for _ in range(requests // task.concurrency or 1):
        before = len(counting.consumed)
        await asyncio.gather(*(ask(gateway, task) for _ in range(task.concurrency)))
        units = sum(units for _, units in counting.consumed[before:])
        writes.per_request.append(units / task.concurrency)
    by_kind: dict[str, list[float]] = collections.defaultdict(list)
    for kind, units in counting.consumed:
        by_kind[kind].append(units)
    writes.by_kind = dict(by_kind)
    return writes


def _items(client: Any, tables: dict[str, str]) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    """Everything but receipts and counters, which the gateway never reads."""
    for name in (tables["ACCOUNTS_TABLE"], tables["CATALOG_TABLE"]):
        for page in client.get_paginator("scan").paginate(TableName=name):
            for item in page["Items"]:
                yield (name, item["pk"]["S"], item["sk"]["S"]), item


def _sizes(primed: dict[str, Any], counting: CountingStore) -> dict[str, int]:
    """Of what a request writes, at rest. Up to 1,024 bytes are one write unit."""
    (wallet,) = (item for place, item in primed["items"] if place[2] == WALLET)
    reserve = next(params for kind, params in counting.sent.items() if "available -" in kind)
    hold = reserve["ExpressionAttributeNames"]["#hold"], reserve["ExpressionAttributeValues"][":hold"]
    return {
        "wallet": item_bytes(wallet),
        "each hold in it": len(hold[0]) + value_bytes(hold[1]) + 1,
        "counters": item_bytes(next(s for kind, s in counting.said.items() if "ttl" in kind)["Attributes"]),
        "receipt": item_bytes(next(s for kind, s in counting.sent.items() if "Receipts" in kind)["Item"]),
    }


def item_bytes(item: dict[str, Any]) -> int:
    """By the rules of the Developer Guide, "DynamoDB item sizes and formats"."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(str(value).encode())
        case "N":
            digits = str(value).lstrip("-").strip("0")
            return (len(digits) + 1) // 2 + 1 + str(value).startswith("-")
        case "M":
            return 3 + sum(len(name.encode()) + 1 + value_bytes(part) for name, part in value.items())
        case "L":
            return 3 + sum(1 + value_bytes(part) for part in value)
    return 1


def _check(lines: list[dict[str, Any]]) -> None:
    """Raises Unavailable where the house raised an alarm or left something to the sweep."""
    for line in lines:
        if line.get("alarm") or line["event"] != "request":
            raise Unavailable(f"while the bench was set: {line}")
