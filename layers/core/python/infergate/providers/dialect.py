"""A request of OpenAI's in the dialect of a provider. Pure; the caller's body is left as it is.

What a provider cannot express is refused, with the field in `param`: another route may take it. Nothing is dropped but
values that mean nothing, and hints that change no answer.
"""

from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.providers.quirks import HINTS, NEUTRAL, OPENAI, Dialect

_THOUGHTS = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
"""What a model thought, on its own message, in any form that is about: a provider is handed back its own form only."""


def express(body: dict[str, Any], endpoint: str, dialect: Dialect, output_field: str) -> dict[str, Any]:
    """`output_field`, if not empty, stands above the dialect's. Raises InvalidRequest."""
    said = dict(body)
    if endpoint == "embeddings":
        if dialect is not OPENAI.dialect:
            _adapt_embeddings(said, dialect)
        return said
    if dialect is not OPENAI.dialect:
        _adapt_chat(said, dialect)
    if (output_field or dialect.output_field) == "max_tokens" and "max_completion_tokens" in said:
        said["max_tokens"] = said.pop("max_completion_tokens")
    if said.get("stream") and dialect.asks_for_usage:
        # Always asked for, whatever the client wants to see: it is what the charge is made from.
        said["stream_options"] = {**(said.get("stream_options") or {}), "include_usage": True}
    return said


def _adapt_embeddings(said: dict[str, Any], dialect: Dialect) -> None:
    if not dialect.embeddings:
        raise InvalidRequest("This model's provider has no embeddings.", "model")
    for hint in HINTS:
        said.pop(hint, None)
    if said.pop("service_tier", None) not in (None, NEUTRAL["service_tier"]):
        raise _cannot("service_tier")
    # Numbers are what all of them send unasked; base64 is made of them here.
    said.pop("encoding_format", None)
    dimensions = said.pop("dimensions", None)
    if dimensions is not None:
        if dialect.dimensions is None:
            raise _cannot("dimensions")
        said[dialect.dimensions] = dimensions


def _adapt_chat(said: dict[str, Any], dialect: Dialect) -> None:
    if not dialect.hints:
        for hint in HINTS:
            said.pop(hint, None)
    for name in dialect.lacks:
        value = said.pop(name, None)
        if value is not None and value != NEUTRAL.get(name):
            raise _cannot(name)
    for name, theirs in dialect.renamed.items():
        if name in said:
            said[theirs] = said.pop(name)
    # Of the options of a stream, only the usage is known everywhere.
    said.pop("stream_options", None)
    said.update(dialect.adds)
    _check_tools(said.get("tools"), dialect)
    response_format = said.get("response_format")
    if not dialect.json_schema and isinstance(response_format, dict) and response_format.get("type") == "json_schema":
        raise _cannot("response_format", "an answer held to a JSON schema")
    messages = said.get("messages")
    if isinstance(messages, list):
        said["messages"] = [_message(message, f"messages[{i}]", dialect) for i, message in enumerate(messages)]


def _check_tools(tools: Any, dialect: Dialect) -> None:
    for i, tool in enumerate(tools if isinstance(tools, list) else ()):
        if not isinstance(tool, dict):
            continue
        if not dialect.custom_tools and tool.get("type") == "custom":
            raise _cannot(f"tools[{i}].type", "custom tools")
        function = tool.get("function")
        if not dialect.strict_tools and isinstance(function, dict) and function.get("strict"):
            raise _cannot(f"tools[{i}].function.strict", "strict tools")


def _message(message: Any, where: str, dialect: Dialect) -> Any:
    if not isinstance(message, dict):
        return message
    if not dialect.message_names and message.get("name") is not None:
        raise _cannot(f"{where}.name", "the names of who speaks")
    if not dialect.image_urls:
        _check_images(message.get("content"), where)
    if message.get("role") == "developer" and not dialect.developer_role:
        return {**message, "role": "system"}
    if _THOUGHTS.isdisjoint(message):
        return message
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    rest = {name: value for name, value in message.items() if name not in _THOUGHTS}
    if "cache_control" in dialect.takes and message.get("reasoning_details"):
        # OpenRouter's own form, for the models that want their signatures back.
        return {**rest, "reasoning_details": message["reasoning_details"]}
    if not reasoning:
        return rest
    if dialect.reasoning != "thinking":
        return {**rest, dialect.reasoning: reasoning}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}
    return {**rest, "content": [thinking, *_parts(rest.get("content"))]}


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _check_images(content: Any, where: str) -> None:
    for j, part in enumerate(content if isinstance(content, list) else ()):
        image = part.get("image_url") if isinstance(part, dict) else None
        if isinstance(image, dict) and not str(image.get("url")).startswith("data:"):
            raise _cannot(f"{where}.content[{j}].image_url", "images by URL (send their data)")


def _cannot(param: str, what: str | None = None) -> InvalidRequest:
    return InvalidRequest(f"This model's provider does not take {what or f'`{param}`'}.", param)
