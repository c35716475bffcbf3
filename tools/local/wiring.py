"""The same house as in Lambda, pointed elsewhere by the environment. None of these switches exists in the deployed package.

AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SECRETS_MANAGER   where the store and the secrets answer
INFERGATE_CLOCK_OFFSET_S   seconds that this process's clock is ahead, to try expiry and sweeps
"""

import os
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from infergate.edge.openai import Gateway
from infergate.kernel.time import Clock
from infergate.store import aws
from infergate.store.boto import BotoStore
from infergate.store.secrets import Secrets
from infergate.transport.http1 import HttpClient
from infergate.wiring.gateway import credentials, house
from infergate.wiring.rooms import Rooms, rooms

_CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=15)


def clock_of(environment: Mapping[str, str]) -> Clock:
    """Raises ValueError for an offset that is no whole number."""
    offset_s = int(environment.get("INFERGATE_CLOCK_OFFSET_S") or 0)
    return (lambda: time.time() + offset_s) if offset_s else time.time


def endpoint_of(environment: Mapping[str, str], service: str) -> str | None:
    return environment.get(f"AWS_ENDPOINT_URL_{service}") or environment.get("AWS_ENDPOINT_URL")


def client(environment: Mapping[str, str], service: Any, endpoint: str | None) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        config=_CONFIG,
    )


def local_gateway(environment: Mapping[str, str] = os.environ) -> Gateway:
    """The gateway with the hot path's own clients. Signatures are made by the real time, whatever the clock's offset."""
    clock = clock_of(environment)
    http = HttpClient()
    region, keys = environment["AWS_REGION"], credentials(environment)
    store = aws.dynamodb(http, keys, region=region, clock=time.time, endpoint=endpoint_of(environment, "DYNAMODB"))
    secrets_endpoint = endpoint_of(environment, "SECRETS_MANAGER")
    service = aws.secrets_manager(http, keys, region=region, clock=time.time, endpoint=secrets_endpoint)
    behind_adapter = environment.get("INFERGATE_BEHIND_ADAPTER") == "1"
    built = house(environment, http=http, store=store, secrets=Secrets(service, clock), role=keys, clock=clock)
    return Gateway(built, behind_adapter=behind_adapter)


def local_rooms(environment: Mapping[str, str]) -> Rooms:
    clock = clock_of(environment)
    store = BotoStore(client(environment, "dynamodb", endpoint_of(environment, "DYNAMODB")))
    service = client(environment, "secretsmanager", endpoint_of(environment, "SECRETS_MANAGER"))
    return rooms(environment, store=store, secrets=Secrets(BotoStore(service), clock), clock=clock)
