"""The door of /api: proxy events of people whom API Gateway's Cognito authorizer has let in (edge/console.py)."""

from typing import Any

from infergate.edge.console import build
from infergate.wiring.rooms import from_lambda

rooms = from_lambda()
api = build(rooms.desk, rooms.ledger, rooms.grants)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return api.resolve(event, context)
