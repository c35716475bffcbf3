"""OpenAI's messages as Bedrock's turns. Every part becomes a block, in its order, or the message is refused.

Bedrock's turns alternate between user and assistant, so neighbours of one side are joined; what tools returned belongs to the
user's side. It has one system prompt: system and developer messages go there in their order, wherever they stood.
"""

import binascii
import re
from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.providers.anthropic_messages import FORMAT
from infergate.providers.wire_json import parse_json

type Block = dict[str, Any]

_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_DATA_URL = re.compile(r"data:image/(png|jpeg|jpg|gif|webp);base64,", re.IGNORECASE)
_HARMLESS_OF_AN_ANSWER = ("reasoning_content", "reasoning", "annotations")
"""Left out of an assistant's message. The thoughts that count are those in `reasoning_details`: these two are their text once
more, or were never signed. Annotations tell where the text of an earlier answer came from."""
_HARMLESS_OF_A_RESULT = ("name",)
"""Left out of a tool's message: the call's id already says whose result it is."""


def turns_of(messages: list[dict[str, Any]]) -> tuple[list[Block], list[dict[str, Any]]]:
    """(system prompt, turns). The messages have passed edge/chat_request.py. Raises InvalidRequest with `param`."""
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for i, message in enumerate(messages):
        where, role = f"messages[{i}]", message["role"]
        if role in ("system", "developer"):
            system += _system(message, where)
            continue
        if role not in _BLOCKS:
            raise InvalidRequest(
                f"Amazon Bedrock has no role {role}: the result of a call is of role tool.", f"{where}.role"
            )
        side = "assistant" if role == "assistant" else "user"
        blocks = _BLOCKS[role](message, where)
        if not blocks:
            raise InvalidRequest("Amazon Bedrock takes no empty message.", f"{where}.content")
        if turns and turns[-1]["role"] == side:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": side, "content": blocks})
    if not turns:
        raise InvalidRequest("Amazon Bedrock needs a message of the user.", "messages")
    return system, turns


def only(part: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    """Raises InvalidRequest for a field that is not among them and not null."""
    for name, value in part.items():
        if value is not None and name not in names:
            raise InvalidRequest(f"Amazon Bedrock has no {name} here.", f"{where}.{name}")


def cache_point(part: dict[str, Any], where: str) -> list[Block]:
    """The mark after a part with `cache_control`, as Anthropic writes it: all before it is to be cached."""
    control = part.get("cache_control")
    if control is None:
        return []
    ttl = control.get("ttl", "5m") if isinstance(control, dict) and control.get("type") == "ephemeral" else None
    if ttl not in ("5m", "1h"):
        message = 'cache_control is {"type": "ephemeral"}, with a ttl of 5m or 1h.'
        raise InvalidRequest(message, f"{where}.cache_control")
    # Five minutes is what is meant without a ttl, and all that older models know.
    return [{"cachePoint": {"type": "default", "ttl": "1h"} if ttl == "1h" else {"type": "default"}}]


def _system(message: dict[str, Any], where: str) -> list[Block]:
    only(message, ("role", "content", "cache_control"), where)
    blocks = _content(message, where)
    if any("image" in block for block in blocks):
        raise InvalidRequest("A system message is text.", f"{where}.content")
    return blocks + cache_point(message, where)


def _user(message: dict[str, Any], where: str) -> list[Block]:
    only(message, ("role", "content", "cache_control"), where)
    return _content(message, where) + cache_point(message, where)


def _assistant(message: dict[str, Any], where: str) -> list[Block]:
    known = ("role", "content", "refusal", "tool_calls", "reasoning_details", "thinking_blocks", "cache_control")
    only(message, (*known, *_HARMLESS_OF_AN_ANSWER), where)
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InvalidRequest("tool_calls is a list.", f"{where}.tool_calls")
    blocks = [
        *_content(message, where),
        *_text(message.get("refusal"), f"{where}.refusal"),
        *(_tool_use(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(calls)),
    ]
    last = -1
    for place, thought in _thoughts(message, where):
        last = max(place, last + 1)
        blocks.insert(last, thought)
    return blocks + cache_point(message, where)


def _tool(message: dict[str, Any], where: str) -> list[Block]:
    only(message, ("role", "content", "tool_call_id", "cache_control", *_HARMLESS_OF_A_RESULT), where)
    blocks = _content(message, where)
    returned = [block for block in blocks if "cachePoint" not in block]
    marks = [block for block in blocks if "cachePoint" in block] + cache_point(message, where)
    identifier = _identifier(message.get("tool_call_id"), f"{where}.tool_call_id")
    return [{"toolResult": {"toolUseId": identifier, "content": returned}}, *marks[-1:]]


_BLOCKS = {"user": _user, "assistant": _assistant, "tool": _tool}


def _content(message: dict[str, Any], where: str) -> list[Block]:
    content = message.get("content")
    if not isinstance(content, list):
        return _text(content, f"{where}.content")
    blocks: list[Block] = []
    for j, part in enumerate(content):
        place = f"{where}.content[{j}]"
        if part["type"] == "image_url":
            only(part, ("type", "image_url", "cache_control"), place)
            blocks.append(_image(part["image_url"], f"{place}.image_url"))
        else:
            kind = part["type"]
            only(part, ("type", kind, "cache_control"), place)
            blocks += _text(part[kind], place)
        blocks += cache_point(part, place)
    return blocks


def _text(text: Any, where: str) -> list[Block]:
    """Bedrock refuses a block of empty text. It says nothing, so nothing is lost without it."""
    if not isinstance(text, str | None):
        raise InvalidRequest("It is text.", where)
    return [{"text": text}] if text else []


def _image(image: dict[str, Any], where: str) -> Block:
    """`detail` is a hint that Bedrock has no word for: it always looks as closely as its model can."""
    only(image, ("url", "detail"), where)
    url = image["url"]
    head = _DATA_URL.match(url)
    if head is None:
        message = "Amazon Bedrock fetches no images: send it as a data: URL in base64, a png, jpeg, gif or webp."
        raise InvalidRequest(message, where)
    data = url[head.end() :]
    if not _is_base64(data):
        raise InvalidRequest("The image is not in base64.", where)
    form = head[1].lower()
    return {"image": {"format": "jpeg" if form == "jpg" else form, "source": {"bytes": data}}}


def _thoughts(message: dict[str, Any], where: str) -> list[tuple[int, Block]]:
    """(place in the turn, block) of what `reasoning_details` or `thinking_blocks` have, in the order of the places.

    The first is OpenRouter's form, as in our answers; the second LiteLLM's, which is Anthropic's own. What has neither
    signature nor encrypted data, or is of another kind of model, is none that a model would take back, and stays out.
    """
    found: list[tuple[int, Block]] = []
    for name, read in (("reasoning_details", _of_detail), ("thinking_blocks", _of_thinking)):
        thoughts = message.get(name) or []
        if not (isinstance(thoughts, list) and all(isinstance(one, dict) for one in thoughts)):
            raise InvalidRequest(f"{name} is a list of objects.", f"{where}.{name}")
        for thought in thoughts if not found else ():
            if block := read(thought):
                place = thought.get("index")
                found.append((place if type(place) is int and place >= 0 else len(found), block))
    return sorted(found, key=lambda one: one[0])


def _of_detail(detail: dict[str, Any]) -> Block | None:
    if detail.get("format") not in (None, FORMAT):
        return None
    if detail.get("type") == "reasoning.encrypted":
        return _redacted(detail.get("data"))
    return _signed(detail.get("text"), detail.get("signature")) if detail.get("type") == "reasoning.text" else None


def _of_thinking(block: dict[str, Any]) -> Block | None:
    if block.get("type") == "redacted_thinking":
        return _redacted(block.get("data"))
    return _signed(block.get("thinking"), block.get("signature")) if block.get("type") == "thinking" else None


def _signed(text: Any, signature: Any) -> Block | None:
    if not (isinstance(signature, str) and signature):
        return None
    thought = {"text": text if isinstance(text, str) else "", "signature": signature}
    return {"reasoningContent": {"reasoningText": thought}}


def _redacted(data: Any) -> Block | None:
    return {"reasoningContent": {"redactedContent": data}} if isinstance(data, str) and _is_base64(data) else None


def _tool_use(call: Any, where: str) -> Block:
    function = call.get("function") if isinstance(call, dict) and call.get("type", "function") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InvalidRequest("On Amazon Bedrock a tool call is of type function, with a name.", where)
    only(call, ("id", "type", "function", "index"), where)
    arguments = function.get("arguments") or "{}"
    parsed = parse_json(arguments.encode("utf-8", "replace")) if isinstance(arguments, str) else None
    if not isinstance(parsed, dict):
        raise InvalidRequest("On Amazon Bedrock arguments are a JSON object, as text.", f"{where}.function.arguments")
    identifier = _identifier(call.get("id"), f"{where}.id")
    return {"toolUse": {"toolUseId": identifier, "name": function["name"], "input": parsed}}


def _identifier(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _TOOL_USE_ID.fullmatch(value):
        raise InvalidRequest("On Amazon Bedrock a tool call's id is 1 to 64 letters, digits or _.:-", where)
    return value


def _is_base64(data: str) -> bool:
    try:
        return bool(binascii.a2b_base64(data, strict_mode=True))
    except ValueError:
        return False
