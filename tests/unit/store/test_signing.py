"""Signatures: the same as botocore's, for both users, whatever the request."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.store.signing import Credentials, Signer

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKENS = [None, "IQoJb3JpZ2luX2VjE//////////wEaCXVzLWVhc3QtMSJ+token/with+signs=="]
HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
PATHS = [
    "/model/amazon.nova-lite-v1%3A0/converse",
    "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
    f"/model/{quote(ARN, safe='')}/converse",
    "/behind/a/gateway/model/meta.llama4-scout-17b-instruct-v1%3A0/converse",
    "/",
    "/~tilde/a%20space/100%25/%C3%A4",
]
BODIES = [b"", b"{}", '{"text":"Grüße, 世界 🌍"}'.encode(), b"x" * 100_000]


def by_botocore(
    token: str | None, service: str, host: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[float, dict[str, str]]:
    """The time at which botocore signed, and the headers of its request."""
    request = AWSRequest("POST", f"https://{host}{path}", headers=headers, data=body)
    SigV4Auth(BotoCredentials(*KEYS, token), service, "eu-central-1").add_auth(request)  # type: ignore[no-untyped-call]
    signed = {name.lower(): value for name, value in request.headers.items()}
    at = datetime.strptime(signed["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return at.timestamp(), signed


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", PATHS)
def test_a_post_to_a_path_is_signed_as_botocore_signs_it(path: str, body: bytes, token: str | None) -> None:
    at, theirs = by_botocore(token, "bedrock", HOST, path, {"Content-Type": "application/json"}, body)

    ours = Signer(Credentials(*KEYS, token), "eu-central-1", "bedrock", HOST).rest_headers(path, body, at)

    assert dict(ours) == theirs


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("body", BODIES)
def test_a_call_of_a_json_service_is_signed_as_botocore_signs_it(body: bytes, token: str | None) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.UpdateItem"}
    at, theirs = by_botocore(token, "dynamodb", "localhost:8000", "/", headers, body)

    signer = Signer(Credentials(*KEYS, token), "eu-central-1", "dynamodb", "localhost:8000")

    assert dict(signer.headers("DynamoDB_20120810.UpdateItem", body, at)) == theirs


@settings(max_examples=60, deadline=None)
@given(model=st.text(min_size=1).filter(lambda name: name.strip(".")), body=st.binary(max_size=50))
def test_any_name_of_a_model_is_signed_as_botocore_signs_it(model: str, body: bytes) -> None:
    path = f"/model/{quote(model.encode('utf-8', 'replace'), safe='')}/converse"
    at, theirs = by_botocore(None, "bedrock", HOST, path, {"Content-Type": "application/json"}, body)

    assert dict(Signer(Credentials(*KEYS), "eu-central-1", "bedrock", HOST).rest_headers(path, body, at)) == theirs


def test_one_signer_serves_both_kinds_and_every_day() -> None:
    signer = Signer(Credentials(*KEYS), "eu-central-1", "bedrock", HOST)
    first = 1_795_536_000.0
    alone = [
        Signer(Credentials(*KEYS), "eu-central-1", "bedrock", HOST).rest_headers("/a", b"{}", first + after)
        for after in (0, 0.5, 1, 86_400)
    ]

    again = [signer.rest_headers("/a", b"{}", first + after) for after in (0, 0.5, 1, 86_400)]

    assert again == alone
    assert again[0] == again[1]
    assert len({dict(headers)["authorization"] for headers in again}) == 3
