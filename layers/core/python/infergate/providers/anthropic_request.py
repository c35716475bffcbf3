"""A chat completions body as Anthropic's Messages API takes it. Pure; raises InvalidRequest with the field at fault.

A null says nothing, and so does a value in the third column: it is what Anthropic does anyway.

| OpenAI's field                            | Anthropic's                 | says nothing | refused                     |
| ----------------------------------------- | --------------------------- | ------------ | --------------------------- |
| messages                                  | messages, system            |              | see anthropic_messages.py   |
| max_completion_tokens, max_tokens         | max_tokens                  |              | neither                     |
| temperature, top_p                        | the same                    | 1            | see anthropic_thinking.py   |
| reasoning_effort                          | thinking, output_config     |              | see anthropic_thinking.py   |
| stop                                      | stop_sequences              | []           | only white space            |
| stream                                    | stream                      | false        |                             |
| tools, tool_choice                        | the same                    | []           | custom tools, allowed_tools |
| parallel_tool_calls: false                | disable_parallel_tool_use   | true         |                             |
| response_format: json_schema              | output_config.format        | text         | json_object                 |
| user, safety_identifier, metadata.user_id | metadata.user_id            |              | unequal                     |
| service_tier: default                     | service_tier: standard_only | auto         | others                      |
| top_k, thinking, cache_control            | the same: its own names     |              |                             |
| stream_options, prompt_cache_key          | (how a gateway streams, and where it routes)             ||
| metadata, but user_id                     | (labels of stored answers, and none is stored)           ||
| any other                                 |                             | see _SILENT  | all else                    |

Among the others are Anthropic's own that change the price or run its tools: container, mcp_servers, inference_geo, speed.
"""

from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.providers.anthropic_messages import cache_control, conversation
from infergate.providers.anthropic_thinking import add_sampling, add_thinking, check_forced_tools, model_named

_SILENT: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "store": (False,),
    "prompt_cache_retention": ("in_memory", "in-memory"),
}
"""What these fields may say, because it is what Anthropic does anyway."""
_TRANSLATED = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "stream"}
    | {
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "thinking",
        "cache_control",
    }
    | {"user", "safety_identifier", "metadata", "service_tier", "stream_options", "prompt_cache_key"}
)


def messages_body(body: dict[str, Any], model: str) -> dict[str, Any]:
    """The body for POST /v1/messages to `model`."""
    _refuse_others(body)
    terms = model_named(model)
    system, messages = conversation(body.get("messages"))
    out: dict[str, Any] = {"model": model, "max_tokens": _output_limit(body), "messages": messages}
    if system:
        out["system"] = system
    if body.get("stream"):
        out["stream"] = True
    if marker := cache_control(body, ""):
        out["cache_control"] = marker
    if stops := _stop_sequences(body.get("stop")):
        out["stop_sequences"] = stops
    if user := _user_id(body):
        out["metadata"] = {"user_id": user}
    _add_tier(out, body.get("service_tier"))
    _add_tools(out, body)
    add_thinking(out, body, terms)
    add_sampling(out, body, terms)
    check_forced_tools(out, terms)
    _add_format(out, body.get("response_format"))
    return out


def _refuse_others(body: dict[str, Any]) -> None:
    for name, value in body.items():
        if name in _TRANSLATED or value is None:
            continue
        # 1 == True in Python; in JSON they are different answers.
        if not any(value == silent and type(value) is type(silent) for silent in _silent(name)):
            raise InvalidRequest(f"This model's provider has nothing like {name[:100]}, or not this value.", name[:100])


def _silent(name: str) -> tuple[Any, ...]:
    values = _SILENT.get(name, ())
    return (*values, *(float(value) for value in values if type(value) is int))


def _output_limit(body: dict[str, Any]) -> int:
    given: list[int] = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    if not given or any(isinstance(limit, bool) or not isinstance(limit, int) or limit < 1 for limit in given):
        raise InvalidRequest("This model needs an output limit: a whole number of at least 1.", "max_tokens")
    return min(given)


def _stop_sequences(stop: Any) -> list[str]:
    stops = [stop] if isinstance(stop, str) else [] if stop is None else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise InvalidRequest("stop is a string or a list of strings.", "stop")
    if any(not one.strip() for one in stops):
        raise InvalidRequest("This model stops at nothing that is only white space.", "stop")
    return stops


def _user_id(body: dict[str, Any]) -> str | None:
    """Whom the request is for, under any of three names."""
    labels = body.get("metadata")
    if labels is not None and not isinstance(labels, dict):
        raise InvalidRequest("metadata is an object.", "metadata")
    named = {
        "safety_identifier": body.get("safety_identifier"),
        "user": body.get("user"),
        "metadata.user_id": (labels or {}).get("user_id"),
    }
    found: str | None = None
    for name, value in named.items():
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise InvalidRequest(f"{name} is a string.", name)
        if found is not None and found != value:
            raise InvalidRequest("This model's provider takes one name for the user, and these differ.", name)
        found = value
    return found


def _add_tier(out: dict[str, Any], tier: Any) -> None:
    if tier in ("default", "standard_only"):
        out["service_tier"] = "standard_only"
    elif tier not in (None, "auto"):
        raise InvalidRequest("service_tier of this model is auto or default.", "service_tier")


# -- tools ----------------------------------------------------------------------------------------------------------


def _add_tools(out: dict[str, Any], body: dict[str, Any]) -> None:
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise InvalidRequest("tools is a list.", "tools")
    if tools:
        out["tools"] = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools)]
    choice = _tool_choice(body.get("tool_choice"))
    parallel = body.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        raise InvalidRequest("parallel_tool_calls is true or false.", "parallel_tool_calls")
    if not tools:
        if choice is not None and choice["type"] in ("any", "tool"):
            raise InvalidRequest("There are no tools to choose from.", "tool_choice")
        return
    if parallel is False and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        out["tool_choice"] = choice


def _tool(tool: Any, where: str) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        raise InvalidRequest("Tools of this model are functions.", where)
    function = tool["function"]
    _known(tool, ("type", "function", "cache_control"), where)
    _known(function, ("name", "description", "parameters", "strict", "cache_control"), f"{where}.function")
    name = function.get("name")
    if not isinstance(name, str):
        raise InvalidRequest("A function has a name.", f"{where}.function.name")
    out: dict[str, Any] = {"name": name, "input_schema": _input_schema(function.get("parameters"), where)}
    if function.get("description") is not None:
        out["description"] = function["description"]
    if function.get("strict"):
        out["strict"] = True
    if marker := cache_control(tool, where) or cache_control(function, f"{where}.function"):
        out["cache_control"] = marker
    return out


def _input_schema(parameters: Any, where: str) -> dict[str, Any]:
    """No parameters are an object without properties to both."""
    if parameters is None:
        return {"type": "object", "properties": {}}
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise InvalidRequest("parameters is a JSON schema of type object.", f"{where}.function.parameters")
    return parameters if "type" in parameters else {"type": "object", **parameters}


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in ("none", "auto", "required"):
        return {"type": "any" if choice == "required" else choice}
    function = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InvalidRequest("tool_choice of this model is none, auto, required or a function.", "tool_choice")
    return {"type": "tool", "name": function["name"]}


# -- structured output ------------------------------------------------------------------------------------------------


def _add_format(out: dict[str, Any], wanted: Any) -> None:
    """https://platform.claude.com/docs/en/build-with-claude/structured-outputs: the answer follows the schema, always strictly.

    A schema's `name` is a label of OpenAI's; its `description` becomes the schema's own.
    """
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return
    if kind == "json_object":
        message = "This model's provider has no JSON mode without a schema: use json_schema."
        raise InvalidRequest(message, "response_format.type")
    described = wanted.get("json_schema") if kind == "json_schema" else None
    schema = described.get("schema") if isinstance(described, dict) else None
    if not isinstance(described, dict) or not isinstance(schema, dict):
        raise InvalidRequest("response_format is text, or a json_schema with its schema.", "response_format")
    description = described.get("description")
    if description is not None and description != schema.get("description"):
        if "description" in schema:
            message = "This model's provider has room for one description, and the schema has its own."
            raise InvalidRequest(message, "response_format.json_schema.description")
        schema = {**schema, "description": description}
    out["output_config"] = {**out.get("output_config", {}), "format": {"type": "json_schema", "schema": schema}}


def _known(part: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    for name, value in part.items():
        if name not in names and value is not None:
            raise InvalidRequest(f"This model's provider has nothing like {name[:100]} here.", f"{where}.{name[:100]}")
