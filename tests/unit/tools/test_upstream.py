"""The demo upstream, seen by OpenAI's own client; by httpx where the client would hide what came over the wire."""

import base64
import gzip
import json
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from tools.local.upstream import app

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "units": {"enum": ["celsius", "fahrenheit"]},
                "places": {"type": "array", "items": {"type": "object", "properties": {"lat": {"type": "number"}}}},
            },
        },
    },
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def sdk(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"authorization": "Bearer any"}, timeout=5) as client:
        client.delete("/_demo/requests")
        yield client


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "demo-small", "messages": [{"role": "user", "content": text}], **more}


def post(http: httpx.Client, text: str, **more: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json=ask(text, **more))


def streamed(http: httpx.Client, text: str, **more: Any) -> bytes:
    """Every byte of a stream with usage."""
    return post(http, text, stream=True, stream_options={"include_usage": True}, **more).content


def events(raw: bytes) -> list[Any]:
    """The JSON of each event; `[DONE]` is left out."""
    datas = [part.removeprefix(b"data: ") for part in raw.split(b"\n\n") if part.startswith(b"data: ")]
    return [json.loads(data) for data in datas if data != b"[DONE]"]


def broken(http: httpx.Client, request: dict[str, Any]) -> tuple[bytes, httpx.TransportError | None]:
    """What came of an answer, and the error it ended with."""
    got = b""
    with http.stream("POST", "/v1/chat/completions", json=request, timeout=0.2) as answer:
        try:
            for part in answer.iter_raw():
                got += part
        except httpx.TransportError as error:
            return got, error
    return got, None


def outcome(http: httpx.Client) -> str:
    """How the last request ended, once it has."""
    for _ in range(200):
        last = http.get("/_demo/requests").json()["requests"][-1]["outcome"]
        if last != "running":
            return last
        time.sleep(0.01)
    return "running"


def test_every_listed_model_can_be_looked_up(sdk: openai.OpenAI) -> None:
    names = [model.id for model in sdk.models.list()]

    assert names == ["demo-large", "demo-small", "demo-embedding"]
    assert sdk.models.retrieve(names[0]).owned_by == "infergate-demo"
    with pytest.raises(openai.NotFoundError, match="no such model"):
        sdk.models.retrieve("demo-none")


def test_no_key_is_refused_in_openais_shape(url: str) -> None:
    for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Basic abc"}):
        answer = httpx.get(f"{url}/v1/models", headers=headers)

        assert answer.status_code == 401
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_an_answer_quotes_the_user_and_counts_four_characters_as_a_token(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(**ask("Hello there"))

    assert answer.choices[0].message.content == 'You said: "Hello there". A pleasure to hear from you.'
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 14, 17)
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


def test_the_same_request_gets_the_same_answer(http: httpx.Client) -> None:
    one, two = (post(http, "Hello").json() | {"created": 0} for _ in range(2))

    assert one == two


def test_a_stream_holds_one_token_a_chunk_and_ends_with_usage(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(**ask("Hello there"))
    chunks = list(
        sdk.chat.completions.create(**ask("Hello there"), stream=True, stream_options={"include_usage": True})
    )

    texts = [chunk.choices[0].delta.content for chunk in chunks[1:-2]]
    assert "".join(map(str, texts)) == whole.choices[0].message.content
    assert len(texts) == 14
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_usage_is_null_in_other_chunks_and_absent_when_not_asked_for(http: httpx.Client) -> None:
    asked = events(streamed(http, "Hello"))
    unasked = events(post(http, "Hello", stream=True).content)

    assert [chunk["usage"] for chunk in asked[:-1]] == [None] * (len(asked) - 1)
    assert not any("usage" in chunk for chunk in unasked)
    assert all(chunk["choices"] for chunk in unasked)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_cuts_the_answer(sdk: openai.OpenAI, name: str) -> None:
    answer = sdk.chat.completions.create(**ask("Hello there"), **{name: 5})

    assert answer.choices[0].message.content == 'You said: "Hello the'
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 5


def test_n_choices_are_answered_and_counted(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(**ask("demo: tokens=6"), n=3)
    chunks = sdk.chat.completions.create(**ask("demo: tokens=6"), n=3, stream=True)

    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage
    assert answer.usage.completion_tokens == 18
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) == 18


def test_a_stop_word_ends_the_answer_before_it(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(**ask("Hello there"), stop=["pleasure", "there"])

    assert answer.choices[0].message.content == 'You said: "Hello '
    assert answer.choices[0].finish_reason == "stop"


def test_a_mentioned_tool_is_called_and_its_answer_quoted(sdk: openai.OpenAI) -> None:
    request = ask("Please use get_weather for me", tools=[WEATHER])
    message = sdk.chat.completions.create(**request).choices[0].message

    assert message.content is None
    assert message.tool_calls
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {
        "city": "demo",
        "days": 1,
        "units": "celsius",
        "places": [{"lat": 1}],
    }

    request["messages"] += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    final = sdk.chat.completions.create(**request)
    assert final.choices[0].message.content == 'The tool answered: "sunny". I hope that helps.'


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_required_tool_is_called_also_in_a_stream(sdk: openai.OpenAI, choice: Any) -> None:
    request = ask("Hello", tools=[WEATHER], tool_choice=choice)
    with sdk.chat.completions.stream(**request) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments)["days"] == 1


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_tool_nobody_mentions_is_left_alone(sdk: openai.OpenAI, choice: Any) -> None:
    answer = sdk.chat.completions.create(**ask("Hello", tools=[WEATHER], tool_choice=choice))

    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.tool_calls is None


def test_json_answers_fit_what_was_asked_for(sdk: openai.OpenAI) -> None:
    tree = {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"ok": {"type": "boolean"}, "n": {"const": 7}}}}}
    shape: Any = {"type": "json_schema", "json_schema": {"name": "tree", "schema": tree}}
    by_schema = sdk.chat.completions.create(**ask("Hello"), response_format=shape)
    free = sdk.chat.completions.create(**ask("Hello"), response_format={"type": "json_object"})

    assert json.loads(by_schema.choices[0].message.content or "") == {"ok": True, "n": 7}
    assert "Hello" in json.loads(free.choices[0].message.content or "")["answer"]


def test_embeddings_say_the_same_in_both_encodings(sdk: openai.OpenAI) -> None:
    request: Any = {"model": "demo-embedding", "input": ["cat", "dog"], "dimensions": 64}
    floats = sdk.embeddings.create(**request, encoding_format="float")
    coded = sdk.embeddings.create(**request, encoding_format="base64")

    raw: Any = coded.data[1].embedding
    assert struct.unpack("<64f", base64.b64decode(raw)) == tuple(floats.data[1].embedding)
    assert floats.data[0].embedding != floats.data[1].embedding
    assert sum(value**2 for value in floats.data[0].embedding) == pytest.approx(1)
    assert (floats.usage.prompt_tokens, floats.usage.total_tokens) == (2, 2)


def test_embeddings_take_one_text_and_tokens_too(sdk: openai.OpenAI) -> None:
    text = sdk.embeddings.create(model="demo-embedding", input="cat")
    tokens = sdk.embeddings.create(model="demo-embedding", input=[[1, 2, 3], [4]], dimensions=8)

    assert len(text.data[0].embedding) == 1536
    assert [len(item.embedding) for item in tokens.data] == [8, 8]
    assert tokens.usage.prompt_tokens == 4


def test_embeddings_obey_the_script(http: httpx.Client) -> None:
    def embed(text: str) -> httpx.Response:
        return http.post("/v1/embeddings", json={"model": "demo-embedding", "input": text, "dimensions": 4})

    assert embed("demo: status=503").status_code == 503
    assert "usage" not in embed("demo: usage=missing").json()
    assert embed("demo: usage=string prompt=9").json()["usage"] == {"prompt_tokens": "9", "total_tokens": "9"}


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"model":"m"}', b'{"model":"m","messages":["x"]}', b'{"messages":[{"role":"user"}]}'],
)
def test_a_body_without_sense_is_a_400(http: httpx.Client, body: bytes) -> None:
    assert http.post("/v1/chat/completions", content=body).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"tools": [{"type": "function"}]},
        {"tools": 5},
        {"response_format": {"type": "json_schema"}},
        {"stop": 5},
        {"stream_options": {"include_usage": True}, "stream": True, "tools": ["f"]},
    ],
)
def test_a_field_of_another_shape_than_it_should_have_is_a_400(http: httpx.Client, change: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]} | change

    assert http.post("/v1/chat/completions", json=body).status_code == 400


def test_a_body_past_the_limit_is_a_413(http: httpx.Client) -> None:
    assert http.post("/v1/chat/completions", content=b" " * (8 * 2**20 + 1)).status_code == 413


@pytest.mark.parametrize("script", ["tokns=5", "usage=none", "status=abc", "cut_after=-1", "garbage"])
def test_a_slip_in_the_script_is_a_400(http: httpx.Client, script: str) -> None:
    answer = post(http, f"demo: {script}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_directive")


def test_the_pace_is_the_scripts(http: httpx.Client) -> None:
    began = time.perf_counter()
    streamed(http, "demo: tokens=5 ttft_ms=40 delay_ms=10")

    assert time.perf_counter() - began >= 0.08


def test_statuses_and_retry_after_are_the_scripts(sdk: openai.OpenAI, http: httpx.Client) -> None:
    with pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(**ask("demo: status=500 error=server_error"))
    with pytest.raises(openai.RateLimitError) as caught:
        sdk.chat.completions.create(**ask("demo: status=429 error=slow_down retry_after=7"))

    assert caught.value.code == "slow_down"
    assert caught.value.response.headers["retry-after"] == "7"
    assert post(http, "demo: error=server_error").status_code == 500


@pytest.mark.parametrize(
    ("word", "total"),
    [("negative", -42), ("string", "41"), ("huge", 41 + 10**15), ("zero", 0), ("float", 41.5), ("1e400", float("inf"))],
)
def test_usage_is_bent_as_the_script_says(http: httpx.Client, word: str, total: Any) -> None:
    script = f"demo: tokens=4 prompt=37 usage={word}"
    whole = post(http, script).json()["usage"]
    last = events(streamed(http, script))[-1]["usage"]

    assert whole == last
    assert (whole["total_tokens"], type(whole["total_tokens"])) == (total, type(total))


def test_usage_can_be_missing(http: httpx.Client) -> None:
    assert "usage" not in post(http, "demo: usage=missing").json()
    assert all(chunk["usage"] is None for chunk in events(streamed(http, "demo: usage=missing")))


def test_usage_can_come_twice_the_second_time_right(http: httpx.Client) -> None:
    counts = [
        chunk["usage"]["completion_tokens"] for chunk in events(streamed(http, "demo: tokens=8 usage=twice"))[-2:]
    ]

    assert counts == [4, 8]


def test_cached_and_reasoning_tokens_are_parts_of_the_totals(http: httpx.Client) -> None:
    usage = post(http, "demo: tokens=10 cached=100 reasoning=20").json()["usage"]
    limited = post(http, "demo: tokens=10 reasoning=20", max_completion_tokens=25).json()

    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (100, 100)
    assert (usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]) == (30, 20)
    assert (limited["usage"]["completion_tokens"], limited["choices"][0]["finish_reason"]) == (25, "length")


def test_over_ignores_the_limit(http: httpx.Client) -> None:
    answer = post(http, "demo: over=500", max_tokens=10).json()

    assert answer["usage"]["completion_tokens"] == 510
    assert len(answer["choices"][0]["message"]["content"]) == 510 * 4


def test_a_cut_stream_stops_after_so_many_chunks(http: httpx.Client) -> None:
    got, ending = broken(http, ask("demo: tokens=9 cut_after=5", stream=True))

    assert isinstance(ending, httpx.RemoteProtocolError)
    assert len(events(got)) == 1 + 5
    assert outcome(http) == "cut"


def test_a_cut_answer_is_shorter_than_it_said(http: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        post(http, "demo: cut_after=0")


@pytest.mark.parametrize(("stream", "chunks"), [(True, 6), (False, 0)])
def test_a_stall_lasts_until_the_client_leaves(http: httpx.Client, stream: bool, chunks: int) -> None:
    got, ending = broken(http, ask("demo: tokens=9 stall_after=5", stream=stream))

    assert isinstance(ending, httpx.ReadTimeout)
    assert got
    assert len(events(got)) == chunks
    assert outcome(http) == "client gone"


def test_a_client_that_leaves_in_mid_stream_is_noticed(http: httpx.Client) -> None:
    request = ask("demo: tokens=1000 delay_ms=5", stream=True)
    with http.stream("POST", "/v1/chat/completions", json=request) as answer:
        next(answer.iter_raw())

    assert outcome(http) == "client gone"


def test_an_error_event_ends_a_stream_that_began_well(sdk: openai.OpenAI, http: httpx.Client) -> None:
    with pytest.raises(openai.APIError, match="broke down"):
        list(sdk.chat.completions.create(**ask("demo: tokens=9 error_after=5"), stream=True))

    raw = streamed(http, "demo: tokens=9 error_after=5")
    assert len(events(raw)) == 1 + 5 + 1
    assert b"[DONE]" not in raw
    assert "error" in post(http, "demo: error_after=5").json()


def test_done_can_be_left_out(http: httpx.Client) -> None:
    assert streamed(http, "demo: tokens=1").endswith(b"data: [DONE]\n\n")
    assert b"[DONE]" not in streamed(http, "demo: tokens=1 end=no_done")


def test_an_answer_can_be_a_web_page_or_empty_or_nothing(http: httpx.Client) -> None:
    page = post(http, "demo: html=1")
    empty = post(http, "demo: empty=1").json()
    nothing = post(http, "demo: empty=body")

    assert (page.status_code, page.headers["content-type"], page.content[:15]) == (200, "text/html", b"<!doctype html>")
    assert (empty["choices"][0]["message"]["content"], empty["usage"]["completion_tokens"]) == ("", 0)
    assert (nothing.status_code, nothing.content) == (200, b"")


def test_a_redirect_and_a_bomb_are_what_they_say(http: httpx.Client) -> None:
    moved = post(http, "demo: redirect=http://127.0.0.1:9/else")
    with http.stream("POST", "/v1/chat/completions", json=ask("demo: bomb=3")) as answer:
        packed = b"".join(answer.iter_raw())

    assert (moved.status_code, moved.headers["location"]) == (307, "http://127.0.0.1:9/else")
    assert len(packed) < 10_000
    assert len(gzip.decompress(packed)) == 3 * 2**20


def test_rubbish_lies_between_good_chunks(http: httpx.Client) -> None:
    good = streamed(http, "demo: tokens=5 end=no_done")
    raw = {word: streamed(http, f"demo: tokens=5 garbage={word}") for word in ("longline", "event", "comments")}

    assert max(map(len, raw["longline"].split(b"\n"))) > 2 * 2**20
    assert max(map(len, raw["event"].split(b"\n\n"))) > 3 * 2**20
    assert max(map(len, raw["event"].split(b"\n"))) < 2000
    assert raw["comments"].count(b"\n: on and on") > 80_000
    assert len(events(raw["comments"].replace(b": on and on, as if it were the news\n", b""))) == len(events(good))


def test_legal_oddities_keep_the_stream_whole(http: httpx.Client) -> None:
    good = events(streamed(http, "demo: tokens=5 garbage=bytes"))
    returns = streamed(http, "demo: tokens=5 garbage=cr")
    marked = streamed(http, "demo: tokens=5 garbage=bom")

    assert len(good) == 1 + 5 + 2
    assert b"\n" not in returns
    assert len(events(returns.replace(b"\r", b"\n"))) == len(good)
    assert marked.startswith(b"\xef\xbb\xbfdata: ")


def test_bytes_that_are_not_text_are_sent_as_they_are(http: httpx.Client) -> None:
    assert b"data: \0\0\0\0\n\n" in streamed(http, "demo: tokens=5 garbage=nul")
    with pytest.raises(UnicodeDecodeError):
        streamed(http, "demo: tokens=5 garbage=utf8").decode()
    with pytest.raises(json.JSONDecodeError):
        events(streamed(http, "demo: tokens=5 garbage=truncated"))
    with pytest.raises(json.JSONDecodeError):
        post(http, "demo: tokens=5 garbage=truncated").json()


def test_the_journal_shows_what_came_without_the_key(http: httpx.Client) -> None:
    post(http, "Hello")
    [entry] = http.get("/_demo/requests").json()["requests"]

    assert (entry["method"], entry["path"], entry["outcome"]) == ("POST", "/v1/chat/completions", "complete")
    assert entry["body"] == ask("Hello")
    assert entry["headers"]["content-type"] == "application/json"
    assert "authorization" not in entry["headers"]

    for _ in range(101):
        http.get("/v1/models")
    assert len(http.get("/_demo/requests").json()["requests"]) == 100
    http.delete("/_demo/requests")
    assert http.get("/_demo/requests").json() == {"requests": []}
