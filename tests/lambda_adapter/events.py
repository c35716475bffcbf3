"""API Gateway REST proxy events (payload 1.0), as a client's request would make them."""

import base64
from typing import Any
from urllib.parse import parse_qsl

STAGE = "prod"


def rest_event(
    method: str = "GET",
    path: str = "/",
    *,
    headers: list[tuple[str, str]] | None = None,
    body: str | bytes | None = None,
) -> dict[str, Any]:
    """The event for one request; `path` may have a query. A body of bytes goes in base64, like binary media types."""
    path, _, query = path.partition("?")
    sent = [("Host", "api.example.com"), ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]
    sent += headers or []
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        **spread("headers", "multiValueHeaders", sent),
        **spread("queryStringParameters", "multiValueQueryStringParameters", parse_qsl(query, keep_blank_values=True)),
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": request_context(method, path),
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }


def spread(single: str, multiple: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """The same pairs twice, as API Gateway sends them: the last value of each name, and all of them; null for none."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {single: {name: all_[-1] for name, all_ in values.items()} or None, multiple: values or None}


def request_context(method: str, path: str) -> dict[str, Any]:
    return {
        "accountId": "123456789012",
        "apiId": "abcdef1234",
        "domainName": "api.example.com",
        "domainPrefix": "api",
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "httpMethod": method,
        "identity": {"sourceIp": "203.0.113.9", "userAgent": "python"},
        "path": f"/{STAGE}{path}",
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "24/Nov/2026:12:00:00 +0000",
        "requestTimeEpoch": 1795521600000,
        "resourceId": "123456",
        "resourcePath": "/{proxy+}",
        "stage": STAGE,
    }
