"""A chat completion's request as Bedrock's Converse takes it. What it cannot express is refused, by name.

Shapes: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import re
from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.providers.bedrock_messages import cache_point, only, turns_of
from infergate.providers.bedrock_reasoning import reasoning_fields

_HARMLESS = {
    "model": "it stands in the path",
    "stream": "it is another path",
    "stream_options": "Bedrock always reports usage, and never pads what it sends with obfuscation",
    "prompt_cache_key": "a hint for routing",
    "safety_identifier": "for OpenAI's own watch over abuse",
}
"""Fields that are left out, and why nothing is lost by it. A null counts as absent, in every field."""

_NEUTRAL: dict[str, Any] = {
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "modalities": ["text"],
    "parallel_tool_calls": True,
    "store": False,
    "verbosity": "medium",
    "prompt_cache_retention": "in_memory",
}
"""Fields that Bedrock has no word for, with the value that asks for what it does anyway."""

_TRANSLATED = frozenset(
    {
        *("messages", "tools", "tool_choice", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop"),
        *("reasoning_effort", "thinking", "response_format", "service_tier", "user", "metadata"),
    }
)
_TIERS = {"auto": None, "default": None, "flex": "flex", "priority": "priority"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)
METADATA_MAX = 16


def converse_body(body: dict[str, Any], model: str) -> dict[str, Any]:
    """Raises InvalidRequest with `param`."""
    given = {name: value for name, value in body.items() if value is not None}
    for name, value in given.items():
        if name not in _TRANSLATED and name not in _HARMLESS and _NEUTRAL.get(name) != value:
            raise InvalidRequest(f"Amazon Bedrock has no {name}, or none with this value.", name)
    system, turns = turns_of(given["messages"])
    parts = {
        "messages": turns,
        "system": system,
        "inferenceConfig": _inference(given),
        "toolConfig": _tool_config(given, _has_tools_in(turns)),
        "additionalModelRequestFields": reasoning_fields(given, model),
        "outputConfig": _output_format(given.get("response_format")),
        "serviceTier": _tier(given.get("service_tier")),
        "requestMetadata": _metadata(given),
    }
    return {name: part for name, part in parts.items() if part}


def _inference(given: dict[str, Any]) -> dict[str, Any]:
    config = {
        "maxTokens": given.get("max_tokens", given.get("max_completion_tokens")),
        "temperature": _share(given, "temperature"),
        "topP": _share(given, "top_p"),
        "stopSequences": _stop(given.get("stop")),
    }
    return {name: value for name, value in config.items() if value is not None}


def _share(given: dict[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidRequest(f"{name} is a number from 0 to 1 on Amazon Bedrock.", name)
    return value


def _stop(stop: Any) -> list[str] | None:
    sequences = [stop] if isinstance(stop, str) else stop
    if sequences is None:
        return None
    if not isinstance(sequences, list) or not all(isinstance(one, str) and one for one in sequences):
        raise InvalidRequest("stop is a string or a list of strings, none of them empty.", "stop")
    return sequences or None


def _tier(tier: Any) -> dict[str, str] | None:
    if tier is None:
        return None
    if not isinstance(tier, str) or tier not in _TIERS:
        raise InvalidRequest(f"service_tier is one of {', '.join(_TIERS)} on Amazon Bedrock.", "service_tier")
    name = _TIERS[tier]
    return {"type": name} if name else None


def _metadata(given: dict[str, Any]) -> dict[str, str]:
    """`user` becomes an entry of its own. Bedrock writes these into the invocation logs, where the operator keeps such."""
    metadata = given.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InvalidRequest("metadata is an object.", "metadata")
    entries = {**metadata, "user": given["user"]} if "user" in given else metadata
    for name, value in entries.items():
        if not (isinstance(value, str) and name and _METADATA.fullmatch(name) and _METADATA.fullmatch(value)):
            message = "On Amazon Bedrock it is text of at most 256 characters: letters, digits, spaces and :_@$#=/+,.-"
            raise InvalidRequest(message, "user" if name == "user" and "user" in given else "metadata")
    if len(entries) > METADATA_MAX:
        raise InvalidRequest(f"Amazon Bedrock takes {METADATA_MAX} entries of metadata, `user` among them.", "metadata")
    return entries


def _output_format(wanted: Any) -> dict[str, Any] | None:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html: the schema travels as text."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    schema = wanted.get("json_schema") if kind == "json_schema" else None
    if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
        message = "On Amazon Bedrock response_format is text, or json_schema with a schema."
        raise InvalidRequest(message, "response_format")
    definition = {"schema": json.dumps(schema["schema"], separators=(",", ":"))}
    definition |= {name: schema[name] for name in ("name", "description") if isinstance(schema.get(name), str)}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


# -- tools -------------------------------------------------------------------------------------------------------------


def _has_tools_in(turns: list[dict[str, Any]]) -> bool:
    return any("toolUse" in block or "toolResult" in block for turn in turns for block in turn["content"])


def _tool_config(given: dict[str, Any], in_history: bool) -> dict[str, Any] | None:
    """Bedrock refuses a conversation with tool calls in it that does not say which tools there are, and has no "none"."""
    tools, choice = given.get("tools") or [], given.get("tool_choice", "auto")
    if not tools:
        if in_history:
            message = "Amazon Bedrock needs the tools of a conversation that has tool calls in it: send them again."
            raise InvalidRequest(message, "tools")
        if choice not in ("auto", "none"):
            raise InvalidRequest("tool_choice goes with tools.", "tool_choice")
        return None
    listed = [block for i, tool in enumerate(tools) for block in _tool(tool, f"tools[{i}]")]
    if choice == "none":
        if in_history:
            message = (
                "Amazon Bedrock cannot keep a model from its tools in a conversation that has tool calls in it: "
                "tool_choice is auto, required, or one function."
            )
            raise InvalidRequest(message, "tool_choice")
        return None
    return {"tools": listed, "toolChoice": _tool_choice(choice)}


def _tool(tool: Any, where: str) -> list[dict[str, Any]]:
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(function, dict):
        raise InvalidRequest("On Amazon Bedrock a tool is of type function.", where)
    only(tool, ("type", "function", "cache_control"), where)
    only(function, ("name", "description", "parameters", "strict"), f"{where}.function")
    name, description, parameters = (function.get(key) for key in ("name", "description", "parameters"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest("A tool's name is 1 to 64 letters, digits, _ or -.", f"{where}.function.name")
    if not isinstance(parameters, dict | None):
        raise InvalidRequest("A tool's parameters are a JSON schema.", f"{where}.function.parameters")
    if not isinstance(description, str | None):
        raise InvalidRequest("A tool's description is text.", f"{where}.function.description")
    spec: dict[str, Any] = {"name": name, "inputSchema": {"json": parameters or {"type": "object", "properties": {}}}}
    if description:
        spec["description"] = description
    if function.get("strict"):
        spec["strict"] = True
    return [{"toolSpec": spec}, *cache_point(tool, where)]


def _tool_choice(choice: Any) -> dict[str, Any]:
    if choice == "auto":
        return {"auto": {}}
    if choice == "required":
        return {"any": {}}
    function = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = "On Amazon Bedrock tool_choice is auto, none, required, or one function by its name."
        raise InvalidRequest(message, "tool_choice")
    return {"tool": {"name": name}}
