"""The crash explorer's world: one store in memory, one clock, and processes that come and go over them.

A `Process` is what a deployed function is: its own caches, its own view of the store, dead for good once it has crashed.
A `Run` is everything that happens to one fresh copy of the tables.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import orjson
from infergate.accounts.directory import KeyDirectory
from infergate.catalog.shelf import Shelf
from infergate.channels.capacity import Capacity
from infergate.channels.health import Health
from infergate.chat.types import House
from infergate.console.accounts import Desk
from infergate.edge.openai import Gateway
from infergate.kernel.ids import made_at_ms, new_id
from infergate.kernel.money import usd
from infergate.kernel.time import NEVER
from infergate.ledger.adjustments import Adjustments
from infergate.ledger.books import Books
from infergate.ledger.disputes import Disputes
from infergate.ledger.grants import Grants, opening
from infergate.ledger.keys import WALLET
from infergate.ledger.ledger import Ask, Held, Ledger, Tables
from infergate.ledger.refunds import Refunds
from infergate.ledger.types import Grant, Hold, Receipt, Wallet
from infergate.ledger.wallet import read_wallet, request_of
from infergate.limits.rates import Rates
from infergate.providers.openai import OpenAI
from infergate.schedules.expire import Expire
from infergate.schedules.sweep import Sweep
from infergate.store.client import Params
from infergate.store.errors import Rejected, StoreError
from infergate.store.secrets import Secrets
from infergate.transport.errors import ConnectionLost, NoResponse
from infergate.transport.http1 import HttpClient
from infergate.transport.request import Origin

from tests.support.faults import READS, Crash, FaultyStore, Mode
from tests.support.memory_store import MemoryStore

TABLES = Tables("accounts", "receipts", "counters")
CATALOG = "catalog"
T0 = 1_800_000_100.0
"""100 seconds into a window of the sweep, 40 into a minute."""
PEPPER = "a pepper for the explorer, long enough to be none of the placeholders"
UPSTREAM = "Upstream"
"""Exchanges with a provider are counted and broken like calls of the store; as an operation it does nothing."""


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FixedSecrets:
    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if params["VersionStage"] != "AWSCURRENT":
            raise Rejected("ResourceNotFoundException")
        return {"SecretString": PEPPER if params["SecretId"] == "pepper" else "the provider's key"}


async def no_wait(_: float) -> None:
    return


class Tap:
    """The tables, with a look at every wallet that is written: the identities that hold at every moment."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self.store = store
        self.wrong: list[str] = []
        self.writes = 0
        self.arriving_late = False
        self._clock = clock
        self._accounts = store.tables[TABLES.accounts]

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if operation == UPSTREAM:
            return {}
        if operation in READS:
            if operation == "Query" and self._empty(params):
                return {"Items": [], "Count": 0, "ScannedCount": 0}
            return await self.store.call(operation, params)
        before = {pk: self._wallet(pk) for pk in _wallets(params)}
        answer = await self.store.call(operation, params)
        self.writes += 1
        for pk, earlier in before.items():
            self._look(earlier, self._wallet(pk))
        return answer

    def _empty(self, params: Params) -> bool:
        """Schedules ask for hundreds of partitions that are not there."""
        pk = params["ExpressionAttributeValues"][":pk"]["S"]
        return pk not in self.store.tables[params["TableName"]].partitions

    def _wallet(self, pk: str) -> Wallet | None:
        stored = self._accounts.get((pk, WALLET))
        return read_wallet(stored[0]) if stored else None

    def _look(self, before: Wallet | None, now: Wallet | None) -> None:
        if now is None:
            self.wrong.append("a wallet was removed")
            return
        if now.difference:
            self.wrong.append(f"P1: a write left the wallet {now.difference} out of balance")
        if now.available < 0 or now.debt < 0:
            self.wrong.append(f"P2: a write left {now.available} available, {now.debt} of debt")
        if before is None:
            return
        added = now.holds.keys() - before.holds.keys()
        if added and not self.arriving_late and before.next_expiry <= self._clock():
            self.wrong.append(f"P6: {min(added)} was reserved while expired credit was counted")
        if now.epoch < before.epoch or now.entries < before.entries:
            self.wrong.append("the epoch or the number of entries went down")


def _wallets(params: Params) -> set[str]:
    members = [request for member in params.get("TransactItems", ()) for request in member.values()] or [params]
    keys = [member.get("Key") or member.get("Item") or {} for member in members if member["TableName"] == "accounts"]
    return {key["pk"]["S"] for key in keys if key["sk"]["S"] == WALLET}


class Wire(FaultyStore):
    """One process's calls. `dull` are those that found nothing to do: queries without an item."""

    def __init__(self, tap: Tap, plan: Mapping[int, Mode] | None = None) -> None:
        super().__init__(tap, plan)
        self.dull: set[int] = set()
        self.suspends = False

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        if self.suspends:
            await asyncio.sleep(0)
        number = len(self.calls)
        answer = await super().call(operation, params)
        if operation == "Query" and not answer["Items"]:
            self.dull.add(number)
        return answer


# -- the provider ------------------------------------------------------------------------------------------------------

type During = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider says. `pieces` are the body, as it arrives; `breaks`: then the connection is lost."""

    status: int = 200
    pieces: Sequence[bytes] = ()
    stream: bool = False
    breaks: bool = False


class ProviderResponse:
    """As transport.connection.Response."""

    def __init__(self, provider: "ScriptedProvider", origin: Origin, answer: Answer) -> None:
        self.status = answer.status
        self.headers = [(b"content-type", b"text/event-stream" if answer.stream else b"application/json")]
        self._provider, self._origin = provider, origin
        self._left = list(answer.pieces)
        self._breaks = answer.breaks

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    async def chunk(self, timeout_s: float) -> bytes:
        try:
            await self._provider.step("read")
        except StoreError as error:
            raise ConnectionLost(self._origin) from error
        if self._left:
            return self._left.pop(0)
        if self._breaks:
            raise ConnectionLost(self._origin)
        return b""

    async def read(self, *, limit: int, timeout_s: float) -> bytes:
        pieces = []
        while piece := await self.chunk(timeout_s):
            pieces.append(piece)
        return b"".join(pieces)

    def abort(self) -> None:
        self._left.clear()


class ScriptedProvider:
    """As transport.http1.HttpClient: answers in the order of the script, the last one for ever."""

    def __init__(self, run: "Run", wire: Wire) -> None:
        self._run, self._wire = run, wire
        self.answers: list[Answer] = []
        self.during: During | None = None

    async def send(
        self, origin: Origin, method: str, target: str, headers: object, body: bytes, *, first_byte_timeout_s: float
    ) -> ProviderResponse:
        try:
            await self.step(f"{method} {origin.host}")
        except StoreError as error:
            raise NoResponse(origin) from error
        self._run.asked += 1
        if self.during is not None:
            during, self.during = self.during, None
            await during()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return ProviderResponse(self, origin, answer)

    async def step(self, what: str) -> None:
        key = {"pk": {"S": what}}
        await self._wire.call(UPSTREAM, {"TableName": "provider", "Key": key})


# -- a process ---------------------------------------------------------------------------------------------------------


class Process:
    """Every room of the product, over one wire."""

    def __init__(self, run: "Run", wire: Wire, seed: int) -> None:
        self.run, self.wire, self.clock = run, wire, run.clock
        self.entropy = random.Random(seed).randbytes
        secrets = Secrets(FixedSecrets(), self.clock)
        self.ledger = Ledger(wire, TABLES, self.clock, no_wait, lambda: 0.5)
        self.books = Books(wire, TABLES, self.clock, no_wait, lambda: 0.5)
        self.grants = Grants(self.books)
        self.refunds = Refunds(self.books)
        self.disputes = Disputes(self.books)
        self.adjustments = Adjustments(self.books, alone_max=usd("100"))
        self.sweep = Sweep(wire, self.ledger, TABLES.counters, self.clock)
        self.expire = Expire(wire, self.grants, TABLES.accounts, self.clock)
        self.shelf = Shelf(wire, CATALOG, self.clock)
        self.desk = Desk(wire, TABLES.accounts, secrets, "pepper", self.clock, self.entropy, no_wait, lambda: 0.5)
        self.provider = ScriptedProvider(run, wire)
        self.house = House(
            store=wire,
            counters_table=TABLES.counters,
            keys=KeyDirectory(wire, TABLES.accounts, secrets, "pepper", self.clock),
            shelf=self.shelf,
            ledger=self.ledger,
            grants=self.grants,
            rates=Rates(wire, TABLES.counters),
            health=Health(wire, TABLES.counters, self.clock, run.lines.append, self.entropy),
            capacity=Capacity(wire, TABLES.counters, self.clock, run.lines.append),
            secrets=secrets,
            channel_secret_prefix="channels/",
            http=cast(HttpClient, self.provider),
            providers={"openai": OpenAI()},
            clock=self.clock,
            entropy=self.entropy,
            chance=lambda: 0.5,
            log=run.lines.append,
        )

    def other(self) -> "Process":
        """Somebody else's process, without faults."""
        return self.run.process()

    async def swept(self) -> None:
        await self.sweep.run(look_back_s=3600)

    # what flows are made of

    def grant(self, amount: str, *, ends_in_s: int | None = None, kind: str = "paid", source: str = "") -> Grant:
        now_s, nanos = int(self.clock()), usd(amount)
        expires_at = NEVER if ends_in_s is None else now_s + ends_in_s
        return Grant(self.desk.new_id("grant"), kind, nanos, nanos, now_s, expires_at, source=source)

    async def account(self, *grants: Grant) -> str:
        """An account with a wallet and nothing else."""
        name = self.desk.new_id("acct")
        members = opening(TABLES.accounts, name, grants, int(self.clock()), "explorer")
        await self.wire.call("TransactWriteItems", {"TransactItems": members})
        return name

    async def held(self, account: str, amount: str, *, request_id: str = "", attempt: int = 0) -> Hold:
        deadline = int(self.clock()) + 660
        request_id = request_id or self.desk.new_id("req")
        answer = await self.ledger.reserve(Ask(account, request_id, usd(amount), deadline, 1, 100, attempt))
        assert isinstance(answer, Held), answer
        return answer.hold

    async def receipt(self, account: str, hold: Hold, cost: str, reason: str = "completed") -> Receipt:
        request_id = request_of(hold.id)
        made = Receipt(account, request_id, hold.id, hold.amount, usd(cost), reason, made_at_ms(request_id))
        return await self.ledger.write_receipt(made)

    async def spend(self, account: str, cost: str) -> None:
        """A whole request, as far as the ledger sees it."""
        await self.ledger.settle(await self.receipt(account, await self.held(account, cost), cost))

    def die(self) -> NoReturn:
        self.wire.dead = True
        raise Crash("killed by the story")

    async def post(
        self, secret: str, body: dict[str, Any], *, idempotency_key: str = "", path: str = "/v1/chat/completions"
    ) -> "Exchange":
        """One request through the gateway's own door, without the network."""
        exchange = Exchange(self.next_request())
        self.run.exchanges.append(exchange)
        self.house.entropy = _bytes_of(self.run.requests)
        self.run.requests += 1
        headers = [(b"authorization", b"Bearer " + secret.encode())]
        if idempotency_key:
            headers.append((b"idempotency-key", idempotency_key.encode()))
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        left = asyncio.Event()
        bodies = [orjson.dumps(body)]

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        try:
            await Gateway(self.house)(scope, receive, exchange.send)
            exchange.returned = True
        finally:
            left.set()
            await asyncio.sleep(0)
        return exchange

    def next_request(self) -> str:
        """The id of the request that `post` sends next."""
        return new_id("req", self.clock(), _bytes_of(self.run.requests))


def _bytes_of(number: int) -> Callable[[int], bytes]:
    return lambda size: number.to_bytes(size)


@dataclass(slots=True)
class Exchange:
    """One request as its client saw it."""

    request_id: str
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    returned: bool = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
            return
        self.body += message["body"]
        self.ended = not message["more_body"]

    @property
    def failed_in_mid_stream(self) -> bool:
        return self.status == 200 and b'data: {"error"' in self.body

    @property
    def done(self) -> bool:
        """The whole answer, from a process that lived to settle it."""
        return self.status == 200 and self.ended and self.returned and not self.failed_in_mid_stream


class Run:
    """One history: a fresh copy of the tables, and everybody who touches it."""

    def __init__(self, store: MemoryStore, now: float, *, requests: int = 0, processes: int = 0) -> None:
        """`requests` and `processes` have been before, in the history that the tables come from."""
        self.clock = Clock(now)
        self.tap = Tap(store, self.clock)
        self.exchanges: list[Exchange] = []
        self.lines: list[dict[str, Any]] = []
        self.asked = 0
        """How often a provider was reached."""
        self.requests = requests
        self.processes = processes

    def process(self, plan: Mapping[int, Mode] | None = None) -> Process:
        self.processes += 1
        return Process(self, Wire(self.tap, plan), self.processes)

    async def deliver(self, wire: Wire) -> int:
        self.tap.arriving_late = True
        try:
            return await wire.deliver_late()
        finally:
            self.tap.arriving_late = False
