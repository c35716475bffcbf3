"""The official OpenAI SDK, unchanged but for its base URL and key."""

import asyncio

import openai
import pytest
from infergate.console import accounts
from openai import AsyncOpenAI, OpenAI

from tests.support.live import Customer, Live

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather somewhere",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
HELLO = [{"role": "user", "content": "Grüße, 世界 🌍"}]


def sync(live: Live, customer: Customer | None, key: str | None = None) -> OpenAI:
    return OpenAI(base_url=f"{live.base_url}/v1", api_key=key or (customer.key if customer else ""), max_retries=0)


@pytest.fixture
async def client(live: Live) -> AsyncOpenAI:
    live.fresh_minute()
    customer = await live.customer()
    return AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key=customer.key, max_retries=0)


async def test_it_lists_the_models_that_the_key_may_call(client: AsyncOpenAI) -> None:
    models = [model.id async for model in client.models.list()]

    assert models == ["demo-chat", "demo-embedding"]
    assert (await client.models.retrieve("demo-chat")).owned_by == "infergate"


async def test_it_chats_and_sees_cost_and_request_id(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="demo-chat", messages=HELLO)  # type: ignore[arg-type]

    answer = raw.parse()
    assert "Grüße, 世界 🌍" in (answer.choices[0].message.content or "")
    assert answer._request_id == raw.headers["x-request-id"]
    assert answer.usage is not None
    assert answer.usage.model_extra == {"cost": raw.headers["x-infergate-cost"]}
    assert raw.headers["x-ratelimit-remaining-requests"] == "599"


async def test_it_streams_with_and_without_the_usage_chunk(client: AsyncOpenAI) -> None:
    plain = [c async for c in await client.chat.completions.create(model="demo-chat", messages=HELLO, stream=True)]  # type: ignore[call-overload]
    asked = [
        c
        async for c in await client.chat.completions.create(  # type: ignore[call-overload]
            model="demo-chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    ]

    assert all(chunk.choices and chunk.usage is None for chunk in plain)
    assert len({chunk.id for chunk in asked}) == 1
    *body, last = asked
    assert all(chunk.usage is None for chunk in body)
    assert last.choices == []
    assert last.usage.model_extra["cost"].startswith("0.0000")
    assert "".join(c.choices[0].delta.content or "" for c in body) == "".join(
        c.choices[0].delta.content or "" for c in plain
    )


async def test_it_calls_a_tool_and_hands_back_its_result(client: AsyncOpenAI) -> None:
    question = {"role": "user", "content": "use get_weather for Oslo"}
    first = await client.chat.completions.create(
        model="demo-chat",
        messages=[question],
        tools=TOOLS,
        tool_choice="required",  # type: ignore[list-item, arg-type]
    )
    call = first.choices[0].message.tool_calls[0]  # type: ignore[index]
    assert call.function.name == "get_weather"  # type: ignore[union-attr]

    result = {"role": "tool", "tool_call_id": call.id, "content": "7 degrees"}
    second = await client.chat.completions.create(
        model="demo-chat",
        messages=[question, first.choices[0].message.model_dump(exclude_none=True), result],  # type: ignore[list-item]
        tools=TOOLS,  # type: ignore[arg-type]
    )

    assert "7 degrees" in (second.choices[0].message.content or "")


async def test_it_embeds_in_both_encodings(client: AsyncOpenAI) -> None:
    default = await client.embeddings.create(model="demo-embedding", input=["a", "b"])
    floats = await client.embeddings.create(model="demo-embedding", input=["a", "b"], encoding_format="float")

    assert len(default.data) == 2
    assert default.data[0].embedding == pytest.approx(floats.data[0].embedding, rel=1e-6)


async def test_the_sync_client_works_as_the_async_one_does(live: Live) -> None:
    customer = await live.customer()

    def talk() -> tuple[list[str], str, str]:
        client = sync(live, customer)
        models = [model.id for model in client.models.list()]
        answer = client.chat.completions.create(model="demo-chat", messages=HELLO)  # type: ignore[arg-type]
        stream = client.chat.completions.create(model="demo-chat", messages=HELLO, stream=True)  # type: ignore[arg-type]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        return models, answer.choices[0].message.content or "", text

    models, whole, streamed = await asyncio.to_thread(talk)

    assert models == ["demo-chat", "demo-embedding"]
    assert whole == streamed


async def test_each_refusal_is_the_exception_that_the_sdk_has_for_it(live: Live) -> None:
    rich, empty, suspended = await live.customer(), await live.customer("0"), await live.customer()
    limited = await live.customer(limits={"requests_per_minute": 1})

    await accounts.set_status(live.rooms.desk, suspended.account, "suspended", actor="test", reason="test")
    cases: list[tuple[type[openai.APIStatusError], int, str | None, str, str]] = [
        (openai.AuthenticationError, 401, "invalid_api_key", "sk-ig-nonsense", "demo-chat"),
        (openai.APIStatusError, 402, "insufficient_credits", empty.key, "demo-chat"),
        (openai.PermissionDeniedError, 403, "account_suspended", suspended.key, "demo-chat"),
        (openai.PermissionDeniedError, 403, "model_not_enabled", rich.key, "gpt-4o-mini"),
        (openai.NotFoundError, 404, "model_not_found", rich.key, "no-such-model"),
    ]
    live.fresh_minute()
    await live.chat(limited)
    cases.append((openai.RateLimitError, 429, "rate_limit_exceeded", limited.key, "demo-chat"))
    for exception, status, code, key, model in cases:
        client = AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key=key, max_retries=0)
        with pytest.raises(exception) as caught:
            await client.chat.completions.create(model=model, messages=HELLO)  # type: ignore[arg-type]
        assert (caught.value.status_code, caught.value.code) == (status, code)
        assert (caught.value.request_id or "").startswith("req_")
        assert caught.value.message


async def test_a_failure_in_mid_stream_raises_and_is_never_taken_for_the_end(client: AsyncOpenAI) -> None:
    script = [{"role": "user", "content": "demo: tokens=20 cut_after=3"}]
    stream = await client.chat.completions.create(model="demo-chat", messages=script, stream=True)  # type: ignore[call-overload]

    with pytest.raises(openai.APIError) as caught:
        async for _ in stream:
            pass

    assert caught.value.code == "upstream_error"


async def test_it_retries_a_busy_provider_and_is_charged_once(live: Live) -> None:
    customer = await live.customer()
    client = AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key=customer.key, max_retries=1)

    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(
            model="demo-chat", messages=[{"role": "user", "content": "demo: status=500"}]
        )

    assert (await live.wallet(customer)).spent == 0
    assert (await live.audit(customer)).clean


async def test_unknown_fields_pass_through_and_a_megabyte_of_prompt_is_taken(live: Live, client: AsyncOpenAI) -> None:
    await client.chat.completions.create(
        model="demo-chat",
        messages=[{"role": "user", "content": "x" * 300_000}],
        max_tokens=5,
        extra_body={"an_unknown_field": {"kept": True}},
    )

    assert any(
        (request["body"] or {}).get("an_unknown_field") == {"kept": True} or request.get("body_bytes", 0) > 256 << 10
        for request in await live.upstream_requests()
    )
