"""The real gateway behind the real adapter: what reaches API Gateway, when, and what is settled before Lambda freezes us."""

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import boto3
import orjson
import pytest

from tests.lambda_adapter.adapter_process import AdapterProcess
from tests.lambda_adapter.cold_start import figures
from tests.lambda_adapter.events import rest_event
from tests.support.live import PEPPER, Customer, Live, environment
from tools.local.aws import EmbeddedAws

GATEWAY = [sys.executable, "-m", "uvicorn", "tools.local.gateway:app", "--loop", "uvloop", "--http", "httptools"]
GATEWAY += ["--no-access-log", "--log-level", "warning"]


@pytest.fixture
def variables(aws: EmbeddedAws, tables: dict[str, str]) -> dict[str, str]:
    """The gateway's environment, with its secrets in the emulator's Secrets Manager."""
    secrets = boto3.client("secretsmanager", **aws.client_arguments())
    for name, value in (("pepper", PEPPER), ("channels/demo", "demo-upstream-key")):
        try:
            secrets.create_secret(Name=name, SecretString=value)
        except secrets.exceptions.ResourceExistsException:
            continue
    return {**aws.environment(), **environment(tables), "INFERGATE_BEHIND_ADAPTER": "1"}


@pytest.fixture
async def function(variables: dict[str, str], live: Live) -> AsyncIterator[AdapterProcess]:
    async with AdapterProcess(GATEWAY, variables) as started:
        await started.ready()
        yield started


def chat(customer: Customer, content: str, **fields: Any) -> dict[str, Any]:
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": content}], **fields}
    headers = [("Authorization", f"Bearer {customer.key}"), ("Content-Type", "application/json")]
    return rest_event("POST", "/v1/chat/completions", headers=headers, body=json.dumps(body))


async def test_a_streamed_chat_arrives_token_by_token_with_its_prelude(function: AdapterProcess, live: Live) -> None:
    customer = await live.customer()

    invocation = await function.invoke(chat(customer, "demo: tokens=12 delay_ms=60", stream=True))

    prelude = await invocation.prelude()
    assert prelude["statusCode"] == 200
    assert prelude["headers"]["content-type"] == "text/event-stream; charset=utf-8"
    assert prelude["headers"]["x-request-id"].startswith("req_")
    assert prelude["headers"]["x-ratelimit-limit-requests"] == "600"
    assert not any(isinstance(value, list) for value in prelude["headers"].values()), "no header stands twice"
    pieces = [piece async for piece in invocation]
    assert len(pieces) >= 12, "each token came by itself"
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_everything_is_settled_before_lambda_may_freeze_the_process(
    function: AdapterProcess, live: Live, stream: bool
) -> None:
    customer = await live.customer()
    invocation = await function.invoke(chat(customer, "demo: tokens=12 prompt=30", stream=stream))
    prelude = await invocation.prelude()
    await invocation.end()
    await function.api.idle()

    await function.kill_app()

    wallet = await live.house.ledger.wallet(customer.account)
    assert wallet is not None
    assert wallet.holds == {}
    receipt = await live.house.ledger.receipt(customer.account, prelude["headers"]["x-request-id"])
    assert receipt is not None
    assert wallet.spent == receipt.cost > 0


async def test_a_stream_that_would_outlive_the_function_ends_with_an_error_event_and_is_settled(
    function: AdapterProcess, live: Live
) -> None:
    customer = await live.customer()

    # Whatever is only done once, in a process that has just started, is not what is timed here.
    await (await function.invoke(chat(customer, "demo: tokens=1"))).end()

    # Twenty seconds before the function's end the gateway stops by itself: here that is four seconds from now.
    invocation = await function.invoke(chat(customer, "demo: tokens=500 delay_ms=50", stream=True), timeout_s=24)

    body = await invocation.body()
    assert body.count(b"data: ") > 2, body
    *_, last, done = [part.removeprefix(b"data: ") for part in body.strip().split(b"\n\n")]
    assert done == b"[DONE]"
    assert "longer than a request may" in orjson.loads(last)["error"]["message"]
    await function.api.idle()
    wallet = await live.house.ledger.wallet(customer.account)
    assert wallet is not None
    assert wallet.holds == {}
    assert wallet.spent > 0


async def test_refusals_keep_their_status_and_form_behind_the_adapter(function: AdapterProcess, live: Live) -> None:
    empty = await live.customer("0")
    for event, status in (
        (chat(empty, "Hi"), 402),
        (rest_event("POST", "/v1/chat/completions", headers=[], body="{}"), 401),
        (rest_event("GET", "/v1/nothing", headers=[]), 404),
        (rest_event("DELETE", "/v1/chat/completions", headers=[]), 405),
    ):
        invocation = await function.invoke(event)

        assert (await invocation.prelude())["statusCode"] == status
        assert set(orjson.loads(await invocation.body())["error"]) == {"message", "type", "param", "code"}
        assert "x-request-id" in (await invocation.prelude())["headers"]


async def test_the_gateways_cold_start_is_measured(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    measured = await figures(GATEWAY, variables, "/healthz", rounds=5)

    with capsys.disabled():
        print(f"\ngateway: {measured}")
    assert measured.cold_ms < 10_000
