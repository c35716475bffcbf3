"""A chat's answer as OpenAI's response object, whole or streamed. Pure.

Format: https://platform.openai.com/docs/api-reference/responses and /responses-streaming, as of late 2026. Reasoning is said as
a summary where the request asked for one (`reasoning.summary`), else as reasoning text. Text and refusals that follow each
other are parts of one message.
"""

from collections.abc import Iterator
from typing import Any

from infergate.edge.wire.blocks import (
    CUSTOM,
    DELTA,
    FUNCTION,
    REASONING,
    REDACTED,
    REFUSAL,
    START,
    STOP,
    TEXT,
    Block,
    Blocks,
    Step,
    ending,
    first_choice,
    text_of,
)
from infergate.edge.wire.responses_object import Item, item_object, part_object, response_object, usage_object
from infergate.edge.wire.translated import Translated
from infergate.providers.wire_json import dump_json

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TOLD = frozenset({"rate_limit_exceeded", "invalid_prompt", "server_error"})
"""Error codes that a response object may have; the rest are the server's."""


def whole(request: Translated, answer: dict[str, Any]) -> dict[str, Any]:
    """The response object for a chat completion (with its usage in OpenAI's chat form)."""
    stream = ResponsesStream(request)
    for _ in stream.events(answer):
        pass
    for _ in stream.last_events():
        pass
    return stream.final(answer.get("usage"))


class ResponsesStream:
    """Chunks of a chat in, events of the Responses API out. Every item that is added is also done, before the next one is."""

    def __init__(self, request: Translated) -> None:
        self._request = request
        self._summarise = _asks_for_summary(request.original)
        self._blocks = Blocks()
        self._items: list[Item] = []
        self._open: Item | None = None
        self._number = 0
        self._model = request.model
        self._tier = request.wishes.tier
        self._started = False
        self._over = False

    def take(self, chunk: dict[str, Any]) -> bytes:
        return b"".join(self.events(chunk))

    def end(self, usage: dict[str, Any] | None) -> bytes:
        if self._over:
            return b""
        self._over = True
        events = b"".join(self.last_events())
        response = self.final(usage)
        return events + self._event(f"response.{response['status']}", {"response": response})

    def fail(self, error: dict[str, Any]) -> bytes:
        """`error`: the inner object of OpenAI's. Twice said: as the response's own end, and as an event that SDKs raise."""
        self._over = True
        start = b"".join(self._start({}))
        code, message = error.get("code"), text_of(error.get("message"))
        told = {"code": code if code in _TOLD else "server_error", "message": message}
        response = self._object("failed") | {"error": told}
        event = {"code": code, "message": message, "param": error.get("param"), "error": error}
        return start + self._event("response.failed", {"response": response}) + self._event("error", event)

    def events(self, chunk: dict[str, Any]) -> Iterator[bytes]:
        # The tier that it was served in, which is the one that it is charged by.
        self._tier = text_of(chunk.get("service_tier")) or self._tier
        yield from self._start(chunk)
        for step in self._blocks.take(first_choice(chunk)):
            yield from self._say(step)

    def last_events(self) -> Iterator[bytes]:
        yield from self._start({})
        for step in self._blocks.end():
            yield from self._say(step)
        yield from self._close_item()

    def final(self, usage: Any) -> dict[str, Any]:
        """The finished response."""
        finish = ending(self._blocks.last, called=self._blocks.called)
        reason = _INCOMPLETE.get(finish)
        response = self._object("incomplete" if reason else "completed")
        response["incomplete_details"] = {"reason": reason} if reason else None
        response["usage"] = usage_object(usage)
        if reason and response["output"]:
            last = response["output"][-1]
            response["output"][-1] = last | ({"status": "incomplete"} if "status" in last else {})
        return response

    # -- items and their parts -----------------------------------------------------------------------------------------

    def _start(self, chunk: dict[str, Any]) -> Iterator[bytes]:
        if self._started:
            return
        self._started = True
        self._model = text_of(chunk.get("model")) or self._model
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, {"response": self._object("in_progress")})

    def _say(self, step: Step) -> Iterator[bytes]:
        if step.block.kind == REDACTED:
            return
        if step.what == START:
            yield from self._begin(step.block)
        elif step.what == DELTA:
            yield self._delta(step)
        elif step.what == STOP:
            yield from self._finish(step.block)

    def _begin(self, block: Block) -> Iterator[bytes]:
        speech = block.kind in (TEXT, REFUSAL)
        if self._open is None or not (speech and self._open.kind == "message"):
            yield from self._close_item()
            self._open = self._new_item(block)
            self._items.append(self._open)
            if block.is_tool:
                self._open.blocks.append(block)
            added = {"item": item_object(self._open, "in_progress"), "output_index": self._open.index}
            yield self._event("response.output_item.added", added)
        if not block.is_tool:
            self._open.blocks.append(block)
            kind = "response.reasoning_summary_part.added" if self._is_summary(block) else "response.content_part.added"
            yield self._part_event(kind, {"part": part_object(Block(block.kind), self._summarise)}, block)

    def _delta(self, step: Step) -> bytes:
        values: dict[str, Any] = {"delta": step.text}
        if step.block.kind == TEXT:
            values["logprobs"] = list(step.logprobs)
        return self._part_event(f"{self._told_as(step.block)}.delta", values, step.block)

    def _finish(self, block: Block) -> Iterator[bytes]:
        name = {REFUSAL: "refusal", CUSTOM: "input"}.get(block.kind, "arguments" if block.is_tool else "text")
        values: dict[str, Any] = {name: block.text}
        if block.kind == TEXT:
            values["logprobs"] = block.logprobs
        if block.is_tool and block.kind != CUSTOM:
            values["name"] = block.name
        yield self._part_event(f"{self._told_as(block)}.done", values, block)
        if not block.is_tool:
            kind = "response.reasoning_summary_part.done" if self._is_summary(block) else "response.content_part.done"
            yield self._part_event(kind, {"part": part_object(block, self._summarise)}, block)

    def _close_item(self) -> Iterator[bytes]:
        item, self._open = self._open, None
        if item is not None:
            done = {"item": item_object(item, "completed"), "output_index": item.index}
            yield self._event("response.output_item.done", done)

    def _new_item(self, block: Block) -> Item:
        index = len(self._items)
        kind = {REASONING: "reasoning", CUSTOM: "custom_tool_call"}.get(block.kind)
        kind = kind or ("function_call" if block.is_tool else "message")
        return Item(kind, index, f"{_PREFIXES[kind]}_{self._ulid()}_{index}", self._summarise)

    def _told_as(self, block: Block) -> str:
        if self._is_summary(block):
            return "response.reasoning_summary_text"
        return _EVENTS[block.kind]

    def _is_summary(self, block: Block) -> bool:
        return self._summarise and block.kind == REASONING

    def _part_event(self, kind: str, values: dict[str, Any], block: Block) -> bytes:
        item = self._open
        assert item is not None
        where: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
        if not block.is_tool:
            where["summary_index" if self._is_summary(block) else "content_index"] = len(item.blocks) - 1
        return self._event(kind, where | values)

    # -- framing -------------------------------------------------------------------------------------------------------

    def _object(self, status: str) -> dict[str, Any]:
        output = [item_object(item, "incomplete" if item is self._open else "completed") for item in self._items]
        return response_object(self._request, f"resp_{self._ulid()}", self._model, self._tier, status, output)

    def _ulid(self) -> str:
        return self._request.request_id.rpartition("_")[2]

    def _event(self, kind: str, values: dict[str, Any]) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **values}
        self._number += 1
        return f"event: {kind}\ndata: ".encode() + dump_json(event) + b"\n\n"


_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
_EVENTS = {
    TEXT: "response.output_text",
    REFUSAL: "response.refusal",
    REASONING: "response.reasoning_text",
    FUNCTION: "response.function_call_arguments",
    CUSTOM: "response.custom_tool_call_input",
}


def _asks_for_summary(original: dict[str, Any]) -> bool:
    reasoning = original.get("reasoning")
    return isinstance(reasoning, dict) and bool(reasoning.get("summary") or reasoning.get("generate_summary"))
