"""The official Anthropic SDK, unchanged but for its base URL and key."""

from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from infergate.console import accounts

from tests.journeys.test_responses_sdk import PIXEL, apply, paid
from tests.support import thinking_upstream
from tests.support.live import Customer, Live, serve
from tests.support.published import events, faults

HELLO: Any = [{"role": "user", "content": "Grüße, 世界 🌍"}]
TOOL: Any = {
    "name": "get_weather",
    "description": "The weather somewhere",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKED: dict[str, Any] = {"model": "demo-chat", "max_tokens": 100}


def client(live: Live, customer: Customer | None = None, **how: Any) -> AsyncAnthropic:
    how = how or {"api_key": customer.key if customer else "sk-ig-nonsense"}
    return AsyncAnthropic(base_url=live.base_url, max_retries=0, **how)


async def test_it_answers_and_says_the_cost(live: Live) -> None:
    customer = await live.customer()
    raw = await client(live, customer).messages.with_raw_response.create(**ASKED, messages=HELLO, system="Be kind.")

    message = await raw.parse()
    assert message.content[0].type == "text"
    assert "Grüße, 世界 🌍" in message.content[0].text
    assert (message.stop_reason, message.role) == ("end_turn", "assistant")
    assert message._request_id == raw.headers["request-id"] == raw.headers["x-request-id"]
    assert faults("anthropic", "Message", await raw.json()) == []
    assert await paid(live, customer) > 0


async def test_a_key_comes_in_either_header_but_never_two_of_them(live: Live) -> None:
    customer, other = await live.customer(), await live.customer()
    bearer = client(live, auth_token=customer.key)
    assert (await bearer.messages.create(**ASKED, messages=HELLO)).type == "message"

    both = await live.post("/v1/messages", customer.key, json=ASKED, headers={"x-api-key": other.key})
    same = await live.post(
        "/v1/messages", customer.key, json={**ASKED, "messages": HELLO}, headers={"x-api-key": customer.key}
    )
    elsewhere = await live.post("/v1/chat/completions", None, json=ASKED, headers={"x-api-key": customer.key})

    assert (both.status_code, same.status_code, elsewhere.status_code) == (401, 200, 401)


async def test_it_streams_text_and_the_final_message_with_its_usage(live: Live) -> None:
    customer = await live.customer()
    async with client(live, customer).messages.stream(**ASKED, messages=HELLO) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()

    assert final.content[0].text == text  # type: ignore[union-attr]
    assert final.usage.input_tokens > 0
    assert final.usage.output_tokens > 0
    assert await paid(live, customer) > 0


async def test_the_bytes_of_a_stream_are_as_published_and_its_usage_is_the_receipts(live: Live) -> None:
    customer = await live.customer()
    script = [{"role": "user", "content": "demo: tokens=20 prompt=100 cached=40"}]

    answer = await live.post("/v1/messages", customer.key, json={**ASKED, "messages": script, "stream": True})

    found = events(answer.content)
    assert [fault for event in found for fault in faults("anthropic", "MessageStreamEvent", event)] == []
    usage, units = found[-2]["usage"], (await live.receipt(customer, answer)).units
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (60, 40, 20)
    assert (units["input"], units["output"]) in ((60, 20), (100, 20))


@pytest.mark.parametrize("stream", [False, True])
async def test_it_calls_a_tool_and_hands_back_its_result(live: Live, stream: bool) -> None:
    sdk = client(live, await live.customer())
    conversation: list[Any] = [{"role": "user", "content": "use get_weather for Oslo"}]
    asked = ASKED | {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    if stream:
        async with sdk.messages.stream(messages=conversation, **asked) as opened:
            first: Any = await opened.get_final_message()
    else:
        first = await sdk.messages.create(messages=conversation, **asked)
    (use,) = first.content
    assert (first.stop_reason, use.type, use.name, use.input) == (
        "tool_use",
        "tool_use",
        "get_weather",
        {"city": "demo"},
    )

    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "7 degrees"}]}
    conversation += [first.to_param(), {"role": "user", "content": [result]}]
    second = await sdk.messages.create(messages=conversation, tools=[TOOL], **ASKED)

    assert "7 degrees" in second.content[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_comes_with_its_signature_and_goes_back_with_it(live: Live, stream: bool) -> None:
    async with serve(thinking_upstream.app) as url:
        await apply(live, {"channels.demo.base_url": f"{url}/v1"})
        sdk = client(live, await live.customer())
        asked = {**ASKED, "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000}}
        if stream:
            async with sdk.messages.stream(messages=HELLO, **asked) as opened:
                message: Any = await opened.get_final_message()
        else:
            message = await sdk.messages.create(messages=HELLO, **asked)
        thinking, text = message.content
        assert (thinking.thinking, thinking.signature) == ("Let me see.", thinking_upstream.SIGNATURE)
        assert text.text == "Seven degrees."
        assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (12, 8)
        assert thinking_upstream.bodies[-1]["reasoning_effort"] == "medium"

        await sdk.messages.create(messages=[*HELLO, message.to_param(), *HELLO], **ASKED)

        # A channel that does not say that it takes reasoning gets none: most providers refuse it.
        assert thinking_upstream.bodies[-1]["messages"][1] == {"role": "assistant", "content": "Seven degrees."}


async def test_images_are_counted_and_reach_the_provider(live: Live) -> None:
    await apply(live, {"models.demo-chat.image_tokens": "2500"})
    customer = await live.customer()
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}
    content: Any = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]

    await client(live, customer).messages.create(**ASKED, messages=[{"role": "user", "content": content}])

    sent = (await live.upstream_requests())[-1]["body"]["messages"][0]["content"]
    assert sent[1] == {"type": "image_url", "image_url": {"url": PIXEL}}
    assert await paid(live, customer) > 0


async def test_what_a_coding_agent_sends_is_taken_by_a_provider_of_chats(live: Live) -> None:
    mark = {"type": "ephemeral"}
    system: Any = [{"type": "text", "text": "You are an agent.", "cache_control": mark}]
    reminder = {"type": "text", "text": "<system-reminder>Be kind.</system-reminder>"}
    content: Any = [reminder, {"type": "text", "text": "hello", "cache_control": mark}]
    edits: Any = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    customer = await live.customer()

    message = await client(live, customer).messages.create(
        **ASKED,
        system=system,
        messages=[{"role": "user", "content": content}],
        tools=[TOOL | {"cache_control": mark, "eager_input_streaming": True}],
        thinking={"type": "adaptive"},
        metadata={"user_id": "u"},
        extra_headers={"anthropic-beta": "claude-code-20250219"},
        extra_query={"beta": "true"},
        extra_body={"context_management": edits},
    )

    sent = (await live.upstream_requests())[-1]["body"]
    assert "cache_control" not in str(sent)
    assert sent["messages"][0] == {"role": "system", "content": [{"type": "text", "text": "You are an agent."}]}
    assert message.content[0].text.startswith("You said:")  # type: ignore[union-attr]
    assert await paid(live, customer) > 0


async def test_tokens_are_counted_for_nothing(live: Live) -> None:
    customer = await live.customer()

    short = await client(live, customer).messages.count_tokens(model="demo-chat", messages=HELLO)
    long = await client(live, customer).messages.count_tokens(model="demo-chat", messages=HELLO * 20, tools=[TOOL])

    assert 0 < short.input_tokens < long.input_tokens
    assert await paid(live, customer) == 0


async def test_a_failure_in_mid_stream_raises_and_is_never_taken_for_the_end(live: Live) -> None:
    script = [{"role": "user", "content": "demo: tokens=20 cut_after=3"}]
    sdk = client(live, await live.customer())

    with pytest.raises(anthropic.APIError) as caught:
        async with sdk.messages.stream(**ASKED, messages=script) as stream:  # type: ignore[arg-type]
            await stream.until_done()

    assert "api_error" in str(caught.value.body)


async def test_each_refusal_is_the_exception_that_the_sdk_has_for_it(live: Live) -> None:
    rich, empty, suspended = await live.customer(), await live.customer("0"), await live.customer()
    limited = await live.customer(limits={"requests_per_minute": 1})
    await accounts.set_status(live.rooms.desk, suspended.account, "suspended", actor="test", reason="test")
    live.fresh_minute()
    await live.chat(limited)
    cases: list[tuple[type[anthropic.APIStatusError], int, str, Customer | None, dict[str, Any]]] = [
        (anthropic.AuthenticationError, 401, "authentication_error", None, {}),
        (anthropic.APIStatusError, 402, "billing_error", empty, {}),
        (anthropic.PermissionDeniedError, 403, "permission_error", suspended, {}),
        (anthropic.NotFoundError, 404, "not_found_error", rich, {"model": "no-such-model"}),
        (anthropic.RateLimitError, 429, "rate_limit_error", limited, {}),
        (
            anthropic.BadRequestError,
            400,
            "invalid_request_error",
            rich,
            {"tools": [{"type": "web_search_20250305", "name": "w"}]},
        ),
        (
            anthropic.InternalServerError,
            502,
            "api_error",
            rich,
            {"messages": [{"role": "user", "content": "demo: status=500"}]},
        ),
    ]
    for exception, status, kind, customer, fields in cases:
        with pytest.raises(exception) as caught:
            await client(live, customer).messages.create(**{**ASKED, "messages": HELLO, **fields})
        body: Any = caught.value.body
        assert (caught.value.status_code, body["error"]["type"]) == (status, kind)
        assert body["request_id"] == caught.value.request_id
        assert body["request_id"].startswith("req_")
        assert faults("anthropic", "ErrorResponse", body) == []


async def test_a_quiet_stream_is_kept_alive_by_pings(live: Live) -> None:
    live.house.keep_alive_s = 0.05
    script = [{"role": "user", "content": "demo: tokens=3 delay_ms=150"}]
    customer = await live.customer()

    answer = await live.post("/v1/messages", customer.key, json={**ASKED, "messages": script, "stream": True})

    kinds = [event["type"] for event in events(answer.content)]
    assert "ping" in kinds
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


async def test_an_unknown_url_below_messages_is_answered_in_anthropics_form(live: Live) -> None:
    missing = await live.get("/v1/messages/batches", (await live.customer()).key)

    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
