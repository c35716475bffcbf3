"""The gateway's house, from the environment that template.yaml sets."""

import asyncio
import os
import random
import time
from collections.abc import Mapping

from infergate.accounts.directory import KeyDirectory
from infergate.catalog.shelf import Shelf
from infergate.channels.capacity import Capacity
from infergate.channels.health import Health
from infergate.chat.types import House
from infergate.edge.log import json_lines
from infergate.edge.openai import Gateway
from infergate.kernel.time import Clock
from infergate.ledger.books import Books
from infergate.ledger.grants import Grants
from infergate.ledger.ledger import Ledger, Tables
from infergate.limits.rates import Rates
from infergate.providers.anthropic import Anthropic
from infergate.providers.bedrock import Bedrock
from infergate.providers.openai import OpenAI
from infergate.providers.quirks import KINDS
from infergate.providers.types import Provider
from infergate.store import aws
from infergate.store.client import Store
from infergate.store.secrets import Secrets
from infergate.store.signing import Credentials
from infergate.transport.http1 import HttpClient


def tables(environment: Mapping[str, str]) -> Tables:
    return Tables(
        accounts=environment["ACCOUNTS_TABLE"],
        receipts=environment["RECEIPTS_TABLE"],
        counters=environment["COUNTERS_TABLE"],
    )


def credentials(environment: Mapping[str, str]) -> Credentials:
    """Lambda puts the role's into the environment, and starts a new environment before they end."""
    return Credentials(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], environment.get("AWS_SESSION_TOKEN")
    )


def providers(role: Credentials, clock: Clock) -> dict[str, Provider]:
    """One for each kind of channel that a catalog may name."""
    compatible = {kind: OpenAI(quirks) for kind, quirks in KINDS.items()}
    return {**compatible, "anthropic": Anthropic(clock), "bedrock": Bedrock(role, clock)}


def house(
    environment: Mapping[str, str],
    *,
    http: HttpClient,
    store: Store,
    secrets: Secrets,
    role: Credentials,
    clock: Clock,
) -> House:
    """Everyone a request meets, around the given store and clock. `role` opens the channels that have no secret."""
    places, log = tables(environment), json_lines(clock)
    return House(
        store=store,
        counters_table=places.counters,
        keys=KeyDirectory(store, places.accounts, secrets, environment["PEPPER_SECRET_ARN"], clock),
        shelf=Shelf(store, environment["CATALOG_TABLE"], clock),
        ledger=Ledger(store, places, clock, asyncio.sleep, random.random),
        grants=Grants(Books(store, places, clock, asyncio.sleep, random.random)),
        rates=Rates(store, places.counters),
        health=Health(store, places.counters, clock, log),
        capacity=Capacity(store, places.counters, clock, log),
        secrets=secrets,
        channel_secret_prefix=environment["CHANNEL_SECRET_PREFIX"],
        http=http,
        providers=providers(role, clock),
        clock=clock,
        entropy=os.urandom,
        chance=random.random,
        log=log,
    )


def from_lambda() -> Gateway:
    """The deployed gateway: real endpoints, real time, the adapter in front."""
    environment = os.environ
    clock = time.time
    http = HttpClient()
    region, keys = environment["AWS_REGION"], credentials(environment)
    store = aws.dynamodb(http, keys, region=region, clock=clock)
    secrets = Secrets(aws.secrets_manager(http, keys, region=region, clock=clock), clock)
    built = house(environment, http=http, store=store, secrets=secrets, role=keys, clock=clock)
    return Gateway(built, behind_adapter=True)
