"""What goes out to Anthropic: field by field, as it is written there, or refused with the field's name."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.errors import InvalidRequest
from infergate.providers.anthropic import Anthropic
from infergate.providers.types import Target

OLD, BUDGET, EARLY, NEW = "claude-sonnet-4-0", "claude-haiku-4-5-20251001", "claude-opus-4-6", "claude-opus-4-8"
ALWAYS, UNFORCED, BETWEEN = "claude-fable-5", "claude-opus-5-5", "claude-sonnet-5-5"
HELLO = [{"role": "user", "content": "Hello"}]
TIDE = {"type": "function", "function": {"name": "tide"}}
NOW = {"type": "function", "function": {"name": "now"}}
NAMED = {"type": "function", "function": {"name": "tide"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
SUMMARIZED = {"type": "adaptive", "display": "summarized"}


def sent(body: dict[str, Any], model: str = BUDGET, limit: int = 20_000) -> dict[str, Any]:
    """What goes out, but for what every test here sends."""
    call = Anthropic(lambda: 0).call(
        "chat/completions",
        {"model": "ours", "messages": HELLO, "max_completion_tokens": limit, **body},
        Target("https://provider.example/v1", model, "s3cret"),
    )
    out = json.loads(call.body)
    assert out.pop("model") == model
    assert out.pop("messages") == [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert out.pop("max_tokens") == limit
    assert isinstance(out, dict)
    return out


def refused(body: dict[str, Any], model: str = BUDGET, limit: int = 20_000) -> str | None:
    with pytest.raises(InvalidRequest) as refusal:
        sent(body, model, limit)
    assert len(refusal.value.message) > 10
    return refusal.value.param


@pytest.mark.parametrize(
    ("body", "out"),
    [
        ({}, {}),
        ({"stream": False}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 0.7}, {"temperature": 0.7}),
        ({"temperature": 1}, {}),
        ({"top_p": 0.9}, {"top_p": 0.9}),
        ({"temperature": 0.7, "top_p": 1}, {"temperature": 0.7}),
        ({"top_k": 40}, {"top_k": 40}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["\n\nHuman:", "END"]}, {"stop_sequences": ["\n\nHuman:", "END"]}),
        ({"stop": []}, {}),
        ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"safety_identifier": "u-1", "user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"metadata": {"user_id": "u-1", "job": "nightly"}}, {"metadata": {"user_id": "u-1"}}),
        ({"metadata": {"job": "nightly"}}, {}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "auto"}, {}),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        ({"prompt_cache_key": "k"}, {}),
        ({"response_format": {"type": "text"}}, {}),
    ],
    ids=str,
)
def test_a_field_goes_out_as_anthropic_writes_it(body: dict[str, Any], out: dict[str, Any]) -> None:
    assert sent(body) == out


@pytest.mark.parametrize(
    ("name", "silent", "said"),
    [
        ("n", 1, 2),
        ("logprobs", False, True),
        ("top_logprobs", 0, 3),
        ("logit_bias", {}, {"50256": -100}),
        ("seed", None, 7),
        ("frequency_penalty", 0, 0.5),
        ("frequency_penalty", 0.0, -2),
        ("presence_penalty", 0, 1),
        ("modalities", ["text"], ["text", "audio"]),
        ("verbosity", "medium", "low"),
        ("store", False, True),
        ("prompt_cache_retention", "in_memory", "24h"),
        ("audio", None, {"voice": "alloy"}),
        ("prediction", None, {"type": "content", "content": "x"}),
        ("functions", None, [{"name": "tide"}]),
        ("function_call", None, "auto"),
        ("web_search_options", None, {}),
        ("container", None, {"skills": []}),
        ("mcp_servers", None, [{"type": "url", "url": "https://mcp.example"}]),
        ("inference_geo", None, "us"),
        ("speed", None, "fast"),
        ("a_name_of_tomorrow", None, 1),
    ],
)
def test_what_cannot_be_expressed_is_refused_unless_it_says_nothing(name: str, silent: Any, said: Any) -> None:
    assert sent({name: silent}) == sent({name: None}) == {}
    assert refused({name: said}) == name


@pytest.mark.parametrize(("name", "value"), [("n", True), ("store", 0), ("logprobs", 0), ("frequency_penalty", False)])
def test_one_is_not_true_and_zero_is_not_false(name: str, value: Any) -> None:
    assert refused({name: value}) == name


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"temperature": 1.2}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 2.5}, "top_k"),
        ({"stop": " \n"}, "stop"),
        ({"stop": ["END", ""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop"),
        ({"user": 5}, "user"),
        ({"user": "a", "safety_identifier": "b"}, "user"),
        ({"metadata": "a"}, "metadata"),
        ({"metadata": {"user_id": 1}}, "metadata.user_id"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1d"}}, "cache_control"),
        ({"cache_control": True}, "cache_control"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, "response_format"),
        ({"response_format": "json"}, "response_format"),
        ({"max_completion_tokens": None}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_tokens"),
        ({"messages": "Hello"}, "messages"),
    ],
    ids=str,
)
def test_a_value_that_anthropic_does_not_take_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    assert refused(body) == param


def test_the_smaller_of_two_limits_goes_out() -> None:
    call = Anthropic(lambda: 0).call(
        "chat/completions",
        {"messages": HELLO, "max_tokens": 7, "max_completion_tokens": 9},
        Target("https://provider.example/v1", BUDGET),
    )

    assert json.loads(call.body)["max_tokens"] == 7


def test_the_callers_body_is_left_as_it_is() -> None:
    body = {
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "U"}]}],
        "max_tokens": 5000,
        "tools": [{"type": "function", "function": {"name": "tide", "parameters": {}}}],
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "description": "D"}},
    }
    before = json.dumps(body)

    Anthropic(lambda: 0).call("chat/completions", body, Target("https://provider.example/v1", EARLY))

    assert json.dumps(body) == before


# -- tools --------------------------------------------------------------------------------------------------------------


def test_a_function_becomes_a_tool_with_an_input_schema() -> None:
    function = {"name": "tide", "description": "When", "parameters": SCHEMA, "strict": True}
    tool = {"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}

    assert sent({"tools": [tool]})["tools"] == [
        {
            "name": "tide",
            "description": "When",
            "input_schema": SCHEMA,
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        }
    ]


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object"}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
    ],
)
def test_parameters_that_are_left_out_are_an_empty_object(parameters: Any, schema: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": parameters, "strict": False}}

    assert sent({"tools": [tool]})["tools"] == [{"name": "now", "input_schema": schema}]


@pytest.mark.parametrize(
    ("choice", "parallel", "out"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (NAMED, None, {"type": "tool", "name": "tide"}),
        (NAMED, False, {"type": "tool", "name": "tide", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_tools_is_said_in_anthropics_words(
    choice: Any, parallel: Any, out: dict[str, Any] | None
) -> None:
    body = sent({"tools": [TIDE, NOW], "tool_choice": choice, "parallel_tool_calls": parallel})

    assert body.get("tool_choice") == out


@pytest.mark.parametrize("body", [{"tool_choice": "none"}, {"tool_choice": "auto"}, {"parallel_tool_calls": False}])
def test_without_tools_there_is_nothing_to_choose(body: dict[str, Any]) -> None:
    assert sent({**body, "tools": []}) == {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [TIDE, "now"]}, "tools[1]"),
        ({"tools": [{"type": "custom", "custom": {"name": "shell"}}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "string"}}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [{"type": "function", "function": {"name": "a", "magic": 1}}]}, "tools[0].function.magic"),
        ({"tools": [{**TIDE, "cache_control": {"type": "forever"}}]}, "tools[0].cache_control"),
        ({"tools": [TIDE], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [TIDE], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tools": [TIDE], "parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": NAMED, "tools": []}, "tool_choice"),
    ],
    ids=str,
)
def test_tools_that_anthropic_does_not_have_are_refused(body: dict[str, Any], param: str) -> None:
    assert refused(body) == param


# -- structured output --------------------------------------------------------------------------------------------------


def test_a_json_schema_is_the_format_of_the_output() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}

    assert sent({"response_format": wanted}) == {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}


def test_what_is_said_about_a_schema_stands_in_it() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "description": "A tide"}}

    assert sent({"response_format": wanted})["output_config"]["format"]["schema"] == {**SCHEMA, "description": "A tide"}


def test_two_descriptions_of_one_schema_are_refused() -> None:
    schema = {**SCHEMA, "description": "Its own"}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "description": "A tide"}}

    assert refused({"response_format": wanted}) == "response_format.json_schema.description"


def test_effort_and_format_go_out_together() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}

    out = sent({"reasoning_effort": "high", "response_format": wanted}, NEW)

    assert out["output_config"] == {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}}


# -- thinking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "effort", "limit", "out"),
    [
        (BUDGET, "minimal", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (BUDGET, "low", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 4000}}),
        (BUDGET, "medium", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 10_000}}),
        (BUDGET, "high", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 16_000}}),
        (BUDGET, "xhigh", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 19_000}}),
        (BUDGET, "low", 1025, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (BUDGET, "xhigh", 1_000_000, {"thinking": {"type": "enabled", "budget_tokens": 128_000}}),
        (BUDGET, "none", 20_000, {"thinking": {"type": "disabled"}}),
        (OLD, "high", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 16_000}}),
        (EARLY, "max", 20_000, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        (EARLY, "none", 20_000, {"thinking": {"type": "disabled"}}),
        (NEW, "xhigh", 100, {"thinking": SUMMARIZED, "output_config": {"effort": "xhigh"}}),
        (NEW, "none", 20_000, {"thinking": {"type": "disabled"}}),
        (ALWAYS, "low", 20_000, {"thinking": SUMMARIZED, "output_config": {"effort": "low"}}),
        (UNFORCED, "medium", 20_000, {"thinking": SUMMARIZED, "output_config": {"effort": "medium"}}),
        (BETWEEN, "none", 20_000, {"thinking": {"type": "between_tools"}}),
        ("claude-3-5-haiku-20241022", "none", 20_000, {}),
        ("claude-opus-9", "high", 20_000, {"thinking": SUMMARIZED, "output_config": {"effort": "high"}}),
        ("kimi-k3", "high", 20_000, {"thinking": {"type": "enabled", "budget_tokens": 16_000}}),
        ("eu.anthropic.claude-opus-4-8-v1:0", "low", 9, {"thinking": SUMMARIZED, "output_config": {"effort": "low"}}),
    ],
)
def test_an_effort_is_said_as_the_model_takes_it(model: str, effort: str, limit: int, out: dict[str, Any]) -> None:
    assert sent({"reasoning_effort": effort}, model, limit) == out


@pytest.mark.parametrize(
    ("own", "model", "out"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, BUDGET, {}),
        ({"type": "enabled", "budget_tokens": 19_999, "display": "omitted"}, BUDGET, {}),
        ({"type": "adaptive"}, NEW, {}),
        ({"type": "adaptive", "display": "omitted"}, NEW, {"output_config": {"effort": "low"}}),
        ({"type": "disabled"}, NEW, {}),
    ],
)
def test_thinking_in_anthropics_own_words_goes_out_as_it_came(own: Any, model: str, out: dict[str, Any]) -> None:
    effort = out.get("output_config", {}).get("effort")

    assert sent({"thinking": own, "reasoning_effort": effort}, model) == {"thinking": own, **out}


@pytest.mark.parametrize(
    ("model", "body", "param"),
    [
        (ALWAYS, {"reasoning_effort": "none"}, "reasoning_effort"),
        (UNFORCED, {"reasoning_effort": "none"}, "reasoning_effort"),
        (NEW, {"reasoning_effort": "minimal"}, "reasoning_effort"),
        (EARLY, {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        (BUDGET, {"reasoning_effort": "max"}, "reasoning_effort"),
        (BUDGET, {"reasoning_effort": 5}, "reasoning_effort"),
        (BUDGET, {"reasoning_effort": ["low"]}, "reasoning_effort"),
        ("claude-3-5-haiku-20241022", {"reasoning_effort": "low"}, "reasoning_effort"),
        (
            BUDGET,
            {"reasoning_effort": "low", "thinking": {"type": "enabled", "budget_tokens": 2000}},
            "reasoning_effort",
        ),
        (BUDGET, {"thinking": True}, "thinking"),
        (BUDGET, {"thinking": {"type": "hard"}}, "thinking"),
        (BUDGET, {"thinking": {"type": ["enabled"]}}, "thinking"),
        (BUDGET, {"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 20_000}}, "thinking.budget_tokens"),
        (BUDGET, {"reasoning_effort": "low", "temperature": 0.5}, "temperature"),
        (BUDGET, {"reasoning_effort": "low", "top_k": 5}, "top_k"),
        (BUDGET, {"reasoning_effort": "low", "top_p": 0.9}, "top_p"),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "temperature": 0}, "temperature"),
        (BUDGET, {"temperature": 0.5, "top_p": 0.5}, "top_p"),
        (NEW, {"temperature": 0.5}, "temperature"),
        (NEW, {"top_p": 0.99}, "top_p"),
        (NEW, {"top_k": 1}, "top_k"),
        (BUDGET, {"reasoning_effort": "low", "tools": [TIDE], "tool_choice": "required"}, "tool_choice"),
        (NEW, {"reasoning_effort": "low", "tools": [TIDE], "tool_choice": NAMED}, "tool_choice"),
        (UNFORCED, {"tools": [TIDE], "tool_choice": "required"}, "tool_choice"),
        (BETWEEN, {"tools": [TIDE], "tool_choice": NAMED}, "tool_choice"),
    ],
    ids=str,
)
def test_what_does_not_go_with_the_models_thinking_is_refused(model: str, body: dict[str, Any], param: str) -> None:
    assert refused(body, model) == param


def test_an_output_limit_that_leaves_no_room_to_think_is_refused() -> None:
    assert refused({"reasoning_effort": "low"}, limit=1024) == "reasoning_effort"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (BUDGET, {"reasoning_effort": "low", "temperature": 1, "top_p": 0.95}),
        (BUDGET, {"reasoning_effort": "none", "temperature": 0.5}),
        (NEW, {"temperature": 1, "top_p": 1}),
        (NEW, {"reasoning_effort": "low", "tools": [TIDE], "tool_choice": "auto"}),
        (NEW, {"tools": [TIDE], "tool_choice": "required"}),
        (BETWEEN, {"tools": [TIDE], "tool_choice": "none"}),
        (OLD, {"temperature": 0.5, "top_p": 0.5}),
    ],
    ids=str,
)
def test_what_goes_with_the_models_thinking_goes_out(model: str, body: dict[str, Any]) -> None:
    out = sent(body, model)

    assert out.get("temperature", 1) == body.get("temperature", 1)
    assert out.get("top_p", 1) == body.get("top_p", 1)
    assert ("tool_choice" in out) == ("tool_choice" in body)


# -- whatever comes -------------------------------------------------------------------------------------------------------


LAW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.sampled_from(
    [
        "text",
        "function",
        "auto",
        "enabled",
        "adaptive",
        "ephemeral",
        "json_schema",
        "image_url",
        "user",
        "tool",
        "assistant",
    ]
)
NAMES = st.sampled_from(
    [
        *(
            "type",
            "role",
            "content",
            "text",
            "tool_calls",
            "tool_call_id",
            "function",
            "name",
            "arguments",
            "parameters",
        ),
        *("image_url", "url", "cache_control", "ttl", "budget_tokens", "json_schema", "schema", "id", "index", "data"),
        *("reasoning_details", "thinking_blocks", "signature", "refusal", "user_id", "description", "strict", "format"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5000) | st.floats(allow_nan=False) | st.text(max_size=4) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("messages", "max_tokens", "temperature", "top_p", "top_k", "stop", "stream", "tools", "tool_choice", "user"),
        *("parallel_tool_calls", "response_format", "reasoning_effort", "thinking", "metadata", "service_tier"),
        *("cache_control", "n", "stream_options", "logit_bias", "anything"),
    ]
)
MESSAGES = st.lists(
    st.builds(
        lambda role, message: {**message, "role": role},
        st.sampled_from(["user", "assistant", "tool", "system"]),
        st.dictionaries(NAMES, VALUES, max_size=4),
    ),
    max_size=4,
)


@LAW
@given(st.dictionaries(FIELDS, VALUES, max_size=4), MESSAGES, st.sampled_from([OLD, BUDGET, EARLY, NEW, UNFORCED, "x"]))
def test_whatever_a_body_holds_it_goes_out_or_is_refused(body: dict[str, Any], messages: Any, model: str) -> None:
    whole = {"messages": messages, "max_completion_tokens": 5000, **body}

    with contextlib.suppress(InvalidRequest):
        call = Anthropic(lambda: 0).call("chat/completions", whole, Target("https://provider.example/v1", model))
        assert isinstance(json.loads(call.body), dict)
