"""The store for doors where a call's CPU does not matter: schedules, the console, the operator's command."""

import re
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infergate.store.client import Params
from infergate.store.errors import OutcomeUnknown, error_from

_CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5, max_pool_connections=50)
"""No retries of its own: a repeated money write is decided where its meaning is known."""


class BotoStore:
    def __init__(self, client: Any = None) -> None:
        self._client = client if client is not None else boto3.client("dynamodb", config=_CONFIG)

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Blocks: these doors handle one event at a time."""
        try:
            answer: dict[str, Any] = getattr(self._client, _snake(operation))(**params)
            return answer
        except ClientError as error:
            details = error.response.get("Error", {})
            raise error_from(details.get("Code", ""), details.get("Message", ""), dict(error.response)) from error
        except BotoCoreError as error:
            raise OutcomeUnknown(type(error).__name__) from error


def _snake(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
