"""How each family of models on Bedrock is told how much to think: Converse itself passes that on as it is.

Claude     in Anthropic's own words (anthropic_thinking.py):
           https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
Nova 2     https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
OpenAI     reasoning_effort for gpt-oss, reasoning.effort for the rest (anomalyco/opencode#48195, BerriAI/litellm#38279)
"""

import re
from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.providers.anthropic_thinking import add_thinking, model_named

_MODEL = re.compile(r"(?:[a-z][a-z-]*\.)?(anthropic|amazon|openai)\.(.+)")
"""A model's name, with or without the region of an inference profile before it."""
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def reasoning_fields(given: dict[str, Any], model: str) -> dict[str, Any]:
    """additionalModelRequestFields for `reasoning_effort`, and for Anthropic's own `thinking`. Raises InvalidRequest."""
    effort, thinking = given.get("reasoning_effort"), given.get("thinking")
    if effort is None and thinking is None:
        return {}
    match = _MODEL.fullmatch(model.rpartition("/")[2])
    family, name = match.groups() if match else ("", "")
    if family == "anthropic":
        return _claude(given, name)
    if thinking is not None:
        raise InvalidRequest("thinking is for Claude.", "thinking")
    if family == "openai":
        return _openai(effort, name)
    if family == "amazon" and name.startswith("nova-2-"):
        return _nova(effort)
    raise InvalidRequest("This model does not say how it is told how much to think.", "reasoning_effort")


def _claude(given: dict[str, Any], name: str) -> dict[str, Any]:
    """The fields are Anthropic's own."""
    limit = given.get("max_tokens", given.get("max_completion_tokens", 0))
    fields: dict[str, Any] = {"max_tokens": limit}
    add_thinking(fields, given, model_named(name))
    del fields["max_tokens"]
    return fields


def _openai(effort: Any, name: str) -> dict[str, Any]:
    if name.startswith("gpt-oss"):
        return {"reasoning_effort": _one_of(effort, ("low", "medium", "high"))}
    return {"reasoning": {"effort": _one_of(effort, ("none", "minimal", *_EFFORTS))}}


def _nova(effort: Any) -> dict[str, Any]:
    """At `high` Nova takes no limit of its output, and each of our requests has one: it is what the hold covers."""
    if _one_of(effort, ("none", "low", "medium")) == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def _one_of(effort: Any, known: tuple[str, ...]) -> str:
    if not isinstance(effort, str) or effort not in known:
        raise InvalidRequest(f"reasoning_effort is one of {', '.join(known)} for this model.", "reasoning_effort")
    return effort
