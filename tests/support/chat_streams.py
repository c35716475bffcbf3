"""Chat streams as providers send them, for hypothesis: any texts, any tool calls, mixed and cut in any way."""

import itertools
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

type Json = dict[str, Any]

TEXT = st.text(min_size=1, max_size=12)
OBJECTS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=6) | st.booleans(), max_size=3)


@dataclass(frozen=True)
class Said:
    """What a stream says in all, and the chunks that say it."""

    reasoning: str
    content: str
    refusal: str
    calls: tuple[tuple[str, str, str], ...]
    """(id, name, arguments) each."""
    finish: str
    chunks: list[Json]


def cut(text: str, at: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in at} | {0, len(text)})
    return [text[a:b] for a, b in itertools.pairwise(ends)] or [""]


@st.composite
def said(draw: st.DrawFn) -> Said:
    """Each voice's pieces keep their order; how the voices mix is anyone's guess."""
    reasoning, content, refusal = (draw(st.just("") | TEXT) for _ in range(3))
    arguments = draw(st.lists(OBJECTS.map(json.dumps), max_size=3))
    calls = tuple((f"call_{i}", f"tool_{i}", argument) for i, argument in enumerate(arguments))
    places = st.lists(st.integers(0, 40), max_size=4)
    rows: list[list[Json]] = []
    for name, text in (("reasoning_content", reasoning), ("content", content), ("refusal", refusal)):
        rows.append([{name: piece} for piece in cut(text, draw(places)) if piece])
    for i, (call_id, name, argument) in enumerate(calls):
        first, *rest = cut(argument, draw(places))
        opening = {"index": i, "id": call_id, "type": "function", "function": {"name": name, "arguments": first}}
        rows.append([{"tool_calls": [opening]}])
        rows[-1] += [{"tool_calls": [{"index": i, "function": {"arguments": piece}}]} for piece in rest]
    deltas: list[Json] = []
    while any(rows):
        row = draw(st.sampled_from([row for row in rows if row]))
        deltas.append(row.pop(0))
    finish = draw(st.sampled_from(["stop", "length", "content_filter"]))
    return Said(reasoning, content, refusal, calls, finish, [chunk(delta) for delta in deltas] + [chunk({}, finish)])


def chunk(delta: Json, finish: str | None = None) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
