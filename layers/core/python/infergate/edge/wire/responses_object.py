"""The nouns of the Responses API: the response, its items, their parts, its usage. Pure."""

from dataclasses import dataclass, field
from typing import Any

from infergate.edge.wire.blocks import CUSTOM, REASONING, REFUSAL, Block
from infergate.edge.wire.translated import Translated
from infergate.edge.wire.usage import counts
from infergate.kernel.ids import made_at_ms


@dataclass(slots=True)
class Item:
    """One item of the output, and the blocks that it is made of."""

    kind: str
    index: int
    id: str
    summarise: bool
    blocks: list[Block] = field(default_factory=list)


def response_object(
    request: Translated, response_id: str, model: str, tier: str, status: str, output: list[dict[str, Any]]
) -> dict[str, Any]:
    """With what was asked for, as the caller said it. Nothing is stored, whatever was asked."""
    asked = request.original
    reasoning, text = asked.get("reasoning") or {}, asked.get("text") or {}
    return {
        "id": response_id,
        "object": "response",
        "created_at": made_at_ms(request.request_id) // 1000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": request.max_output,
        "model": model,
        "output": output,
        "parallel_tool_calls": asked.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "service_tier": tier,
        "store": False,
        "temperature": asked.get("temperature"),
        "text": {"format": text.get("format") or {"type": "text"}} | _given(text, "verbosity"),
        "tool_choice": asked.get("tool_choice") or "auto",
        "tools": [_tool(tool) for tool in asked.get("tools") or ()],
        "top_p": asked.get("top_p"),
        "truncation": "disabled",
        "metadata": asked.get("metadata") or {},
    } | _given(asked, "user", "safety_identifier", "prompt_cache_key", "top_logprobs")


def item_object(item: Item, status: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": item.id, "type": item.kind, "status": status}
    parts = [part_object(block, item.summarise) for block in item.blocks if not block.is_tool]
    if item.kind == "message":
        return shown | {"role": "assistant", "content": parts}
    if item.kind == "reasoning":
        return shown | ({"summary": parts} if item.summarise else {"summary": [], "content": parts})
    call = item.blocks[0]
    shown |= {"call_id": call.id or f"call_{item.id}", "name": call.name}
    return shown | ({"input": call.text} if call.kind == CUSTOM else {"arguments": call.text})


def part_object(block: Block, summarise: bool) -> dict[str, Any]:
    if block.kind == REFUSAL:
        return {"type": "refusal", "refusal": block.text}
    if block.kind == REASONING:
        return {"type": "summary_text" if summarise else "reasoning_text", "text": block.text}
    return {"type": "output_text", "text": block.text, "annotations": [], "logprobs": block.logprobs}


def usage_object(usage: Any) -> dict[str, Any]:
    counted = counts(usage)
    shown: dict[str, Any] = {
        "input_tokens": counted.prompt,
        "input_tokens_details": {
            "cached_tokens": counted.cached,
            "cache_write_tokens": counted.written + counted.written_1h,
        },
        "output_tokens": counted.completion,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning},
        "total_tokens": counted.prompt + counted.completion,
    }
    return shown if counted.cost is None else shown | {"cost": counted.cost}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        return tool
    return {"parameters": None, "description": None} | tool | {"strict": tool.get("strict") is True}


def _given(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) is not None}
