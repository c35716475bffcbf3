"""A body of Anthropic's Messages API, as a chat.

Format: https://docs.claude.com/en/api/messages, version 2023-06-01 as of late 2026.

How hard a model thinks, as `reasoning_effort`: `output_config.effort` if it is given; else by the budget of
`thinking: {"type": "enabled"}`: below 4096 tokens low, below 16384 medium, from there high. Every other kind of thinking,
and none, leaves it to the model; `disabled` drops the effort too, because not every model knows a word for none.

Taken without effect: `context_management` and `diagnostics` (nothing is edited or compared here), `metadata` but for its
`user_id`. Thinking goes back to the model as reasoning, with its signature.
"""

from typing import Any

from infergate.edge.chat_request import OUTPUT_MAX
from infergate.edge.fields import choice, flag, objects, section, text, whole
from infergate.edge.strict_json import parse_object
from infergate.edge.wire.conversation import Conversation
from infergate.edge.wire.messages_blocks import add_message, system_parts
from infergate.edge.wire.translated import Translated, passed_through, refuse_others_names, translated
from infergate.kernel.errors import InvalidRequest

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LOW_BELOW, _MEDIUM_BELOW = 4096, 16384
_UNPRICED = {
    "mcp_servers": "MCP servers have no price here yet",
    "container": "containers have no price here yet",
    "inference_geo": "where a model runs is not for the caller to choose here",
}
_OTHERS_NAMES = {
    "max_completion_tokens": "the limit is called max_tokens",
    "stop": "it is called stop_sequences",
    "reasoning_effort": "it is called output_config.effort",
    "response_format": "it is called output_config.format",
    "user": "it is called metadata.user_id",
    "parallel_tool_calls": "it is called tool_choice.disable_parallel_tool_use",
    "n": "it has one answer",
    "stream_options": "the usage always comes with the stream",
}
_TAKEN = frozenset(
    {
        *_UNPRICED,
        *_OTHERS_NAMES,
        *("messages", "system", "max_tokens", "stop_sequences", "thinking", "output_config", "tools", "tool_choice"),
        *("metadata", "service_tier", "speed", "context_management", "diagnostics"),
    }
)
_PARAMS = {"max_completion_tokens": "max_tokens"}


def parse_messages(body: bytes, request_id: str) -> Translated:
    """Raises InvalidRequest with the field at fault in `param`."""
    values = parse_object(body)
    if values.get("max_tokens") is None:
        raise InvalidRequest("max_tokens is needed.", "max_tokens")
    return _translated(values, request_id)


def parse_count(body: bytes, request_id: str) -> Translated:
    """The body of /v1/messages/count_tokens: the same, but `max_tokens` may be missing."""
    return _translated(parse_object(body), request_id)


def _translated(values: dict[str, Any], request_id: str) -> Translated:
    for name, why in _UNPRICED.items():
        if values.get(name):
            raise InvalidRequest(f"{name} cannot be used: {why}.", name)
    refuse_others_names(values, _OTHERS_NAMES, "messages")
    chat: dict[str, Any] = passed_through(values, _TAKEN)
    chat["messages"] = _messages(values)
    limit = whole(values, "max_tokens", 1, OUTPUT_MAX)
    if limit is not None:
        chat["max_completion_tokens"] = limit
    chat |= _stop(values) | _output(values) | _user(values) | _tier(values)
    if tools := [_tool(tool, f"tools[{i}]") for i, tool in enumerate(objects(values, "tools"))]:
        chat["tools"] = tools
    chat |= _tool_choice(section(values, "tool_choice"))
    request = translated(values, chat, "messages", request_id, _PARAMS)
    request.wants_usage = request.stream
    return request


def _messages(values: dict[str, Any]) -> list[dict[str, Any]]:
    conversation = Conversation()
    if (system := values.get("system")) is not None:
        conversation.say("system", system_parts(system))
    messages = objects(values, "messages")
    if not messages:
        raise InvalidRequest("messages is a list of at least one message.", "messages")
    for i, message in enumerate(messages):
        add_message(conversation, message, f"messages[{i}]")
    return conversation.messages()


def _stop(values: dict[str, Any]) -> dict[str, Any]:
    words = values.get("stop_sequences")
    if words is None:
        return {}
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise InvalidRequest("stop_sequences is a list of strings.", "stop_sequences")
    return {"stop": words} if words else {}


def _output(values: dict[str, Any]) -> dict[str, Any]:
    config = section(values, "output_config")
    effort = choice(config, "effort", _EFFORTS, "output_config.effort")
    thinking = section(values, "thinking")
    kinds = ("enabled", "disabled", "adaptive", "between_tools")
    kind = choice(thinking, "type", kinds, "thinking.type")
    if thinking and kind is None:
        raise InvalidRequest(f"thinking.type is one of {', '.join(kinds)}.", "thinking.type")
    if kind == "enabled":
        budget = whole(thinking, "budget_tokens", 1, OUTPUT_MAX, "thinking.budget_tokens")
        if budget is None:
            raise InvalidRequest("thinking.budget_tokens is needed.", "thinking.budget_tokens")
        effort = effort or ("low" if budget < _LOW_BELOW else "medium" if budget < _MEDIUM_BELOW else "high")
    chat: dict[str, Any] = {} if effort is None or kind == "disabled" else {"reasoning_effort": effort}
    form = section(config, "format", "output_config.format")
    if form:
        if form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
            raise InvalidRequest("output_config.format is of type json_schema, with a schema.", "output_config.format")
        schema = {"name": "answer", "schema": form["schema"], "strict": True}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    return chat


def _user(values: dict[str, Any]) -> dict[str, Any]:
    user = section(values, "metadata").get("user_id")
    if user is None:
        return {}
    if not isinstance(user, str):
        raise InvalidRequest("metadata.user_id is a string.", "metadata.user_id")
    return {"user": user}


def _tier(values: dict[str, Any]) -> dict[str, Any]:
    """Both tiers that may be asked for mean ours: the default one."""
    if choice(values, "speed", ("standard", "fast")) == "fast":
        raise InvalidRequest("Only the standard speed has a price here yet.", "speed")
    return {} if choice(values, "service_tier", ("auto", "standard_only")) is None else {"service_tier": "default"}


def _tool(tool: dict[str, Any], where: str) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise InvalidRequest(
            "A tool has a name and an input_schema; tools of Anthropic's own have no price or no meaning here yet.",
            where,
        )
    function: dict[str, Any] = {"name": text(tool, "name", f"{where}.name")}
    if not isinstance(tool.get("input_schema"), dict):
        raise InvalidRequest("input_schema is a JSON schema.", f"{where}.input_schema")
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    function["parameters"] = tool["input_schema"]
    if flag(tool, "strict", f"{where}.strict"):
        function["strict"] = True
    made: dict[str, Any] = {"type": "function", "function": function}
    cache_control = tool.get("cache_control")
    return made if cache_control is None else made | {"cache_control": cache_control}


def _tool_choice(asked: dict[str, Any]) -> dict[str, Any]:
    if not asked:
        return {}
    kind = choice(asked, "type", ("auto", "any", "tool", "none"), "tool_choice.type")
    chat: dict[str, Any] = {}
    if kind == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": text(asked, "name", "tool_choice.name")}}
    elif kind is None:
        raise InvalidRequest("tool_choice.type is auto, any, tool or none.", "tool_choice.type")
    else:
        chat["tool_choice"] = "required" if kind == "any" else kind
    if flag(asked, "disable_parallel_tool_use", "tool_choice.disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = False
    return chat
