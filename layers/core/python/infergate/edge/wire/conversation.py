"""A conversation in chat form, built turn by turn: what both Responses items and Anthropic's blocks become."""

from typing import Any

from infergate.edge.chat_request import MESSAGES_MAX
from infergate.kernel.errors import InvalidRequest

_JOINT = "\n\n"

type Part = dict[str, Any]


def text_part(text: str, cache_control: Any = None) -> Part:
    part: Part = {"type": "text", "text": text}
    return part if cache_control is None else part | {"cache_control": cache_control}


def image_part(url: str, detail: str | None = None, cache_control: Any = None) -> Part:
    image = {"url": url} if detail is None else {"url": url, "detail": detail}
    part: Part = {"type": "image_url", "image_url": image}
    return part if cache_control is None else part | {"cache_control": cache_control}


def content_of(parts: list[Part]) -> str | list[Part]:
    """Text alone as a string: every model takes that, not every one a list."""
    if all(part.keys() == {"type", "text"} for part in parts):
        return _JOINT.join(part["text"] for part in parts)
    return parts


class Conversation:
    """The messages of a chat. What the model said in one turn is one message, with its reasoning and its tool calls.

    A tool's result holds text only in a chat, so its images stand in the user's message that follows it.
    """

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._turn: dict[str, Any] | None = None
        self._images: list[Part] = []

    def say(self, role: str, parts: list[Part]) -> None:
        """A message of anyone but the model."""
        self._end_turn()
        if role == "user":
            parts, self._images = self._images + parts, []
        else:
            self._flush_images()
        self._add({"role": role, "content": content_of(parts)})

    def tool_result(self, call_id: str, parts: list[Part]) -> None:
        self._end_turn()
        images = [part for part in parts if part["type"] == "image_url"]
        if images:
            self._images += [text_part(f"Images from the tool call {call_id}:"), *images]
        texts = [part for part in parts if part["type"] != "image_url"]
        self._add({"role": "tool", "tool_call_id": call_id, "content": content_of(texts)})

    def answer(self, parts: list[Part]) -> None:
        """What the model said to the user."""
        turn = self._open_turn()
        turn["content"] += parts

    def tool_call(self, call: dict[str, Any]) -> None:
        self._open_turn().setdefault("tool_calls", []).append(call)

    def reasoning(self, text: str, details: list[dict[str, Any]]) -> None:
        """`index` of a detail is its place in the turn: some models think again between two calls."""
        turn = self._open_turn()
        if text:
            turn["reasoning_content"] = turn.get("reasoning_content", "") + text
        for detail in details:
            known = turn.setdefault("reasoning_details", [])
            place = len(known) + bool(turn["content"]) + len(turn.get("tool_calls", ()))
            known.append(detail | {"index": place})

    def messages(self) -> list[dict[str, Any]]:
        self._end_turn()
        self._flush_images()
        return self._messages

    def _open_turn(self) -> dict[str, Any]:
        if self._turn is None:
            self._flush_images()
            self._turn = {"role": "assistant", "content": []}
        return self._turn

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        turn["content"] = content_of(turn["content"])
        if not turn["content"] and "tool_calls" in turn:
            turn["content"] = None
        self._add(turn)

    def _flush_images(self) -> None:
        images, self._images = self._images, []
        if images:
            self._add({"role": "user", "content": images})

    def _add(self, message: dict[str, Any]) -> None:
        if len(self._messages) >= MESSAGES_MAX:
            raise InvalidRequest(f"At most {MESSAGES_MAX} messages.", "messages")
        self._messages.append(message)
