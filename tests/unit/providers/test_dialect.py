"""A request in each provider's dialect: what goes out under which name, and what is refused because it cannot be said."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.kernel.errors import InvalidRequest
from infergate.providers.openai import OpenAI
from infergate.providers.quirks import HINTS, KINDS, NEUTRAL
from infergate.providers.types import Target

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OTHERS = [kind for kind in KINDS if kind not in {"openai", "azure"}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGE = {"role": "user", "content": "Hello"}


def sent(kind: str, endpoint: str = "chat/completions", target: Target | None = None, **body: Any) -> dict[str, Any]:
    call = OpenAI(KINDS[kind]).call(endpoint, body, target or Target("https://a.example/v1", "theirs", "s3cret"))
    said = json.loads(call.body)
    assert isinstance(said, dict)
    return said


def refused(kind: str, endpoint: str = "chat/completions", **body: Any) -> str | None:
    with pytest.raises(InvalidRequest) as error:
        sent(kind, endpoint, **body)
    return error.value.param


def has(kind: str) -> Any:
    return KINDS[kind].dialect


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_goes_into_its_header_and_nowhere_else(kind: str) -> None:
    call = OpenAI(KINDS[kind]).call("chat/completions", {"messages": [MESSAGE]}, Target("", "theirs", "s3cret"))

    header = ("api-key", "s3cret") if kind == "azure" else ("authorization", "Bearer s3cret")
    assert call.headers == [("content-type", "application/json"), header]
    assert b"s3cret" not in call.body + call.path.encode()


def test_without_a_key_there_is_no_header_for_it() -> None:
    call = OpenAI(KINDS["ollama"]).call("chat/completions", {"messages": [MESSAGE]}, Target("", "theirs"))

    assert call.headers == [("content-type", "application/json")]


def test_azure_names_the_deployment_in_the_path_where_the_api_has_a_dated_version() -> None:
    azure = OpenAI(KINDS["azure"])
    dated = Target("https://r.openai.azure.com/openai", "my gpt/4", "k", {"api_version": "2024-10-21"})

    assert azure.call("embeddings", {}, dated).path == "/deployments/my%20gpt%2F4/embeddings?api-version=2024-10-21"
    assert azure.call("embeddings", {}, Target("https://r.openai.azure.com/openai/v1", "m", "k")).path == "/embeddings"
    assert OpenAI().call("embeddings", {}, dated).path == "/embeddings"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_exactly_one_limit_goes_out_under_a_name_that_the_provider_knows(kind: str, name: str) -> None:
    said = sent(kind, messages=[MESSAGE], **{name: 7})

    known = {"max_tokens"} if has(kind).output_field == "max_tokens" else {name}
    assert {field: said[field] for field in ("max_tokens", "max_completion_tokens") if field in said} == dict.fromkeys(
        known, 7
    )


def test_the_operators_word_for_the_limit_stands_above_the_kinds() -> None:
    old = Target("https://a.example/v1", "theirs", "k", output_field="max_tokens")
    new = Target("https://a.example/v1", "theirs", "k", output_field="max_completion_tokens")

    assert sent("openai", target=old, max_completion_tokens=7) == {"model": "theirs", "max_tokens": 7}
    assert sent("vllm", target=old, max_completion_tokens=7)["max_tokens"] == 7
    assert sent("ollama", target=new, max_completion_tokens=7)["max_completion_tokens"] == 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_asked_for_its_usage_unless_that_is_refused(kind: str) -> None:
    said = sent(kind, messages=[MESSAGE], stream=True, stream_options={"include_obfuscation": False})

    if kind == "mistral":
        assert "stream_options" not in said
    elif kind in OTHERS:
        assert said["stream_options"] == {"include_usage": True}
    else:
        assert said["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in sorted(has(kind).lacks)])
def test_what_a_provider_lacks_is_refused_by_name_unless_it_means_nothing(kind: str, name: str) -> None:
    wanted: dict[str, Any] = {"n": 2, "logprobs": True, "seed": 5, "tool_choice": "none", "parallel_tool_calls": False}

    assert refused(kind, messages=[MESSAGE], **{name: wanted.get(name, "something else")}) == name
    for value in (None, *([NEUTRAL[name]] if name in NEUTRAL else [])):
        assert name not in sent(kind, messages=[MESSAGE], **{name: value})


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_does_not_lack_goes_out_as_it_came(kind: str) -> None:
    wanted: dict[str, Any] = {"n": 2, "temperature": 0.5, "stop": ["x"], "top_logprobs": 3, "top_k": 5, "min_p": 0.1}
    kept = {name: value for name, value in wanted.items() if name not in has(kind).lacks}

    said = sent(kind, messages=[MESSAGE], **kept)

    assert {name: said[name] for name in kept} == kept


@pytest.mark.parametrize("kind", KINDS)
def test_hints_go_only_to_who_knows_them(kind: str) -> None:
    said = sent(kind, messages=[MESSAGE], **dict.fromkeys(HINTS, "x"))

    assert {name for name in HINTS if name in said} == (set() if kind in OTHERS else set(HINTS))


@pytest.mark.parametrize("kind", KINDS)
def test_cache_marks_go_only_to_who_knows_them_or_is_said_to(kind: str) -> None:
    text = {"type": "text", "text": "long"}
    messages = [{"role": "user", "content": [{**text, "cache_control": {"type": "ephemeral"}}, text]}]
    told = Target("", "theirs", options={"takes": "cache_control"})

    assert ("cache_control" in str(sent(kind, messages=messages))) is (kind == "openrouter")
    assert "cache_control" in str(sent(kind, messages=messages, target=told))


@pytest.mark.parametrize("kind", KINDS)
def test_a_developers_message_goes_out_as_a_system_message_where_that_is_what_it_is_called(kind: str) -> None:
    said = sent(kind, messages=[{"role": "developer", "content": "Be brief."}, MESSAGE])

    role = "developer" if kind in {"openai", "azure", "openrouter"} else "system"
    assert said["messages"] == [{"role": role, "content": "Be brief."}, MESSAGE]


@pytest.mark.parametrize("kind", OTHERS)
def test_custom_tools_are_openais_alone(kind: str) -> None:
    tools = [{"type": "function", "function": {"name": "a"}}, {"type": "custom", "custom": {"name": "b"}}]

    assert refused(kind, messages=[MESSAGE], tools=tools) == "tools[1].type"
    assert sent("openai", messages=[MESSAGE], tools=tools)["tools"] == tools


@pytest.mark.parametrize("kind", KINDS)
def test_strict_tools_are_refused_where_nobody_keeps_to_them(kind: str) -> None:
    tools = [{"type": "function", "function": {"name": "a", "strict": True}}]
    loose = [{"type": "function", "function": {"name": "a", "strict": False}}]

    if has(kind).strict_tools:
        assert sent(kind, messages=[MESSAGE], tools=tools)["tools"] == tools
    else:
        assert refused(kind, messages=[MESSAGE], tools=tools) == "tools[0].function.strict"
    assert sent(kind, messages=[MESSAGE], tools=loose)["tools"] == loose


def test_deepseek_holds_no_answer_to_a_schema() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}

    assert refused("deepseek", messages=[MESSAGE], response_format=schema) == "response_format"
    assert sent("deepseek", messages=[MESSAGE], response_format={"type": "json_object"})["response_format"]
    assert sent("groq", messages=[MESSAGE], response_format=schema)["response_format"] == schema


def test_groq_knows_no_names_of_speakers() -> None:
    named = {**MESSAGE, "name": "anna"}

    assert refused("groq", messages=[MESSAGE, named]) == "messages[1].name"
    assert sent("xai", messages=[named])["messages"] == [named]


def test_ollama_takes_images_as_data_only() -> None:
    def image(url: str) -> list[dict[str, Any]]:
        return [
            {
                "role": "user",
                "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}],
            }
        ]

    assert refused("ollama", messages=image("https://a.example/cat.png")) == "messages[0].content[1].image_url"
    assert sent("ollama", messages=image("data:image/png;base64,AA"))["messages"] == image("data:image/png;base64,AA")
    assert sent("vllm", messages=image("https://a.example/cat.png"))["messages"]


def test_reasoning_that_is_handed_back_stands_where_the_provider_looks_for_it_and_nowhere_else() -> None:
    details = [{"type": "reasoning.text", "text": "2 + 2"}]
    message = {"role": "assistant", "content": "4", "reasoning_content": "2 + 2", "reasoning_details": details}
    bare = {"role": "assistant", "content": "4"}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "2 + 2"}]}

    def handed_back(kind: str) -> Any:
        return sent(kind, messages=[message])["messages"][0]

    assert handed_back("openai") == handed_back("gemini") == bare
    assert handed_back("deepseek") == {**bare, "reasoning_content": "2 + 2"}
    assert handed_back("groq") == {**bare, "reasoning": "2 + 2"}
    assert handed_back("openrouter") == {**bare, "reasoning_details": details}
    assert handed_back("mistral") == {**bare, "content": [thinking, {"type": "text", "text": "4"}]}


def test_what_a_provider_calls_otherwise_or_does_in_silence_is_said_to_it() -> None:
    assert sent("mistral", messages=[MESSAGE], seed=5)["random_seed"] == 5
    assert "seed" not in sent("mistral", messages=[MESSAGE], seed=5)
    assert sent("fireworks", messages=[MESSAGE])["context_length_exceeded_behavior"] == "error"
    assert sent("openrouter", messages=[MESSAGE])["provider"] == {"require_parameters": True}


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_go_out_plain_and_are_refused_where_there_are_none(kind: str) -> None:
    body = {"input": "a", "encoding_format": "base64", "user": "anna"}
    if not has(kind).embeddings:
        assert refused(kind, "embeddings", **body) == "model"
    elif kind in OTHERS:
        assert sent(kind, "embeddings", **body) == {"input": "a", "model": "theirs"}
    else:
        assert sent(kind, "embeddings", **body) == {**body, "model": "theirs"}


def test_the_length_of_an_embedding_is_asked_for_where_it_can_be_chosen() -> None:
    assert sent("mistral", "embeddings", input="a", dimensions=8)["output_dimension"] == 8
    assert sent("gemini", "embeddings", input="a", dimensions=8)["dimensions"] == 8
    assert refused("together", "embeddings", input="a", dimensions=8) == "dimensions"


@pytest.mark.parametrize("kind", KINDS)
def test_the_callers_body_is_left_as_it_is(kind: str) -> None:
    body = {
        "model": "ours",
        "messages": [{"role": "developer", "content": "x"}, {"role": "assistant", "reasoning_content": "y"}],
        "stream": True,
        "n": 1,
        "user": "anna",
        "max_completion_tokens": 5,
    }
    before = json.dumps(body)

    OpenAI(KINDS[kind]).call("chat/completions", body, Target("", "theirs"))

    assert json.dumps(body) == before


@LAW
@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.text() | st.sampled_from(["messages", "tools"]), JSON, max_size=5),
)
def test_any_body_goes_out_or_is_refused_with_its_field(kind: str, body: dict[str, Any]) -> None:
    params: list[str | None] = []
    try:
        OpenAI(KINDS[kind]).call("chat/completions", body, Target("", "theirs"))
    except InvalidRequest as error:
        params.append(error.param)
    assert all(params)
