"""One block after the other, whatever the order in which their pieces come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infergate.edge.wire.blocks import (
    DELTA,
    REASONING,
    REDACTED,
    REFUSAL,
    SIGNATURE,
    START,
    STOP,
    TEXT,
    Block,
    Blocks,
    Step,
    answer_blocks,
    ending,
    first_choice,
)

from tests.support.chat_streams import Said, said

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "delta", "message", "content", "refusal", "reasoning_content", "reasoning_details"),
                    *("tool_calls", "function", "custom", "arguments", "input", "name", "id", "index", "text", "type"),
                    *(
                        "signature",
                        "data",
                        "finish_reason",
                        "logprobs",
                        "usage",
                        "model",
                        "prompt_tokens",
                        "stop_reason",
                    ),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def steps(deltas: list[Any]) -> list[Step]:
    blocks = Blocks()
    return [step for delta in deltas for step in blocks.take({"delta": delta})] + list(blocks.end())


def made(deltas: list[Any]) -> list[Block]:
    return [step.block for step in steps(deltas) if step.what == STOP]


def call(index: int | None, arguments: str, **more: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {"tool_calls": [place | {"function": {"arguments": arguments} | more.pop("function", {})} | more]}


@given(said())
def test_blocks_never_overlap_and_what_they_say_is_what_the_stream_said(stream: Said) -> None:
    blocks = Blocks()
    taken = [step for chunk in stream.chunks for step in blocks.take(chunk["choices"][0])] + list(blocks.end())

    open_block, grown = None, ""
    for step in taken:
        if step.what == START:
            assert open_block is None
            open_block, grown = step.block, ""
        assert step.block is open_block
        if step.what == DELTA:
            grown += step.text
        if step.what == STOP:
            assert grown == step.block.text
            open_block = None
    assert open_block is None
    done = [step.block for step in taken if step.what == STOP]
    assert [block.index for block in done] == list(range(len(done)))
    for kind, text in ((REASONING, stream.reasoning), (TEXT, stream.content), (REFUSAL, stream.refusal)):
        assert "".join(block.text for block in done if block.kind == kind) == text
    assert sorted((block.id, block.name, block.text) for block in done if block.is_tool) == sorted(stream.calls)


@given(said())
def test_a_whole_answer_has_the_same_blocks_as_its_stream(stream: Said) -> None:
    calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in stream.calls]
    message = {"content": stream.content, "refusal": stream.refusal, "tool_calls": calls}

    blocks = answer_blocks({"message": message | {"reasoning_content": stream.reasoning}})

    expected = [*filter(None, (stream.reasoning, stream.content, stream.refusal)), *(a for _, _, a in stream.calls)]
    assert [block.text for block in blocks] == expected


@given(st.lists(ANYTHING, max_size=4))
def test_no_shape_of_a_provider_breaks_it(choices: list[Any]) -> None:
    blocks = Blocks()
    taken = [step for choice in choices for step in blocks.take(choice)] + list(blocks.end())

    assert [s.what for s in taken].count(START) == [s.what for s in taken].count(STOP)


def test_a_call_is_said_at_once_when_the_one_before_it_is_whole() -> None:
    taken = steps([call(0, '{"a":', id="x"), call(0, "1}"), call(1, "{}", id="y")])

    assert [step.what for step in taken] == [START, DELTA, DELTA, STOP, START, DELTA, STOP]


def test_calls_that_mix_are_said_one_after_the_other() -> None:
    blocks = made([call(0, '{"a":', id="x"), call(1, '{"b":', id="y"), call(0, "1}"), call(1, "2}")])

    assert [(block.id, block.text) for block in blocks] == [("x", '{"a":1}'), ("y", '{"b":2}')]


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    blocks = made([call(0, "{}", id="x"), call(0, "{}", id="y")])

    assert [(block.id, block.text) for block in blocks] == [("x", "{}"), ("y", "{}")]


def test_what_follows_a_whole_call_does_not_open_it_again() -> None:
    blocks = made([call(0, "{}", id="x"), {"content": "so"}, call(0, " ")])

    assert [(block.kind, block.text) for block in blocks] == [("function", "{}"), (TEXT, "so")]


def test_a_signature_and_sealed_reasoning_keep_their_place() -> None:
    details = [{"type": "reasoning.text", "signature": "sig"}, {"type": "reasoning.encrypted", "data": "sealed"}]

    taken = steps([{"reasoning_content": "hm"}, {"reasoning_details": details}, {"content": "so"}])

    assert [(step.what, step.text) for step in taken[:3]] == [(START, ""), (DELTA, "hm"), (SIGNATURE, "sig")]
    assert [(s.block.kind, s.block.text) for s in taken if s.what == STOP] == [
        (REASONING, "hm"),
        (REDACTED, "sealed"),
        (TEXT, "so"),
    ]


def test_reasoning_that_is_kept_secret_has_a_signature_and_no_text() -> None:
    blocks = made([{"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "sig"}]}])

    assert [(block.kind, block.text, block.signature) for block in blocks] == [(REASONING, "", "sig")]


def test_log_probabilities_stay_with_their_text() -> None:
    blocks = Blocks()
    token = {"token": "so", "logprob": -0.1}

    first, second = list(blocks.take({"delta": {"content": "so"}, "logprobs": {"content": [token]}}))

    assert (first.logprobs, second.logprobs, second.block.logprobs) == ((), (token,), [token])


@pytest.mark.parametrize(
    ("finish", "called", "meant"),
    [
        *(("stop", False, "stop"), ("stop", True, "tool_calls"), (None, True, "tool_calls"), (None, False, "stop")),
        *(("length", True, "length"), ("content_filter", True, "content_filter"), ("tool_calls", False, "tool_calls")),
        *(("function_call", False, "tool_calls"), ("eos", False, "stop"), (5, False, "stop")),
    ],
)
def test_why_an_answer_ended_is_one_of_four_words(finish: Any, called: bool, meant: str) -> None:
    assert ending({"finish_reason": finish}, called=called) == meant


def test_only_the_first_choice_is_said() -> None:
    answer = {"choices": [{"index": 1, "x": 1}, {"index": 0, "x": 2}]}

    assert first_choice(answer) == {"index": 0, "x": 2}
    assert first_choice({"choices": []}) is None
