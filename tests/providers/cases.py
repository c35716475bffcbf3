"""What a kind is put to: each case is a conversation of a real OpenAI client through the gateway, and what it must cost."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
from infergate.chat.price import fit
from infergate.kernel.money import cost_of
from pydantic import BaseModel

from tests.providers.bench import KEY, RATES, Shown, Visit, charged
from tests.support import recorded

type Case = Callable[[Visit], Awaitable[None]]

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
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
"""A picture of one red dot."""


class Weather(BaseModel):
    celsius_degrees: int


# -- against the mock server ----------------------------------------------------------------------------------------------


async def chat(visit: Visit) -> None:
    answer, receipt = await visit.whole(
        [{"role": "developer", "content": "Be brief."}, visit.ask("case:chat")], max_tokens=500
    )

    assert answer.choices[0].message.content == "Grüße, 世界 🌍"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (40, 9)
    charged(receipt, {"input": 40, "output": 9})
    (sent,) = visit.sent()
    key = sent.headers.get(visit.kind.key_header, "")
    assert key.endswith(KEY) if not visit.kind.keyless else not key
    assert b"500" in sent.body, "the limit that the hold covers went out"
    assert b"Be brief." in sent.body


async def stream(visit: Visit) -> None:
    shown, receipt = await visit.stream([visit.ask("case:chat")])

    assert (shown.text, shown.finish, shown.error) == ("Grüße, 世界 🌍", "stop", None)
    assert (shown.usage.prompt_tokens, shown.usage.completion_tokens) == (40, 9)
    charged(receipt, {"input": 40, "output": 9})


async def tools(visit: Visit) -> None:
    question = visit.ask("case:tools")
    first, receipt = await visit.whole([question], tools=TOOLS)
    (call,) = first.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})
    assert first.choices[0].finish_reason == "tool_calls"
    charged(receipt, {"input": 60, "output": 12})

    handed_back = first.choices[0].message.model_dump(exclude_none=True)
    result = {"role": "tool", "tool_call_id": call.id, "content": "7 degrees"}
    second, receipt = await visit.whole([question, handed_back, result], tools=TOOLS)
    assert second.choices[0].message.content == "Oslo has 7 degrees."
    charged(receipt, {"input": 80, "output": 8})
    assert b"7 degrees" in visit.sent()[-1].body


async def parallel_tools(visit: Visit) -> None:
    wanted = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    whole, receipt = await visit.whole([visit.ask("case:parallel")], tools=TOOLS)
    calls = whole.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == wanted
    charged(receipt, {"input": 60, "output": 24})

    shown, receipt = await visit.stream([visit.ask("case:parallel")], tools=TOOLS)
    assert [(name, json.loads(arguments)) for _, name, arguments in shown.tools.values()] == wanted
    assert len({id_ for id_, _, _ in shown.tools.values()}) == 2
    assert shown.finish == "tool_calls"
    if visit.kind.dialect is None or visit.kind.dialect.asks_for_usage:
        charged(receipt, {"input": 60, "output": 24})
    else:
        # The mock reports a stream's usage only if asked for it, and this kind may not ask.
        assert receipt.estimated


async def images(visit: Visit) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}"}}
    text = {"type": "text", "text": visit.ask("case:image")["content"]}
    answer, receipt = await visit.whole([{"role": "user", "content": [text, picture]}])

    assert answer.choices[0].message.content == "One red dot."
    charged(receipt, {"input": 300, "output": 5})
    assert DOT.encode() in visit.sent()[-1].body


async def json_schema(visit: Visit) -> None:
    answer = await visit.client.chat.completions.parse(
        model=visit.model, messages=[visit.ask("case:schema")], response_format=Weather
    )

    assert answer.choices[0].message.parsed == Weather(celsius_degrees=7)
    charged(await visit.settled(answer._request_id or ""), {"input": 50, "output": 6})
    assert b"celsius_degrees" in visit.sent()[-1].body


async def reasoning(visit: Visit) -> None:
    answer, receipt = await visit.whole([visit.ask("case:reasoning")])
    assert answer.choices[0].message.reasoning_content == recorded.FOUR
    assert answer.choices[0].message.content == "4"
    charged(receipt, {"input": 20, "output": 15})

    shown, receipt = await visit.stream([visit.ask("case:reasoning")])
    assert (shown.reasoning, shown.text) == (recorded.FOUR, "4")
    charged(receipt, {"input": 20, "output": 15})


async def embeddings(visit: Visit) -> None:
    visit.model += "/embedding"
    raw = await visit.client.embeddings.with_raw_response.create(
        model=visit.model, input=[f"case:embed {visit.mark}", "b"]
    )

    answer = raw.parse()
    assert [row.embedding for row in answer.data] == [[0.5, -0.25, 0.125]] * 2
    receipt = await visit.settled(raw.headers["x-request-id"])
    # The mock reports no token: an explicit 0 stays 0.
    assert (receipt.cost, receipt.reason, receipt.estimated) == (0, "completed", False)


async def errors(visit: Visit) -> None:
    model = visit.model
    for streamed in (False, True):
        way = "-stream" if streamed else ""
        visit.model = f"{model}/429{way}"
        error, receipt = await visit.refused([visit.ask("case:429")], stream=streamed)
        assert isinstance(error, openai.RateLimitError)
        assert error.response.headers["retry-after"] == "7"
        assert (receipt.cost, receipt.reason) == (0, "upstream failed before any output")

        visit.model = f"{model}/500{way}"
        error, receipt = await visit.refused([visit.ask("case:500")], stream=streamed)
        assert isinstance(error, openai.InternalServerError)
        assert "Out of order" not in error.message
        assert (receipt.cost, receipt.reason) == (0, "upstream failed before any output")


async def mid_stream_failure(visit: Visit) -> None:
    visit.model += "/cut"
    shown, receipt = await visit.stream([visit.ask("case:cut")])

    assert "one two" in shown.text
    assert "twelve" not in shown.text
    assert shown.error is not None
    assert (receipt.reason, receipt.estimated) == ("upstream failed in mid-stream", True)
    assert receipt.units["output"] == -(-len(shown.text.encode()) // 4)
    assert receipt.cost == cost_of(receipt.units, RATES) > 0


# -- against a recorded reply ---------------------------------------------------------------------------------------------


def replayed(name: str) -> Case:
    """`name` is KIND/FILE: the client must be shown, and charged for, what tests/support/recorded.py says."""
    return _replayed_refusal(name) if name in recorded.REFUSALS else _replayed_reply(name)


def _replayed_reply(name: str) -> Case:
    expected = (recorded.EXPECTED | recorded.OTHER_FORMATS)[name]

    async def case(visit: Visit) -> None:
        if name.endswith(".json"):
            answer, receipt = await visit.whole([visit.ask("again")])
            choice = answer.choices[0]
            shown = recorded.read_message(choice.message.model_dump(), choice.finish_reason)
        else:
            streamed, receipt = await visit.stream([visit.ask("again")])
            assert (streamed.error is not None) is expected.broken
            shown = _as_expected(streamed)
        assert (shown.text, shown.reasoning, shown.tools) == (expected.text, expected.reasoning, expected.tools)
        assert shown.finish == expected.finish
        if not expected.broken:
            charged(receipt, expected.units)
            return
        assert receipt.reason == "upstream failed in mid-stream"
        if expected.units:
            assert receipt.units == fit(expected.units, RATES)
        else:
            assert receipt.units["output"] == -(-len(expected.text.encode()) // 4)

    return case


def _as_expected(shown: Shown) -> recorded.Expected:
    tools = tuple((name, arguments) for _, name, arguments in shown.tools.values())
    return recorded.Expected(shown.text, shown.reasoning, tools, shown.finish)


def _replayed_refusal(name: str) -> Case:
    message, code, param = recorded.REFUSALS[name]

    async def case(visit: Visit) -> None:
        for streamed in (False, True):
            error, receipt = await visit.refused([visit.ask("again")], stream=streamed)
            assert isinstance(error, openai.BadRequestError)
            body = error.body
            assert isinstance(body, dict)
            assert (body["message"], body["code"], body["param"]) == (message, code, param)
            assert receipt.cost == 0

    return case


# -- against llama.cpp ----------------------------------------------------------------------------------------------------
# Its tokens are bytes, and it is asked for the likeliest of them each time: what it counts is the same for everybody.


async def _told_directly(visit: Visit, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = (await visit.bench.plain.post(f"{visit.bench.upstreams.llama}/v1/{path}", json=body)).json()
    assert isinstance(answer, dict)
    return answer


async def llama_chat(visit: Visit) -> None:
    terms: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
    answer, receipt = await visit.whole([visit.ask("Hello")], **terms)
    direct = await _told_directly(visit, "chat/completions", {"messages": [visit.ask("Hello")], **terms})

    # A token for the beginning, then one a byte; its tokenizer writes a space as ▁, and puts one in front.
    prompt = f" <user>{visit.ask('Hello')['content']}\n<assistant>".replace(" ", "▁")
    assert answer.usage.prompt_tokens == direct["usage"]["prompt_tokens"] == 1 + len(prompt.encode())
    assert answer.usage.completion_tokens == direct["usage"]["completion_tokens"] == 12
    assert answer.choices[0].message.content == direct["choices"][0]["message"]["content"]
    assert answer.choices[0].finish_reason == "length"
    cached = answer.usage.prompt_tokens_details.cached_tokens
    charged(receipt, {"input": answer.usage.prompt_tokens - cached, "cached_input": cached, "output": 12})


async def llama_stream(visit: Visit) -> None:
    terms: dict[str, Any] = {"temperature": 0, "max_tokens": 20}
    shown, receipt = await visit.stream([visit.ask("Hello")], **terms)
    whole = await _told_directly(visit, "chat/completions", {"messages": [visit.ask("Hello")], **terms})

    assert shown.usage.prompt_tokens == whole["usage"]["prompt_tokens"]
    assert shown.usage.completion_tokens == whole["usage"]["completion_tokens"] == 20
    assert (shown.finish, shown.error) == ("length", None)
    cached = shown.usage.prompt_tokens_details.cached_tokens
    charged(receipt, {"input": shown.usage.prompt_tokens - cached, "cached_input": cached, "output": 20})


async def llama_json_schema(visit: Visit) -> None:
    schema = {
        "type": "object",
        "properties": {"sure": {"type": "boolean"}},
        "required": ["sure"],
        "additionalProperties": False,
    }
    answer, receipt = await visit.whole(
        [visit.ask("Are you sure?")],
        max_tokens=200,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}},
    )

    said = json.loads(answer.choices[0].message.content)
    assert said in ({"sure": True}, {"sure": False})
    assert receipt.units["output"] == answer.usage.completion_tokens > 0


async def llama_cached_tokens(visit: Visit) -> None:
    first, _ = await visit.whole([visit.ask("The same again. " * 20)], max_tokens=1)
    again, receipt = await visit.whole([visit.ask("The same again. " * 20)], max_tokens=1)

    prompt, cached = again.usage.prompt_tokens, again.usage.prompt_tokens_details.cached_tokens
    assert first.usage.prompt_tokens == prompt
    assert prompt // 2 < cached < prompt
    charged(receipt, {"input": prompt - cached, "cached_input": cached, "output": 1})


async def llama_embeddings(visit: Visit) -> None:
    visit.model += "/embedding"
    inputs = [f"one {visit.mark}", "another"]
    raw = await visit.client.embeddings.with_raw_response.create(model=visit.model, input=inputs)
    direct = await _told_directly(visit, "embeddings", {"input": inputs, "model": "any"})

    answer = raw.parse()
    for row, told in zip(answer.data, direct["data"], strict=True):
        assert max(abs(a - b) for a, b in zip(row.embedding, told["embedding"], strict=True)) < 1e-6
    assert answer.usage.prompt_tokens == direct["usage"]["prompt_tokens"] > len("".join(inputs))
    charged(await visit.settled(raw.headers["x-request-id"]), {"input": answer.usage.prompt_tokens})


async def llama_errors(visit: Visit) -> None:
    error, receipt = await visit.refused([visit.ask("x" * 9000)])

    assert isinstance(error, openai.BadRequestError)
    assert "exceeds the available context size" in error.message
    assert receipt.cost == 0


# -- which kind is put to what --------------------------------------------------------------------------------------------

MOCK: dict[str, Case] = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "parallel tools": parallel_tools,
    "images": images,
    "JSON schema": json_schema,
    "reasoning": reasoning,
    "embeddings": embeddings,
    "errors": errors,
    "mid-stream failure": mid_stream_failure,
}
LLAMA: dict[str, Case] = {
    "chat": llama_chat,
    "stream": llama_stream,
    "JSON schema": llama_json_schema,
    "cached tokens": llama_cached_tokens,
    "embeddings": llama_embeddings,
    "errors": llama_errors,
}
