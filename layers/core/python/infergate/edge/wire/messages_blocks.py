"""The content blocks of an Anthropic Messages body, as turns of a conversation."""

from typing import Any

from infergate.edge.fields import choice, flag, text
from infergate.edge.wire.conversation import Conversation, Part, image_part, text_part
from infergate.kernel.errors import InvalidRequest
from infergate.providers.wire_json import dump_json

_ROLES = ("user", "assistant", "system")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_FAILED = "Error: "
"""A chat's tool result has no mark for a failure. It is said in words."""


def system_parts(system: Any) -> list[Part]:
    return [_text(block, where) for block, where in _blocks(system, "system")]


def add_message(conversation: Conversation, message: dict[str, Any], where: str) -> None:
    """Raises InvalidRequest with the block at fault in `param`."""
    role = choice(message, "role", _ROLES, f"{where}.role")
    if role is None:
        raise InvalidRequest(f"role is one of {', '.join(_ROLES)}.", f"{where}.role")
    blocks = _blocks(message.get("content"), f"{where}.content")
    if role == "assistant":
        conversation.answer([])
        for block, at in blocks:
            _add_said(conversation, block, at)
    elif role == "system":
        conversation.say(role, [_text(block, at) for block, at in blocks])
    else:
        _add_asked(conversation, blocks)


def _add_said(conversation: Conversation, block: dict[str, Any], where: str) -> None:
    match block.get("type"):
        case "text":
            conversation.answer([_text(block, where)])
        case "tool_use":
            arguments = block.get("input")
            if not isinstance(arguments, dict):
                raise InvalidRequest("input is an object.", f"{where}.input")
            function = {"name": text(block, "name", f"{where}.name"), "arguments": dump_json(arguments).decode()}
            call = {"id": text(block, "id", f"{where}.id"), "type": "function", "function": function}
            cache_control = block.get("cache_control")
            conversation.tool_call(call if cache_control is None else call | {"cache_control": cache_control})
        case "thinking":
            thought = _string(block, "thinking", where)
            signature = block.get("signature")
            signed = [{"type": "reasoning.text", "text": thought, "signature": signature}] if signature else []
            conversation.reasoning(thought, signed)
        case "redacted_thinking":
            conversation.reasoning("", [{"type": "reasoning.encrypted", "data": _string(block, "data", where)}])
        case _:
            raise _refused("text, tool_use or thinking", where)


def _add_asked(conversation: Conversation, blocks: list[tuple[dict[str, Any], str]]) -> None:
    """Results first: in a chat they follow the calls at once."""
    parts: list[Part] = []
    for block, where in blocks:
        if block.get("type") == "tool_result":
            conversation.tool_result(text(block, "tool_use_id", f"{where}.tool_use_id"), _result(block, where))
        else:
            parts.append(_part(block, where))
    if parts or not blocks:
        conversation.say("user", parts)


def _result(block: dict[str, Any], where: str) -> list[Part]:
    content = block.get("content")
    parts = [] if content is None else [_part(each, at) for each, at in _blocks(content, f"{where}.content")]
    if flag(block, "is_error", f"{where}.is_error"):
        parts.insert(0, text_part(_FAILED))
    if (cache_control := block.get("cache_control")) is not None:
        parts = parts or [text_part("")]
        parts[-1] = parts[-1] | {"cache_control": cache_control}
    return parts


def _part(block: dict[str, Any], where: str) -> Part:
    match block.get("type"):
        case "text":
            return _text(block, where)
        case "image":
            return image_part(_url(block.get("source"), f"{where}.source"), cache_control=block.get("cache_control"))
        case "document":
            raise InvalidRequest("Documents have no price here yet: send their text.", where)
        case _:
            raise _refused("text, image or tool_result", where)


def _url(source: Any, where: str) -> str:
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "base64":
        media_type = choice(source, "media_type", _IMAGES, f"{where}.media_type")
        return f"data:{media_type or 'image/png'};base64,{_string(source, 'data', where)}"
    url = source.get("url") if kind == "url" else None
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise InvalidRequest("The source of an image is of type base64, or an http(s) URL.", where)
    return url


def _text(block: dict[str, Any], where: str) -> Part:
    if block.get("type") != "text":
        raise _refused("text", where)
    return text_part(_string(block, "text", where), block.get("cache_control"))


def _blocks(content: Any, where: str) -> list[tuple[dict[str, Any], str]]:
    """Each block, and where it stands."""
    if isinstance(content, str):
        return [({"type": "text", "text": content}, where)]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise InvalidRequest("It is a string or a list of content blocks.", where)
    return [(block, f"{where}[{i}]") for i, block in enumerate(content)]


def _string(values: dict[str, Any], name: str, where: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is a string.", f"{where}.{name}")
    return value


def _refused(kinds: str, where: str) -> InvalidRequest:
    return InvalidRequest(f"A block here is of type {kinds}; others have no price or no meaning here yet.", where)
