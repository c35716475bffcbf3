"""Usage in foreign forms: the same counts in the same buckets, and the same absurdities refused."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.openai import OpenAI
from infergate.providers.quirks import KINDS
from infergate.providers.types import USAGE_MAX

LAW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COUNT = st.integers(0, USAGE_MAX // 3)
BESIDE = ["gemini", "xai"]
ELSEWHERE = {kind: q.replies.cached_in for kind, q in KINDS.items() if q.replies and q.replies.cached_in}


def answer(**usage: Any) -> dict[str, Any]:
    return {"choices": [], "usage": usage}


@LAW
@given(st.sampled_from(BESIDE), COUNT, COUNT, COUNT, st.booleans())
def test_reasoning_beside_the_output_is_charged_once(
    kind: str, prompt: int, output: int, reasoning: int, told: bool
) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": reasoning}} if told else {}
    said = answer(prompt_tokens=prompt, completion_tokens=output, total_tokens=prompt + output + reasoning, **details)

    usage = OpenAI(KINDS[kind]).usage(said)

    assert usage is not None
    assert (usage.units.get("output", 0), usage.units.get("reasoning", 0)) == (output, reasoning)
    assert usage.wire["prompt_tokens"] + usage.wire["completion_tokens"] == usage.wire["total_tokens"]
    again = OpenAI(KINDS[kind]).usage({"choices": [], "usage": usage.wire})
    assert again is not None
    assert again.units == usage.units, "what is in OpenAI's form already stays as it is"


@pytest.mark.parametrize("kind", BESIDE)
def test_an_output_of_nothing_but_thoughts_is_charged(kind: str) -> None:
    usage = OpenAI(KINDS[kind]).usage(answer(prompt_tokens=21, total_tokens=81))

    assert usage is not None
    assert usage.units == {"input": 21, "reasoning": 60}


@pytest.mark.parametrize("kind", BESIDE)
@pytest.mark.parametrize("total", [None, -1, 14, "15", 15.5, True, USAGE_MAX + 1])
def test_an_absurd_total_is_refused_where_the_charge_hangs_on_it(kind: str, total: Any) -> None:
    with pytest.raises(ValueError, match=r"total_tokens is|fewer tokens"):
        OpenAI(KINDS[kind]).usage(answer(prompt_tokens=10, completion_tokens=5, total_tokens=total))


@LAW
@given(st.sampled_from(sorted(ELSEWHERE)), COUNT, COUNT, st.data())
def test_cached_tokens_are_found_under_the_providers_own_name(
    kind: str, prompt: int, output: int, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, prompt))
    said = answer(prompt_tokens=prompt, completion_tokens=output, **{ELSEWHERE[kind]: cached})

    usage = OpenAI(KINDS[kind]).usage(said)

    assert usage is not None
    assert (usage.units.get("input", 0), usage.units.get("cached_input", 0)) == (prompt - cached, cached)
    assert usage.wire["prompt_tokens_details"] == {"cached_tokens": cached}


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("cached", [-1, "5", 1.5, True, 11, USAGE_MAX + 1])
def test_absurd_cached_tokens_are_refused_under_any_name(kind: str, cached: Any) -> None:
    with pytest.raises(ValueError, match="cached"):
        OpenAI(KINDS[kind]).usage(answer(prompt_tokens=10, completion_tokens=5, **{ELSEWHERE[kind]: cached}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-1, "5", 0.5, True, USAGE_MAX + 1, 10**400])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_an_absurd_count_is_refused_for_every_kind(kind: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="_tokens is"):
        OpenAI(KINDS[kind]).usage(
            answer(**{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, name: value})
        )


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_with_an_absurd_usage_is_still_an_answer(kind: str) -> None:
    raw = b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1}}'

    said = OpenAI(KINDS[kind]).answer("chat/completions", {}, raw)

    assert said is not None
    assert said["choices"][0]["message"]["content"] == "Hi"
    with pytest.raises(ValueError, match="prompt_tokens"):
        OpenAI(KINDS[kind]).usage(said)
