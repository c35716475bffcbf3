"""What AWS's adapter really does between Lambda and a web app: the real binary, our Runtime API, a real uvicorn.

Nothing is skipped: without cargo (or a built adapter) these tests fail and say so. `make test-lambda` runs them.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.lambda_adapter.adapter_process import AdapterProcess
from tests.lambda_adapter.cold_start import figures
from tests.lambda_adapter.events import rest_event
from tests.lambda_adapter.runtime_api import FUNCTION, FunctionFailedError, Invocation

UVICORN = [sys.executable, "-m", "uvicorn", "--log-level", "warning"]
TINY = [*UVICORN, "tests.lambda_adapter.tiny_app:app", "--port", "{port}"]
LONG_ENOUGH_S = 0.3  # for something that must not happen to have happened

# What is measured: a command, its environment, and the path of the first request. A new app is a new line here.
COLD: dict[str, tuple[list[str], dict[str, str], str]] = {"tiny": (TINY, {}, "/healthz")}


@pytest.fixture
async def function() -> AsyncIterator[AdapterProcess]:
    async with AdapterProcess(TINY) as started:
        await started.ready()
        yield started


@pytest.fixture
async def app(function: AdapterProcess) -> AsyncIterator[httpx.AsyncClient]:
    """The tiny app by its own port, past the adapter."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{function.port}") as client:
        yield client


async def echoed(function: AdapterProcess, event: Any) -> tuple[Any, dict[str, str], Invocation]:
    """What the app saw of an event: all of it, and its headers by name."""
    invocation = await function.invoke(event)
    seen = json.loads(await invocation.body())
    return seen, dict(seen["headers"]), invocation


async def answer_to(function: AdapterProcess, method: str, path: str) -> tuple[int, dict[str, Any], bytes]:
    invocation = await function.invoke(rest_event(method, path))
    head = await invocation.prelude()
    return head["statusCode"], head["headers"], await invocation.body()


async def test_an_answer_is_a_prelude_eight_nul_bytes_and_the_body(function: AdapterProcess) -> None:
    invocation = await function.invoke(rest_event("GET", "/echo"))
    body = await invocation.body()
    head = await invocation.prelude()

    assert invocation.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert invocation.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert invocation.headers["transfer-encoding"] == "chunked"
    assert set(head) == {"statusCode", "headers", "cookies"}
    assert (head["statusCode"], head["cookies"]) == (200, [])
    assert head["headers"]["content-type"] == "application/json"
    assert head["headers"]["content-length"] == str(len(body))


async def test_a_chunk_arrives_before_the_next_is_made(function: AdapterProcess, app: httpx.AsyncClient) -> None:
    invocation = await function.invoke(rest_event("POST", "/sse", body="{}"))
    arriving = aiter(invocation)

    for number in range(3):
        await app.get("/_poke")
        assert await anext(arriving) == b"data: %d\n\n" % number
    await app.get("/_poke")

    assert [chunk async for chunk in arriving] == []
    head = await invocation.prelude()
    assert head["headers"]["content-type"] == "text/event-stream"
    assert head["headers"]["x-request-id"] == "req_1"
    assert "transfer-encoding" not in head["headers"]


async def test_the_head_arrives_before_the_first_chunk_is_made(function: AdapterProcess) -> None:
    invocation = await function.invoke(rest_event("GET", "/sse"))

    assert (await invocation.prelude())["statusCode"] == 200
    assert invocation.chunks == []


async def test_the_app_is_told_the_deadline_and_the_request_id(function: AdapterProcess) -> None:
    _, headers, invocation = await echoed(function, rest_event("GET", "/echo"))

    assert json.loads(headers["x-amzn-lambda-context"]) == {
        "request_id": invocation.id,
        "deadline": invocation.deadline_ms,  # milliseconds since 1970; the name has no unit
        "invoked_function_arn": FUNCTION,
        "xray_trace_id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
        "client_context": None,
        "identity": None,
        "tenant_id": None,
        "env_config": {
            "function_name": "gateway",
            "memory": 1024,
            "version": "$LATEST",
            "log_stream": "2026/11/24/[$LATEST]0",
            "log_group": "/aws/lambda/gateway",
        },
    }
    assert headers["x-amzn-trace-id"] == "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"


async def test_the_app_is_told_the_request_context(function: AdapterProcess) -> None:
    event = rest_event("GET", "/echo")
    _, headers, _ = await echoed(function, event)
    context = json.loads(headers["x-amzn-request-context"])

    assert context["identity"]["sourceIp"] == "203.0.113.9"
    assert {name: context[name] for name in ("requestId", "stage", "path", "httpMethod")} == {
        "requestId": event["requestContext"]["requestId"],
        "stage": "prod",
        "path": "/prod/echo",
        "httpMethod": "GET",
    }
    assert "extendedRequestId" not in context


async def test_a_client_cannot_forge_the_contexts(function: AdapterProcess) -> None:
    names = ["x-amzn-request-context", "X-Amzn-Lambda-Context", "X-Amzn-Trace-Id"]
    seen, _, _ = await echoed(function, rest_event("GET", "/echo", headers=[(name, "forged") for name in names]))

    assert "forged" not in [value for _, value in seen["headers"]]
    assert len({name for name, _ in seen["headers"]}) == len(seen["headers"])


async def test_a_client_can_forge_a_tenant_id(function: AdapterProcess) -> None:
    _, headers, _ = await echoed(function, rest_event("GET", "/echo", headers=[("X-Amz-Tenant-Id", "forged")]))

    assert headers["x-amz-tenant-id"] == "forged"


async def test_of_a_repeated_request_header_the_app_sees_the_last_value(function: AdapterProcess) -> None:
    seen, _, _ = await echoed(function, rest_event("GET", "/echo", headers=[("X-Two", "1"), ("X-Two", "2")]))

    assert [value for name, value in seen["headers"] if name == "x-two"] == ["2"]


async def test_the_path_comes_without_the_stage_and_the_query_whole_but_in_any_order(function: AdapterProcess) -> None:
    seen, _, _ = await echoed(function, rest_event("GET", "/echo/a%2Fb?a=1&a=2&b=x%20y&c=%C3%A9%26&d="))

    assert seen["raw_path"] == "/echo/a%2Fb"
    assert sorted(seen["query"].split("&")) == ["a=1", "a=2", "b=x+y", "c=%C3%A9%26", "d="]


async def test_a_body_of_five_megabytes_in_base64_arrives_as_it_was(function: AdapterProcess) -> None:
    body = bytes(range(256)) * (5 * 4096)
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))]
    seen, received, _ = await echoed(function, rest_event("POST", "/echo", headers=headers, body=body))

    assert seen["length"] == len(body) == 5 * 2**20
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()
    assert received["content-length"] == str(len(body))


async def test_a_body_without_a_length_gets_one(function: AdapterProcess) -> None:
    seen, headers, _ = await echoed(function, rest_event("POST", "/echo", body="čtyři"))

    assert seen["length"] == 7
    assert headers["content-length"] == "7"
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize("status", [400, 402, 404, 409, 429, 500, 503])
async def test_error_statuses_are_answers_like_others(function: AdapterProcess, status: int) -> None:
    got, headers, body = await answer_to(function, "GET", f"/status?status={status}")

    assert (got, body, headers["content-type"]) == (status, b'{"error":{}}', "application/json")


async def test_head_and_an_empty_body_end_at_once(function: AdapterProcess) -> None:
    status, headers, body = await answer_to(function, "HEAD", "/echo")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0

    status, headers, body = await answer_to(function, "GET", "/headers")
    assert (status, headers["content-length"], body) == (200, "0", b"")


async def test_repeated_response_headers_become_a_list_and_cookies_stand_apart(function: AdapterProcess) -> None:
    invocation = await function.invoke(rest_event("GET", "/headers"))
    head = await invocation.prelude()

    assert head["headers"]["x-twice"] == ["1", "2"]  # whether API Gateway takes a list is unknown: send no header twice
    assert head["cookies"] == ["a=1", "b=2"]
    assert "set-cookie" not in head["headers"]


async def test_with_a_content_length_the_invocation_ends_at_the_last_byte_and_the_app_works_on(
    function: AdapterProcess, app: httpx.AsyncClient
) -> None:
    invocation = await function.invoke(rest_event("GET", "/length"))

    assert await invocation.body() == b'{"ok":true}'
    await function.api.idle()  # Lambda would freeze the app here
    assert (await app.get("/_state")).json() == []


async def test_the_next_request_waits_for_the_work_after_the_last_byte(
    function: AdapterProcess, app: httpx.AsyncClient
) -> None:
    await (await function.invoke(rest_event("GET", "/length"))).body()
    following = await function.invoke(rest_event("GET", "/echo"))
    await asyncio.sleep(LONG_ENOUGH_S)
    early = following.has_prelude

    await app.get("/_poke")
    await following.body()

    assert not early
    assert (await app.get("/_state")).json() == ["/length"]


@pytest.mark.parametrize("path", ["/chunked", "/nearly"])
async def test_work_before_the_end_of_a_chunked_answer_or_before_the_last_byte_is_waited_for(
    function: AdapterProcess, app: httpx.AsyncClient, path: str
) -> None:
    invocation = await function.invoke(rest_event("GET", path))
    await anext(aiter(invocation))
    await asyncio.sleep(LONG_ENOUGH_S)
    early = invocation.ended_at is not None or function.api.asking

    await app.get("/_poke")

    assert await invocation.body() == b'{"ok":true}'
    await function.api.idle()
    assert not early
    assert (await app.get("/_state")).json() == [path]


async def test_work_after_the_end_of_a_chunked_answer_is_not_waited_for(
    function: AdapterProcess, app: httpx.AsyncClient
) -> None:
    invocation = await function.invoke(rest_event("GET", "/after"))

    assert await invocation.body() == b'{"ok":true}'
    await function.api.idle()
    assert (await app.get("/_state")).json() == []


async def test_a_stream_that_the_app_breaks_off_gets_the_error_as_body_text(
    function: AdapterProcess, app: httpx.AsyncClient
) -> None:
    invocation = await function.invoke(rest_event("GET", "/crash"))
    await app.get("/_poke")
    body = await invocation.body()

    assert body.startswith(b"data: 1\n\nLambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n")
    assert invocation.trailers == {}
    assert (await answer_to(function, "GET", "/echo"))[0] == 200


async def test_an_app_that_is_gone_fails_the_invocation(function: AdapterProcess) -> None:
    await function.kill_app()
    invocation = await function.invoke(rest_event("GET", "/echo"))

    with pytest.raises(FunctionFailedError, match="Connect"):
        await invocation.body()


async def test_the_adapter_waits_for_an_app_that_is_not_there_yet() -> None:
    late = [
        sys.executable,
        "-c",
        f"import os, time; time.sleep(0.5); os.execv({TINY[0]!r}, {TINY[:-1]!r} + ['{{port}}'])",
    ]
    async with AdapterProcess(late) as function:
        invocation = await function.invoke(rest_event("GET", "/echo"))

        assert await invocation.body()


async def test_an_app_that_dies_at_its_start_is_reported_with_what_it_said() -> None:
    async with AdapterProcess([sys.executable, "-c", "raise SystemExit('no such setting')"]) as function:
        with pytest.raises(RuntimeError, match="no such setting"):
            await function.ready()


@pytest.mark.parametrize("name", COLD)
async def test_the_cold_start_is_measured(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command, env, path = COLD[name]
    measured = await figures(command, env, path, rounds=5)

    with capsys.disabled():
        print(f"\n{name}: {measured}")
    assert measured.cold_ms < 10_000  # Lambda's limit for the init phase
