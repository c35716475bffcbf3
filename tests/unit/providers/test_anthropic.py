"""The provider kind `anthropic`: where a call goes, what it carries, what a refusal says."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infergate.kernel.errors import InvalidRequest
from infergate.providers.anthropic import Anthropic
from infergate.providers.types import Provider, Refusal, Target

RECORDED = Path(__file__).parent / "recorded" / "anthropic"
PROVIDER: Provider = Anthropic(lambda: 0)
TARGET = Target("https://provider.example/v1", "claude-haiku-4-5", "s3cret")
BODY: dict[str, Any] = {"model": "ours", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16}


def test_a_call_goes_to_messages_with_the_key_in_its_header_and_nowhere_else() -> None:
    call = PROVIDER.call("chat/completions", BODY, TARGET)

    assert call.path == "/messages"
    assert call.headers == [
        ("content-type", "application/json"),
        ("x-api-key", "s3cret"),
        ("anthropic-version", "2023-06-01"),
    ]
    assert b"s3cret" not in call.body


def test_there_are_no_embeddings() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        PROVIDER.call("embeddings", {"model": "ours", "input": "Hello"}, TARGET)

    assert refusal.value.param == "model"


def test_a_refusal_says_what_and_of_which_kind() -> None:
    assert PROVIDER.refusal((RECORDED / "error.json").read_bytes()) == Refusal(
        'messages: roles must alternate between "user" and "assistant"', "invalid_request_error", None
    )


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"{}", b'{"error":"x"}', b'{"error":{"message":5,"type":[]}}'])
def test_a_refusal_without_words_is_empty(raw: bytes) -> None:
    assert PROVIDER.refusal(raw) == Refusal()


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd_for_a_refusal_or_an_answer(raw: bytes) -> None:
    assert isinstance(PROVIDER.refusal(raw), Refusal)
    assert PROVIDER.answer("chat/completions", {}, raw) is None
