"""What goes to Bedrock: Amazon's own shape, everything that was asked for in it, or a refusal that names the field."""

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.errors import InvalidRequest
from infergate.providers.bedrock_request import converse_body

from tests.support.bedrock_model import CONVERSE, CONVERSE_STREAM, serialized

LAW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOVA, CLAUDE = "eu.amazon.nova-pro-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n pixel").decode()
HI = {"role": "user", "content": "hi"}
WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOL = {"type": "function", "function": WEATHER}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
CALLED = [HI, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
RETURNED: list[dict[str, Any]] = [*CALLED, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
RESULT = {"toolResult": {"toolUseId": "call_1", "content": [{"text": "rain"}]}}


def sent(model: str = NOVA, **fields: Any) -> dict[str, Any]:
    """The body for Bedrock, after Amazon's own model of it has taken it and botocore would send the very same."""
    body = converse_body({"model": "ours", "messages": [HI], "max_tokens": 100, **fields}, model)
    assert serialized(CONVERSE, model, body)[1] == body
    assert serialized(CONVERSE_STREAM, model, body)[1] == body
    return body


def turns(*messages: Any) -> Any:
    return sent(messages=list(messages), tools=[TOOL])["messages"]


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **more}}]}


def refused(model: str = NOVA, **fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refusal:
        converse_body({"model": "ours", "messages": [HI], "max_tokens": 100, **fields}, model)
    assert refusal.value.message.endswith((".", "-"))
    return refusal.value.param


# -- fields ------------------------------------------------------------------------------------------------------------
def test_a_plain_request_is_its_turns_and_its_limit() -> None:
    assert sent() == {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "inferenceConfig": {"maxTokens": 100},
    }


def test_the_limit_goes_out_under_either_of_its_names() -> None:
    assert sent(max_tokens=None, max_completion_tokens=7)["inferenceConfig"] == {"maxTokens": 7}


def test_sampling_and_stops_are_sent() -> None:
    config = sent(temperature=0.5, top_p=1, stop="END")["inferenceConfig"]

    assert config == {"maxTokens": 100, "temperature": 0.5, "topP": 1, "stopSequences": ["END"]}
    assert sent(stop=["a", "b"])["inferenceConfig"]["stopSequences"] == ["a", "b"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("temperature", 1.5), ("temperature", True), ("temperature", "1"), ("top_p", 2), ("top_p", -0.1)),
        *(("stop", ""), ("stop", ["a", ""]), ("stop", 1), ("seed", 7), ("n", 2), ("logprobs", True)),
        *(("top_logprobs", 3), ("presence_penalty", 0.1), ("frequency_penalty", -1), ("logit_bias", {"1": 5})),
        *(("parallel_tool_calls", False), ("store", True), ("verbosity", "low"), ("prompt_cache_retention", "24h")),
        *(("modalities", ["text", "audio"]), ("service_tier", "scale"), ("service_tier", 1), ("top_k", 5)),
        *(("anything_new", {}), ("web_search_options", {}), ("response_format", {"type": "json_object"})),
        *(("response_format", {"type": "json_schema"}), ("response_format", "text"), ("metadata", [])),
        *(("user", 'a "quoted" name'), ("user", 5), ("metadata", {"who": "é"}), ("metadata", {"": "x"})),
        *(("metadata", {"k": 1}), ("metadata", {"k": "x" * 257}), ("metadata", {str(i): "x" for i in range(17)})),
        *(("thinking", {"type": "enabled", "budget_tokens": 1024}), ("tool_choice", "required")),
    ],
)
def test_what_bedrock_cannot_do_is_refused_by_its_name(field: str, value: Any) -> None:
    assert refused(**{field: value}) == field


NEUTRAL = {
    "n": 1, "logprobs": False, "top_logprobs": 0, "presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": {},
    "parallel_tool_calls": True, "store": False, "modalities": ["text"], "verbosity": "medium", "tools": [],
    "response_format": {"type": "text"}, "service_tier": "default", "tool_choice": "none", "metadata": {}, "stop": [],
    "stream": True, "stream_options": {"include_usage": True}, "prompt_cache_key": "k", "safety_identifier": "s",
}  # fmt: skip


@pytest.mark.parametrize("field", NEUTRAL)
def test_a_field_that_asks_for_nothing_else_changes_nothing(field: str) -> None:
    assert sent(**{field: NEUTRAL[field]}) == sent()


@pytest.mark.parametrize("field", ["seed", "temperature", "tools", "metadata", "anything_new", "stop", "user"])
def test_a_null_counts_as_absent(field: str) -> None:
    assert sent(**{field: None}) == sent()


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_a_tier_is_asked_for(tier: str) -> None:
    assert sent(service_tier=tier)["serviceTier"] == {"type": tier}


def test_metadata_and_the_user_go_into_the_requests_metadata() -> None:
    assert sent(metadata={"team": "a b", "cost-center": "7"}, user="anna@example.com")["requestMetadata"] == {
        "team": "a b",
        "cost-center": "7",
        "user": "anna@example.com",
    }


def test_a_schema_for_the_answer_goes_out_as_text() -> None:
    schema = {"type": "object", "properties": {"größe": {"type": "number"}}}
    form = {"type": "json_schema", "json_schema": {"name": "size", "schema": schema, "strict": True}}

    textual = sent(response_format=form)["outputConfig"]["textFormat"]
    definition = textual["structure"]["jsonSchema"]

    assert (textual["type"], definition["name"], json.loads(definition["schema"])) == ("json_schema", "size", schema)


# -- messages ----------------------------------------------------------------------------------------------------------
def test_system_and_developer_messages_are_the_system_prompt_in_their_order() -> None:
    body = sent(
        messages=[
            {"role": "system", "content": "a"},
            HI,
            {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
        ]
    )

    assert body["system"] == [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]


def test_neighbours_of_one_side_become_one_turn() -> None:
    says = {"role": "assistant", "content": "so"}

    assert turns(HI, HI, says, says, HI) == [
        {"role": "user", "content": [{"text": "hi"}, {"text": "hi"}]},
        {"role": "assistant", "content": [{"text": "so"}, {"text": "so"}]},
        {"role": "user", "content": [{"text": "hi"}]},
    ]


@pytest.mark.parametrize(("subtype", "form"), [("png", "png"), ("jpg", "jpeg"), ("JPEG", "jpeg"), ("webp", "webp")])
def test_an_image_is_sent_as_it_came(subtype: str, form: str) -> None:
    blocks = turns(image(f"data:image/{subtype};base64,{PIXEL}", detail="high"))[0]["content"]

    assert blocks == [{"image": {"format": form, "source": {"bytes": PIXEL}}}]


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.com/a.png", "http://example.com/a.png", "data:image/png,abc", "data:image/bmp;base64,AAAA"),
        *("data:image/png;base64,", "data:image/png;base64,???", f"data:image/png;base64,{PIXEL}=", "data:image/png"),
    ],
)
def test_an_image_that_bedrock_cannot_see_is_refused(url: str) -> None:
    assert refused(messages=[HI, image(url)]) == "messages[1].content[0].image_url"


def test_a_call_and_its_result_go_out_as_the_blocks_of_two_turns() -> None:
    assert turns(*RETURNED, HI) == [
        {"role": "user", "content": [{"text": "hi"}]},
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Köln"}}}],
        },
        {"role": "user", "content": [RESULT, {"text": "hi"}]},
    ]


def test_the_results_of_parallel_calls_are_one_turn() -> None:
    second = {**CALL, "id": "call_2", "function": {"name": "weather", "arguments": ""}}
    said = turns(
        HI,
        {"role": "assistant", "content": "two", "tool_calls": [CALL, second]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain", "name": "weather"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
    )

    assert [list(block) for block in said[1]["content"]] == [["text"], ["toolUse"], ["toolUse"]]
    assert said[1]["content"][2]["toolUse"]["input"] == {}
    assert said[2]["content"] == [RESULT, {"toolResult": {"toolUseId": "call_2", "content": []}}]


def test_a_result_may_have_an_image_in_it() -> None:
    content = [{"type": "text", "text": "seen"}, *image(f"data:image/png;base64,{PIXEL}")["content"]]

    said = turns(*CALLED, {"role": "tool", "tool_call_id": "call_1", "content": content})

    assert [list(block) for block in said[2]["content"][0]["toolResult"]["content"]] == [["text"], ["image"]]


def test_an_answer_of_ours_can_be_sent_back_as_it_is() -> None:
    answer = {
        "role": "assistant", "content": "", "refusal": None, "annotations": [], "audio": None, "function_call": None,
        "reasoning_content": "hm", "tool_calls": [CALL], "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "s1g", "index": 0},
            {"type": "reasoning.encrypted", "data": PIXEL, "index": 1},
            {"type": "reasoning.summary", "summary": "of another model", "format": "openai-responses-v1", "index": 2},
        ],
    }  # fmt: skip

    assert turns(HI, answer, RETURNED[-1])[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s1g"}}},
        {"reasoningContent": {"redactedContent": PIXEL}},
        {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Köln"}}},
    ]


def test_thoughts_between_other_blocks_go_back_to_their_places() -> None:
    thoughts = [{"type": "thinking", "thinking": t, "signature": "s", "index": i} for t, i in (("b", 2), ("a", 0))]
    said = turns(HI, {"role": "assistant", "content": "x", "thinking_blocks": thoughts, "tool_calls": [CALL]})

    assert [next(iter(block)) for block in said[1]["content"]] == [
        *("reasoningContent", "text", "reasoningContent", "toolUse")
    ]


def test_a_cache_mark_becomes_a_cache_point_after_its_part() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = sent(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "long", **hour}]},
            {"role": "user", "content": [{"type": "text", "text": "a", **mark}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL], **mark},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rain", **mark}]},
        ],
        tools=[{**TOOL, **hour}],
    )
    five, sixty = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}

    assert body["system"] == [{"text": "long"}, sixty]
    assert body["messages"][0]["content"] == [{"text": "a"}, five, {"text": "b"}]
    assert body["messages"][1]["content"][1:] == [five]
    assert body["messages"][2]["content"] == [RESULT, five]
    assert body["toolConfig"]["tools"][1:] == [sixty]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": ""}, ".content"),
        ({"role": "user", "content": None}, ".content"),
        ({"role": "assistant", "content": []}, ".content"),
        ({"role": "user", "content": "x", "name": "anna"}, ".name"),
        ({"role": "function", "content": "x", "name": "f"}, ".role"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, ".audio"),
        ({"role": "assistant", "content": "x", "function_call": {"name": "f"}}, ".function_call"),
        ({"role": "assistant", "tool_calls": [{**CALL, "id": "a b"}]}, ".tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]}, ".tool_calls[0]"),
        ({"role": "assistant", "tool_calls": "x"}, ".tool_calls"),
        ({"role": "assistant", "content": "x", "reasoning_details": ["x"]}, ".reasoning_details"),
        ({"role": "tool", "content": "x"}, ".tool_call_id"),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]},
            ".content[0].cache_control",
        ),
        ({"role": "user", "content": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}, ".cache_control"),
        ({"role": "system", "content": image(f"data:image/png;base64,{PIXEL}")["content"]}, ".content"),
    ],
)
def test_a_message_that_cannot_be_said_is_refused_with_its_place(message: dict[str, Any], param: str) -> None:
    assert refused(messages=[HI, message], tools=[TOOL]) == f"messages[1]{param}"


@pytest.mark.parametrize("arguments", ["[]", "{", "1", "null", 5])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    param = refused(messages=[HI, {"role": "assistant", "tool_calls": [call]}], tools=[TOOL])

    assert param == "messages[1].tool_calls[0].function.arguments"


# -- tools -------------------------------------------------------------------------------------------------------------
def test_a_tool_goes_out_with_its_schema() -> None:
    bare = {"type": "function", "function": {"name": "now", "description": "", "strict": False}}
    strict = {"type": "function", "function": {**WEATHER, "description": "of a city", "strict": True}}

    assert sent(tools=[strict, bare])["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "of a city",
                    "inputSchema": {"json": WEATHER["parameters"]},
                    "strict": True,
                }
            },
            {"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        ],
        "toolChoice": {"auto": {}},
    }


@pytest.mark.parametrize(
    ("choice", "theirs"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}}),
    ],
)
def test_a_choice_of_tools_has_bedrocks_word(choice: Any, theirs: dict[str, Any]) -> None:
    assert sent(tools=[TOOL], tool_choice=choice)["toolConfig"]["toolChoice"] == theirs


def test_no_tools_are_sent_to_a_model_that_must_not_call_any() -> None:
    assert "toolConfig" not in sent(tools=[TOOL], tool_choice="none")


def test_a_conversation_with_calls_in_it_cannot_be_kept_from_its_tools() -> None:
    assert refused(messages=RETURNED, tools=[TOOL], tool_choice="none") == "tool_choice"
    assert refused(messages=RETURNED) == "tools"


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "custom", "custom": {"name": "x"}}, "tools[0]"),
        ({"type": "function", "function": {"name": "a b"}}, "tools[0].function.name"),
        ({"type": "function", "function": {"name": "a", "parameters": []}}, "tools[0].function.parameters"),
        ({"type": "function", "function": {"name": "a", "description": 1}}, "tools[0].function.description"),
        ({"type": "function", "function": {"name": "a", "more": 1}}, "tools[0].function.more"),
    ],
)
def test_a_tool_that_bedrock_does_not_know_is_refused(tool: Any, param: str) -> None:
    assert refused(tools=[tool]) == param


@pytest.mark.parametrize("choice", [{"type": "allowed_tools", "allowed_tools": {}}, {"type": "function"}, "any", 1])
def test_a_choice_that_bedrock_does_not_know_is_refused(choice: Any) -> None:
    assert refused(tools=[TOOL], tool_choice=choice) == "tool_choice"


# -- reasoning ---------------------------------------------------------------------------------------------------------
ADAPTIVE = {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}}


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (CLAUDE, "medium", {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (CLAUDE, "xhigh", {"thinking": {"type": "enabled", "budget_tokens": 3800}}),
        (CLAUDE, "none", {"thinking": {"type": "disabled"}}),
        ("anthropic.claude-opus-4-20250514-v1:0", "high", {"thinking": {"type": "enabled", "budget_tokens": 3200}}),
        ("global.anthropic.claude-opus-5", "max", ADAPTIVE),
        ("eu.anthropic.claude-opus-4-7", "max", ADAPTIVE),
        ("anthropic.claude-opus-4-6-v1", "max", {**ADAPTIVE, "thinking": {"type": "adaptive"}}),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5", "max", ADAPTIVE),
        (
            "us.amazon.nova-2-lite-v1:0",
            "medium",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
        ),
        ("us.amazon.nova-2-lite-v1:0", "none", {"reasoningConfig": {"type": "disabled"}}),
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}),
        ("us.openai.gpt-5.6-sol", "xhigh", {"reasoning": {"effort": "xhigh"}}),
    ],
)
def test_an_effort_reaches_each_family_in_its_own_words(model: str, effort: str, fields: dict[str, Any]) -> None:
    assert sent(model, reasoning_effort=effort, max_tokens=4000)["additionalModelRequestFields"] == fields


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        *((NOVA, "low"), ("us.amazon.nova-2-lite-v1:0", "high"), ("openai.gpt-oss-20b-1:0", "none"), (CLAUDE, "max")),
        *(("meta.llama4-scout-17b-instruct-v1:0", "low"), ("anthropic.claude-3-5-sonnet-20241022-v2:0", "low")),
        *(("us.openai.gpt-5.6-sol", "huge"), ("us.openai.gpt-5.6-sol", 5), ("anthropic.claude-opus-5", "minimal")),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6", "low"),
    ],
)
def test_an_effort_that_a_model_does_not_have_is_refused(model: str, effort: Any) -> None:
    assert refused(model, reasoning_effort=effort, max_tokens=4000) == "reasoning_effort"


def test_a_model_with_a_budget_needs_room_for_it() -> None:
    assert refused(CLAUDE, reasoning_effort="low", max_tokens=1024) == "reasoning_effort"
    thinking = sent(CLAUDE, reasoning_effort="low", max_tokens=1025)["additionalModelRequestFields"]["thinking"]
    assert thinking["budget_tokens"] == 1024


def test_claudes_own_word_for_thinking_is_passed_on() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000}

    assert sent(CLAUDE, thinking=thinking, max_tokens=4000)["additionalModelRequestFields"] == {"thinking": thinking}
    assert refused(CLAUDE, thinking=thinking, max_tokens=2000) == "thinking.budget_tokens"
    assert refused(CLAUDE, thinking=thinking, max_tokens=4000, reasoning_effort="low") == "reasoning_effort"


# -- whatever comes ----------------------------------------------------------------------------------------------------
TEXT = st.sampled_from(["", "hi", "Grüße 🌍", "\ud800"])
MARK = st.sampled_from(
    [{}, {}, {"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
)
URLS = st.sampled_from([f"data:image/gif;base64,{PIXEL}", "https://example.com/a.png"])
PART = st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, TEXT, MARK) | st.builds(
    lambda url, mark: {"type": "image_url", "image_url": {"url": url}, **mark}, URLS, MARK
)
CONTENT = st.none() | TEXT | st.lists(PART, max_size=3)
THOUGHT = st.sampled_from(
    [
        {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
        {"type": "reasoning.text", "signature": "s", "index": 5},
        {"type": "reasoning.encrypted", "data": PIXEL},
        {"type": "reasoning.encrypted", "data": "not base64"},
        {"type": "reasoning.text", "text": "unsigned", "signature": None},
    ]
)
ASSISTANT = st.builds(
    lambda content, thoughts, calls: {
        "role": "assistant", "content": content, "reasoning_details": thoughts, "tool_calls": calls
    },
    CONTENT, st.lists(THOUGHT, max_size=2), st.lists(st.just(CALL), max_size=2),
)  # fmt: skip
OTHERS = st.builds(
    lambda role, content, mark: {"role": role, "content": content, **mark},
    st.sampled_from(["user", "system", "developer"]), CONTENT, MARK,
)  # fmt: skip
RESULTS = st.builds(lambda content: {"role": "tool", "tool_call_id": "call_1", "content": content}, CONTENT)
MESSAGES = st.lists(OTHERS | ASSISTANT | RESULTS, min_size=1, max_size=6)


@settings(LAW, max_examples=300)
@given(MESSAGES, st.sampled_from([None, [TOOL], [{**TOOL, "cache_control": {"type": "ephemeral"}}]]))
def test_any_conversation_is_of_amazons_shape_or_refused_by_its_place(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None
) -> None:
    body, param = None, None
    try:
        body = converse_body({"model": "ours", "messages": messages, "max_tokens": 5, "tools": tools}, NOVA)
    except InvalidRequest as refusal:
        param = refusal.param

    if body is None:
        assert param
    else:
        assert serialized(CONVERSE, NOVA, body)[1] == body
        assert all(a["role"] != b["role"] for a, b in pairwise(body["messages"]))


def test_a_system_prompt_alone_is_refused() -> None:
    assert refused(messages=[{"role": "system", "content": "be brief"}]) == "messages"


def test_the_callers_body_is_left_as_it_is() -> None:
    messages = [HI, {"role": "user", "content": [{"type": "text", "text": "a"}]}, *RETURNED]
    body = {
        "model": "ours",
        "messages": messages,
        "tools": [TOOL],
        "metadata": {"a": "b"},
        "user": "u",
        "max_tokens": 5,
    }
    before = json.dumps(body)

    converse_body(body, NOVA)

    assert json.dumps(body) == before
