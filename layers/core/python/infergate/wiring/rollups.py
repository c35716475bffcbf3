"""The usage totals' own house: the thin store, for a batch is up to a thousand small transactions."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infergate.edge.log import json_lines
from infergate.kernel.time import Clock
from infergate.ledger.keys import RECEIPT_SPREAD, receipt_pk_of_hour
from infergate.store import aws
from infergate.store.client import Store, query
from infergate.store.errors import Item
from infergate.transport.http1 import HttpClient
from infergate.usage.count import Count, Counted
from infergate.usage.rebuild import Rebuild
from infergate.usage.types import ReceiptsOf
from infergate.wiring.gateway import credentials


@dataclass(slots=True)
class Rollups:
    """`runner` holds the one event loop that the store's connections belong to, across invocations."""

    count: Count
    runner: asyncio.Runner
    log: Callable[[dict[str, Any]], None]

    def run(self, receipts: Iterable[tuple[str, Item]]) -> Counted:
        return self.runner.run(self.count.run(receipts))


def count(store: Store, table: str, clock: Clock) -> Count:
    return Count(store, table, clock, asyncio.sleep, random.random)


def rebuild(store: Store, environment: Mapping[str, str], clock: Clock) -> Rebuild:
    table = environment["ROLLUPS_TABLE"]
    receipts = receipts_of(store, environment["RECEIPTS_TABLE"])
    return Rebuild(store, table, count(store, table, clock), receipts, clock)


def receipts_of(store: Store, table: str) -> ReceiptsOf:
    async def of(account: str, day: str) -> AsyncIterator[Item]:
        midnight_s = int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp())
        for hour_s in range(midnight_s, midnight_s + 86_400, 3600):
            for spread in range(RECEIPT_SPREAD):
                for item in await query(store, table, receipt_pk_of_hour(account, hour_s, spread)):
                    yield item

    return of


def from_lambda() -> Rollups:
    environment, clock = os.environ, time.time
    store = aws.dynamodb(
        HttpClient(),
        credentials(environment),
        region=environment["AWS_REGION"],
        clock=clock,
        # The SDKs' own variable: unset on AWS, the embedded AWS's address elsewhere.
        endpoint=environment.get("AWS_ENDPOINT_URL"),
    )
    return Rollups(count(store, environment["ROLLUPS_TABLE"], clock), asyncio.Runner(), json_lines(clock))
