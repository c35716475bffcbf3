"""Answers, chunks and errors of a provider, put into OpenAI's form."""

import contextlib
from collections.abc import Iterator
from typing import Any

from infergate.providers.quirks import Replies
from infergate.providers.sse import SseReader
from infergate.providers.usage import in_openais_form
from infergate.providers.wire_json import dump_json, parse_json


def error_of(said: Any) -> dict[str, Any] | None:
    """The error object that an answer is, in whichever of their forms; None where it is none.

    {"error": {…}}, [{"error": {…}}] (Gemini), {"error": text, "code"} (xAI), {"object": "error", "message", …} (Mistral,
    vLLM before 0.10.1), {"message": text} (Mistral's front door), {"detail": text or a list of what is wrong where} (FastAPI).
    """
    if isinstance(said, list):
        said = said[0] if said else None
    if not isinstance(said, dict):
        return None
    error = said.get("error")
    if isinstance(error, dict) and error:
        # Gemini's code is the status as a number; its word for what is wrong stands beside it.
        return {**error, "code": error["status"]} if isinstance(error.get("status"), str) else error
    if isinstance(error, str) and error:
        return {"message": error, "code": said.get("code")}
    if not error and "choices" not in said and "data" not in said:
        message = said.get("message")
        found = _detail(said.get("detail")) or _detail(message.get("detail") if isinstance(message, dict) else None)
        if found or isinstance(message, str):
            return found or said
    return said if said.get("object") == "error" else None


def _detail(detail: Any) -> dict[str, Any] | None:
    if isinstance(detail, str):
        return {"message": detail}
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, dict) or not isinstance(first.get("msg"), str):
        return None
    place = first.get("loc")
    names = [str(name) for name in place if name != "body"] if isinstance(place, list) else []
    return {"message": ": ".join(filter(None, [".".join(names), first["msg"]])), "param": ".".join(names) or None}


def mended_answer(answer: Any, replies: Replies) -> dict[str, Any] | None:
    error = error_of(answer)
    if error is not None:
        return {"error": error}
    if not isinstance(answer, dict):
        return None
    with contextlib.suppress(ValueError):  # refused where it is read
        answer["usage"] = in_openais_form(answer.get("usage"), replies, chat="choices" in answer)
    failed = False
    for choice in _objects(answer.get("choices")):
        message = choice.get("message")
        if isinstance(message, dict):
            _mend_text(message, replies)
        _mend_finish(choice, replies, tools=bool(isinstance(message, dict) and message.get("tool_calls")))
        failed = failed or choice.get("finish_reason") in replies.failures
    return {"error": {"message": "The provider broke off."}} if failed else answer


class MendedEvents:
    """A stream in OpenAI's form. A chunk in which nothing can differ is not even parsed."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._reader = SseReader()
        self._needles = tuple(f'"{word}"'.encode() for word in _words(replies))
        self._tools: dict[Any, list[Any]] = {}
        """By choice: the ids of its tool calls, in their order."""

    def feed(self, piece: bytes) -> list[bytes]:
        return [mended for event in self._reader.feed(piece) for mended in self._mended(event)]

    def _mended(self, data: bytes) -> list[bytes]:
        # [DONE] is the only good event that starts with a bracket.
        if data == b"[DONE]" or (not data.startswith(b"[") and not any(needle in data for needle in self._needles)):
            return [data]
        chunk = parse_json(data)
        error = error_of(chunk)
        if error is None and not isinstance(chunk, dict):
            return [data]
        place = chunk.get(self._replies.usage_in) if isinstance(chunk, dict) and self._replies.usage_in else None
        if isinstance(place, dict):
            if place.get("error"):
                error = {"message": place["error"]}
            elif chunk.get("usage") is None and place.get("usage") is not None:
                chunk["usage"] = place["usage"]
        if error is not None:
            return [dump_json({"error": error})]
        failed = False
        for choice in _objects(chunk.get("choices")):
            failed = self._mend(choice) or failed
        # The chunk goes first: it may hold text, and the usage.
        return [dump_json(chunk), *([dump_json({"error": {"message": "The provider broke off."}})] if failed else [])]

    def _mend(self, choice: dict[str, Any]) -> bool:
        """Whether the provider failed in it."""
        delta = choice.get("delta")
        index = choice.get("index")
        if isinstance(delta, dict):
            _mend_text(delta, self._replies)
            if self._replies.unnumbered_tools:
                self._number(self._tools.setdefault(index, []), delta.get("tool_calls"))
        _mend_finish(choice, self._replies, tools=bool(self._tools.get(index)))
        if choice.get("finish_reason") in self._replies.failures:
            choice["finish_reason"] = None
            return True
        return False

    def _number(self, known: list[Any], tool_calls: Any) -> None:
        """A call begins with an id (or a name); what comes without one goes on with the last."""
        for call in _objects(tool_calls):
            function = call.get("function")
            name = function.get("name") if isinstance(function, dict) else None
            identity = call.get("id") or None
            if identity is not None and identity in known:
                call["index"] = known.index(identity)
            elif identity or name:
                known.append(identity)
                call["index"] = len(known) - 1
            elif not isinstance(call.get("index"), int):
                call["index"] = max(0, len(known) - 1)


def _mend_text(part: dict[str, Any], replies: Replies) -> None:
    if replies.reasoning_in in part and replies.reasoning_in != "reasoning_content":
        part["reasoning_content"] = part.pop(replies.reasoning_in)
    content = part.get("content")
    if replies.content_parts and isinstance(content, list):
        thoughts = [inner for piece in _objects(content) for inner in _objects(piece.get("thinking"))]
        part["content"] = "".join(_texts(content))
        if thoughts:
            part["reasoning_content"] = "".join(_texts(thoughts))


def _mend_finish(choice: dict[str, Any], replies: Replies, *, tools: bool) -> None:
    reason = choice.get("finish_reason")
    if isinstance(reason, str):
        reason = replies.finish_reasons.get(reason, reason)
        choice["finish_reason"] = "tool_calls" if reason == "stop" and tools and replies.unnumbered_tools else reason


def _words(replies: Replies) -> Iterator[str]:
    """Whatever differs in a chunk of theirs has one of these in it."""
    yield "error"
    if replies.usage_in:
        yield replies.usage_in
    if replies.reasoning_in != "reasoning_content":
        yield replies.reasoning_in
    if replies.content_parts:
        yield "type"
    if replies.unnumbered_tools:
        yield from ("tool_calls", "stop")
    yield from replies.finish_reasons
    yield from replies.failures


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _texts(parts: list[Any]) -> Iterator[str]:
    return (part["text"] for part in _objects(parts) if isinstance(part.get("text"), str))
