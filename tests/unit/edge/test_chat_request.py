"""A body's form: what costs money is bounded or refused under its own name, what is unknown passes through."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.chat.types import InferenceRequest
from infergate.edge.chat_request import (
    CHOICES_MAX,
    INPUTS_MAX,
    MESSAGES_MAX,
    OUTPUT_MAX,
    parse_chat,
    parse_embeddings,
)
from infergate.kernel.errors import InvalidRequest

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HELLO = [{"role": "user", "content": "hello"}]
SMALL = {"model": "m", "messages": HELLO}
# No whole number from 1 up, by any of the ways in which Python or JavaScript would let it pass as one.
NO_COUNT = [-1, 0, 0.1, 1.0, True, False, "5", "", [], {}, [1], 2**63, 10**30, -(2**63)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def chat(**fields: Any) -> InferenceRequest:
    return parse_chat(json.dumps({**SMALL, **fields}).encode(), "req_1")


def embeddings(**fields: Any) -> InferenceRequest:
    return parse_embeddings(json.dumps({"model": "m", "input": "hello", **fields}).encode(), "req_1")


def image(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def with_parts(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


CHAT_FAULTS: list[tuple[str, Any, str]] = [
    *(("model", value, "model") for value in (None, "", 5, True, [], {}, "m" * 201)),
    *(("messages", value, "messages") for value in (None, [], {}, "hello", 5, True)),
    ("messages", [{}] * (MESSAGES_MAX + 1), "messages"),
    *(("messages", [*HELLO, value], "messages[1]") for value in (None, "hello", 5, [], True)),
    *(
        ("messages", [{"role": r, "content": ""}], "messages[0].role")
        for r in (None, "", "User", "root", 5, [], {}, True)
    ),
    *(("messages", [{"role": "user", "content": c}], "messages[0].content") for c in (5, True, {}, 0.5)),
    *(
        ("messages", with_parts({"type": "text", "text": ""}, part), "messages[0].content[1]")
        for part in (
            *(None, "text", 5, [], {}, {"type": None}, {"type": []}, {"type": "text"}, {"type": "text", "text": 5}),
            *({"type": "refusal"}, {"type": "refusal", "refusal": None}, {"type": "input_audio", "input_audio": {}}),
            *({"type": "file", "file": {}}, {"type": "video_url", "video_url": {"url": "https://a"}}),
        )
    ),
    *(
        ("messages", with_parts(part), "messages[0].content[0].image_url")
        for part in (
            *({"type": "image_url"}, {"type": "image_url", "image_url": "https://a"}, image(None), image(5), image("")),
            *(image("file:///etc/passwd"), image("gopher://a"), image("data:text/html,x"), image(" https://a")),
            *(image("HTTPS://a"), image("//a"), image("javascript:x")),
        )
    ),
    *((name, value, name) for name in ("n", "max_tokens", "max_completion_tokens") for value in NO_COUNT),
    ("n", CHOICES_MAX + 1, "n"),
    ("max_tokens", OUTPUT_MAX + 1, "max_tokens"),
    *(("stream", value, "stream") for value in (0, 1, "true", "", [], {})),
    *(("stream_options", value, "stream_options") for value in ({}, {"include_usage": True}, [], "", 0, False)),
    *(
        (name, value, name)
        for name in (
            "web_search_options",
            "prediction",
            "audio",
            "plugins",
            "models",
            "search_parameters",
            "extra_body",
        )
        for value in ({}, [], "", 0, {"a": 1})
    ),
    *(("functions", value, "functions") for value in ([], [{"name": "f"}])),
    *(("background", value, "background") for value in (True, False)),
    *(("best_of", value, "best_of") for value in (*NO_COUNT, 1, 20)),
    *(("modalities", value, "modalities") for value in (["audio"], ["text", "audio"], [], "text", {}, 5)),
    *(("service_tier", value, "service_tier") for value in ("batch", "", "Default", 5, [], {}, True)),
    *(
        ("tools", value, "tools")
        for value in (
            *({}, "function", 5, True, [None], ["function"], [{}], [{"type": "web_search"}], [{"type": []}]),
            [{"type": "function", "function": {"name": "f"}}, {"type": "code_interpreter"}],
        )
    ),
]


@pytest.mark.parametrize(("name", "value", "param"), CHAT_FAULTS, ids=lambda value: repr(value)[:40])
def test_a_chats_fault_is_refused_under_the_name_of_its_field(name: str, value: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(**{name: value})

    assert refused.value.param == param
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("value", [0, 1, "true", "", [], {}])
def test_a_fault_in_the_stream_options_is_named_in_full(value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(stream=True, stream_options={"include_usage": value})

    assert refused.value.param == "stream_options.include_usage"


@pytest.mark.parametrize("value", [[], "", 0, 5, "x", True])
def test_stream_options_are_an_object(value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(stream=True, stream_options=value)

    assert refused.value.param == "stream_options"


@pytest.mark.parametrize("name", ["n", "max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "1" * 4301])
def test_a_number_that_json_does_not_know_is_refused_too(name: str, number: str) -> None:
    body = json.dumps(SMALL)[:-1] + f', "{name}": {number}}}'

    with pytest.raises(InvalidRequest):
        parse_chat(body.encode(), "req_1")


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_what_is_needed_and_missing_is_refused_by_name(missing: str) -> None:
    body = {name: value for name, value in SMALL.items() if name != missing}

    with pytest.raises(InvalidRequest) as refused:
        parse_chat(json.dumps(body).encode(), "req_1")

    assert refused.value.param == missing


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"n": None},
            {"n": 1},
            {"n": CHOICES_MAX},
            {"max_tokens": None},
            {"max_tokens": 1},
            {"max_tokens": OUTPUT_MAX},
        ),
        *({"stream": None}, {"stream": False}, {"stream_options": None}, {"stream": True, "stream_options": {}}),
        *({"web_search_options": None}, {"prediction": None}, {"audio": None}, {"functions": None}, {"best_of": None}),
        *({"modalities": None}, {"modalities": ["text"]}, {"service_tier": None}, {"service_tier": "auto"}),
        *({"tools": None}, {"tools": []}, {"tools": [{"type": "function"}, {"type": "custom"}]}),
        *({"messages": [{"role": r}]} for r in ("system", "developer", "user", "assistant", "tool", "function")),
        *({"messages": [{"role": "user", "content": c}]} for c in (None, "", [])),
        {"messages": with_parts({"type": "text", "text": ""}, {"type": "refusal", "refusal": "no"})},
        {"messages": HELLO * MESSAGES_MAX},
        {"model": "m" * 200},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_good_chat_passes(fields: dict[str, Any]) -> None:
    assert chat(**fields).kind == "chat"


@LAW
@given(st.dictionaries(st.text().map("x-{}".format), JSON, max_size=4))
def test_unknown_fields_pass_through_as_they_are(unknown: dict[str, Any]) -> None:
    assert chat(**unknown).body == {**SMALL, **unknown}
    assert embeddings(**unknown).body == {"model": "m", "input": "hello", **unknown}


@pytest.mark.parametrize(
    "fields",
    [{"temperature": 0.5}, {"seed": 7}, {"logit_bias": {"5": -100}}, {"reasoning_effort": "low"}, {"top_k": 5}],
)
def test_fields_that_cost_nothing_extra_pass_through(fields: dict[str, Any]) -> None:
    assert fields.items() <= chat(**fields).body.items()


@pytest.mark.parametrize("asked", ["auto", "default", None])
def test_a_service_tier_goes_out_as_default_only(asked: str | None) -> None:
    assert chat(service_tier=asked).body["service_tier"] == "default"
    assert "service_tier" not in chat().body


@LAW
@given(*[st.none() | st.integers(1, OUTPUT_MAX)] * 2)
def test_the_smaller_of_two_output_limits_counts(one: int | None, other: int | None) -> None:
    given_limits = [limit for limit in (one, other) if limit is not None]

    assert chat(max_tokens=one, max_completion_tokens=other).max_output == min(given_limits, default=None)


@LAW
@given(st.none() | st.integers(1, CHOICES_MAX))
def test_choices_are_counted_and_one_by_default(n: int | None) -> None:
    assert chat(n=n).choices == (n or 1)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        *((None, False), ({}, False), ({"include_usage": None}, False), ({"include_usage": False}, False)),
        *(({"include_usage": True}, True), ({"include_usage": True, "include_obfuscation": False}, True)),
    ],
)
def test_usage_is_wanted_only_by_who_asks_for_it(options: dict[str, Any] | None, wanted: bool) -> None:
    assert chat(stream=True, stream_options=options).wants_usage is wanted


DATA_URLS = st.text("ABCabc0123+/=", max_size=50).map("data:image/png;base64,{}".format)
WEB_URLS = st.sampled_from(["https://a.example.com/x.png", "http://a.example.com/x.png"])


@LAW
@given(st.lists(DATA_URLS | WEB_URLS | st.none(), max_size=8))
def test_images_are_counted_and_the_bytes_of_inline_ones_are_not_input(urls: list[str | None]) -> None:
    parts = [{"type": "text", "text": "t"} if url is None else image(url, detail="high") for url in urls]
    body = json.dumps({**SMALL, "messages": with_parts(*parts)}).encode()

    request = parse_chat(body, "req_1")

    assert request.images == sum(url is not None for url in urls)
    assert request.input_bytes == len(body) - sum(len(url) for url in urls if url and url.startswith("data:"))


def test_images_of_all_messages_are_counted() -> None:
    message = with_parts(image("https://a"), image("data:image/png;base64,AAAA"))

    assert chat(messages=message * 3).images == 6


@LAW
@given(st.text(), st.lists(st.text(), max_size=3))
def test_input_bytes_bound_the_text_from_above(text: str, parts: list[str]) -> None:
    messages = [{"role": "user", "content": text}, *with_parts(*({"type": "text", "text": part} for part in parts))]
    body = json.dumps({**SMALL, "messages": messages}, ensure_ascii=False).encode("utf-8", "replace")

    assert parse_chat(body, "req_1").input_bytes >= sum(len(t.encode()) for t in (text, *parts))


def test_an_escaped_data_url_never_makes_the_rest_of_the_body_smaller_than_it_is() -> None:
    url = "data:image/svg+xml," + "é" * 100
    body = json.dumps({**SMALL, "messages": with_parts(image(url))}).encode()
    rest = len(body) - len(json.dumps(url))

    assert rest <= parse_chat(body, "req_1").input_bytes <= len(body)


EMBEDDING_FAULTS: list[tuple[str, Any, str]] = [
    *(("model", value, "model") for value in (None, "", 5, [])),
    *(
        ("input", value, "input")
        for value in (None, "", [], {}, 5, True, [None], [True], [1.5], ["a", 1], [["a"]], [[True]])
    ),
    *(("input", value, "input") for value in ([[1], "a"], [[1], 2], [{}], [[[1]]], ["a"] * (INPUTS_MAX + 1))),
    *(("encoding_format", value, "encoding_format") for value in ("Float", "hex", "", 5, [], {}, True)),
    *(("dimensions", value, "dimensions") for value in (*NO_COUNT, 100_001)),
]


@pytest.mark.parametrize(("name", "value", "param"), EMBEDDING_FAULTS, ids=lambda value: repr(value)[:40])
def test_an_embeddings_fault_is_refused_under_the_name_of_its_field(name: str, value: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        embeddings(**{name: value})

    assert refused.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"input": "a"},
            {"input": ["a", ""]},
            {"input": [1, 2]},
            {"input": [[1], [2, 3]]},
            {"input": ["a"] * INPUTS_MAX},
        ),
        *({"encoding_format": None}, {"encoding_format": "float"}, {"encoding_format": "base64"}, {"dimensions": 256}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_good_embeddings_request_passes(fields: dict[str, Any]) -> None:
    request = embeddings(**fields)

    assert (request.kind, request.endpoint, request.stream) == ("embedding", "embeddings", False)
    assert request.input_bytes == len(json.dumps({"model": "m", "input": "hello", **fields}))


@LAW
@given(st.dictionaries(st.sampled_from([row[0] for row in CHAT_FAULTS]), JSON))
def test_any_fields_make_a_request_or_a_refusal(fields: dict[str, Any]) -> None:
    for make in (chat, embeddings):
        try:
            request = make(**fields)
        except InvalidRequest:
            continue
        assert request.input_bytes > 0
        assert request.max_output is None or request.max_output > 0
