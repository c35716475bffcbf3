"""template.yaml deployed, with its own roles enforced, into the embedded AWS: what is wired to what, and who may do what."""

import asyncio
import base64
import datetime
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.catalog.types import Snapshot
from infergate.kernel.ids import new_id
from infergate.kernel.money import usd
from infergate.ledger.types import Grant
from infergate.schedules.audit import audit

from tests.support.live import serve
from tools.local.aws import EmbeddedAws
from tools.local.deploy import Stack, deploy
from tools.local.template import ROOT
from tools.local.upstream import app as upstream
from tools.local.wiring import local_gateway, local_rooms

pytestmark = pytest.mark.emulator

EMAIL, PASSWORD = "anna@example.com", "Correct-Horse-7"
RUN_BY_NOBODY = {"gateway"}
"""Streams, so uvicorn runs it instead (tools/local)."""


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(iam=True) as started:
        yield started


@pytest.fixture(scope="module")
def stack(aws: EmbeddedAws) -> Stack:
    deployed = deploy(aws.endpoint)
    environment = aws.environment() | deployed.environment_of("GatewayFunction")
    asyncio.run(local_rooms(environment).shelf.apply(demo_catalog(), "test"))
    return deployed


@pytest.fixture(scope="module")
def client(aws: EmbeddedAws) -> Callable[[str], Any]:
    return lambda service: boto3.client(service, **aws.client_arguments())


@pytest.fixture(scope="module")
def tokens(stack: Stack, client: Callable[[str], Any]) -> dict[str, str]:
    """Of somebody who has signed up, confirmed the address and signed in as the dashboard does."""
    cognito, app = client("cognito-idp"), stack.outputs["UserPoolClientId"]
    attributes = [{"Name": "email", "Value": EMAIL}]
    cognito.sign_up(ClientId=app, Username=EMAIL, Password=PASSWORD, UserAttributes=attributes)
    cognito.confirm_sign_up(ClientId=app, Username=EMAIL, ConfirmationCode="123456")
    return sign_in(cognito, app, stack.outputs["UserPoolId"], EMAIL, PASSWORD)


# -- deployment --------------------------------------------------------------------------------------------------------
def test_deploying_again_without_a_change_changes_nothing(stack: Stack) -> None:
    began = time.monotonic()

    assert deploy(stack.endpoint) == stack
    assert time.monotonic() - began < 10


def test_a_stack_comes_back_from_its_folder_as_it_was(tmp_path: Path) -> None:
    with EmbeddedAws(state_dir=tmp_path, iam=True) as aws:
        before = deploy(aws.endpoint)
        table = before.outputs["CatalogTableName"]
        item = {"pk": {"S": "kept"}, "sk": {"S": "kept"}}
        boto3.client("dynamodb", **aws.client_arguments()).put_item(TableName=table, Item=item)

    with EmbeddedAws(state_dir=tmp_path, iam=True) as aws:
        after = deploy(aws.endpoint)
        kept = boto3.client("dynamodb", **aws.client_arguments()).get_item(TableName=table, Key=item)

    assert (after.outputs, set(after.names)) == (before.outputs, set(before.names))
    assert kept["Item"] == item


# -- people ------------------------------------------------------------------------------------------------------------
def test_the_account_api_lets_nobody_in_without_an_access_token(stack: Stack, tokens: dict[str, str]) -> None:
    assert call(stack, "GET", "/api/credits", None)[0] == 401
    assert call(stack, "GET", "/api/credits", "e30.e30.e30")[0] == 401
    assert call(stack, "GET", "/api/credits", tokens["IdToken"])[0] == 401


def test_who_confirms_an_address_has_an_account_with_its_trial_credit(stack: Stack, tokens: dict[str, str]) -> None:
    status, body = call(stack, "GET", "/api/credits", tokens["AccessToken"])

    assert status == 200
    assert body["available"].startswith("20")


def test_a_signed_in_person_can_make_an_api_key(stack: Stack, tokens: dict[str, str]) -> None:
    status, body = call(stack, "POST", "/api/keys", tokens["AccessToken"], {"name": "first"})

    assert status == 201
    assert body["secret"].startswith("sk-ig-")


def test_an_address_that_is_nothing_but_a_tag_is_refused_before_it_signs_up(
    stack: Stack, client: Callable[[str], Any]
) -> None:
    cognito = client("cognito-idp")

    with pytest.raises(cognito.exceptions.UserLambdaValidationException):
        cognito.sign_up(
            ClientId=stack.outputs["UserPoolClientId"],
            Username="+tag@example.com",
            Password=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": "+tag@example.com"}],
        )


# -- every door, under its own role ------------------------------------------------------------------------------------
EVENTS = sorted(path for path in (ROOT / "events").glob("*/*.json") if path.parent.name not in RUN_BY_NOBODY)


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_door_takes_its_sample_event_with_no_more_rights_than_its_role_has(
    stack: Stack, client: Callable[[str], Any], path: Path
) -> None:
    function = stack.names[f"{path.parent.name.title().replace('_', '')}Function"]

    answer = client("lambda").invoke(FunctionName=function, Payload=path.read_bytes())

    said = answer["Payload"].read().decode()
    assert "FunctionError" not in answer, said
    assert "AccessDenied" not in said
    assert '"statusCode": 5' not in said


def test_a_schedule_reaches_its_function(stack: Stack, client: Callable[[str], Any]) -> None:
    """A copy of the deployed schedule that is due now; the deployed one is due in fifteen minutes."""
    scheduler = client("scheduler")
    deployed = scheduler.get_schedule(Name=stack.names["ExpireCreditsFunctionClock"])
    before = runs_of(client, stack.names["ExpireCreditsLogs"])
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)

    scheduler.create_schedule(
        Name="now",
        ScheduleExpression=f"at({now:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=deployed["Target"],
    )

    assert deployed["ScheduleExpression"] == "rate(15 minutes)"
    assert soon(lambda: runs_of(client, stack.names["ExpireCreditsLogs"]) > before)


def test_a_new_receipt_reaches_the_rollups_and_its_end_does_not(stack: Stack, client: Callable[[str], Any]) -> None:
    record = json.loads((ROOT / "events" / "rollups" / "receipts.json").read_text())["Records"][0]["dynamodb"]
    table, log = stack.outputs["ReceiptsTableName"], stack.names["RollupsLogs"]
    database, before = client("dynamodb"), runs_of(client, log)

    database.put_item(TableName=table, Item=record["NewImage"])

    assert soon(lambda: runs_of(client, log) == before + 1)

    database.delete_item(TableName=table, Key=record["Keys"])
    time.sleep(2)

    assert runs_of(client, log) == before + 1


async def test_a_channel_without_its_key_is_off_until_it_has_one(
    stack: Stack, aws: EmbeddedAws, client: Callable[[str], Any]
) -> None:
    environment = aws.environment() | stack.environment_of("GatewayFunction")
    rooms, secret = local_rooms(environment), environment["CHANNEL_SECRET_PREFIX"] + "demo"
    event = (ROOT / "events" / "channel_health" / "tick.json").read_bytes()
    await rooms.shelf.apply(demo_catalog("https://provider.invalid"), "test")

    async def after_a_run() -> str:
        client("lambda").invoke(FunctionName=stack.names["ChannelHealthFunction"], Payload=event)
        return (await rooms.channels.overview(["demo"]))["demo"].state.phase

    assert await after_a_run() == "off"
    client("secretsmanager").create_secret(Name=secret, SecretString="demo-key")
    assert await after_a_run() == "closed"

    client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


# -- the gateway's role ------------------------------------------------------------------------------------------------
def test_the_gateway_may_write_a_receipt_and_never_take_it_back(
    stack: Stack, aws: EmbeddedAws, client: Callable[[str], Any]
) -> None:
    as_gateway, table = acting(aws, stack, "GatewayRole"), stack.outputs["ReceiptsTableName"]
    key = {"pk": {"S": "role"}, "sk": {"S": "role"}}

    as_gateway.put_item(TableName=table, Item=key)

    with pytest.raises(ClientError, match="AccessDenied"):
        as_gateway.delete_item(TableName=table, Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        as_gateway.update_item(TableName=table, Key=key)
    client("dynamodb").delete_item(TableName=table, Key=key)  # it is no receipt, and the auditor reads them all


def test_the_gateway_may_not_change_what_is_sold_nor_read_all_accounts(stack: Stack, aws: EmbeddedAws) -> None:
    as_gateway = acting(aws, stack, "GatewayRole")

    with pytest.raises(ClientError, match="AccessDenied"):
        as_gateway.put_item(TableName=stack.outputs["CatalogTableName"], Item={"pk": {"S": "x"}, "sk": {"S": "x"}})
    with pytest.raises(ClientError, match="AccessDenied"):
        as_gateway.scan(TableName=stack.outputs["AccountsTableName"])


async def test_a_request_needs_no_more_rights_than_the_gateways_role_has(
    stack: Stack, aws: EmbeddedAws, client: Callable[[str], Any], tokens: dict[str, str]
) -> None:
    """From the key to the settled receipt, expired credit on the way included, with the clients of the hot path."""
    as_root = aws.environment() | stack.environment_of("GatewayFunction")
    as_gateway = as_root | stack.credentials_of("GatewayRole")
    client("secretsmanager").create_secret(Name=as_root["CHANNEL_SECRET_PREFIX"] + "demo", SecretString="demo-key")
    key = call(stack, "POST", "/api/keys", tokens["AccessToken"], {"name": "role"})[1]["secret"]
    account, rooms = call(stack, "GET", "/api/profile", tokens["AccessToken"])[1]["id"], local_rooms(as_root)
    body = {"model": "demo-chat", "stream": True, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
    async with serve(upstream) as upstream_url, serve(local_gateway(as_gateway)) as base_url:
        await rooms.shelf.apply(demo_catalog(upstream_url), "test")
        async with httpx.AsyncClient(base_url=base_url, headers={"Authorization": f"Bearer {key}"}) as http:
            assert (await http.get("/healthz")).status_code == 200
            for path in ("/v1/models", "/v1/models/demo-chat", "/v1/credits", "/v1/key", "/v1/limits"):
                assert (await http.get(path)).status_code == 200, path

            first = await http.post("/v1/chat/completions", json=body)
            await rooms.grants.add(account, ending_soon(), cause="test", actor="test", reason="test")
            await asyncio.sleep(2.1)
            once = {"Idempotency-Key": "refused-then-run"}
            refused = await http.post("/v1/chat/completions", json={**body, "model": "none"}, headers=once)
            assert refused.status_code == 404, refused.text
            second = await http.post("/v1/chat/completions", json=body, headers=once)

            for answer in (first, second):
                assert answer.text.endswith("data: [DONE]\n\n"), answer.text
                receipt = await http.get(f"/v1/receipts/{answer.headers['x-request-id']}")
                assert receipt.status_code == 200
    report = await audit(rooms.store, rooms.tables, account)
    assert (report.broken, report.receipts) == ({}, 2)
    assert [entry.kind for entry in await rooms.books.entries(account)].count("expiry") == 1


# -- what the tests stand on -------------------------------------------------------------------------------------------
def demo_catalog(upstream_url: str | None = None) -> Snapshot:
    channel = {"channels.demo.base_url": f"{upstream_url}/v1", "channels.demo.enabled": "true"} if upstream_url else {}
    return compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), channel))


def ending_soon() -> Grant:
    now_s = int(time.time())
    return Grant(new_id("grant", now_s, os.urandom), "promo", usd("1"), usd("1"), now_s, now_s + 2, source="test")


def acting(aws: EmbeddedAws, stack: Stack, role: str) -> Any:
    variables = stack.credentials_of(role)
    keys = {name.lower(): value for name, value in variables.items()}
    return boto3.client("dynamodb", **(aws.client_arguments() | keys))


def call(stack: Stack, method: str, path: str, token: str | None, body: Any = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(stack.api_url + path, data, headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, json.loads(answer.read())


def runs_of(client: Callable[[str], Any], log_group: str) -> int:
    """How often the function of this log group ended a run."""
    events = client("logs").filter_log_events(logGroupName=log_group, filterPattern='"REPORT RequestId"')["events"]
    return len(events)


def soon(is_so: Callable[[], bool], within_s: float = 20) -> bool:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def sign_in(cognito: Any, app: str, pool: str, email: str, password: str) -> dict[str, str]:
    """Cognito's SRP, as the dashboard does it: the password never leaves. RFC 5054's 3072-bit group, SHA-256."""
    prime, generator, secret = _PRIME, 2, int.from_bytes(os.urandom(32))
    public = pow(generator, secret, prime)
    parameters = {"USERNAME": email, "SRP_A": f"{public:x}"}
    asked = cognito.initiate_auth(ClientId=app, AuthFlow="USER_SRP_AUTH", AuthParameters=parameters)
    challenge = asked["ChallengeParameters"]
    user, theirs, block = challenge["USER_ID_FOR_SRP"], int(challenge["SRP_B"], 16), challenge["SECRET_BLOCK"]
    name = pool.partition("_")[2]
    inner = hashlib.sha256(f"{name}{user}:{password}".encode()).digest()
    exponent = _hash(_bytes(int(challenge["SALT"], 16)) + inner)
    mixed = _hash(_bytes(public) + _bytes(theirs))
    verifier = pow(generator, exponent, prime) * _hash(_bytes(prime) + _bytes(generator))
    shared = pow(theirs - verifier, secret + mixed * exponent, prime)
    extracted = hmac.digest(_bytes(mixed), _bytes(shared), "sha256")
    key = hmac.digest(extracted, b"Caldera Derived Key\x01", "sha256")[:16]
    at = f"{datetime.datetime.now(datetime.UTC):%a %b %-d %H:%M:%S UTC %Y}"
    proof = hmac.digest(key, f"{name}{user}".encode() + base64.b64decode(block) + at.encode(), "sha256")
    answered = cognito.respond_to_auth_challenge(
        ClientId=app,
        ChallengeName="PASSWORD_VERIFIER",
        ChallengeResponses={
            "USERNAME": user,
            "TIMESTAMP": at,
            "PASSWORD_CLAIM_SECRET_BLOCK": block,
            "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(proof).decode(),
        },
    )
    result: dict[str, str] = answered["AuthenticationResult"]
    return result


def _bytes(number: int) -> bytes:
    """Big-endian, with a zero in front where the first bit is set."""
    return number.to_bytes(number.bit_length() // 8 + 1)


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest())


_PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7D"
    "B3970F85A6E1E4C7ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
    "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
