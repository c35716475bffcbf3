"""The legacy completions, by a chat of one message."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from infergate.edge.wire.completions import MAX_TOKENS, completion, parse_completions
from infergate.edge.wire.translated import Translated
from infergate.kernel.errors import InvalidRequest

from tests.support.chat_streams import Said, said
from tests.support.published import faults
from tests.unit.edge.wire.test_blocks import ANYTHING
from tests.unit.edge.wire.test_responses_answer import answer


def parse(**fields: Any) -> Translated:
    return parse_completions(json.dumps({"model": "m", "prompt": "hello", **fields}).encode(), "req_1")


@pytest.mark.parametrize("prompt", ["hello", ["hello"]])
def test_a_prompt_is_one_message_of_the_users(prompt: Any) -> None:
    request = parse(prompt=prompt)

    assert request.body["messages"] == [{"role": "user", "content": "hello"}]
    assert (request.wire, request.max_output) == ("completions", MAX_TOKENS)
    assert request.input_bytes >= len("hello")


def test_options_go_out_as_they_are_and_log_probabilities_under_a_chats_names() -> None:
    body = parse(n=2, best_of=2, logprobs=3, max_tokens=5, stop=["x"], seed=7, echo=False).body

    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == {
        "n": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "max_tokens": 5,
        "stop": ["x"],
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        *(({"prompt": value}, "prompt") for value in (None, "", [], [1, 2], [[1]], ["a", "b"], 5, {})),
        *(({"suffix": "x"}, "suffix"), ({"echo": True}, "echo"), ({"echo": 1}, "echo")),
        *(({"best_of": 2}, "best_of"), ({"best_of": 3, "n": 2}, "best_of"), ({"n": 0}, "n"), ({"n": 129}, "n")),
        *(({"max_tokens": 0}, "max_tokens"), ({"logprobs": True}, "logprobs"), ({"logprobs": 21}, "logprobs")),
        *(({name: 1}, name) for name in ("messages", "tools", "max_completion_tokens", "top_logprobs")),
        *(({"stream_options": {}}, "stream_options"), ({"model": None}, "model"), ({"audio": {}}, "audio")),
    ],
    ids=repr,
)
def test_a_fault_is_refused_under_the_name_of_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**fields)

    assert refused.value.param == param


@settings(max_examples=40, deadline=None)
@given(said())
def test_chunks_and_whole_answers_are_as_published_and_say_what_the_chat_said(stream: Said) -> None:
    chunks = [completion(chunk) for chunk in stream.chunks]

    assert len("".join(chunk["choices"][0]["text"] for chunk in chunks)) == len(stream.content + stream.refusal)
    assert chunks[-1]["choices"][0]["finish_reason"] == stream.finish
    whole = completion(answer(stream.finish, content=stream.content) | {"created": 1})
    assert faults("openai", "CreateCompletionResponse", whole) == []
    assert whole["choices"][0]["text"] == stream.content


def test_log_probabilities_are_four_lists_side_by_side() -> None:
    tokens = [
        {"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "a", "logprob": -1.0}]},
        {"token": "bc", "logprob": -2.0},
        {"token": "d", "logprob": -3.0},
    ]
    shown = answer(content="abcd")
    shown["choices"][0]["logprobs"] = {"content": tokens}

    assert completion(shown)["choices"][0]["logprobs"] == {
        "tokens": ["a", "bc", "d"],
        "token_logprobs": [-1.0, -2.0, -3.0],
        "top_logprobs": [{"a": -1.0}, {}, {}],
        "text_offset": [0, 1, 3],
    }


@settings(deadline=None)
@given(ANYTHING.filter(lambda value: isinstance(value, dict)))
def test_no_shape_of_a_provider_breaks_it(given_answer: Any) -> None:
    assert completion(given_answer)["object"] == "text_completion"
