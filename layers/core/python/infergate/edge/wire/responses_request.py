"""A body of OpenAI's Responses API, as a chat.

Format: https://platform.openai.com/docs/api-reference/responses/create, as of late 2026. Nothing is stored: `store` may say
what it likes, and what needs a stored answer (`previous_response_id`, `conversation`, `background`) is refused. `truncation`
may say auto; a conversation that is too long is refused all the same. `metadata` is echoed, not passed on.
"""

from typing import Any

from infergate.edge.chat_request import OUTPUT_MAX
from infergate.edge.fields import choice, flag, objects, section, text, whole
from infergate.edge.strict_json import parse_object
from infergate.edge.wire.conversation import Conversation
from infergate.edge.wire.responses_input import add_input
from infergate.edge.wire.translated import Translated, passed_through, refuse_others_names, translated
from infergate.kernel.errors import InvalidRequest

_STATEFUL = {
    "previous_response_id": "answers are not stored here; send the whole conversation as input",
    "conversation": "conversations are not stored here; send the whole conversation as input",
    "background": "an answer is given while the caller waits, or streamed",
    "background_options": "an answer is given while the caller waits, or streamed",
    "prompt": "prompt templates are not stored here; send instructions and input",
    "context_management": "no conversation is compacted here",
    "moderation": "moderation has no price here yet",
}
_OTHERS_NAMES = {
    "messages": "the conversation is called input",
    "max_tokens": "the limit is called max_output_tokens",
    "max_completion_tokens": "the limit is called max_output_tokens",
    "response_format": "it is called text.format",
    "verbosity": "it is called text.verbosity",
    "reasoning_effort": "it is called reasoning.effort",
    "n": "it has one answer",
    "logprobs": 'include "message.output_text.logprobs"',
}
_TAKEN = frozenset(
    {
        *_STATEFUL,
        *_OTHERS_NAMES,
        *("input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "reasoning", "text", "include"),
        *("store", "stream_options", "tools", "tool_choice", "top_logprobs", "truncation"),
    }
)
_LOGPROBS = "message.output_text.logprobs"
_PARAMS = {"max_completion_tokens": "max_output_tokens", "messages": "input"}


def parse_responses(body: bytes, request_id: str) -> Translated:
    """Raises InvalidRequest with the field at fault in `param`."""
    values = parse_object(body)
    for name, why in _STATEFUL.items():
        if values.get(name) not in (None, False):
            raise InvalidRequest(f"{name} cannot be used: {why}.", name)
    refuse_others_names(values, _OTHERS_NAMES, "responses")
    _check_the_rest(values)
    chat: dict[str, Any] = passed_through(values, _TAKEN)
    chat["messages"] = _messages(values)
    limit = whole(values, "max_output_tokens", 1, OUTPUT_MAX)
    if limit is not None:
        chat["max_completion_tokens"] = limit
    chat |= _text_options(section(values, "text")) | _reasoning(section(values, "reasoning")) | _logprobs(values)
    if tools := [_tool(tool, f"tools[{i}]") for i, tool in enumerate(objects(values, "tools"))]:
        chat["tools"] = tools
    if values.get("tool_choice") is not None:
        chat["tool_choice"] = _tool_choice(values["tool_choice"])
    request = translated(values, chat, "responses", request_id, _PARAMS)
    request.wants_usage = request.stream
    return request


def _messages(values: dict[str, Any]) -> list[dict[str, Any]]:
    conversation = Conversation()
    instructions = values.get("instructions")
    if instructions is not None:
        if not isinstance(instructions, str):
            raise InvalidRequest("instructions is a string.", "instructions")
        conversation.say("system", [{"type": "text", "text": instructions}])
    add_input(conversation, values.get("input"))
    return conversation.messages()


def _check_the_rest(values: dict[str, Any]) -> None:
    """What is taken without going into the chat."""
    flag(values, "store")
    flag(section(values, "stream_options"), "include_obfuscation", "stream_options.include_obfuscation")
    choice(values, "truncation", ("auto", "disabled"))
    whole(values, "max_tool_calls", 1, OUTPUT_MAX)
    metadata = section(values, "metadata")
    if len(metadata) > 16 or not all(
        isinstance(v, str) and len(k) <= 64 and len(v) <= 512 for k, v in metadata.items()
    ):
        raise InvalidRequest("metadata has at most 16 strings of 512 characters, under names of 64.", "metadata")


def _text_options(options: dict[str, Any]) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    if verbosity := choice(options, "verbosity", ("low", "medium", "high"), "text.verbosity"):
        chat["verbosity"] = verbosity
    form = section(options, "format", "text.format")
    kind = choice(form, "type", ("text", "json_object", "json_schema"), "text.format.type")
    if form and kind is None:
        raise InvalidRequest("text.format.type is needed.", "text.format.type")
    if kind == "json_object":
        chat["response_format"] = {"type": "json_object"}
    if kind == "json_schema":
        text(form, "name", "text.format.name")
        if not isinstance(form.get("schema"), dict):
            raise InvalidRequest("text.format.schema is a JSON schema.", "text.format.schema")
        schema = {
            name: form[name] for name in ("name", "description", "schema", "strict") if form.get(name) is not None
        }
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    return chat


def _reasoning(options: dict[str, Any]) -> dict[str, Any]:
    """`summary` decides how reasoning is said (responses_answer.py); the effort alone goes to the model."""
    if options.get("mode") not in (None, "standard"):
        raise InvalidRequest("Only the standard mode of reasoning has a price here yet.", "reasoning.mode")
    for name in ("summary", "generate_summary"):
        choice(options, name, ("auto", "concise", "detailed"), f"reasoning.{name}")
    effort = options.get("effort")
    if effort is None:
        return {}
    return {"reasoning_effort": text(options, "effort", "reasoning.effort")}


def _logprobs(values: dict[str, Any]) -> dict[str, Any]:
    include = values.get("include")
    if include is not None and not (isinstance(include, list) and all(isinstance(name, str) for name in include)):
        raise InvalidRequest("include is a list of strings.", "include")
    top = whole(values, "top_logprobs", 0, 20)
    if _LOGPROBS not in (include or ()):
        return {}
    return {"logprobs": True} if top is None else {"logprobs": True, "top_logprobs": top}


def _tool(tool: dict[str, Any], where: str) -> dict[str, Any]:
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        raise InvalidRequest(
            "A tool is of type function or custom; tools that run on the provider's side have no price here yet.", where
        )
    inner: dict[str, Any] = {"name": text(tool, "name", f"{where}.name")}
    if tool.get("description") is not None:
        inner["description"] = tool["description"]
    if kind == "function":
        inner |= {name: tool[name] for name in ("parameters", "strict") if tool.get(name) is not None}
    elif form := section(tool, "format", f"{where}.format"):
        inner["format"] = form if form.get("type") != "grammar" else _grammar(form)
    return {"type": kind, kind: inner}


def _grammar(form: dict[str, Any]) -> dict[str, Any]:
    return {"type": "grammar", "grammar": {name: form[name] for name in ("definition", "syntax") if name in form}}


def _tool_choice(asked: Any) -> Any:
    if asked in ("none", "auto", "required"):
        return asked
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind in ("function", "custom"):
        return {"type": kind, kind: {"name": text(asked, "name", "tool_choice.name")}}
    if kind == "allowed_tools":
        mode = choice(asked, "mode", ("auto", "required"), "tool_choice.mode")
        tools = [_allowed(tool) for tool in objects(asked, "tools", "tool_choice.tools")]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode or "auto", "tools": tools}}
    raise InvalidRequest(
        "tool_choice is none, auto, required, or names a tool of type function or custom.", "tool_choice"
    )


def _allowed(tool: dict[str, Any]) -> dict[str, Any]:
    kind = choice(tool, "type", ("function", "custom"), "tool_choice.tools") or "function"
    return {"type": kind, kind: {"name": text(tool, "name", "tool_choice.tools")}}
