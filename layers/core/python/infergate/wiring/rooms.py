"""What the doors other than the gateway need: the same domain code over boto3, each handling one event at a time."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from infergate.catalog.shelf import Shelf
from infergate.channels.health import Health
from infergate.console.accounts import Desk
from infergate.edge.log import json_lines
from infergate.kernel.money import usd
from infergate.kernel.time import Clock
from infergate.ledger.adjustments import Adjustments
from infergate.ledger.books import Books
from infergate.ledger.disputes import Disputes
from infergate.ledger.grants import Grants
from infergate.ledger.ledger import Ledger, Tables
from infergate.ledger.refunds import Refunds
from infergate.schedules.channel_health import ChannelHealth
from infergate.schedules.expire import Expire
from infergate.schedules.probe import send_probe
from infergate.schedules.remind import Remind
from infergate.schedules.sweep import Sweep
from infergate.store.boto import BotoStore
from infergate.store.client import Store
from infergate.store.secrets import Secrets
from infergate.usage.rebuild import Rebuild
from infergate.wiring.gateway import tables
from infergate.wiring.rollups import rebuild

ADJUSTED_ALONE_MAX = usd("100")
"""What an operator may adjust without a second person."""


@dataclass(slots=True)
class Rooms:
    store: Store
    tables: Tables
    secrets: Secrets
    desk: Desk
    ledger: Ledger
    books: Books
    grants: Grants
    refunds: Refunds
    disputes: Disputes
    adjustments: Adjustments
    shelf: Shelf
    channels: Health
    channel_health: ChannelHealth
    sweep: Sweep
    expire: Expire
    remind: Remind
    rebuild: Rebuild
    log: Callable[[dict[str, Any]], None]


def rooms(environment: Mapping[str, str], *, store: Store, secrets: Secrets, clock: Clock) -> Rooms:
    places = tables(environment)
    ledger = Ledger(store, places, clock, asyncio.sleep, random.random)
    books = Books(store, places, clock, asyncio.sleep, random.random)
    grants = Grants(books)
    log = json_lines(clock)
    shelf = Shelf(store, environment["CATALOG_TABLE"], clock)
    channels = Health(store, places.counters, clock, log)
    return Rooms(
        store=store,
        tables=places,
        secrets=secrets,
        desk=Desk(
            store,
            places.accounts,
            secrets,
            environment.get("PEPPER_SECRET_ARN", ""),
            clock,
            os.urandom,
            asyncio.sleep,
            random.random,
        ),
        ledger=ledger,
        books=books,
        grants=grants,
        refunds=Refunds(books),
        disputes=Disputes(books),
        adjustments=Adjustments(books, alone_max=ADJUSTED_ALONE_MAX),
        shelf=shelf,
        channels=channels,
        channel_health=ChannelHealth(
            shelf, channels, secrets, environment.get("CHANNEL_SECRET_PREFIX", ""), send_probe, clock, log
        ),
        sweep=Sweep(store, ledger, places.counters, clock),
        expire=Expire(store, grants, places.accounts, clock),
        remind=Remind(store, grants, places.accounts, clock),
        rebuild=rebuild(store, environment, clock),
        log=log,
    )


def from_lambda() -> Rooms:
    secrets = Secrets(BotoStore(boto3.client("secretsmanager")), time.time)
    return rooms(os.environ, store=BotoStore(), secrets=secrets, clock=time.time)
