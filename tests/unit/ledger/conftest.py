"""A world a test, on the session's store."""

from collections.abc import AsyncIterator

import pytest
from infergate.ledger.ledger import Tables
from infergate.transport.http1 import HttpClient

from tests.support.live import Time, thin_store
from tests.support.world import World
from tools.local.aws import EmbeddedAws


@pytest.fixture
async def world(aws: EmbeddedAws, tables: dict[str, str]) -> AsyncIterator[World]:
    http = HttpClient()
    names = Tables(tables["ACCOUNTS_TABLE"], tables["RECEIPTS_TABLE"], tables["COUNTERS_TABLE"])
    yield World(thin_store(http, aws.endpoint), names, Time())
    await http.close()
