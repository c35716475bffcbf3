"""Bodies of Anthropic's Messages API as chats: all of what was said, and nothing that has no price."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.edge.wire.messages_request import parse_count, parse_messages
from infergate.edge.wire.translated import Translated
from infergate.kernel.errors import InvalidRequest

from tests.support.chat_text import text_bytes
from tests.unit.edge.wire.test_responses_request import JSON, SCHEMAS

EPHEMERAL = {"type": "ephemeral", "ttl": "1h"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 400}}
HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1, "ü": "é"}}


def parse(**fields: Any) -> Translated:
    return parse_messages(json.dumps({"model": "m", "max_tokens": 9, "messages": HELLO, **fields}).encode(), "req_1")


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **more}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def chat(*messages: Any, **fields: Any) -> list[dict[str, Any]]:
    return parse(messages=list(messages), **fields).body["messages"]


def test_a_conversation_keeps_its_roles_and_the_system_prompt_comes_first() -> None:
    assert chat(user(text("a"), text("b")), said(text("c")), user(text("d")), system="s") == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]


def test_a_tool_round_trip_is_a_chats() -> None:
    assert chat(*HELLO, said(text("so"), USE), user(result("7"), text("go on")))[1:] == [
        {
            "role": "assistant",
            "content": "so",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1,"ü":"é"}'}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "7"},
        {"role": "user", "content": "go on"},
    ]


def test_a_failed_tool_says_so_in_words() -> None:
    assert chat(user(result([text("no disk")], is_error=True)))[0]["content"] == "Error: \n\nno disk"
    assert chat(user({"type": "tool_result", "tool_use_id": "t1"}))[0]["content"] == ""


def test_images_of_a_tools_result_follow_it_in_a_message_of_the_users() -> None:
    request = parse(messages=[user(result([text("see"), PICTURE]), text("well?"))])

    tool, following = request.body["messages"]
    assert tool == {"role": "tool", "tool_call_id": "t1", "content": "see"}
    assert [part["type"] for part in following["content"]] == ["text", "image_url", "text"]
    assert following["content"][1]["image_url"]["url"] == "data:image/png;base64," + "A" * 400
    assert request.images == 1


def test_images_by_url_stay_urls() -> None:
    block = {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}

    assert chat(user(block))[0]["content"] == [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]


def test_marks_for_the_cache_stay_where_they_were_put() -> None:
    marked = {"cache_control": EPHEMERAL}
    request = parse(
        system=[text("s", **marked)],
        messages=[user(text("a", **marked), PICTURE | marked), said(USE | marked), user(result("7", **marked))],
        tools=[TOOL | marked],
        cache_control=EPHEMERAL,
    )

    system, asked, called, tool = request.body["messages"]
    assert called["tool_calls"][0]["cache_control"] == EPHEMERAL
    assert request.cache_writes == ("cache_write", "cache_write_1h")
    assert system["content"] == [text("s", **marked)]
    assert [part["cache_control"] for part in asked["content"]] == [EPHEMERAL, EPHEMERAL]
    assert tool["content"] == [text("7", **marked)]
    assert request.body["tools"][0]["cache_control"] == request.body["cache_control"] == EPHEMERAL


def test_thinking_goes_back_to_the_model_with_its_signature() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    sealed = {"type": "redacted_thinking", "data": "x"}

    assert chat(*HELLO, said(thinking, sealed, USE))[1] | {"tool_calls": None} == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "sig", "index": 0},
            {"type": "reasoning.encrypted", "data": "x", "index": 1},
        ],
        "tool_calls": None,
    }
    assert "reasoning_details" not in chat(*HELLO, said(thinking | {"signature": ""}, text("so")))[1]


def test_thinking_between_two_calls_keeps_its_place() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}

    turn = chat(*HELLO, said(thinking, text("so"), USE, thinking, USE))[1]

    assert [detail["index"] for detail in turn["reasoning_details"]] == [0, 3]


def test_options_go_out_under_a_chats_names() -> None:
    schema = {"type": "object"}
    request = parse(
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        metadata={"user_id": "u"},
        service_tier="standard_only",
        output_config={"format": {"type": "json_schema", "schema": schema}},
        context_management={"edits": []},
        speed="standard",
        an_unknown_field={"kept": True},
    )

    assert {name: value for name, value in request.body.items() if name not in ("model", "messages")} == {
        "max_completion_tokens": 9,
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "user": "u",
        "service_tier": "default",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
        "an_unknown_field": {"kept": True},
    }
    assert (request.max_output, request.wire, request.endpoint) == (9, "messages", "chat/completions")


def test_a_stream_always_asks_the_pipeline_for_its_usage() -> None:
    assert (parse(stream=True).wants_usage, parse().wants_usage) == (True, False)


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({}, None),
        *(({"thinking": {"type": kind}}, None) for kind in ("disabled", "adaptive", "between_tools")),
        *(
            ({"thinking": {"type": "enabled", "budget_tokens": budget}}, effort)
            for budget, effort in ((1024, "low"), (4095, "low"), (4096, "medium"), (16383, "medium"), (16384, "high"))
        ),
        *(({"output_config": {"effort": effort}}, effort) for effort in ("low", "medium", "high", "xhigh", "max")),
        ({"output_config": {"effort": "max"}, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "max"),
        ({"output_config": {"effort": "max"}, "thinking": {"type": "disabled"}}, None),
    ],
    ids=repr,
)
def test_thinking_is_an_effort(fields: dict[str, Any], effort: str | None) -> None:
    assert parse(**fields).body.get("reasoning_effort") == effort


def test_tools_and_the_choice_among_them_are_a_chats() -> None:
    body = parse(tools=[TOOL | {"strict": True, "type": "custom"}]).body
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        }
    ]
    for asked, meant in (
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"type": "none"}, {"tool_choice": "none"}),
    ):
        assert meant.items() <= parse(tools=[TOOL], tool_choice=asked).body.items()


def test_tokens_are_counted_without_a_limit_on_the_answer() -> None:
    body = json.dumps({"model": "m", "messages": HELLO, "tools": [TOOL]}).encode()

    assert parse_count(body, "req_1").max_output is None
    with pytest.raises(InvalidRequest) as refused:
        parse_messages(body, "req_1")
    assert refused.value.param == "max_tokens"


FAULTS: list[tuple[dict[str, Any], str]] = [
    *(({"max_tokens": value}, "max_tokens") for value in (None, 0, -1, 1.5, "5", True)),
    *(({"model": value}, "model") for value in (None, "", 5)),
    *(({"messages": value}, "messages") for value in (None, [], {}, "x", [5])),
    *(({"messages": [{"role": role, "content": ""}]}, "messages[0].role") for role in (None, "tool", 5, [])),
    *(({"messages": [{"role": "user", "content": c}]}, "messages[0].content") for c in (None, 5, {}, ["x"])),
    *(
        ({"messages": [user(block)]}, "messages[0].content[0]")
        for block in ({"type": "document"}, {"type": "search_result"}, {"type": "container_upload"}, {}, USE)
    ),
    *(
        ({"messages": [said(block)]}, "messages[0].content[0]")
        for block in ({"type": "server_tool_use"}, {"type": "image"}, result("x"), {})
    ),
    ({"messages": [said(USE | {"input": "x"})]}, "messages[0].content[0].input"),
    ({"messages": [said(USE | {"id": ""})]}, "messages[0].content[0].id"),
    ({"messages": [user(text(5))]}, "messages[0].content[0].text"),  # type: ignore[arg-type]
    *(
        ({"messages": [user({"type": "image", "source": source})]}, "messages[0].content[0].source")
        for source in (None, {}, {"type": "file", "file_id": "f"}, {"type": "url", "url": "file:///etc/passwd"})
    ),
    (
        {"messages": [user({"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": ""}})]},
        "messages[0].content[0].source.media_type",
    ),
    ({"messages": [user(result([{"type": "document"}]))]}, "messages[0].content[0].content[0]"),
    ({"messages": [user(result("x", is_error=1))]}, "messages[0].content[0].is_error"),
    *(({"system": value}, "system") for value in (5, {}, [5])),
    ({"system": [PICTURE]}, "system[0]"),
    *(
        ({"tools": [{"type": kind, "name": "x"}]}, "tools[0]")
        for kind in ("web_search_20250305", "bash_20250124", "computer_20250124", "code_execution_20250825", [])
    ),
    *(({"tools": [TOOL | {"name": ""}]}, "tools[0].name"), ({"tools": [{"name": "f"}]}, "tools[0].input_schema")),
    *(({"tool_choice": value}, "tool_choice.type") for value in ({"type": "some"}, {"name": "f"})),
    *(({"tool_choice": "auto"}, "tool_choice"), ({"tool_choice": {"type": "tool"}}, "tool_choice.name")),
    *(({"stop_sequences": value}, "stop_sequences") for value in ("x", [5], [""])),
    *(({"thinking": value}, "thinking.type") for value in ({"type": "deep"}, {"budget_tokens": 5})),
    *(({"thinking": {"type": "enabled"} | more}, "thinking.budget_tokens") for more in ({}, {"budget_tokens": 0})),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    *(({"service_tier": "priority"}, "service_tier"), ({"speed": "fast"}, "speed")),
    *(
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
    ),
    *(
        ({name: 1}, name)
        for name in ("n", "stop", "max_completion_tokens", "reasoning_effort", "response_format", "stream_options")
    ),
    *(({name: {}}, name) for name in ("prediction", "audio", "web_search_options", "functions", "best_of")),
]


@pytest.mark.parametrize(("fields", "param"), FAULTS, ids=lambda value: repr(value)[:60])
def test_a_fault_is_refused_under_the_name_of_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**fields)

    assert refused.value.param == param
    assert len(refused.value.message) < 300


WORDS = st.text(max_size=20)
TEXT = st.builds(text, WORDS) | st.builds(lambda words: text(words, cache_control=EPHEMERAL), WORDS)
RESULT = st.builds(result, WORDS | st.lists(TEXT | st.just(PICTURE), max_size=3), is_error=st.booleans())
TURN = st.builds(lambda blocks: user(*blocks), st.lists(TEXT | st.just(PICTURE) | RESULT, max_size=4)) | st.builds(
    lambda blocks: said(*blocks),
    st.lists(
        TEXT
        | st.builds(lambda given: USE | {"input": given}, SCHEMAS)
        | st.builds(lambda words: {"type": "thinking", "thinking": words, "signature": words}, WORDS),
        max_size=4,
    ),
)


@settings(deadline=None)
@given(st.lists(TURN, min_size=1, max_size=5), st.lists(SCHEMAS, max_size=2))
def test_the_bound_on_the_input_covers_every_byte_of_text_that_goes_out(turns: list[Any], schemas: list[Any]) -> None:
    request = parse(messages=turns, tools=[TOOL | {"input_schema": schema} for schema in schemas])

    assert request.input_bytes >= text_bytes(request.body)
    assert request.images == json.dumps(turns).count('"base64"')


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted({name for fields, _ in FAULTS for name in fields})), JSON))
def test_any_fields_make_a_request_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        request = parse(**fields)
    except InvalidRequest:
        return
    assert request.max_output is not None
