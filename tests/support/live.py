"""A live house for tests: the real gateway and the demo upstream under uvicorn in the test's own loop, on a real store.

Time is a number that the test moves; everything else is what runs in production.
"""

import asyncio
import contextlib
import itertools
import os
import random
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.chat.types import House
from infergate.console import accounts, api_keys
from infergate.edge.openai import Gateway
from infergate.kernel.money import usd
from infergate.kernel.time import NEVER
from infergate.ledger.types import Grant, Receipt, Wallet
from infergate.schedules.audit import Report, audit
from infergate.store import aws
from infergate.store.client import Store
from infergate.store.errors import Rejected
from infergate.store.secrets import Secrets
from infergate.store.signing import Credentials
from infergate.transport.http1 import HttpClient
from infergate.wiring.gateway import house
from infergate.wiring.rooms import Rooms, rooms

from tools.local.template import ROOT
from tools.local.upstream import app as upstream_app

PEPPER = "a pepper for tests, long enough to be none of the placeholders"
_numbers = itertools.count()


class FixedSecrets:
    """A secret store that answers what the test put there. `Secrets` itself is the real one."""

    def __init__(self) -> None:
        self.values = {"pepper": PEPPER, "channels/demo": "demo-upstream-key", "channels/openai": "demo-upstream-key"}
        self.previous: dict[str, str] = {}

    async def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        assert operation == "GetSecretValue"
        values = {"AWSCURRENT": self.values, "AWSPREVIOUS": self.previous}[params["VersionStage"]]
        if params["SecretId"] not in values:
            raise Rejected("ResourceNotFoundException")
        return {"SecretString": values[params["SecretId"]]}


class Time:
    """Seconds since the epoch; moves with the real clock, and further when the test says so."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s

    def advance(self, seconds: float) -> None:
        self.ahead_s += seconds


@dataclass(slots=True)
class Customer:
    account: str
    key: str
    key_id: str


@dataclass
class Live:
    """Everything a test may want to hold."""

    house: House
    rooms: Rooms
    clock: Time
    secrets: FixedSecrets
    http: httpx.AsyncClient
    base_url: str
    upstream_url: str
    lines: list[dict[str, Any]] = field(default_factory=list)

    def fresh_minute(self) -> None:
        """Go to the beginning of a minute, so that none ends in mid-test."""
        self.clock.advance(60 - self.clock() % 60 + 0.5)

    async def customer(
        self, credit: str | None = None, *, plan: str = "starter", limits: dict[str, int] | None = None
    ) -> Customer:
        """An account with exactly this credit (None: the $20 trial) and a key, who comes to channels that are all well."""
        snapshot = await self.rooms.shelf.current()
        for channel in snapshot.channels:
            await self.house.health.reset(channel)
        trial = snapshot.campaigns["trial"] if credit is None else None
        email = f"customer-{os.getpid()}-{next(_numbers)}@test.example"
        account, _ = await accounts.open_account(self.rooms.desk, email, name="", plan=plan, trial=trial, actor="test")
        if credit is not None and usd(credit):
            await self.credit(account.id, credit)
        made = await api_keys.create(self.rooms.desk, account.id, name="test", actor="test", limits=limits)
        return Customer(account.id, made.secret, made.key.id)

    async def credit(self, account: str, amount: str, *, kind: str = "paid", expires_at: int = NEVER) -> Grant:
        desk = self.rooms.desk
        grant = Grant(desk.new_id("grant"), kind, usd(amount), usd(amount), desk.now_s(), expires_at, source="test")
        await self.rooms.grants.add(account, grant, cause=f"test:{grant.id}", actor="test", reason="test")
        return grant

    async def chat(
        self, customer: Customer, content: str = "Hello", *, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        body = {"model": "demo-chat", "messages": [{"role": "user", "content": content}], **fields}
        return await self.post("/v1/chat/completions", customer.key, json=body, headers=headers)

    async def post(self, path: str, key: str | None, **how: Any) -> httpx.Response:
        headers = {**({"authorization": f"Bearer {key}"} if key else {}), **(how.pop("headers", None) or {})}
        return await self.http.post(path, headers=headers, **how)

    async def get(self, path: str, key: str | None) -> httpx.Response:
        return await self.http.get(path, headers={"authorization": f"Bearer {key}"} if key else {})

    async def wallet(self, customer: Customer) -> Wallet:
        """As it is once no request of the account is under way; at the latest after three seconds."""
        for _ in range(60):
            wallet = await self.house.ledger.wallet(customer.account)
            assert wallet is not None
            assert wallet.difference == 0, "the wallet's identity holds at every moment"
            if not wallet.holds:
                break
            await asyncio.sleep(0.05)
        return wallet

    async def receipt(self, customer: Customer, answer: httpx.Response) -> Receipt:
        found = await self.house.ledger.receipt(customer.account, answer.headers["x-request-id"])
        assert found is not None
        return found

    async def audit(self, customer: Customer) -> Report:
        return await audit(self.house.ledger._store, self.rooms.tables, customer.account)

    async def upstream_requests(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            listed = await client.get(f"{self.upstream_url}/_demo/requests")
        found: list[dict[str, Any]] = listed.json()["requests"] if isinstance(listed.json(), dict) else listed.json()
        return found


def environment(tables: dict[str, str]) -> dict[str, str]:
    return {**tables, "PEPPER_SECRET_ARN": "pepper", "CHANNEL_SECRET_PREFIX": "channels/"}


def thin_store(http: HttpClient, endpoint: str) -> Store:
    return aws.dynamodb(http, Credentials("test", "test"), region="us-east-1", clock=time.time, endpoint=endpoint)


CATALOG = (ROOT / "tests" / "support" / "catalog.yaml").read_text()
"""Small, and whole: what the tests sell."""


@contextlib.asynccontextmanager
async def live_house(
    endpoint: str, tables: dict[str, str], *, store: Store | None = None, memory: Store | None = None
) -> AsyncIterator[Live]:
    """`store`, if given, stands between the house and the real store (a faulty or a counting one). `memory`, if given, is the
    real store, for the house and all others: `endpoint` is not asked then."""
    clock, service = Time(), FixedSecrets()
    http = HttpClient()
    real = memory or thin_store(http, endpoint)
    store = store or real
    secrets = Secrets(service, clock)
    built = house(
        environment(tables), http=http, store=store, secrets=secrets, role=Credentials("test", "test"), clock=clock
    )
    built.chance = random.Random(7).random
    lines: list[dict[str, Any]] = []
    built.log = lines.append
    others = rooms(environment(tables), store=real, secrets=secrets, clock=clock)
    async with serve(upstream_app) as upstream_url, serve(Gateway(built)) as base_url:
        overrides = {
            "channels.demo.enabled": "true",
            "channels.demo.base_url": f"{upstream_url}/v1",
            "channels.openai.enabled": "false",
        }
        await others.shelf.apply(compile_file(parse(CATALOG, overrides)), "test")
        async with httpx.AsyncClient(base_url=base_url, timeout=30, limits=httpx.Limits(max_connections=300)) as client:
            yield Live(built, others, clock, service, client, base_url, upstream_url, lines)
        await http.close()


@contextlib.asynccontextmanager
async def serve(app: Any) -> AsyncIterator[str]:
    """The app under uvicorn, on a free port of loopback, in this loop. Yields its base URL."""
    # asyncio turns Nagle off only for a socket whose protocol is named: else each answer on a kept connection waits 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", access_log=False, http="httptools", lifespan="on")
    config.timeout_graceful_shutdown = 1
    config.timeout_keep_alive = 60
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve([listening]))
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()
