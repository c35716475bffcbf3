"""What Bedrock's Converse and ConverseStream answer, as chat completions and their chunks.

Thoughts are `reasoning_content`, and, where the model wants them back (with a signature, or encrypted), `reasoning_details`:
OpenRouter's form, whose `index` is the block's place in the answer.

Shapes: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, and ConverseStreamOutput there.
"""

from typing import Any

from infergate.providers.eventstream import Message, MessageReader
from infergate.providers.types import BrokenStream
from infergate.providers.wire_json import dump_json, parse_json

THOUGHT_MAX = 4 << 20
"""Characters of one thought and its signature: it is kept until its block ends."""
CALLS_MAX = 1024
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def completion(head: dict[str, Any], answer: Any) -> dict[str, Any] | None:
    """`head` is id, created and model. None where it is no answer of Converse."""
    output = answer.get("output") if isinstance(answer, dict) else None
    message = output.get("message") if isinstance(output, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return None
    choice = {"index": 0, "message": _message(content), "logprobs": None, **_finish(answer.get("stopReason"))}
    usage = {"usage": usage_of(answer["usage"])} if isinstance(answer.get("usage"), dict) else {}
    return {**head, "object": "chat.completion", "choices": [choice], **usage, **_tier(answer)}


def _tier(holder: dict[str, Any]) -> dict[str, Any]:
    """In which tier it was done, where Bedrock says so: what it is charged at."""
    match holder.get("serviceTier"):
        case {"type": str(tier)}:
            return {"service_tier": tier}
    return {}


def usage_of(counts: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's usage object. What is no number is left as it is, for the reader of that object to refuse.

    `inputTokens` are those that were neither read from a cache nor written to one: total input = inputTokens +
    cacheReadInputTokens + cacheWriteInputTokens, says https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.
    (OpenAI's GPT-5.6 counts them in all the same, and AWS's invoice with it: anomalyco/opencode#47296. We count as it does.)
    """
    fresh, output = counts.get("inputTokens"), counts.get("outputTokens")
    cached, written = counts.get("cacheReadInputTokens") or 0, counts.get("cacheWriteInputTokens") or 0
    hour = _sum(*_written_for_an_hour(counts.get("cacheDetails")))
    prompt = _sum(fresh, cached, written)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": _sum(prompt, output),
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": written - hour if _is_count(written) and _is_count(hour) else written,
            "cache_write_1h_tokens": hour,
        },
    }


def _written_for_an_hour(details: Any) -> list[Any]:
    entries = details if isinstance(details, list) else []
    return [one.get("inputTokens") for one in entries if isinstance(one, dict) and one.get("ttl") == "1h"]


def _sum(*counts: Any) -> Any:
    """Their sum, or the first of them that is no number."""
    for count in counts:
        if not _is_count(count):
            return count
    return sum(counts)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finish(reason: Any) -> dict[str, Any]:
    """What OpenAI has no word for (a malformed answer, say) is a stop, with Bedrock's own word beside it."""
    if isinstance(reason, str) and reason in _FINISH:
        return {"finish_reason": _FINISH[reason]}
    return {"finish_reason": "stop", "native_finish_reason": reason if isinstance(reason, str) else None}


def _message(content: list[Any]) -> dict[str, Any]:
    """Blocks that no request of ours asks for (images, results of Bedrock's own tools) are passed over."""
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for index, block in enumerate(content):
        match block:
            case {"text": str(said)}:
                texts.append(said)
            case {"citationsContent": {"content": [*cited]}}:
                texts += [
                    part["text"] for part in cited if isinstance(part, dict) and isinstance(part.get("text"), str)
                ]
            case {"toolUse": {"toolUseId": str(identifier), "name": str(name), **rest}} if "type" not in rest:
                calls.append(_tool_call(identifier, name, dump_json(rest.get("input", {})).decode()))
            case {"reasoningContent": {"reasoningText": {"text": str(thought), **rest}}}:
                thoughts.append(thought)
                details += _signed(thought, rest.get("signature"), index)
            case {"reasoningContent": {"redactedContent": str(data)}}:
                details.append(_redacted(data, index))
    # OpenAI's is null beside calls, and text otherwise.
    text = "".join(texts) if texts or not calls else None
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    parts = {"reasoning_content": "".join(thoughts), "reasoning_details": details, "tool_calls": calls}
    return message | {name: part for name, part in parts.items() if part}


def _tool_call(identifier: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def _signed(text: str, signature: Any, index: int) -> list[dict[str, Any]]:
    """The thought as the model wants it back with the results of its calls. Without a signature nobody asks for it."""
    if not isinstance(signature, str) or not signature:
        return []
    return [{"type": "reasoning.text", "text": text, "signature": signature, "index": index}]


def _redacted(data: str, index: int) -> dict[str, Any]:
    return {"type": "reasoning.encrypted", "data": data, "index": index}


# -- in pieces ---------------------------------------------------------------------------------------------------------


class ConverseEvents:
    """One ConverseStream. `feed` bytes as they come; it returns the chunks that they complete.

    A thought that is signed or redacted comes once more, as an entry of `reasoning_details`, when it is whole.
    """

    def __init__(self, head: dict[str, Any], *, wants_usage: bool) -> None:
        self._head = {**head, "object": "chat.completion.chunk"}
        self._no_usage = {"usage": None} if wants_usage else {}
        """With include_usage each chunk has it: so nobody needs to write this chunk again."""
        self._reader = MessageReader()
        self._role: dict[str, Any] = {"role": "assistant"}
        """In the first delta, not in a chunk before it: until something is written, another route may be tried."""
        self._calls: dict[int, int] = {}
        """Block -> which of the tool calls it is."""
        self._silent: set[int] = set()
        """The blocks of calls of which no argument has come yet."""
        self._thought: list[str] = []
        self._thought_size = 0
        self._signature: list[str] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises BrokenStream."""
        return [event for message in self._reader.feed(piece) for event in self._events(message)]

    def _events(self, message: Message) -> list[bytes]:
        kind = message.headers.get(":message-type")
        if kind in ("exception", "error"):
            return [dump_json({"error": _error(message)})]
        payload = parse_json(message.payload)
        if kind != "event" or not isinstance(payload, dict):
            raise BrokenStream("a message is neither an event with a JSON object nor an error")
        return self._event(message.headers.get(":event-type"), payload)

    def _event(self, kind: Any, event: dict[str, Any]) -> list[bytes]:
        """Events of other kinds say nothing that a chunk could."""
        match kind, event:
            case "contentBlockDelta", {"delta": {"text": str(text)}}:
                return [self._chunk({"content": text})] if text else []
            case "contentBlockDelta", {"delta": {"toolUse": {"input": str(text)}}}:
                return self._argued(_block(event), text)
            case "contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": str(data)}}}:
                return [self._chunk({"reasoning_details": [_redacted(data, _block(event))]})]
            case "contentBlockDelta", {"delta": {"reasoningContent": dict(thought)}}:
                return self._thinks(thought)
            case "contentBlockStart", {"start": {"toolUse": {"toolUseId": str(identifier), "name": str(name), **rest}}}:
                return [] if "type" in rest else self._calls_tool(_block(event), _tool_call(identifier, name, ""))
            case "contentBlockStop", _:
                return self._stopped(_block(event))
            case "messageStop", _:
                return [self._chunk({}, **_finish(event.get("stopReason")))]
            case "metadata", {"usage": dict(counts)}:
                last = {**self._head, "choices": [], "usage": usage_of(counts), **_tier(event)}
                return [dump_json(last), b"[DONE]"]
            case "metadata", _:
                return [b"[DONE]"]
        return []

    def _calls_tool(self, block: int, call: dict[str, Any]) -> list[bytes]:
        number = self._calls[block] = len(self._calls)
        if number >= CALLS_MAX:
            raise BrokenStream("too many tool calls")
        self._silent.add(block)
        return [self._chunk({"tool_calls": [{"index": number, **call}]})]

    def _argued(self, block: int, text: str) -> list[bytes]:
        if block not in self._calls or not text:
            return []
        self._silent.discard(block)
        return [self._chunk({"tool_calls": [{"index": self._calls[block], "function": {"arguments": text}}]})]

    def _thinks(self, thought: dict[str, Any]) -> list[bytes]:
        for name, kept in (("text", self._thought), ("signature", self._signature)):
            if isinstance(piece := thought.get(name), str) and piece:
                kept.append(piece)
                self._thought_size += len(piece)
        if self._thought_size > THOUGHT_MAX:
            raise BrokenStream("a thought is too long")
        text = thought.get("text")
        return [self._chunk({"reasoning_content": text})] if isinstance(text, str) and text else []

    def _stopped(self, block: int) -> list[bytes]:
        if block in self._silent:
            # Nothing comes of arguments that are empty; OpenAI's are always JSON.
            return self._argued(block, "{}")
        details = _signed("".join(self._thought), "".join(self._signature), block)
        self._thought, self._signature, self._thought_size = [], [], 0
        return [self._chunk({"reasoning_details": details})] if details else []

    def _chunk(self, delta: dict[str, Any], **finish: Any) -> bytes:
        delta, self._role = {**self._role, **delta}, {}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **finish}
        return dump_json({**self._head, "choices": [choice], **self._no_usage})


def _block(event: dict[str, Any]) -> int:
    index = event.get("contentBlockIndex")
    if not isinstance(index, int):
        raise BrokenStream("a block has no number")
    return index


def _error(message: Message) -> dict[str, Any]:
    """https://smithy.io/2.0/aws/amazon-eventstream.html: a modelled exception with a JSON body, or an error in headers."""
    said = parse_json(message.payload)
    text = said.get("message") if isinstance(said, dict) else message.headers.get(":error-message")
    code = message.headers.get(":exception-type") or message.headers.get(":error-code")
    return {
        "message": text[:500] if isinstance(text, str) else "The stream ended with an error.",
        "type": "server_error",
        "param": None,
        "code": code[:100] if isinstance(code, str) else None,
    }
