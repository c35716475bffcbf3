"""What some providers of chat completions take beside OpenAI's fields, and the others refuse with a 400.

    cache_control   Anthropic's mark for its cache: on a message, a content part, a tool, a tool call, the body
    reasoning       what a model thought, on its own messages: reasoning_content, reasoning, reasoning_details

Clients send them because they replay what another model said, or speak Anthropic's format. A channel says which it takes.
"""

from collections.abc import Iterable
from typing import Any

_FIELDS = {
    "cache_control": frozenset({"cache_control"}),
    "reasoning": frozenset({"reasoning_content", "reasoning", "reasoning_details"}),
}


def plain(body: dict[str, Any], takes: str) -> dict[str, Any]:
    """The body without what the channel does not take (`takes`: names of the table above, apart by spaces). Never changed in
    place; where there is nothing to leave out, the same object."""
    taken = takes.split()
    marks = _FIELDS["cache_control"] if "cache_control" not in taken else frozenset()
    thoughts = _FIELDS["reasoning"] if "reasoning" not in taken else frozenset()
    changed: dict[str, Any] = {}
    messages = body.get("messages")
    if isinstance(messages, list):
        cleaned = [_message(message, marks, marks | thoughts) for message in messages]
        if _differ(cleaned, messages):
            changed["messages"] = cleaned
    tools = body.get("tools")
    if isinstance(tools, list):
        cleaned = [_without(tool, marks) for tool in tools]
        if _differ(cleaned, tools):
            changed["tools"] = cleaned
    cleaned_body: dict[str, Any] = _without({**body, **changed} if changed else body, marks)
    return cleaned_body


def _message(message: Any, marks: frozenset[str], fields: frozenset[str]) -> Any:
    message = _without(message, fields)
    for name in ("content", "tool_calls"):
        parts = message.get(name) if isinstance(message, dict) else None
        if isinstance(parts, list):
            cleaned = [_without(part, marks) for part in parts]
            message = {**message, name: cleaned} if _differ(cleaned, parts) else message
    return message


def _without(value: Any, names: frozenset[str]) -> Any:
    if not isinstance(value, dict) or value.keys().isdisjoint(names):
        return value
    return {name: inner for name, inner in value.items() if name not in names}


def _differ(ours: Iterable[Any], theirs: Iterable[Any]) -> bool:
    return any(one is not other for one, other in zip(ours, theirs, strict=True))
