"""The `input` of a Responses body, item by item, as turns of a conversation."""

from typing import Any

from infergate.edge.fields import choice, text
from infergate.edge.wire.conversation import Conversation, Part, image_part, text_part
from infergate.kernel.errors import InvalidRequest

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")


def add_input(conversation: Conversation, given: Any) -> None:
    """Raises InvalidRequest with the item at fault in `param`."""
    if isinstance(given, str):
        conversation.say("user", [text_part(given)])
        return
    if not isinstance(given, list) or not given:
        raise InvalidRequest("input is a string, or a list of at least one item.", "input")
    for i, item in enumerate(given):
        where = f"input[{i}]"
        if not isinstance(item, dict):
            raise InvalidRequest("An item is an object.", where)
        _add(conversation, item, where)


def _add(conversation: Conversation, item: dict[str, Any], where: str) -> None:
    match item.get("type", "message"):
        case "message":
            _add_message(conversation, item, where)
        case "function_call":
            function = {"name": text(item, "name", f"{where}.name"), "arguments": _string(item, "arguments", where)}
            conversation.tool_call({"id": _call_id(item, where), "type": "function", "function": function})
        case "custom_tool_call":
            custom = {"name": text(item, "name", f"{where}.name"), "input": _string(item, "input", where)}
            conversation.tool_call({"id": _call_id(item, where), "type": "custom", "custom": custom})
        case "function_call_output" | "custom_tool_call_output":
            conversation.tool_result(_call_id(item, where), _parts(item.get("output"), f"{where}.output"))
        case "reasoning":
            said = _reasoning_of(item.get("content")) or _reasoning_of(item.get("summary"))
            conversation.reasoning(said, [])
        case "item_reference":
            raise InvalidRequest("Items are not stored here: send the item itself.", where)
        case _:
            raise InvalidRequest(
                "An item is a message, a function or custom tool call, its output, or reasoning; others cannot be used here.",
                f"{where}.type",
            )


def _add_message(conversation: Conversation, item: dict[str, Any], where: str) -> None:
    role = choice(item, "role", _ROLES, f"{where}.role")
    if role is None:
        raise InvalidRequest(f"role is one of {', '.join(_ROLES)}.", f"{where}.role")
    parts = _parts(item.get("content"), f"{where}.content")
    if role == "assistant":
        conversation.answer(parts)
    else:
        conversation.say(role, parts)


def _parts(content: Any, where: str) -> list[Part]:
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list):
        raise InvalidRequest("It is a string or a list of parts.", where)
    return [_part(part, f"{where}[{i}]") for i, part in enumerate(content)]


def _part(part: Any, where: str) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _TEXTS:
        return text_part(_string(part, "text", where))
    if kind == "refusal":
        return text_part(_string(part, "refusal", where))
    if kind == "input_image":
        url = part.get("image_url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://", "data:image/")):
            raise InvalidRequest("image_url is an http(s) URL or a data:image/ URL; files are not stored here.", where)
        return image_part(url, choice(part, "detail", ("low", "high", "auto", "original"), f"{where}.detail"))
    raise InvalidRequest(
        "A part is of type input_text, output_text or input_image; others have no price here yet.", where
    )


def _reasoning_of(parts: Any) -> str:
    """Empty where only its provider could read it."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "\n\n".join(each for each in texts if isinstance(each, str))


def _call_id(item: dict[str, Any], where: str) -> str:
    return text(item, "call_id", f"{where}.call_id")


def _string(values: dict[str, Any], name: str, where: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is a string.", f"{where}.{name}")
    return value
