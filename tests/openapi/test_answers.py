"""What the live gateway answers is what docs/openapi.yaml says of it."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.openapi.document import answer_faults, operations
from tests.support.live import Customer, Live

CHAT = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
EXAMPLES = [
    (path, example["value"], stream)
    for (method, path), operation in operations().items()
    if method == "post"
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values()
    for stream in ((False, True) if "text/event-stream" in operation["responses"]["200"]["content"] else (False,))
]
BOTH_FORMS = pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])


@pytest.mark.parametrize(("path", "body", "stream"), EXAMPLES)
async def test_every_example_is_answered_as_documented(live: Live, path: str, body: Any, stream: bool) -> None:
    customer = await live.customer()

    answer = await live.post(path, customer.key, json=body | ({"stream": True} if stream else {}))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream") == (stream or "stream" in body)
    assert answer_faults("post", path, answer) == []


async def test_every_read_is_answered_as_documented(live: Live) -> None:
    customer = await live.customer()
    made = await live.chat(customer)
    ids = {"/v1/models/{id}": "demo-chat", "/v1/receipts/{id}": made.headers["x-request-id"], "/v1/responses/{id}": "r"}

    for method, path in operations():
        if method == "get":
            answer = await live.get(path.replace("{id}", ids.get(path, "")), customer.key)
            assert answer.status_code == (404 if path == "/v1/responses/{id}" else 200)
            assert answer_faults("get", path, answer) == []


async def test_every_read_is_refused_as_documented(live: Live) -> None:
    customer = await live.customer()

    for method, path in operations():
        if method == "get" and path != "/healthz":
            assert await _refused(live.get(path.replace("{id}", "x"), None), "get", path) == 401
        if path.endswith("{id}"):
            assert await _refused(live.get(path.replace("{id}", "x"), customer.key), "get", path) == 404


@BOTH_FORMS
async def test_every_refusal_is_as_documented(live: Live, path: str) -> None:
    live.fresh_minute()
    customer, poor, slow = (
        await live.customer(),
        await live.customer("0.000001"),
        await live.customer(limits={"requests_per_minute": 1}),
    )

    async def status(
        who: Customer | None = customer, *, key: str = "", content: bytes | None = None, **change: Any
    ) -> int:
        how: dict[str, Any] = {"json": CHAT | change} if content is None else {"content": content}
        headers = {"idempotency-key": key} if key else {}
        return await _refused(live.post(path, who.key if who else None, headers=headers, **how), "post", path)

    assert await status(content=b"{") == 400
    assert await status(n=0) == 400
    assert await status(messages=[{"role": "user", "content": "x" * 600_000}]) == 400
    assert await status(None) == 401
    assert await status(poor) == 402
    assert await status(model="gpt-4o-mini") == 403
    assert await status(model="no-such-model") == 404
    assert await status(content=b" " * (6 << 20) + b"{}") == 413
    assert [await status(slow), await status(slow)] == [200, 429]
    assert [await status(key="k"), await status(key="k"), await status(key="k", max_tokens=49)] == [200, 409, 422]
    assert await status(messages=[{"role": "user", "content": "demo: status=500"}]) == 502
    assert await status(messages=[{"role": "user", "content": "demo: status=429"}]) == 429


@BOTH_FORMS
async def test_a_second_request_while_the_first_is_under_way_is_refused_as_documented(live: Live, path: str) -> None:
    customer = await live.customer()
    body = CHAT | {"messages": [{"role": "user", "content": "demo: ttft_ms=400"}]}

    both = [live.post(path, customer.key, json=body, headers={"idempotency-key": "k"}) for _ in range(2)]
    answers = sorted(await asyncio.gather(*both), key=lambda answer: answer.status_code)

    assert [answer.status_code for answer in answers] == [200, 409]
    assert [answer_faults("post", path, answer) for answer in answers] == [[], []]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"])
async def test_a_stream_that_fails_in_the_middle_ends_as_documented(live: Live, path: str) -> None:
    customer = await live.customer()
    script = "demo: tokens=9 error_after=3"
    asked = {"/v1/completions": {"prompt": script}, "/v1/responses": {"input": script}}
    body = {"model": "demo-chat", "stream": True} | asked.get(
        path, {"messages": [{"role": "user", "content": script}], "max_tokens": 50}
    )

    answer = await live.post(path, customer.key, json=body)

    assert answer.status_code == 200
    assert '"error"' in answer.text
    assert answer_faults("post", path, answer) == []


async def test_healthz_is_read_and_nothing_else(live: Live) -> None:
    assert (await live.get("/healthz", None)).json() == {"status": "ok"}
    assert (await live.http.head("/healthz")).status_code == 200

    wrong = await live.http.post("/healthz")

    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")


async def _refused(asked: Any, method: str, path: str) -> int:
    """The status, after a look at all of the answer."""
    answer: httpx.Response = await asked
    assert answer_faults(method, path, answer) == []
    return answer.status_code
