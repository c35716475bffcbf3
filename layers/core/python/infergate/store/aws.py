"""The thin client of the hot path: AWS's JSON protocol over our HTTP client, one request per call, no retries.

Chosen by measurement: docs/decisions/0002-hot-path-clients.md.
"""

from typing import Any

import orjson

from infergate.kernel.time import Clock
from infergate.store.client import Params
from infergate.store.errors import Busy, OutcomeUnknown, StoreError, error_from
from infergate.store.signing import Credentials, Signer
from infergate.transport.http1 import ConnectFailed, HttpClient, TransportError, parse_url
from infergate.transport.request import host_of

_ANSWER_LIMIT = 2 << 20
"""DynamoDB answers at most 1 MB, before JSON."""


class JsonService:
    """`call(operation, params)` of one AWS service that speaks JSON: DynamoDB, Secrets Manager."""

    def __init__(
        self,
        http: HttpClient,
        credentials: Credentials,
        *,
        region: str,
        service: str,
        target_prefix: str,
        endpoint: str,
        clock: Clock,
        timeout_s: float = 3.0,
    ) -> None:
        self._http = http
        self.origin, _ = parse_url(endpoint)
        self._signer = Signer(credentials, region, service, host_of(self.origin))
        self._prefix = target_prefix
        self._clock = clock
        self._timeout_s = timeout_s

    async def call(self, operation: str, params: Params) -> dict[str, Any]:
        """Raises store.errors.StoreError."""
        body = orjson.dumps(params)
        headers = self._signer.headers(f"{self._prefix}.{operation}", body, self._clock())
        try:
            answer = await self._http.send(
                self.origin, "POST", "/", headers, body, first_byte_timeout_s=self._timeout_s
            )
            raw = await answer.read(limit=_ANSWER_LIMIT, timeout_s=self._timeout_s)
        except ConnectFailed as error:
            raise Busy("not reached") from error
        except TransportError as error:
            raise OutcomeUnknown(type(error).__name__) from error
        if answer.status == 200:
            result: dict[str, Any] = orjson.loads(raw)
            return result
        raise _refusal(answer.status, raw)

    async def warm(self) -> None:
        await self._http.warm(self.origin)


def _refusal(status: int, raw: bytes) -> StoreError:
    try:
        body = orjson.loads(raw)
        code = str(body.get("__type", "")).rpartition("#")[2]
    except (ValueError, AttributeError):
        body, code = {}, ""
    if status >= 500 and not code:
        return OutcomeUnknown(f"status {status}")
    return error_from(code, str(body.get("message") or body.get("Message") or ""), body)


def dynamodb(
    http: HttpClient, credentials: Credentials, *, region: str, clock: Clock, endpoint: str | None = None
) -> JsonService:
    return _service("dynamodb", "DynamoDB_20120810", http, credentials, region, clock, endpoint)


def secrets_manager(
    http: HttpClient, credentials: Credentials, *, region: str, clock: Clock, endpoint: str | None = None
) -> JsonService:
    return _service("secretsmanager", "secretsmanager", http, credentials, region, clock, endpoint)


def _service(
    name: str,
    prefix: str,
    http: HttpClient,
    credentials: Credentials,
    region: str,
    clock: Clock,
    endpoint: str | None,
) -> JsonService:
    return JsonService(
        http,
        credentials,
        region=region,
        service=name,
        target_prefix=prefix,
        endpoint=endpoint or f"https://{name}.{region}.amazonaws.com",
        clock=clock,
    )
