"""How each family of models on Bedrock is told how much to think: Converse itself passes that on as it is.

Claude     https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
Nova 2     https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
OpenAI     reasoning_effort for gpt-oss, reasoning.effort for the rest (anomalyco/opencode#48195, BerriAI/litellm#38279)
"""

import re
from typing import Any

from infergate.kernel.errors import InvalidRequest

_MODEL = re.compile(r"(?:[a-z][a-z-]*\.)?(anthropic|amazon|openai)\.(.+)")
"""A model's name, with or without the region of an inference profile before it."""
_WITH_BUDGET = re.compile(r"claude-(3-7-sonnet|(opus|sonnet|haiku)-4(-[015])?-20\d{6})")
"""The Claudes that are given a number of tokens. Those after them think as much as they find right, by `effort`."""
_WITHOUT_THOUGHTS = re.compile(r"claude-(instant|v\d|3-(5-)?(opus|sonnet|haiku))")
_SAYS_WHAT_IT_THOUGHT = re.compile(r"claude-(opus|sonnet)-4-6")
"""Of those with an effort. Later ones say it only if asked to."""
BUDGET_SHARES = {"minimal": 10, "low": 20, "medium": 50, "high": 80, "xhigh": 95}
"""Percent of the output's limit. The convention is OpenRouter's: https://openrouter.ai/docs/use-cases/reasoning-tokens."""
BUDGET_MIN = 1024
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def reasoning_fields(given: dict[str, Any], model: str) -> dict[str, Any]:
    """additionalModelRequestFields for `reasoning_effort`, or for Anthropic's own `thinking`. Raises InvalidRequest."""
    effort, thinking = given.get("reasoning_effort"), given.get("thinking")
    match = _MODEL.fullmatch(model.rpartition("/")[2])
    family, name = match.groups() if match else ("", "")
    if thinking is not None:
        if effort is not None or family != "anthropic" or not isinstance(thinking, dict):
            raise InvalidRequest("thinking is an object, for Claude, and excludes reasoning_effort.", "thinking")
        return {"thinking": thinking}
    if effort is None:
        return {}
    if family == "anthropic":
        return _claude(effort, name, given.get("max_tokens", given.get("max_completion_tokens")))
    if family == "openai":
        return _openai(effort, name)
    if family == "amazon" and name.startswith("nova-2-"):
        return _nova(effort)
    raise InvalidRequest("This model does not say how it is told how much to think.", "reasoning_effort")


def _claude(effort: Any, name: str, limit: int | None) -> dict[str, Any]:
    if _WITHOUT_THOUGHTS.match(name):
        raise InvalidRequest("This model does not reason.", "reasoning_effort")
    with_budget = _WITH_BUDGET.match(name) is not None
    _one_of(effort, ("none", *(BUDGET_SHARES if with_budget else _EFFORTS)))
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if not with_budget:
        display = {} if _SAYS_WHAT_IT_THOUGHT.match(name) else {"display": "summarized"}
        return {"thinking": {"type": "adaptive", **display}, "output_config": {"effort": effort}}
    if limit is None or limit <= BUDGET_MIN:
        message = f"To reason, this model needs more than {BUDGET_MIN} tokens of output."
        raise InvalidRequest(message, "reasoning_effort")
    budget = max(BUDGET_MIN, limit * BUDGET_SHARES[effort] // 100)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


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
