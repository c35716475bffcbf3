"""What a provider's refusal means: may another route be tried, and whose words reach the caller."""

import json
from typing import Any, cast

import pytest
from infergate.catalog.types import Channel, PriceBook, Route
from infergate.chat.attempts import Attempts, _said_no, may_go_on, not_answered
from infergate.kernel.errors import UpstreamFailed
from infergate.providers.openai import OpenAI
from infergate.transport.http1 import FirstByteTimeout, ReadTimeout, Response, TransportError

ROUTE = Route("route-a", Channel("on", "openai", "https://a.example.com", "a"), "m", PriceBook("book", "1", {}))
WORDS = {"error": {"message": "their words", "code": "their_code", "param": "their_param"}}


class Head:
    """As much of a Response as is looked at: no body, one header."""

    def __init__(self, status: int, retry_after: bytes | None = None) -> None:
        self.status = status
        self._retry_after = retry_after

    def header(self, name: bytes) -> bytes | None:
        return self._retry_after if name == b"retry-after" else None


def said_no(status: int, body: Any = WORDS, retry_after: bytes | None = None) -> UpstreamFailed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _said_no(OpenAI(), ROUTE, cast("Response", Head(status, retry_after)), raw)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_provider_that_refuses_the_request_says_why(status: int) -> None:
    failed = said_no(status)

    assert (failed.message, failed.code, failed.param) == ("their words", "their_code", "their_param")


@pytest.mark.parametrize("status", [302, 401, 402, 403, 404, 408, 409, 429, 451, 500, 502, 503, 504, 529])
def test_of_any_other_refusal_no_word_reaches_the_caller(status: int) -> None:
    failed = said_no(status)

    assert "their" not in repr(failed)
    assert failed.message


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"5", b"null", b"\xff", {}, {"error": None}, {"error": "their words"}, {"error": []}),
        *({"error": {"message": 5, "code": 5, "param": {}}}, {"error": {"message": None}}),
    ],
)
def test_a_refusal_in_no_known_form_is_told_in_our_words(body: Any) -> None:
    failed = said_no(400, body)

    assert failed.message == "The model's provider refused the request."
    assert (failed.code, failed.param) == (None, None)


def test_long_words_are_cut() -> None:
    failed = said_no(400, {"error": dict.fromkeys(("message", "code", "param"), "x" * 10000)})

    assert [len(text or "") for text in (failed.message, failed.code, failed.param)] == [500, 100, 200]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *((b"1", 1.0), (b"0.5", 0.5), (b"86400", 86_400.0), (b"86401", None), (b"-1", None), (None, None), (b"", None)),
        *((b"nan", None), (b"inf", None), (b"soon", None), (b"Wed, 21 Oct 2026 07:28:00 GMT", None), (b"\xff", None)),
    ],
)
def test_a_wait_is_seconds_within_a_day_or_not_known(header: bytes | None, seconds: float | None) -> None:
    assert said_no(429, retry_after=header).retry_after_s == seconds


@pytest.mark.parametrize(
    ("statuses", "on"),
    [((0, 401, 402, 403, 404, 408, 409, 424, 429, 500, 502, 503, 504, 529), True), ((302, 400, 413, 415, 422), False)],
)
def test_another_route_is_tried_unless_the_request_itself_is_at_fault(statuses: tuple[int, ...], on: bool) -> None:
    assert {status for status in statuses if may_go_on(said_no(status)) is not on} == set()


@pytest.mark.parametrize(
    ("error", "status"),
    [(FirstByteTimeout("secret"), 504), (ReadTimeout("secret"), 504), (TransportError("secret"), 0)],
)
def test_no_answer_is_told_without_the_transports_words(error: TransportError, status: int) -> None:
    failed = not_answered(ROUTE, error)

    assert (failed.status, failed.route) == (status, "route-a")
    assert "secret" not in repr(failed)
    assert may_go_on(failed)


def test_every_try_is_noted_in_order_and_in_whole_milliseconds() -> None:
    attempts = Attempts()

    attempts.note(ROUTE, "status 500", 1.0, 1.2505)
    attempts.note(ROUTE, "answered", 2.0, 2.0)

    assert attempts.tried == [
        {"route": "route-a", "outcome": "status 500", "ms": 250},
        {"route": "route-a", "outcome": "answered", "ms": 0},
    ]
