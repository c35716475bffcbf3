"""A conversation as Anthropic takes it: its turns, its blocks, and thinking that comes back where it stood."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infergate.kernel.errors import InvalidRequest
from infergate.providers.anthropic_answer import chat_completion
from infergate.providers.anthropic_messages import conversation

LAW = settings(max_examples=60, deadline=None)
EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
FORMAT = "anthropic-claude-v1"


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def call(call_id: str, arguments: Any = "{}", **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "tide", "arguments": arguments}, **more}


def assistant(content: Any = None, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}


def tool(call_id: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def turns(*messages: Any) -> list[tuple[str, Any]]:
    system, found = conversation(list(messages))
    assert system == []
    return [(turn["role"], turn["content"]) for turn in found]


def refused(*messages: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refusal:
        conversation(list(messages))
    return refusal.value.param


def test_system_and_developer_messages_are_the_system_prompt_wherever_they_stand() -> None:
    system, found = conversation(
        [
            {"role": "system", "content": "One"},
            user("Hello"),
            {"role": "developer", "content": [text("Two", cache_control=HOUR), text("Three")]},
            assistant("Hi"),
            {"role": "system", "content": "Four", "cache_control": EPHEMERAL},
            user("Go on"),
        ]
    )

    assert system == [
        text("One"),
        text("Two", cache_control=HOUR),
        text("Three"),
        text("Four", cache_control=EPHEMERAL),
    ]
    assert [turn["role"] for turn in found] == ["user", "assistant", "user"]


def test_what_follows_in_one_role_is_one_turn() -> None:
    found = turns(user("A"), user("B"), assistant("C"), assistant("D"), user("E"))

    assert found == [
        ("user", [text("A"), text("B")]),
        ("assistant", [text("C"), text("D")]),
        ("user", [text("E")]),
    ]


def test_results_of_tools_in_a_row_and_what_the_user_says_next_are_one_turn() -> None:
    found = turns(user("?"), assistant(None, call("a"), call("b")), tool("a", "1"), tool("b", "2"), user("Thanks"))

    assert found[2] == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "content": "2"},
            text("Thanks"),
        ],
    )


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("", {}),
        (None, {}),
        ([], {}),
        ([text("")], {}),
        ("21:04", {"content": "21:04"}),
        (" ", {"content": " "}),
        ([text("21:04")], {"content": "21:04"}),
        ([text("21:04", cache_control=HOUR)], {"content": "21:04", "cache_control": HOUR}),
        ([text("a"), text("b")], {"content": [text("a"), text("b")]}),
        (
            [image("https://x.example/a.png")],
            {"content": [{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}]},
        ),
    ],
)
def test_a_result_is_text_or_parts(content: Any, result: dict[str, Any]) -> None:
    assert turns(tool("a", content)) == [("user", [{"type": "tool_result", "tool_use_id": "a", **result}])]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("{}", {}),
        ("", {}),
        ('{"a": [1, 2.5, null, "\\u00e9"]}', {"a": [1, 2.5, None, "é"]}),
        ('{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
    ],
)
def test_arguments_go_out_as_the_object_that_they_are(arguments: str, value: dict[str, Any]) -> None:
    found = turns(user("?"), assistant(None, call("a", arguments, cache_control=EPHEMERAL)))

    expected = {"type": "tool_use", "id": "a", "name": "tide", "input": value, "cache_control": EPHEMERAL}
    assert found[1] == ("assistant", [expected])


@pytest.mark.parametrize(
    "arguments", ["[1]", "null", "5", '"x"', '{"a": NaN}', '{"a": 1e999}', '{"a"', "[" * 100_000, None, {}]
)
def test_arguments_that_are_no_json_object_are_refused(arguments: Any) -> None:
    where = "messages[1].tool_calls[1].function.arguments"

    assert refused(user("?"), assistant(None, call("a"), call("b", arguments))) == where


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://x.example/a.png?b=c", {"type": "url", "url": "https://x.example/a.png?b=c"}),
        ("data:image/png;base64,AAAA", {"type": "base64", "media_type": "image/png", "data": "AAAA"}),
        ("data:image/jpeg;base64,AAAA", {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}),
        ("data:image/gif;base64,", {"type": "base64", "media_type": "image/gif", "data": ""}),
        ("data:image/webp;base64,AA==", {"type": "base64", "media_type": "image/webp", "data": "AA=="}),
    ],
)
def test_an_image_is_a_url_or_its_data(url: str, source: dict[str, Any]) -> None:
    marked = {**image(url, detail="high"), "cache_control": HOUR}

    assert turns(user([text("See"), marked])) == [
        ("user", [text("See"), {"type": "image", "source": source, "cache_control": HOUR}])
    ]


@pytest.mark.parametrize(
    "url",
    ["http://x.example/a.png", "data:image/svg+xml;base64,AA", "data:image/png,AA", "data:application/pdf;base64,AA"],
)
def test_an_image_that_anthropic_cannot_read_is_refused(url: str) -> None:
    assert refused(user([text("See"), image(url)])) == "messages[0].content[1].image_url.url"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Hello", "messages[0].role"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        ({"role": ["user"], "content": "x"}, "messages[0].role"),
        (user("x", name="Anna"), "messages[0].name"),
        ({"role": "system", "content": "x", "name": "rules"}, "messages[0].name"),
        (user(None), "messages[0].content"),
        (user(""), "messages[0].content"),
        (user(" \n"), "messages[0].content"),
        (user([]), "messages[0].content"),
        (user([text("a"), text(" ")]), "messages[0].content[1]"),
        ({"role": "system", "content": "\n"}, "messages[0].content"),
        (user(5), "messages[0].content"),
        (user([5]), "messages[0].content[0]"),
        (user([{"type": "text", "text": 5}]), "messages[0].content[0]"),
        (user([{"type": "input_audio", "input_audio": {}}]), "messages[0].content[0]"),
        (user([{"type": "file", "file": {}}]), "messages[0].content[0]"),
        (user([{"type": "image_url", "image_url": "https://x.example"}]), "messages[0].content[0].image_url"),
        (user([image("https://x.example", detail="low")]), "messages[0].content[0].image_url.detail"),
        ({"role": "system", "content": [image("https://x.example")]}, "messages[0].content[0]"),
        (assistant([image("https://x.example")]), "messages[0].content[0]"),
        (user([text("x", cache_control="5m")]), "messages[0].content[0].cache_control"),
        (user([text("x", cache_control={"type": "ephemeral", "scope": "g"})]), "messages[0].content[0].cache_control"),
        (user("x", cache_control={"type": "ephemeral", "ttl": 5}), "messages[0].cache_control"),
        (user("x", tool_calls=[call("a")]), "messages[0].tool_calls"),
        (assistant("x", audio={"id": "audio_1"}), "messages[0].audio"),
        (assistant("x", function_call={"name": "f", "arguments": "{}"}), "messages[0].function_call"),
        (assistant("x", tool_calls={}), "messages[0].tool_calls"),
        (assistant("x", tool_calls=["a"]), "messages[0].tool_calls[0]"),
        (assistant("x", tool_calls=[{"id": "a", "type": "custom", "custom": {}}]), "messages[0].tool_calls[0]"),
        (assistant("x", tool_calls=[{"type": "function", "function": {"name": "f"}}]), "messages[0].tool_calls[0]"),
        (assistant("x", reasoning_details="deep"), "messages[0].reasoning_details"),
        (assistant("x", thinking_blocks=["deep"]), "messages[0].thinking_blocks"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "tool", "tool_call_id": "a", "content": [{"type": "video"}]}, "messages[0].content[0]"),
    ],
    ids=str,
)
def test_what_a_turn_of_anthropic_cannot_hold_is_refused_where_it_stands(message: Any, param: str) -> None:
    assert refused(message, user("Hello")) == param


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "S"}], [assistant("")]])
def test_a_conversation_in_which_nobody_speaks_is_refused(messages: list[Any]) -> None:
    assert refused(*messages) == "messages"


def test_an_assistant_that_said_nothing_is_no_turn() -> None:
    assert turns(user("A"), assistant(""), user("B")) == [("user", [text("A"), text("B")])]


def test_white_space_before_a_tool_call_stays_out() -> None:
    found = turns(user("?"), assistant("\n\n", call("a")))

    assert [block["type"] for block in found[1][1]] == ["tool_use"]


def test_a_refusal_is_what_the_assistant_said() -> None:
    assert turns(user("?"), assistant(None, refusal="No."))[1] == ("assistant", [text("No.")])
    assert turns(user("?"), assistant([{"type": "refusal", "refusal": "No."}]))[1] == ("assistant", [text("No.")])


def test_what_an_sdk_echoes_of_our_answer_is_taken_back() -> None:
    echo = assistant(
        "Hi", refusal=None, annotations=[], audio=None, function_call=None, tool_calls=None, reasoning="hm"
    )

    assert turns(user("?"), echo)[1] == ("assistant", [text("Hi")])


# -- thinking -------------------------------------------------------------------------------------------------------------


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ=="}


@pytest.mark.parametrize(
    "told",
    [
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": FORMAT, "index": 0},
                {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": FORMAT, "index": 1},
            ]
        },
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "c2ln"},
                {"type": "reasoning.encrypted", "data": "ZGF0YQ=="},
            ]
        },
        {"thinking_blocks": [THOUGHT, SECRET]},
        {"thinking_blocks": [THOUGHT, SECRET], "reasoning_content": "hm", "reasoning_details": []},
        {
            "thinking_blocks": [THOUGHT, SECRET],
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "c2ln"},
                {"type": "reasoning.encrypted", "data": "ZGF0YQ=="},
            ],
        },
    ],
)
def test_signed_thinking_comes_back_before_what_was_said(told: dict[str, Any]) -> None:
    found = turns(user("?"), assistant("Yes", call("a"), **told))

    assert found[1][1] == [THOUGHT, SECRET, text("Yes"), {"type": "tool_use", "id": "a", "name": "tide", "input": {}}]


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning_content": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": None}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1"}]},
        {
            "thinking_blocks": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "thinking", "thinking": "hm", "signature": ""},
            ]
        },
    ],
)
def test_reasoning_that_anthropic_did_not_sign_stays_out(told: dict[str, Any]) -> None:
    assert turns(user("?"), assistant("Yes", **told))[1] == ("assistant", [text("Yes")])


def test_thinking_without_a_text_of_its_own_keeps_its_signature() -> None:
    detail = {"type": "reasoning.text", "text": "", "signature": "c2ln", "format": FORMAT, "index": 0}

    assert turns(user("?"), assistant("Yes", reasoning_details=[detail]))[1][1][0] == {**THOUGHT, "thinking": ""}


def test_thinking_is_put_where_its_index_says_in_whatever_order_it_is_listed() -> None:
    details = [
        {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "index": 2},
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 1},
    ]

    said = turns(user("?"), assistant("Yes", call("a"), reasoning_details=details))[1][1]

    assert [block["type"] for block in said] == ["text", "thinking", "redacted_thinking", "tool_use"]


BLOCKS = st.lists(
    st.builds(lambda t, s: {"type": "thinking", "thinking": t, "signature": s}, st.text(), st.text(min_size=1))
    | st.builds(lambda d: {"type": "redacted_thinking", "data": d}, st.text(min_size=1)),
    max_size=4,
)
SAID = st.text(min_size=1).filter(str.strip)
CALLS = st.lists(
    st.builds(
        lambda i, v: {"type": "tool_use", "id": i, "name": "tide", "input": v},
        st.text(),
        st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=3),
    ),
    max_size=3,
)


@LAW
@given(st.none() | SAID, CALLS, BLOCKS, st.randoms(use_true_random=False))
def test_an_answer_that_is_sent_back_is_the_same_blocks_in_the_same_order(
    said: str | None, calls: list[dict[str, Any]], thoughts: list[dict[str, Any]], chance: Any
) -> None:
    blocks = ([text(said)] if said else []) + calls
    for thought in thoughts:
        blocks.insert(chance.randint(0, len(blocks)), thought)
    answer = chat_completion({"type": "message", "content": blocks, "stop_reason": "end_turn"}, created=0)
    assert answer is not None

    _, found = conversation([user("?"), answer["choices"][0]["message"], user("!")])

    assert found[1:-1] == ([{"role": "assistant", "content": blocks}] if blocks else [])
