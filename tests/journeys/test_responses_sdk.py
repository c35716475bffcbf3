"""The official OpenAI SDK on /v1/responses and /v1/completions."""

from typing import Any

import openai
import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.console import api_keys
from infergate.console.api_keys import Terms
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.support import thinking_upstream
from tests.support.live import Customer, Live, serve
from tests.support.published import events, faults
from tools.local.template import ROOT

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather somewhere",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Weather(BaseModel):
    city: str
    degrees: int


def client(live: Live, customer: Customer) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{live.base_url}/v1", api_key=customer.key, max_retries=0)


async def apply(live: Live, overrides: dict[str, str]) -> None:
    base = {"channels.demo.base_url": f"{live.upstream_url}/v1", "channels.demo.enabled": "true"}
    snapshot = compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), base | overrides))
    await live.house.shelf.apply(snapshot, "test")


async def paid(live: Live, customer: Customer) -> int:
    wallet = await live.wallet(customer)
    assert (await live.audit(customer)).clean
    return wallet.spent


async def test_it_answers_and_says_the_cost(live: Live) -> None:
    customer = await live.customer()
    raw = await client(live, customer).responses.with_raw_response.create(
        model="demo-chat", input="Grüße, 世界 🌍", instructions="Be kind.", max_output_tokens=200
    )

    response = raw.parse()
    assert "Grüße, 世界 🌍" in response.output_text
    assert (response.status, response.max_output_tokens, response.instructions) == ("completed", 200, "Be kind.")
    assert raw.headers["x-infergate-max-tokens"] == "200"
    assert response.usage is not None
    assert response.usage.model_extra == {"cost": raw.headers["x-infergate-cost"]}
    assert response._request_id == raw.headers["x-request-id"]
    assert faults("openai", "Response", raw.http_response.json()) == []
    assert await paid(live, customer) > 0


async def test_it_streams_typed_events_and_the_final_response_with_its_usage(live: Live) -> None:
    customer = await live.customer()
    found = []
    async with client(live, customer).responses.stream(model="demo-chat", input="hello") as stream:
        async for event in stream:
            found.append(event)
        final = await stream.get_final_response()

    assert [event.type for event in found[:4]] == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added")
    ]
    assert "".join(e.delta for e in found if e.type == "response.output_text.delta") == final.output_text
    assert final.usage is not None
    assert final.usage.total_tokens == final.usage.input_tokens + final.usage.output_tokens > 0
    assert await paid(live, customer) > 0


async def test_the_bytes_of_a_stream_are_as_published(live: Live) -> None:
    customer = await live.customer()

    answer = await live.post(
        "/v1/responses", customer.key, json={"model": "demo-chat", "input": "hello", "stream": True}
    )

    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.content)
    assert [fault for event in found for fault in faults("openai", "ResponseStreamEvent", event)] == []
    assert found[-1]["type"] == "response.completed"
    receipt = await live.receipt(customer, answer)
    assert found[-1]["response"]["usage"]["output_tokens"] == receipt.units["output"]


@pytest.mark.parametrize("stream", [False, True])
async def test_it_calls_a_tool_and_hands_back_its_result(live: Live, stream: bool) -> None:
    sdk = client(live, await live.customer())
    conversation: list[Any] = [{"role": "user", "content": "use get_weather for Oslo"}]
    asked: dict[str, Any] = {"model": "demo-chat", "tools": [TOOL], "tool_choice": "required"}
    if stream:
        async with sdk.responses.stream(input=conversation, **asked) as opened:
            first: Any = await opened.get_final_response()
    else:
        first = await sdk.responses.create(input=conversation, **asked)
    (call,) = first.output
    assert (call.type, call.name) == ("function_call", "get_weather")

    conversation += [item.to_dict() for item in first.output]
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees"})
    second = await sdk.responses.create(model="demo-chat", input=conversation, tools=[TOOL])

    assert "7 degrees" in second.output_text


async def test_it_parses_structured_output(live: Live) -> None:
    sdk = client(live, await live.customer())

    response = await sdk.responses.parse(model="demo-chat", input="The weather in Oslo?", text_format=Weather)

    assert isinstance(response.output_parsed, Weather)


async def test_a_cut_answer_is_incomplete(live: Live) -> None:
    sdk = client(live, await live.customer())

    response = await sdk.responses.create(model="demo-chat", input="demo: tokens=50", max_output_tokens=5)

    assert (response.status, response.incomplete_details and response.incomplete_details.reason) == (
        "incomplete",
        "max_output_tokens",
    )


async def test_images_are_counted_and_reach_the_provider(live: Live) -> None:
    await apply(live, {"models.demo-chat.image_tokens": "2500"})
    customer = await live.customer()
    content: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
    ]

    await client(live, customer).responses.create(model="demo-chat", input=[{"role": "user", "content": content}])

    sent = (await live.upstream_requests())[-1]["body"]["messages"][0]["content"]
    assert sent[1] == {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
    assert await paid(live, customer) > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_models_reasoning_is_an_item_of_its_own(live: Live, stream: bool) -> None:
    async with serve(thinking_upstream.app) as url:
        await apply(live, {"channels.demo.base_url": f"{url}/v1"})
        sdk = client(live, await live.customer())
        asked: dict[str, Any] = {"model": "demo-chat", "input": "?", "reasoning": {"effort": "low", "summary": "auto"}}
        if stream:
            async with sdk.responses.stream(**asked) as opened:
                response: Any = await opened.get_final_response()
        else:
            response = await sdk.responses.create(**asked)

        reasoning, message = response.output
        assert (reasoning.type, reasoning.summary[0].text) == ("reasoning", "Let me see.")
        assert message.content[0].text == "Seven degrees."
        assert response.usage.output_tokens_details.reasoning_tokens == 4
        assert thinking_upstream.bodies[-1]["reasoning_effort"] == "low"


async def test_a_failure_in_mid_stream_raises_after_the_response_failed(live: Live) -> None:
    sdk = client(live, await live.customer())
    stream = await sdk.responses.create(model="demo-chat", input="demo: tokens=20 cut_after=3", stream=True)
    seen = []

    async def read() -> None:
        async for event in stream:
            seen.append(event.type)

    with pytest.raises(openai.APIError) as caught:
        await read()

    assert caught.value.code == "upstream_error"
    assert seen[-1] == "response.failed"


async def test_refusals_are_the_exceptions_that_the_sdk_has_for_them(live: Live) -> None:
    sdk, poor = client(live, await live.customer()), client(live, await live.customer("0"))

    with pytest.raises(openai.BadRequestError) as bad:
        await sdk.responses.create(model="demo-chat", input="x", tools=[{"type": "web_search"}])
    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.responses.create(model="no-such-model", input="x")
    with pytest.raises(openai.APIStatusError) as broke:
        await poor.responses.create(model="demo-chat", input="x")

    assert bad.value.param == "tools[0]"
    assert missing.value.code == "model_not_found"
    assert (broke.value.status_code, broke.value.code) == (402, "insufficient_credits")


async def test_a_stored_response_is_a_404_that_says_why(live: Live) -> None:
    sdk = client(live, await live.customer())
    response = await sdk.responses.create(model="demo-chat", input="x", store=True)

    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.responses.retrieve(response.id)

    assert response.to_dict()["store"] is False
    assert "not stored" in missing.value.message


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_kept_is_said_again_in_the_same_words(live: Live, stream: bool) -> None:
    customer = await live.customer()
    await api_keys.change_terms(live.rooms.desk, customer.account, Terms(keep_answers=True), actor="test", reason="")
    how: dict[str, Any] = {"json": {"model": "demo-chat", "input": "hello", "stream": stream}}
    how["headers"] = {"idempotency-key": "order-1"}

    first = await live.post("/v1/responses", customer.key, **how)
    again = await live.post("/v1/responses", customer.key, **how)

    assert again.headers["x-infergate-replayed"] == "true"
    original = first.headers["x-request-id"].rpartition("_")[2]
    repeated = again.headers["x-request-id"].rpartition("_")[2]
    assert again.text.replace(repeated, original) == first.text
    assert '"resp_' in first.text


async def test_legacy_completions_answer_and_stream(live: Live) -> None:
    customer = await live.customer()
    sdk = client(live, customer)

    whole = await sdk.completions.create(model="demo-chat", prompt="hello", max_tokens=50)
    chunks = [
        chunk
        async for chunk in await sdk.completions.create(
            model="demo-chat", prompt="hello", max_tokens=50, stream=True, stream_options={"include_usage": True}
        )
    ]

    assert whole.choices[0].text == 'You said: "hello". A pleasure to hear from you.'
    *said, last = chunks
    assert "".join(chunk.choices[0].text for chunk in said) == whole.choices[0].text
    assert (last.choices, last.object) == ([], "text_completion")
    assert last.usage is not None
    assert last.usage.model_extra is not None
    assert last.usage.model_extra["cost"].startswith("0.0000")
    assert await paid(live, customer) > 0


async def test_a_failed_legacy_stream_raises(live: Live) -> None:
    sdk = client(live, await live.customer())
    stream = await sdk.completions.create(
        model="demo-chat", prompt="demo: tokens=20 cut_after=3", max_tokens=50, stream=True
    )

    with pytest.raises(openai.APIError) as caught:
        async for _ in stream:
            pass

    assert caught.value.code == "upstream_error"
