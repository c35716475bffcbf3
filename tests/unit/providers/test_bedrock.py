"""Calls to Bedrock: where they go, who signs them, and that what is signed is what is sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from infergate.kernel.errors import InvalidRequest, Unavailable
from infergate.providers.bedrock import Bedrock
from infergate.providers.types import Target
from infergate.store.signing import Credentials
from infergate.transport.http1 import HttpClient, parse_url

from tests.support.bedrock_model import CONVERSE, CONVERSE_STREAM, serialized
from tests.support.eventstream import event

NOW = 1_795_536_000.0
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKEN = "IQoJb3JpZ2luX2VjE//////////wEaCXVz+session=="
URL = "https://bedrock-runtime.eu-central-1.amazonaws.com"
NOVA = "eu.amazon.nova-pro-v1:0"
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
CHAT: dict[str, Any] = {"model": "ours", "messages": [{"role": "user", "content": "Grüße 🌍"}], "max_tokens": 5}


def provider(token: str | None = TOKEN) -> Bedrock:
    return Bedrock(Credentials(*KEYS, token), lambda: NOW, lambda count: b"\7" * count)


def signed_by_botocore(
    url: str, body: bytes, *, region: str = "eu-central-1", token: str | None = TOKEN, at: str
) -> str:
    """The authorization of a POST whose x-amz-date is `at`."""
    request = AWSRequest("POST", url, headers={"content-type": "application/json"}, data=body)
    request.context["timestamp"] = at
    auth = SigV4Auth(BotoCredentials(*KEYS, token), "bedrock", region)
    auth._modify_request_before_signing(request)  # type: ignore[attr-defined]
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))  # type: ignore[no-untyped-call]
    signature = auth.signature(to_sign, request)  # type: ignore[no-untyped-call]
    auth._inject_signature_to_request(request, signature)  # type: ignore[attr-defined]
    return str(request.headers["Authorization"])


# -- where it goes -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", [NOVA, PROFILE, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_path_is_the_one_that_botocore_takes(model: str, stream: bool) -> None:
    call = provider().call("chat/completions", {**CHAT, "stream": stream}, Target(URL, model))

    path, body = serialized(CONVERSE_STREAM if stream else CONVERSE, model, json.loads(call.body))
    assert call.path == path
    assert json.loads(call.body) == body


def test_embeddings_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="chat completions only"):
        provider().call("embeddings", {"model": "ours", "input": "x"}, Target(URL, NOVA))


# -- who opens it ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("model", [NOVA, PROFILE])
@pytest.mark.parametrize(
    ("base_url", "options", "region"),
    [
        (URL, {}, "eu-central-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}, "us-gov-west-1"),
        ("https://vpce-0a1-b2c.bedrock-runtime.eu-west-3.vpce.amazonaws.com", {}, "eu-west-3"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", {}, "cn-north-1"),
        (URL, {"region": "us-east-1"}, "us-east-1"),
        ("http://127.0.0.1:8433/behind/it", {"region": "us-east-1"}, "us-east-1"),
    ],
)
def test_a_call_is_signed_by_the_role_as_botocore_signs_it(
    base_url: str, options: dict[str, str], region: str, model: str, token: str | None
) -> None:
    call = provider(token).call("chat/completions", CHAT, Target(base_url, model, options=options))
    headers = dict(call.headers)

    theirs = signed_by_botocore(base_url + call.path, call.body, region=region, token=token, at=headers["x-amz-date"])
    assert headers["authorization"] == theirs
    assert headers.get("x-amz-security-token") == token
    assert headers["x-amz-date"] == datetime.fromtimestamp(NOW, UTC).strftime("%Y%m%dT%H%M%SZ")


def test_a_key_of_bedrocks_own_is_sent_and_nothing_is_signed() -> None:
    target = Target("https://bedrock.example.com", NOVA, "bedrock-api-key-abc")

    call = provider().call("chat/completions", CHAT, target)

    assert call.headers == [("content-type", "application/json"), ("authorization", "Bearer bedrock-api-key-abc")]


@pytest.mark.parametrize(
    "host", ["bedrock.example.com", "not-bedrock-runtime.eu-central-1.example.com", "127.0.0.1:99"]
)
def test_without_a_region_nothing_is_sent(host: str) -> None:
    with pytest.raises(Unavailable, match="region"):
        provider().call("chat/completions", CHAT, Target(f"https://{host}", NOVA))


def test_channels_in_several_regions_are_signed_each_for_its_own() -> None:
    bedrock = provider()
    targets = [Target(f"https://bedrock-runtime.{region}.amazonaws.com", NOVA) for region in ("eu-west-1", "us-east-1")]

    first, second, again = (
        dict(bedrock.call("chat/completions", CHAT, target).headers)["authorization"]
        for target in (*targets, targets[0])
    )

    assert "/eu-west-1/bedrock/" in first
    assert "/us-east-1/bedrock/" in second
    assert again == first


# -- on the wire -------------------------------------------------------------------------------------------------------
class Amazon:
    """Takes one request at a time, answers a stream, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/base"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in lines[1:] if line)
        self.got.append((lines[0].split(" ")[1], headers, await reader.readexactly(int(headers["content-length"]))))
        body = event("messageStop", {"stopReason": "end_turn"})
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def amazon() -> AsyncIterator[Amazon]:
    amazon = Amazon()
    await amazon.start()
    yield amazon
    amazon.server.close()


@pytest.mark.parametrize("model", [NOVA, PROFILE])
async def test_what_is_signed_is_what_is_sent(amazon: Amazon, model: str) -> None:
    target = Target(amazon.url, model, options={"region": "eu-central-1"})
    call = provider().call("chat/completions", {**CHAT, "stream": True}, target)
    origin, base = parse_url(amazon.url)
    http = HttpClient()

    answer = await http.send(origin, "POST", base + call.path, call.headers, call.body, first_byte_timeout_s=5)
    await http.close()

    assert (answer.header(b"content-type") or b"").startswith(Bedrock.stream_type)
    [(path, headers, body)] = amazon.got
    url = f"http://{headers['host']}{path}"
    assert headers["host"] == f"127.0.0.1:{origin.port}"
    assert headers["authorization"] == signed_by_botocore(url, body, at=headers["x-amz-date"])
