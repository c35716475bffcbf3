"""Receipts as the ledger stores them, and a real store to count them into."""

import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from infergate.kernel.ids import new_id
from infergate.ledger import receipts
from infergate.ledger.types import Receipt
from infergate.store import aws as store_aws
from infergate.store.client import Params, Store
from infergate.store.errors import Item
from infergate.store.signing import Credentials
from infergate.transport.http1 import HttpClient
from infergate.usage.cells import cells_between
from infergate.usage.count import Count
from infergate.usage.rules import read, tally
from infergate.usage.types import Cell

from tools.local.aws import EmbeddedAws

NOON = 1_795_521_600
"""2026-11-24T12:00:00Z."""
DAY = "20261124"
_random = random.Random(7)
_accounts = itertools.count()


def new_account() -> str:
    return f"acct_{next(_accounts)}_{os.urandom(4).hex()}"


def receipt(account: str, at_s: float = NOON, **values: Any) -> Receipt:
    request_id = new_id("req", at_s, _random.randbytes)
    given: dict[str, Any] = {
        "cost": 1000,
        "reason": "completed",
        "model": "small",
        "key_id": "key_a",
        "route": "small-a",
        "units": {"input": 9, "output": 64},
        "latency_ms": 812,
        "first_token_ms": 104,
    }
    given |= values
    return Receipt(
        account=account,
        request_id=request_id,
        hold_id=f"{request_id}.1",
        hold=500_000,
        created_at_ms=int(at_s * 1000),
        **given,
    )


def stored(one: Receipt) -> Item:
    """As its account's retention, if it has one, lets it age out."""
    item: Item = receipts.put("any", one)["Item"]
    return {**item, "ttl": {"N": str(one.created_at_ms // 1000 + 400 * 86_400)}}


def batch(some: Iterable[Receipt]) -> list[tuple[str, Item]]:
    """As the door hands it on, named by request id."""
    return [(one.request_id, stored(one)) for one in some]


def sums(some: Iterable[Receipt]) -> dict[Cell, dict[str, int]]:
    """What the totals must be: each receipt added once."""
    return {cell: dict(numbers) for cell, numbers in tally(read(stored(one)) for one in some).items()}


async def no_sleep(_seconds: float) -> None:
    return


def counter(store: Store, table: str) -> Count:
    return Count(store, table, time.time, no_sleep, lambda: 0.5)


@dataclass
class Books:
    """The real store, with its tables' names."""

    store: Store
    rollups: str
    receipts: str
    count: Count = field(init=False)

    def __post_init__(self) -> None:
        self.count = counter(self.store, self.rollups)

    async def totals(self, account: str, year: str = "2026", months: Iterable[str] = ("11",)) -> dict[Cell, Any]:
        cells = await cells_between(self.store, self.rollups, account, "day", year, f"{year}~", consistent=True)
        for month in months:
            start = f"{year}{month}"
            cells |= await cells_between(self.store, self.rollups, account, "hour", start, f"{start}~", consistent=True)
        return {cell: dict(one.numbers) for cell, one in cells.items()}

    async def put(self, one: Receipt) -> Receipt:
        await self.store.call("PutItem", receipts.put(self.receipts, one))
        return one


@pytest.fixture
async def books(aws: EmbeddedAws, tables: dict[str, str]) -> AsyncIterator[Books]:
    http = HttpClient()
    store = store_aws.dynamodb(
        http, Credentials("test", "test", None), region=aws.region, clock=time.time, endpoint=aws.endpoint
    )
    yield Books(store, tables["ROLLUPS_TABLE"], tables["RECEIPTS_TABLE"])
    await http.close()


class Through:
    """A store that passes calls on; a test overrides what shall go wrong."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[tuple[str, Params]] = []

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        self.calls.append((operation, params))
        return await self.store.call(operation, params)
