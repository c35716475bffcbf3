"""A conversation in OpenAI's form as Anthropic's turns: https://platform.claude.com/docs/en/api/messages.

- System and developer messages, wherever they stand, become the system prompt's blocks, in their order.
- What follows in one role is one turn: results of tools come first in the user's.
- `cache_control` ({"type": "ephemeral", "ttl": "5m" | "1h"}; OpenRouter's convention) marks a part, a tool call or a whole
  message: there its last block. On any part of a tool's message it marks the result.
- `reasoning_details` (OpenRouter's form, as in our answers) or `thinking_blocks` (LiteLLM's: Anthropic's own blocks) of an
  assistant's message become its thinking again, each where its `index` says. Reasoning without a signature, or of another kind
  of model, is none that Anthropic would take back, and no part of what was said: it stays out, like `reasoning_content`.
- Anthropic takes no text that is empty or only white space. In an assistant's message it says nothing and stays out;
  elsewhere it is refused.
"""

import json
import math
import re
from typing import Any

from infergate.kernel.errors import InvalidRequest

FORMAT = "anthropic-claude-v1"
"""OpenRouter's name for Claude's reasoning."""
type Block = dict[str, Any]
_DATA_URL = re.compile(r"data:(image/(?:jpeg|png|gif|webp));base64,")
_ECHOED = frozenset({"annotations", "reasoning", "reasoning_content", "reasoning_details", "thinking_blocks"})
"""What our answers have and Anthropic's turns do not, or not by this name."""
_FIELDS = {
    "system": frozenset[str](),
    "developer": frozenset[str](),
    "user": frozenset[str](),
    "assistant": frozenset({"refusal", "tool_calls"}) | _ECHOED,
    "tool": frozenset({"tool_call_id", "name"}),
}
"""Besides role, content and cache_control. A tool's `name` is its function, which the call names already; of other speakers
Anthropic knows no names."""


def conversation(messages: Any) -> tuple[list[Block], list[dict[str, Any]]]:
    """(system blocks, turns). Raises InvalidRequest."""
    if not isinstance(messages, list):
        raise InvalidRequest("messages is a list.", "messages")
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        role = _role(message, where)
        blocks = _BLOCKS[role](message, where)
        if blocks and (marker := cache_control(message, where)):
            blocks[-1]["cache_control"] = marker
        if role in ("system", "developer"):
            system += blocks
        elif blocks:
            speaker = "assistant" if role == "assistant" else "user"
            if turns and turns[-1]["role"] == speaker:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": speaker, "content": blocks})
    if not turns:
        raise InvalidRequest("This model needs a message besides the system's.", "messages")
    return system, turns


def cache_control(part: dict[str, Any], where: str) -> Block | None:
    """The marker on this part, None where there is none. Raises InvalidRequest."""
    marker = part.get("cache_control")
    if marker is None:
        return None
    if (
        not isinstance(marker, dict)
        or marker.get("type") != "ephemeral"
        or marker.get("ttl") not in (None, "5m", "1h")
        or not marker.keys() <= {"type", "ttl"}
    ):
        param = f"{where}.cache_control" if where else "cache_control"
        raise InvalidRequest('cache_control is {"type": "ephemeral"}, with a ttl of "5m" or "1h" or none.', param)
    return {name: value for name, value in marker.items() if value is not None}


def _role(message: Any, where: str) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _BLOCKS:
        raise InvalidRequest(f"role of this model is one of {', '.join(_BLOCKS)}.", f"{where}.role")
    for name, value in message.items():
        if value is not None and name not in ("role", "content", "cache_control") and name not in _FIELDS[role]:
            raise InvalidRequest(f"This model's provider has nothing like {name[:100]} here.", f"{where}.{name[:100]}")
    return role


def _system(message: dict[str, Any], where: str) -> list[Block]:
    return _said(message, where, images=False)


def _user(message: dict[str, Any], where: str) -> list[Block]:
    return _said(message, where, images=True)


def _said(message: dict[str, Any], where: str, *, images: bool) -> list[Block]:
    blocks = _content(message.get("content"), where, images=images)
    for j, block in enumerate(blocks):
        if block["type"] == "text" and not block["text"].strip():
            place = f"[{j}]" if isinstance(message["content"], list) else ""
            raise InvalidRequest(
                "This model takes no text that is empty or only white space.", f"{where}.content{place}"
            )
    if not blocks:
        raise InvalidRequest("This message says nothing.", f"{where}.content")
    return blocks


def _tool(message: dict[str, Any], where: str) -> list[Block]:
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise InvalidRequest("A tool's message says which call it answers.", f"{where}.tool_call_id")
    result: Block = {"type": "tool_result", "tool_use_id": call_id}
    blocks = _content(message.get("content"), where, images=True)
    for block in blocks:
        if marker := block.pop("cache_control", None):
            result["cache_control"] = marker
    blocks = [block for block in blocks if block["type"] != "text" or block["text"]]
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        result["content"] = blocks[0]["text"]
    elif blocks:
        result["content"] = blocks
    return [result]


def _assistant(message: dict[str, Any], where: str) -> list[Block]:
    blocks = _content(message.get("content"), where, images=False)
    if message.get("refusal") is not None:
        blocks += _content([{"type": "refusal", "refusal": message["refusal"]}], where, images=False)
    blocks = [block for block in blocks if block["text"].strip()]
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise InvalidRequest("tool_calls is a list.", f"{where}.tool_calls")
    blocks += [_tool_use(call, f"{where}.tool_calls[{j}]") for j, call in enumerate(calls or ())]
    # Each at the place that it had: Anthropic takes thinking back only where it stood.
    for place, block in _thinking(message, where):
        blocks.insert(place, block)
    return blocks


def _tool_use(call: Any, where: str) -> Block:
    function = call.get("function") if isinstance(call, dict) and call.get("type", "function") == "function" else None
    if not isinstance(function, dict):
        raise InvalidRequest("A tool call of this model is one of a function.", where)
    call_id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
    if not isinstance(call_id, str) or not isinstance(name, str):
        raise InvalidRequest("A tool call has an id, and its function a name.", where)
    block: Block = {"type": "tool_use", "id": call_id, "name": name, "input": _arguments(arguments, where)}
    if marker := cache_control(call, where):
        block["cache_control"] = marker
    return block


def _arguments(text: Any, where: str) -> dict[str, Any]:
    """Anthropic takes the object itself. An empty string is how some models call a function without arguments."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse, parse_float=_finite) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest("arguments is a string that holds a JSON object.", f"{where}.function.arguments")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond a double")
    return number


# -- parts ------------------------------------------------------------------------------------------------------------


def _content(content: Any, where: str, *, images: bool) -> list[Block]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise InvalidRequest("content is a string or a list of parts.", f"{where}.content")
    return [_part(part, f"{where}.content[{j}]", images=images) for j, part in enumerate(content)]


def _part(part: Any, where: str, *, images: bool) -> Block:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal") and isinstance(part.get(kind), str):
        block: Block = {"type": "text", "text": part[kind]}
    elif kind == "image_url" and images:
        block = {"type": "image", "source": _source(part.get("image_url"), f"{where}.image_url")}
    else:
        raise InvalidRequest(f"A part here is text{' or an image_url' if images else ''}.", where)
    if marker := cache_control(part, where):
        block["cache_control"] = marker
    return block


def _source(image: Any, where: str) -> Block:
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        raise InvalidRequest("An image_url is an object with a url.", where)
    if image.get("detail") not in (None, "auto", "high"):
        raise InvalidRequest("This model sees images as they are: detail is auto or high.", f"{where}.detail")
    if url.startswith("https://"):
        return {"type": "url", "url": url}
    inline = _DATA_URL.match(url)
    if inline is None:
        message = "An image is at an https URL, or a base64 data URL of a JPEG, PNG, GIF or WebP."
        raise InvalidRequest(message, f"{where}.url")
    return {"type": "base64", "media_type": inline[1], "data": url[inline.end() :]}


# -- thinking ---------------------------------------------------------------------------------------------------------


def _thinking(message: dict[str, Any], where: str) -> list[tuple[int, Block]]:
    """(place in the turn, block), in the order of the places."""
    found: list[tuple[int, Block]] = []
    for name, read in (("reasoning_details", _of_detail), ("thinking_blocks", _of_block)):
        details = message.get(name)
        if details is not None and not (isinstance(details, list) and all(isinstance(one, dict) for one in details)):
            raise InvalidRequest(f"{name} is a list of objects.", f"{where}.{name}")
        for detail in details or ():
            if block := read(detail):
                place = detail.get("index")
                found.append((place if type(place) is int and place >= len(found) else len(found), block))
        if found:
            # Both say the same.
            break
    return sorted(found, key=lambda one: one[0])


def _of_detail(detail: dict[str, Any]) -> Block | None:
    if detail.get("format") not in (None, FORMAT):
        return None
    text, signature, data = detail.get("text"), detail.get("signature"), detail.get("data")
    if detail.get("type") == "reasoning.text" and isinstance(signature, str) and signature:
        return {"type": "thinking", "thinking": text if isinstance(text, str) else "", "signature": signature}
    if detail.get("type") == "reasoning.encrypted" and isinstance(data, str) and data:
        return {"type": "redacted_thinking", "data": data}
    return None


def _of_block(block: dict[str, Any]) -> Block | None:
    names = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}.get(str(block.get("type")))
    if names is None or not all(isinstance(block.get(name), str) for name in names) or not block[names[-1]]:
        return None
    return {"type": block["type"], **{name: block[name] for name in names}}


_BLOCKS = {"system": _system, "developer": _system, "user": _user, "assistant": _assistant, "tool": _tool}
