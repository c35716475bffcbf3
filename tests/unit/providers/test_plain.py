"""What one provider takes and another refuses is left out for the other."""

import copy
from typing import Any

import pytest
from infergate.providers.plain import plain

MARK = {"type": "ephemeral"}
ASKED = {
    "role": "user",
    "content": [{"type": "text", "text": "a", "cache_control": MARK}, {"type": "text", "text": "b"}],
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
MARKED = [CALL | {"cache_control": MARK}]
SAID = {
    "role": "assistant",
    "content": "c",
    "tool_calls": MARKED,
    "reasoning_content": "hm",
    "reasoning": "hm",
    "reasoning_details": [{}],
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"cache_control": {}}}}
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [ASKED, SAID],
    "tools": [TOOL | {"cache_control": MARK}],
    "cache_control": MARK,
    "reasoning": {"effort": "low"},
}
PLAIN_ASKED = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
PLAIN_SAID = {"role": "assistant", "content": "c", "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("takes", "messages", "marked"),
    [
        ("", [PLAIN_ASKED, PLAIN_SAID], False),
        ("reasoning", [PLAIN_ASKED, SAID | {"tool_calls": [CALL]}], False),
        ("cache_control", [ASKED, PLAIN_SAID | {"tool_calls": MARKED}], True),
        ("cache_control reasoning", [ASKED, SAID], True),
    ],
)
def test_a_channel_gets_what_it_takes(takes: str, messages: list[Any], marked: bool) -> None:
    before = copy.deepcopy(BODY)

    sent = plain(BODY, takes)

    expected = {**BODY, "messages": messages} | ({} if marked else {"tools": [TOOL]})
    if not marked:
        del expected["cache_control"]
    assert sent == expected
    assert before == BODY


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [PLAIN_ASKED, PLAIN_SAID], "tools": [TOOL], "reasoning": {}},
        {"messages": [{"role": "user", "content": None}, {"role": "user"}, 5, None]},
        {"messages": "x", "tools": "y"},
        {"messages": [{"content": [5, "x", None]}]},
        {"input": "an embedding"},
        {},
    ],
    ids=repr,
)
def test_what_is_plain_goes_out_as_the_same_object(body: dict[str, Any]) -> None:
    assert plain(body, "") is body
