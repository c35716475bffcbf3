"""One embedded AWS a session; a live house a test."""

import uuid
from collections.abc import AsyncIterator, Iterator

import boto3
import pytest

from tests.support.live import Live, live_house
from tools.local.aws import EmbeddedAws
from tools.local.template import create_tables


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as embedded:
        yield embedded


@pytest.fixture(scope="session")
def tables(aws: EmbeddedAws) -> dict[str, str]:
    """The template's tables, as the environment that names them."""
    return create_tables(boto3.client("dynamodb", **aws.client_arguments()), f"t{uuid.uuid4().hex[:8]}-")


@pytest.fixture
async def live(aws: EmbeddedAws, tables: dict[str, str]) -> AsyncIterator[Live]:
    async with live_house(aws.endpoint, tables) as house:
        yield house
