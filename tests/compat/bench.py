"""One real gateway before the demo upstream, and a client's visits to it, each by a fresh customer."""

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import boto3
import yaml
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.ledger.types import Receipt
from infergate.schedules.audit import audit

from tests.support.live import Customer, Live, live_house
from tools.local.aws import EmbeddedAws
from tools.local.template import create_tables
from tools.local.upstream import journal

CHAT, EMBEDDING = "demo-chat", "text-embedding-3-small"
_marks = itertools.count()


@dataclass(frozen=True)
class Place:
    """Where a client is told to go. Its programs read no more than this."""

    url: str
    """Without `/v1`."""
    key: str
    model: str = CHAT


@dataclass(frozen=True)
class Visit:
    bench: "Bench"
    customer: Customer
    mark: str
    """In every question, so that what was sent upstream for it can be found."""

    @property
    def place(self) -> Place:
        return Place(self.bench.live.base_url, self.customer.key)

    def elsewhere(self, **changes: str) -> Place:
        return dataclasses.replace(self.place, **changes)

    def sent(self) -> list[dict[str, Any]]:
        """The upstream's journal of this visit, oldest first."""
        return [entry for entry in journal if self.mark in str(entry["body"])]

    async def receipts(self) -> list[Receipt]:
        """All of this customer's, once nothing is held any more."""
        for _ in range(10):
            if not (wallet := await self.bench.live.wallet(self.customer)).holds:
                break
        assert not wallet.holds, "something is still held"
        now = int(self.bench.live.clock())
        return await self.bench.live.house.ledger.receipts(self.customer.account, since_s=now - 600)


@dataclass(frozen=True)
class Bench:
    live: Live
    greetings: dict[str, Awaitable[Any]] = field(default_factory=dict)
    """By client: several things are looked at in one answer."""

    async def visit(self, credit: str = "20", limits: dict[str, int] | None = None) -> Visit:
        return Visit(self, await self.live.customer(credit, limits=limits), f"mark-{next(_marks)}.")


def broken(slug: str) -> str:
    """The model that a client meets failures of the upstream on. A failing channel is left alone for a while, so that each
    client has its own."""
    return f"broken-{slug}"


@contextlib.asynccontextmanager
async def bench(slugs: Iterable[str]) -> AsyncIterator[Bench]:
    """Leaves only if the books are right to the nano-dollar."""
    with EmbeddedAws() as aws:
        tables = create_tables(boto3.client("dynamodb", **aws.client_arguments()), "compat-")
        async with live_house(aws.endpoint, tables) as live:
            catalog = _catalog(f"{live.upstream_url}/v1", slugs)
            await live.house.shelf.apply(compile_file(parse(yaml.safe_dump(catalog))), "test")
            yield Bench(live)
            books = await audit(live.house.ledger._store, live.rooms.tables)
            assert books.clean, books.broken


def _catalog(upstream: str, slugs: Iterable[str]) -> dict[str, Any]:
    channels = {CHAT: CHAT, EMBEDDING: EMBEDDING} | {broken(slug): CHAT for slug in slugs}
    return {
        "models": {
            name: {
                "kind": "embedding" if name == EMBEDDING else "chat",
                "owned_by": "infergate",
                "created": date(2026, 11, 1),
                "context": 2_000_000,
                **({} if name == EMBEDDING else {"max_output": 16_384, "image_tokens": 2500}),
                "routes": {name: {"channel": name, "upstream_model": served, "price_book": "book"}},
            }
            for name, served in channels.items()
        },
        "channels": {name: {"kind": "openai", "base_url": upstream, "secret": "demo"} for name in channels},
        "price_books": {"book": {"input": "0.50", "cached_input": "0.25", "output": "1.50"}},
        "plans": {"starter": {"requests_per_minute": 6000, "tokens_per_minute": 10**8, "concurrency": 20}},
        "campaigns": {"trial": {"kind": "trial", "amount": "1", "expires_after_days": 1}},
    }
