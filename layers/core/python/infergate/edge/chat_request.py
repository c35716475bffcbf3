"""A chat or embeddings body, checked: what costs money is bounded or refused, what is unknown passes through."""

from collections.abc import Callable
from typing import Any

from infergate.chat.types import InferenceRequest
from infergate.edge.fields import flag, text, whole
from infergate.edge.route_options import take_wishes
from infergate.edge.strict_json import parse_object
from infergate.kernel.errors import InvalidRequest

CHOICES_MAX = 128
OUTPUT_MAX = 10_000_000
MESSAGES_MAX = 10_000
INPUTS_MAX = 2048
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_UNPRICED = {
    "web_search_options": "web search",
    "prediction": "predicted outputs",
    "audio": "audio output",
    "functions": "the deprecated functions (use tools)",
    "background": "background answers",
    "best_of": "answers that are generated and not returned",
    # Other providers' own, which a compatible API behind us might honour.
    **dict.fromkeys(("web_search", "enable_search", "search_options", "search_parameters"), "web search"),
    **dict.fromkeys(
        ("plugins", "mcp_servers", "server_tools", "data_sources", "documents"), "what a provider's plugins do"
    ),
    **dict.fromkeys(("compound_custom", "search_settings", "safety_model", "guardrails"), "what a second model does"),
    **dict.fromkeys(("models", "route", "preset"), "another choice of models than this catalog's"),
    **dict.fromkeys(("speed", "inference_geo"), "another speed or place"),
    "transforms": "changes that a provider makes to a prompt",
    "deferred": "answers that come later",
    "extra_body": "fields inside extra_body (a client puts them beside the others)",
}
"""Fields that cost extra and have no price here yet: refused, never free."""
_OTHER_NAMES = {
    **dict.fromkeys(("n_predict", "num_predict", "max_new_tokens", "max_output_tokens"), "max_completion_tokens"),
    **dict.fromkeys(
        ("maxTokens", "maxCompletionTokens", "max_length", "max_tokens_to_sample"), "max_completion_tokens"
    ),
    **dict.fromkeys(("n_cmpl", "candidate_count", "candidateCount", "num_return_sequences"), "n"),
    **dict.fromkeys(("streamOptions", "serviceTier", "extraBody"), "the spelling with underscores"),
}
"""By these names some servers take a limit above the one that is held for: llama.cpp's n_predict overrides max_tokens."""


def parse_chat(body: bytes, request_id: str) -> InferenceRequest:
    """Raises InvalidRequest with the field at fault in `param`."""
    return checked_chat(parse_object(body), body, request_id)


def checked_chat(values: dict[str, Any], body: bytes, request_id: str) -> InferenceRequest:
    """The checks that every chat passes, in whichever wire format it came. `body` is its JSON.

    Raises InvalidRequest with the field at fault in `param`.
    """
    model = text(values, "model")
    images, image_bytes = _messages(values.get("messages"))
    _refuse_unpriced(values)
    stream = flag(values, "stream")
    options = values.get("stream_options")
    if options is not None and (not isinstance(options, dict) or not stream):
        raise InvalidRequest("stream_options is an object, and goes with stream: true only.", "stream_options")
    wants_usage = bool(options) and flag(options or {}, "include_usage", "stream_options.include_usage")
    limits = [whole(values, name, 1, OUTPUT_MAX) for name in ("max_tokens", "max_completion_tokens")]
    given = [limit for limit in limits if limit is not None]
    return InferenceRequest(
        request_id=request_id,
        endpoint="chat/completions",
        kind="chat",
        body=values,
        model=model,
        input_bytes=len(body) - image_bytes,
        images=images,
        stream=stream,
        wants_usage=wants_usage,
        choices=whole(values, "n", 1, CHOICES_MAX) or 1,
        max_output=min(given) if given else None,
        cache_writes=_cache_writes(body),
        wishes=take_wishes(values),
    )


def _cache_writes(body: bytes) -> tuple[str, ...]:
    """Which cache writes the body may ask for: a marker within a text costs a larger hold, never a larger charge."""
    if b'"cache_control"' not in body:
        return ()
    return ("cache_write", "cache_write_1h") if b'"1h"' in body else ("cache_write",)


def parse_embeddings(body: bytes, request_id: str) -> InferenceRequest:
    """Raises InvalidRequest with the field at fault in `param`."""
    values = parse_object(body)
    model = text(values, "model")
    inputs = values.get("input")
    if isinstance(inputs, list):
        if not 1 <= len(inputs) <= INPUTS_MAX:
            raise InvalidRequest(f"input has between 1 and {INPUTS_MAX} parts.", "input")
        if not (
            _all_of(inputs, str) or _all_of(inputs, int) or all(isinstance(p, list) and _all_of(p, int) for p in inputs)
        ):
            raise InvalidRequest("input is a string, a list of strings, or lists of token numbers.", "input")
    elif not isinstance(inputs, str) or not inputs:
        raise InvalidRequest("input is a string, a list of strings, or lists of token numbers.", "input")
    if values.get("encoding_format") not in (None, "float", "base64"):
        raise InvalidRequest("encoding_format is float or base64.", "encoding_format")
    whole(values, "dimensions", 1, 100_000)
    return InferenceRequest(
        request_id=request_id,
        endpoint="embeddings",
        kind="embedding",
        body=values,
        model=model,
        input_bytes=len(body),
        wishes=take_wishes(values),
    )


def _messages(messages: Any) -> tuple[int, int]:
    """(images, bytes of inline image data) in them."""
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages is a list of at least one message.", "messages")
    if len(messages) > MESSAGES_MAX:
        raise InvalidRequest(f"At most {MESSAGES_MAX} messages.", "messages")
    images = image_bytes = 0
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if not isinstance(message, dict):
            raise InvalidRequest("A message is an object.", where)
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise InvalidRequest(f"role is one of {', '.join(sorted(_ROLES))}.", f"{where}.role")
        content = message.get("content")
        if isinstance(content, list):
            for j, part in enumerate(content):
                size = _part(part, f"{where}.content[{j}]")
                images, image_bytes = images + (size is not None), image_bytes + (size or 0)
        elif content is not None and not isinstance(content, str):
            raise InvalidRequest("content is a string or a list of parts.", f"{where}.content")
    return images, image_bytes


def _part(part: Any, where: str) -> int | None:
    """None for text; for an image, the bytes of its data that stand in the body."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal"):
        if not isinstance(part.get(kind), str):
            raise InvalidRequest(f"A part of type {kind} has its {kind} as a string.", where)
        return None
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else None
        if not isinstance(url, str) or not url.startswith(("https://", "http://", "data:image/")):
            raise InvalidRequest("image_url.url is an http(s) URL or a data:image/ URL.", f"{where}.image_url")
        return len(url) if url.startswith("data:") else 0
    raise InvalidRequest("A part is of type text or image_url; others have no price here yet.", where)


def _refuse_unpriced(values: dict[str, Any]) -> None:
    for name, what in _UNPRICED.items():
        if values.get(name) is not None:
            raise InvalidRequest(f"There is no price for {what} here yet, so it cannot be used.", name)
    for name, ours in _OTHER_NAMES.items():
        if name in values:
            raise InvalidRequest(f"Use {ours} instead of {name}.", name)
    if values.get("modalities") not in (None, ["text"]):
        raise InvalidRequest("Only text output has a price here yet.", "modalities")
    tools = values.get("tools")
    if tools is not None and not (isinstance(tools, list) and all(_is_function(tool) for tool in tools)):
        raise InvalidRequest(
            "tools is a list of tools of type function or custom; others have no price here yet.", "tools"
        )


def _is_function(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") in ("function", "custom")


def _all_of(values: list[Any], kind: type) -> bool:
    return all(isinstance(value, kind) and not isinstance(value, bool) for value in values)


type Parser = Callable[[bytes, str], InferenceRequest]
