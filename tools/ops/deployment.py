"""Which deployment the operator's command speaks to.

--stack NAME           a stack in AWS, by the usual AWS credentials; its gateway's own variables say where things lie
otherwise              the local stack that `make run` started, by .local/state.json
"""

import json
import os
import time
from pathlib import Path

import boto3
from infergate.store.boto import BotoStore
from infergate.store.secrets import Secrets
from infergate.wiring.rooms import Rooms, rooms

from tools.local.wiring import local_rooms

LOCAL = Path(os.environ.get("INFERGATE_LOCAL_DIR", Path(__file__).resolve().parents[2] / ".local"))
STATE = LOCAL / "state.json"


class NoDeployment(Exception):
    pass


def connect(stack: str | None, state: Path = STATE) -> Rooms:
    """Raises NoDeployment, with what to do about it."""
    if stack is not None:
        return _of_stack(stack)
    if not state.exists():
        raise NoDeployment("no local stack: start one with `make run`, or name a deployed one with --stack NAME")
    environment: dict[str, str] = json.loads(state.read_text())["operator"]["environment"]
    return local_rooms({**environment, **_clock_offset()})


def _clock_offset() -> dict[str, str]:
    offset = os.environ.get("INFERGATE_CLOCK_OFFSET_S")
    return {"INFERGATE_CLOCK_OFFSET_S": offset} if offset else {}


def _of_stack(stack: str) -> Rooms:
    resource = boto3.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId="GatewayFunction"
    )
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    variables = boto3.client("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    secrets = Secrets(BotoStore(boto3.client("secretsmanager")), time.time)
    return rooms(variables, store=BotoStore(), secrets=secrets, clock=time.time)
