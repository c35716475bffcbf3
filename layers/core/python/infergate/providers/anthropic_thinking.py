"""How Claude models think, and what does not go with it.

Two generations: older models take a budget of tokens (`thinking.budget_tokens`), newer ones decide themselves (`adaptive`)
and take an effort (`output_config.effort`). Newer ones also take no sampling parameters, and the newest always think.

https://platform.claude.com/docs/en/build-with-claude/thinking, /effort and /extended-thinking, and the model table of
@ai-sdk/anthropic 3.0.140, as of November 2026. A model that is not here is sent what it is asked for, in the newest form if
its name says Claude; its provider judges.
"""

from dataclasses import dataclass
from typing import Any

from infergate.kernel.errors import InvalidRequest

BUDGET_MIN = 1024
BUDGET_MAX = 128_000
BUDGET_SHARES = {"minimal": 10, "low": 20, "medium": 50, "high": 80, "xhigh": 95}
"""Percent of the output limit that an effort may think for, where a model takes a budget. The convention is OpenRouter's:
https://openrouter.ai/docs/use-cases/reasoning-tokens."""
TOP_P_WHILE_THINKING_MIN = 0.95
_TO_HIGH = ("low", "medium", "high")
_TO_MAX = (*_TO_HIGH, "max")
_ALL = (*_TO_HIGH, "xhigh", "max")
_KINDS = ("enabled", "adaptive", "disabled", "between_tools")


@dataclass(frozen=True, slots=True)
class Model:
    """`efforts` is empty for a model that takes a budget. `off` is the `thinking.type` that stops it, None where none does.

    `sampling` is how many of temperature and top_p go out together: 0 where the model takes neither.
    """

    efforts: tuple[str, ...] = ()
    off: str | None = "disabled"
    sampling: int = 2
    forced_tools: bool = True
    thinks: bool = True
    hides: bool = False
    """Says what it thought only if asked to (`display`)."""


_BUDGET = Model(sampling=1)
_EARLY_ADAPTIVE = Model(efforts=_TO_MAX, sampling=1)
_ADAPTIVE = Model(efforts=_ALL, sampling=0, hides=True)
_ALWAYS = Model(efforts=_ALL, sampling=0, hides=True, off=None)
_ALWAYS_UNFORCED = Model(efforts=_ALL, sampling=0, hides=True, off=None, forced_tools=False)

MODELS: tuple[tuple[str, Model], ...] = (
    ("claude-sonnet-5-5", Model(_ALL, "between_tools", 0, forced_tools=False, hides=True)),
    ("claude-opus-5-5", _ALWAYS_UNFORCED),
    ("claude-fable-5-", _ALWAYS_UNFORCED),
    ("claude-mythos-5-", _ALWAYS_UNFORCED),
    ("claude-fable-5", _ALWAYS),
    ("claude-mythos", _ALWAYS),
    ("claude-haiku-5-5", _ADAPTIVE),
    ("claude-opus-5", _ADAPTIVE),
    ("claude-sonnet-5", _ADAPTIVE),
    ("claude-opus-4-8", _ADAPTIVE),
    ("claude-opus-4-7", _ADAPTIVE),
    ("claude-opus-4-6", _EARLY_ADAPTIVE),
    ("claude-sonnet-4-6", _EARLY_ADAPTIVE),
    ("claude-opus-4-5", _BUDGET),
    ("claude-sonnet-4-5", _BUDGET),
    ("claude-haiku-4-5", _BUDGET),
    ("claude-opus-4-1", _BUDGET),
    ("claude-opus-4", Model()),
    ("claude-sonnet-4", Model()),
    ("claude-3-7", Model()),
    ("claude-3", Model(thinks=False)),
    ("claude-", Model(efforts=_ALL, hides=True)),
)
"""The first whose name is part of the upstream's name for the model, which may have a prefix, a date or a version."""
_ANOTHERS = Model()


def model_named(name: str) -> Model:
    return next((model for part, model in MODELS if part in name), _ANOTHERS)


def add_thinking(out: dict[str, Any], body: dict[str, Any], model: Model) -> None:
    """`thinking` and `output_config.effort` of `out`. Raises InvalidRequest."""
    own, effort = body.get("thinking"), body.get("reasoning_effort")
    if own is not None:
        out["thinking"] = _checked(own, out["max_tokens"])
    if effort is not None:
        _add_effort(out, effort, model, chosen=own is not None)


def add_sampling(out: dict[str, Any], body: dict[str, Any], model: Model) -> None:
    """temperature, top_p and top_k of `out`, whose thinking stands. A 1 asks for what is so anyway, and is left out: some
    models refuse even that.

    Raises InvalidRequest.
    """
    temperature = _number(
        body, "temperature", "Anthropic's range ends at 1, OpenAI's at 2: nothing is scaled or clamped."
    )
    top_p = _number(body, "top_p", "It is a probability.")
    top_k = body.get("top_k")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise InvalidRequest("top_k is a whole number of at least 1.", "top_k")
    values = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    given = {name: value for name, value in values.items() if value is not None}
    for name in given if model.sampling == 0 else ():
        raise InvalidRequest(f"This model takes no {name}.", name)
    if temperature is not None and top_p is not None and model.sampling == 1:
        raise InvalidRequest("This model takes temperature or top_p, not both.", "top_p")
    if given and _thinks(out):
        for name in ("temperature", "top_k"):
            if name in given:
                raise InvalidRequest(f"With reasoning this model takes no {name}.", name)
        if top_p is not None and top_p < TOP_P_WHILE_THINKING_MIN:
            raise InvalidRequest(f"With reasoning top_p is at least {TOP_P_WHILE_THINKING_MIN}.", "top_p")
    out.update(given)


def check_forced_tools(out: dict[str, Any], model: Model) -> None:
    """Raises InvalidRequest where a tool is forced on a model that may think first."""
    if out.get("tool_choice", {}).get("type") not in ("any", "tool"):
        return
    if not model.forced_tools:
        raise InvalidRequest("This model cannot be forced to call a tool: use auto.", "tool_choice")
    if _thinks(out):
        raise InvalidRequest("With reasoning no tool call can be forced: use auto or none.", "tool_choice")


def _thinks(out: dict[str, Any]) -> bool:
    return out.get("thinking", {}).get("type") in ("enabled", "adaptive")


def _checked(own: Any, max_tokens: int) -> dict[str, Any]:
    """Anthropic's own object. Only what the output limit decides is checked here; the rest is its provider's to judge."""
    if not isinstance(own, dict) or own.get("type") not in _KINDS:
        raise InvalidRequest(f"thinking is an object whose type is one of {', '.join(_KINDS)}.", "thinking")
    if own["type"] == "enabled":
        budget = own.get("budget_tokens")
        if isinstance(budget, bool) or not isinstance(budget, int) or not BUDGET_MIN <= budget < max_tokens:
            message = f"budget_tokens is at least {BUDGET_MIN} and less than the output limit, which is {max_tokens}."
            raise InvalidRequest(message, "thinking.budget_tokens")
    return own


def _add_effort(out: dict[str, Any], effort: Any, model: Model, *, chosen: bool) -> None:
    """`chosen`: the caller said in Anthropic's words how to think, so that an effort is only that."""
    if effort == "none" and not chosen:
        if model.off is None:
            raise InvalidRequest(
                f"This model always reasons. Its least effort is {model.efforts[0]}.", "reasoning_effort"
            )
        if model.thinks:
            out["thinking"] = {"type": model.off}
        return
    if not model.thinks:
        raise InvalidRequest("This model does not reason.", "reasoning_effort")
    levels = model.efforts or tuple(BUDGET_SHARES)
    if effort not in levels:
        raise InvalidRequest(f"reasoning_effort of this model is one of {', '.join(levels)}.", "reasoning_effort")
    if model.efforts:
        out["output_config"] = {"effort": effort}
        if not chosen:
            out["thinking"] = {"type": "adaptive", "display": "summarized"} if model.hides else {"type": "adaptive"}
    elif chosen:
        raise InvalidRequest("thinking says it already: this model takes a budget, no effort.", "reasoning_effort")
    else:
        out["thinking"] = {"type": "enabled", "budget_tokens": _budget(out["max_tokens"], effort)}


def _budget(max_tokens: int, effort: str) -> int:
    """At least Anthropic's least, and always less than the output limit, so that something is left for the answer."""
    if max_tokens <= BUDGET_MIN:
        message = f"This model needs an output limit above {BUDGET_MIN} tokens to reason; it is {max_tokens}."
        raise InvalidRequest(message, "reasoning_effort")
    return max(BUDGET_MIN, min(max_tokens * BUDGET_SHARES[effort] // 100, BUDGET_MAX))


def _number(body: dict[str, Any], name: str, why: str) -> float | None:
    """From 0 to 1; None where it is not given or says what is so anyway."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidRequest(f"{name} of this model is a number from 0 to 1. {why}", name)
    return None if value == 1 else value
