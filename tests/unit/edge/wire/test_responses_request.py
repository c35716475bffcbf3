"""Bodies of the Responses API as chats: all of what was said, and nothing that has no price."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.edge.wire.responses_request import parse_responses
from infergate.edge.wire.translated import Translated
from infergate.kernel.errors import InvalidRequest

from tests.support.chat_text import text_bytes

IMAGE = "data:image/png;base64," + "A" * 400


def parse(**fields: Any) -> Translated:
    return parse_responses(json.dumps({"model": "m", "input": "hello", **fields}).encode(), "req_1")


def messages(*items: Any, **fields: Any) -> list[dict[str, Any]]:
    return parse(input=list(items), **fields).body["messages"]


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def test_a_string_is_one_message_of_the_users_after_the_instructions() -> None:
    body = parse(instructions="Be brief.").body

    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
    ]


def test_messages_keep_their_roles_and_images_their_place() -> None:
    image = {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"}

    assert messages(
        {"type": "message", "role": "developer", "content": "d"},
        user({"type": "input_text", "text": "see"}, image),
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "r"}]},
    ) == [
        {"role": "developer", "content": "d"},
        user(
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        ),
        {"role": "assistant", "content": "a\n\nr"},
    ]


def test_one_turn_of_the_model_is_one_message_with_its_reasoning_and_calls() -> None:
    reasoning = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]}
    output = {"type": "function_call_output", "call_id": "c1", "output": "7"}

    assert messages(user(), reasoning, {"role": "assistant", "content": "so"}, CALL, output)[1:] == [
        {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [CHAT_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
    ]


def test_reasoning_that_only_its_provider_could_read_says_nothing() -> None:
    sealed = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"}

    assert messages(user(), sealed, CALL)[1] == {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}


def test_a_custom_tools_call_and_its_output_are_a_chats() -> None:
    call = {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"}
    output = {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]}

    assert messages(user(), call, output)[1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "x"}}],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "ok"},
    ]


def test_images_of_a_tools_output_follow_all_outputs_in_a_message_of_the_users() -> None:
    picture = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": IMAGE}]}
    other = {"type": "function_call_output", "call_id": "c2", "output": "8"}
    request = parse(input=[user(), CALL, CALL | {"call_id": "c2"}, picture, other])

    assert [message["role"] for message in request.body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    label, image = request.body["messages"][-1]["content"]
    assert (label["text"], image["image_url"]["url"]) == ("Images from the tool call c1:", IMAGE)
    assert request.images == 1


def test_options_go_out_under_a_chats_names() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    request = parse(
        max_output_tokens=50,
        text={"format": schema, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        top_logprobs=2,
        temperature=0.5,
        parallel_tool_calls=False,
        store=True,
        metadata={"a": "b"},
        truncation="auto",
        user="u",
        service_tier="auto",
        an_unknown_field={"kept": True},
    )

    assert {name: value for name, value in request.body.items() if name not in ("model", "messages")} == {
        "max_completion_tokens": 50,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "verbosity": "low",
        "reasoning_effort": "high",
        "logprobs": True,
        "top_logprobs": 2,
        "temperature": 0.5,
        "parallel_tool_calls": False,
        "user": "u",
        "service_tier": "default",
        "an_unknown_field": {"kept": True},
    }
    assert (request.max_output, request.wire, request.endpoint) == (50, "responses", "chat/completions")


def test_what_a_request_says_about_its_routes_is_obeyed_as_a_chats_is() -> None:
    request = parse(service_tier="flex", provider={"only": ["demo"]})

    assert (request.wishes.tier, request.wishes.only) == ("flex", ("demo",))
    assert "provider" not in request.body


def test_a_stream_always_asks_the_pipeline_for_its_usage() -> None:
    request = parse(stream=True, stream_options={"include_obfuscation": False})

    assert (request.stream, request.wants_usage, "stream_options" in request.body) == (True, True, False)
    assert parse().wants_usage is False


def test_tools_and_the_choice_among_them_are_a_chats() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    tools = [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "c", "format": grammar},
    ]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}

    body = parse(tools=tools, tool_choice=allowed).body

    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        },
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "format": {"type": "grammar", "grammar": {"definition": "start: A", "syntax": "lark"}},
            },
        },
    ]
    assert body["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
    }
    named = parse(tool_choice={"type": "custom", "name": "c"}).body["tool_choice"]
    assert named == {"type": "custom", "custom": {"name": "c"}}


FAULTS: list[tuple[dict[str, Any], str]] = [
    *(({"input": value}, "input") for value in (None, [], {}, 5)),
    *(({"input": [value]}, "input[0]") for value in (None, "hello", 5, [])),
    *(({"input": [{"type": kind}]}, "input[0].type") for kind in ("web_search_call", "computer_call", "mcp_call", 5)),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
    *(({"input": [{"role": role, "content": ""}]}, "input[0].role") for role in (None, "tool", "root", [], 5)),
    *(({"input": [user(part)]}, "input[0].content[0]") for part in (None, {}, {"type": "input_file"}, "x")),
    ({"input": [user({"type": "input_audio"})]}, "input[0].content[0]"),
    ({"input": [user({"type": "input_image", "file_id": "f"})]}, "input[0].content[0]"),
    ({"input": [user({"type": "input_image", "image_url": "file:///etc/passwd"})]}, "input[0].content[0]"),
    ({"input": [user({"type": "input_text", "text": 5})]}, "input[0].content[0].text"),
    ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
    ({"input": [CALL | {"arguments": {}}]}, "input[0].arguments"),
    ({"input": [CALL | {"call_id": None}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": None}]}, "input[0].output"),
    *(({"model": value}, "model") for value in (None, "", 5)),
    ({"instructions": ["x"]}, "instructions"),
    *(({"max_output_tokens": value}, "max_output_tokens") for value in (0, -1, 1.5, "5", True)),
    *(({"previous_response_id": "resp_1"}, "previous_response_id"), ({"conversation": "conv_1"}, "conversation")),
    *(({"background": True}, "background"), ({"prompt": {"id": "p"}}, "prompt")),
    ({"moderation": {"model": "m"}}, "moderation"),
    *(
        ({"tools": [{"type": kind, "name": "x"}]}, "tools[0]")
        for kind in (
            *("web_search", "web_search_preview", "file_search", "computer_use_preview", "code_interpreter", "mcp"),
            *("image_generation", "local_shell", "shell", "apply_patch", "namespace", None, []),
        )
    ),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    *(({"tools": value}, "tools") for value in ({}, [5], "x")),
    *(({"tool_choice": value}, "tool_choice") for value in ("any", 5, {"type": "web_search"}, {})),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ({"text": {"verbosity": "loud"}}, "text.verbosity"),
    *(({"reasoning": {"mode": "pro"}}, "reasoning.mode"), ({"reasoning": {"summary": "long"}}, "reasoning.summary")),
    ({"reasoning": 5}, "reasoning"),
    *(({"store": "no"}, "store"), ({"stream": "no"}, "stream"), ({"include": "x"}, "include")),
    *(
        ({"metadata": value}, "metadata")
        for value in (5, {"a": 1}, {"a" * 65: ""}, dict.fromkeys(map(str, range(17)), ""))
    ),
    *(({"truncation": "some"}, "truncation"), ({"top_logprobs": 21}, "top_logprobs")),
    *(({"service_tier": tier}, "service_tier") for tier in ("fast", "ultrafast", 5)),
    *(
        ({name: 1}, name)
        for name in ("messages", "max_tokens", "max_completion_tokens", "n", "response_format", "reasoning_effort")
    ),
    *(({name: {}}, name) for name in ("prediction", "audio", "web_search_options", "functions")),
]


@pytest.mark.parametrize(("fields", "param"), FAULTS, ids=lambda value: repr(value)[:60])
def test_a_fault_is_refused_under_the_name_of_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**fields)

    assert refused.value.param == param
    assert len(refused.value.message) < 300


TEXT = st.text(max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(1e15)
SCHEMAS = st.dictionaries(TEXT, NUMBERS | TEXT | st.lists(NUMBERS, max_size=5), max_size=3)
PART = st.builds(lambda text: {"type": "input_text", "text": text}, TEXT) | st.just(
    {"type": "input_image", "image_url": IMAGE}
)
ITEM = (
    st.builds(lambda role, parts: {"role": role, "content": parts}, st.sampled_from(["user", "system"]), st.lists(PART))
    | st.builds(lambda text: {"role": "assistant", "content": text}, TEXT)
    | st.builds(lambda arguments: CALL | {"arguments": json.dumps(arguments)}, SCHEMAS)
    | st.builds(lambda parts: {"type": "function_call_output", "call_id": "c1", "output": parts}, st.lists(PART))
    | st.builds(lambda text: {"type": "reasoning", "summary": [{"text": text}]}, TEXT)
)


@settings(deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=6), st.none() | TEXT, st.lists(SCHEMAS, max_size=2))
def test_the_bound_on_the_input_covers_every_byte_of_text_that_goes_out(
    items: list[Any], instructions: str | None, schemas: list[Any]
) -> None:
    tools = [{"type": "function", "name": "f", "parameters": schema} for schema in schemas]

    request = parse(input=items, instructions=instructions, tools=tools)

    assert request.input_bytes >= text_bytes(request.body)
    sent = json.dumps(items)
    assert request.images == sent.count('"input_image"')
    assert all(text in json.dumps(request.body) for text in ([json.dumps(instructions)] if instructions else []))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted({name for fields, _ in FAULTS for name in fields})), JSON))
def test_any_fields_make_a_request_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        request = parse(**fields)
    except InvalidRequest:
        return
    assert request.input_bytes > 0
