"""Anthropic's Message as OpenAI's chat completion: https://platform.claude.com/docs/en/api/messages.

Text blocks are the content, `tool_use` blocks the tool calls. Thinking is `reasoning_content`, and, with what it takes to send
it back (signatures, encrypted blocks), `reasoning_details`: OpenRouter's form, whose `index` is the block's place in the answer.
Blocks of other types are results of tools that nobody can ask for here, and stay out.
"""

from typing import Any

from infergate.providers.anthropic_messages import FORMAT
from infergate.providers.wire_json import dump_json

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def chat_completion(message: Any, *, created: int) -> dict[str, Any] | None:
    """None where it is not a message."""
    if not isinstance(message, dict) or message.get("type") != "message":
        return None
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return None
    answer: dict[str, Any] = {
        "id": text_of(message, "id"),
        "object": "chat.completion",
        "created": created,
        "model": text_of(message, "model"),
        "choices": [
            {
                "index": 0,
                "message": _said(blocks, message),
                "logprobs": None,
                "finish_reason": finish_reason(message.get("stop_reason")),
            }
        ],
    }
    if message.get("usage") is not None:
        answer["usage"] = openai_usage(message["usage"])
    return answer


def finish_reason(stop_reason: Any) -> str:
    """A reason that is not known yet is an end like any other."""
    return FINISH.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"


def refusal_text(holder: dict[str, Any]) -> str | None:
    """Why Claude refused, where it says so: `stop_details` of a message or of its delta."""
    details = holder.get("stop_details")
    return text_of(details, "explanation") or None if isinstance(details, dict) else None


def reasoning_detail(block: dict[str, Any], index: int) -> dict[str, Any]:
    if block["type"] == "redacted_thinking":
        return {"type": "reasoning.encrypted", "data": text_of(block, "data"), "format": FORMAT, "index": index}
    return {
        "type": "reasoning.text",
        "text": text_of(block, "thinking"),
        "signature": text_of(block, "signature"),
        "format": FORMAT,
        "index": index,
    }


def arguments_of(block: dict[str, Any]) -> str:
    """A tool call's input as the JSON text that OpenAI has there; "{}" for none."""
    value = block.get("input")
    return dump_json(value).decode() if isinstance(value, dict) else "{}"


def text_of(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def openai_usage(wire: Any) -> Any:
    """Anthropic's usage as OpenAI's object, in which cached tokens are part of the prompt's.

    Never raises: a count that is no count stands where the reader of OpenAI's usage finds and refuses it.
    """
    if not isinstance(wire, dict):
        return wire
    read, written = wire.get("cache_read_input_tokens") or 0, wire.get("cache_creation_input_tokens")
    kinds = wire.get("cache_creation")
    kinds = kinds if isinstance(kinds, dict) else {}
    written_1h = kinds.get("ephemeral_1h_input_tokens") or 0
    if written is None:
        written = _sum(kinds.get("ephemeral_5m_input_tokens") or 0, written_1h)
    prompt, completion = _sum(wire.get("input_tokens"), read, written), wire.get("output_tokens")
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": _sum(prompt, completion),
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_write_tokens": written - written_1h if _whole(written) and _whole(written_1h) else written,
            "cache_write_1h_tokens": written_1h,
        },
    }
    details = wire.get("output_tokens_details")
    if isinstance(details, dict) and details.get("thinking_tokens") is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": details["thinking_tokens"]}
    return usage


def _sum(*counts: Any) -> Any:
    """The sum, or the first that is no whole number. A negative one the reader finds: some part is then more than the sum."""
    for count in counts:
        if not _whole(count):
            return count
    return sum(counts)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _said(blocks: list[dict[str, Any]], message: dict[str, Any]) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        match block.get("type"):
            case "text":
                texts.append(text_of(block, "text"))
            case "thinking" | "redacted_thinking":
                thoughts.append(text_of(block, "thinking"))
                details.append(reasoning_detail(block, index))
            case "tool_use":
                function = {"name": text_of(block, "name"), "arguments": arguments_of(block)}
                calls.append({"id": text_of(block, "id"), "type": "function", "function": function})
    refusal = refusal_text(message)
    said: dict[str, Any] = {
        "role": "assistant",
        # OpenAI's is null beside tool calls and refusals.
        "content": "".join(texts) if texts or not (calls or refusal) else None,
        "refusal": refusal,
    }
    if thought := "".join(thoughts):
        said["reasoning_content"] = thought
    if details:
        said["reasoning_details"] = details
    if calls:
        said["tool_calls"] = calls
    return said
