"""The account API: what a signed-in person may see and change. Proxy events in, JSON out.

API Gateway has verified the token; `sub` from its claims is the only word about who is asking that is believed.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infergate.accounts.keys import ApiKey
from infergate.console import api_keys
from infergate.console.accounts import Desk, find
from infergate.console.sign_up import account_of
from infergate.edge.errors import wire_error
from infergate.kernel.errors import InferGateError, InvalidKey, InvalidRequest, Unavailable
from infergate.kernel.money import format_usd
from infergate.kernel.time import iso, iso_or_none
from infergate.ledger.grants import Grants
from infergate.ledger.ledger import Ledger


class NewKeyRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=100)
    limits: dict[str, int] = Field(default_factory=dict)


class RotateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    grace_s: int = Field(default=86_400, ge=0, le=30 * 86_400)


def build(desk: Desk, ledger: Ledger, grants: Grants) -> APIGatewayRestResolver:
    api = APIGatewayRestResolver()

    def run[T](work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def person() -> str:
        claims = (api.current_event.raw_event.get("requestContext", {}).get("authorizer") or {}).get("claims") or {}
        sub = claims.get("sub")
        if not isinstance(sub, str) or not sub:
            raise InvalidKey("missing")
        return sub

    def refused(error: InferGateError) -> Response[str]:
        wire = wire_error(error)
        headers: dict[str, str | list[str]] = {name.decode(): value.decode() for name, value in wire.headers}
        return Response(wire.status, "application/json", wire.body().decode(), headers)

    def malformed(error: ValidationError) -> Response[str]:
        first = error.errors(include_url=False, include_input=False)[0]
        return refused(InvalidRequest(first["msg"], ".".join(str(part) for part in first["loc"]) or None))

    api.exception_handler(InferGateError)(refused)
    api.exception_handler(ValidationError)(malformed)

    @api.get("/api/profile")
    def profile() -> dict[str, Any]:
        account = run(find(desk, run(account_of(desk, person()))))
        return {"id": account.id, "email": account.email, "plan": account.plan, "created_at": iso(account.created_at)}

    @api.get("/api/credits")
    def credits() -> dict[str, Any]:
        account = run(account_of(desk, person()))
        wallet = run(ledger.wallet(account))
        if wallet is None:
            raise Unavailable("the account's wallet is missing")
        return {
            "available": format_usd(wallet.available),
            "held": format_usd(wallet.held),
            "spent": format_usd(wallet.spent),
            "grants": [
                {
                    "id": grant.id,
                    "kind": grant.kind,
                    "granted": format_usd(grant.granted),
                    "left": format_usd(grant.left),
                    "expires_at": iso_or_none(grant.expires_at),
                }
                for grant in run(grants.attribute(account))
            ],
        }

    @api.get("/api/keys")
    def list_keys() -> dict[str, Any]:
        account = run(account_of(desk, person()))
        return {"data": [_shown(desk, key) for key in run(api_keys.list_keys(desk, account))]}

    @api.post("/api/keys")
    def create_key() -> tuple[dict[str, Any], int]:
        wanted = NewKeyRequest.model_validate_json(api.current_event.body or "{}")
        sub = person()
        account = run(account_of(desk, sub))
        made = run(api_keys.create(desk, account, name=wanted.name, actor=f"user:{sub}", limits=wanted.limits))
        return {**_shown(desk, made.key), "secret": made.secret}, 201

    @api.post("/api/keys/<key_id>/rotate")
    def rotate_key(key_id: str) -> tuple[dict[str, Any], int]:
        wanted = RotateRequest.model_validate_json(api.current_event.body or "{}")
        sub = person()
        account = run(account_of(desk, sub))
        made = run(api_keys.rotate(desk, account, key_id, grace_s=wanted.grace_s, actor=f"user:{sub}"))
        return {**_shown(desk, made.key), "secret": made.secret}, 201

    @api.delete("/api/keys/<key_id>")
    def revoke_key(key_id: str) -> dict[str, Any]:
        sub = person()
        account = run(account_of(desk, sub))
        return _shown(desk, run(api_keys.revoke(desk, account, key_id, actor=f"user:{sub}")))

    return api


def _shown(desk: Desk, key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "state": key.state(desk.now_s()),
        "created_at": iso(key.created_at),
        "expires_at": iso_or_none(key.expires_at),
        "limits": key.limits,
    }
