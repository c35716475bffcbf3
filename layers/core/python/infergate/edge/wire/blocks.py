"""A chat's answer as a row of blocks, one after the other: reasoning, text, a refusal, tool calls. Pure.

A chat's chunks may mix what belongs to several blocks; the other formats say one block at a time. So a block stays open
until another begins. Only a tool call whose arguments are not yet whole may still go on: while one does, what else comes waits.
A provider's chunk may have any shape: what is not understood is passed over.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from infergate.providers.wire_json import parse_json

REASONING, TEXT, REFUSAL, FUNCTION, CUSTOM, REDACTED = "reasoning", "text", "refusal", "function", "custom", "redacted"
START, DELTA, SIGNATURE, STOP = "start", "delta", "signature", "stop"

type Key = tuple[str, int]


@dataclass(slots=True)
class Block:
    """`text` is all of it so far: for a tool call, the arguments of the function or the input of the custom tool; for a
    redacted block its data, which comes in one piece and is there from the start."""

    kind: str
    index: int = -1
    text: str = ""
    id: str = ""
    name: str = ""
    signature: str = ""
    logprobs: list[Any] = field(default_factory=list)

    @property
    def is_tool(self) -> bool:
        return self.kind in (FUNCTION, CUSTOM)

    @property
    def whole(self) -> bool:
        """Nothing that makes sense can follow."""
        return not self.is_tool or (
            self.kind == FUNCTION and isinstance(parse_json(self.text.encode("utf-8", "replace")), dict)
        )


@dataclass(frozen=True, slots=True)
class Step:
    """`text` is what a delta adds; `logprobs` belong to it."""

    what: str
    block: Block
    text: str = ""
    logprobs: tuple[Any, ...] = ()


class Blocks:
    """`take` each choice of a stream, then `end`. Every block that starts also stops, before the next one starts."""

    def __init__(self) -> None:
        self.last: Any = None
        """The choice that says why the answer ended."""
        self.called = False
        """Whether a tool was called: some providers say that they just stopped."""
        self._open: Block | None = None
        self._open_key: Key = ("", 0)
        self._waiting: dict[Key, Block] = {}
        self._calls: dict[Key, tuple[str, Key]] = {}
        self._closed: set[Key] = set()
        self._serial = 0
        self._count = 0

    def take(self, choice: Any) -> Iterator[Step]:
        """The steps of one choice of a chunk, or of an answer in one piece."""
        if not isinstance(choice, dict):
            return
        if choice.get("finish_reason"):
            self.last = choice
        said = choice.get("delta") or choice.get("message")
        if not isinstance(said, dict):
            return
        yield from self._take_reasoning(said)
        if text := text_of(said.get("content")):
            yield from self._add((TEXT, 0), Block(TEXT), text, _logprobs(choice))
        if text := text_of(said.get("refusal")):
            yield from self._add((REFUSAL, 0), Block(REFUSAL), text)
        for position, call in enumerate(_objects(said.get("tool_calls"))):
            yield from self._take_call(call, position)

    def end(self) -> Iterator[Step]:
        yield from self._close()
        for block in list(self._waiting.values()):
            text, logprobs = block.text, tuple(block.logprobs)
            if block.kind == REDACTED:
                text = ""
            else:
                block.text, block.logprobs = "", []
            yield from self._start(("", 0), block)
            yield from self._grow(block, text, logprobs)
            yield from self._close()
        self._waiting.clear()

    def _take_reasoning(self, said: dict[str, Any]) -> Iterator[Step]:
        if text := text_of(said.get("reasoning_content")) or text_of(said.get("reasoning")):
            yield from self._add((REASONING, 0), Block(REASONING), text)
        for detail in _objects(said.get("reasoning_details")):
            signature, data = detail.get("signature"), detail.get("data")
            if detail.get("type") == "reasoning.encrypted" and isinstance(data, str):
                yield from self._add((REDACTED, self._count), Block(REDACTED, text=data), "")
            elif isinstance(signature, str) and signature:
                yield from self._sign(signature)

    def _sign(self, signature: str) -> Iterator[Step]:
        """Reasoning that is kept secret has a signature and no text."""
        yield from self._add((REASONING, 0), Block(REASONING), "")
        if self._open is not None and self._open.kind == REASONING and not self._open.signature:
            self._open.signature = signature
            yield Step(SIGNATURE, self._open, signature)

    def _take_call(self, call: dict[str, Any], position: int) -> Iterator[Step]:
        kind = CUSTOM if isinstance(call.get("custom"), dict) else FUNCTION
        tool = call.get(kind)
        tool = tool if isinstance(tool, dict) else {}
        at = call.get("index")
        block = Block(kind, id=text_of(call.get("id")), name=text_of(tool.get("name")))
        key = self._call_key(at if isinstance(at, int) else position, block)
        if key not in self._closed:
            yield from self._add(key, block, text_of(tool.get("input" if kind == CUSTOM else "arguments")))

    def _call_key(self, at: int, block: Block) -> Key:
        """A call goes by its index. Some providers give every call the same one: then another id is another call."""
        known = self._calls.get((block.kind, at))
        if known is None or (block.id and known[0] and block.id != known[0]):
            self._serial += 1
            known = self._calls[block.kind, at] = (block.id, (block.kind, self._serial))
        return known[1]

    def _add(self, key: Key, new: Block, text: str, logprobs: tuple[Any, ...] = ()) -> Iterator[Step]:
        block = self._open if self._open_key == key else None
        if block is not None:
            yield from self._grow(block, text, logprobs)
            return
        if not self._waiting and (self._open is None or self._open.whole):
            yield from self._start(key, new)
            yield from self._grow(new, text, logprobs)
            return
        block = self._waiting.setdefault(key, new)
        block.text += text
        block.logprobs += logprobs

    def _start(self, key: Key, block: Block) -> Iterator[Step]:
        yield from self._close()
        block.index, self._count = self._count, self._count + 1
        self._open, self._open_key = block, key
        self.called |= block.is_tool
        yield Step(START, block)

    def _grow(self, block: Block, text: str, logprobs: tuple[Any, ...]) -> Iterator[Step]:
        if not text:
            return
        block.text += text
        block.logprobs += logprobs
        yield Step(DELTA, block, text, logprobs)

    def _close(self) -> Iterator[Step]:
        block, key = self._open, self._open_key
        self._open, self._open_key = None, ("", 0)
        if block is not None:
            if block.is_tool:
                self._closed.add(key)
            yield Step(STOP, block)


def answer_blocks(choice: Any) -> list[Block]:
    """The blocks of an answer in one piece."""
    blocks = Blocks()
    steps = [*blocks.take(choice), *blocks.end()]
    return [step.block for step in steps if step.what == STOP]


def ending(choice: Any, *, called: bool) -> str:
    """Why the answer ended, in a chat's words: stop, length, tool_calls or content_filter."""
    finish = choice.get("finish_reason") if isinstance(choice, dict) else None
    if finish == "function_call" or (called and finish not in ("length", "content_filter")):
        return "tool_calls"
    return finish if finish in ("length", "content_filter", "tool_calls") else "stop"


def first_choice(answer: dict[str, Any]) -> Any:
    """The choice of index 0, None where there is none: the other formats have one answer."""
    for choice in _objects(answer.get("choices")):
        if choice.get("index") in (0, None):
            return choice
    return None


def text_of(value: Any) -> str:
    """A string, or the text of a list of parts; empty for anything else."""
    if isinstance(value, str):
        return value
    return "".join(part["text"] for part in _objects(value) if isinstance(part.get("text"), str))


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()


def _logprobs(choice: dict[str, Any]) -> tuple[Any, ...]:
    logprobs = choice.get("logprobs")
    return tuple(_objects(logprobs.get("content"))) if isinstance(logprobs, dict) else ()
