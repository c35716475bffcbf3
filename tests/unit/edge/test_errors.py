"""From an error to what the caller reads. Every class has its row here; a class without one fails."""

import json
from typing import Any

import pytest
from infergate.edge.errors import stream_error, wire_error
from infergate.kernel import errors
from infergate.kernel.errors import InferGateError

CREDITS = errors.InsufficientCredits(needed=500_000_000, available=20_000_000, affordable_tokens=64)
WINDOWS = (errors.Window("requests", 60, 0, 30), errors.Window("tokens", 1000, 100, 30))
RATE = errors.RateLimited("requests per minute", 60, 60, "plan starter", 30, 1, WINDOWS)


def upstream(status: int, **more: Any) -> errors.UpstreamFailed:
    return errors.UpstreamFailed("route-a", status, "The provider's words.", **more)


ROWS: list[tuple[InferGateError, int, str, str | None, str | None]] = [
    (errors.InvalidRequest("No."), 400, "invalid_request_error", None, None),
    (errors.InvalidRequest("No.", "n", "bad_n"), 400, "invalid_request_error", "bad_n", "n"),
    (errors.ContextTooLong(1000, 2000), 400, "invalid_request_error", "context_length_exceeded", "messages"),
    (errors.BodyTooLarge(5), 413, "invalid_request_error", "request_too_large", None),
    *(
        (errors.InvalidKey(why), 401, "invalid_request_error", "invalid_api_key", None)
        for why in ("missing", "malformed", "unknown", "revoked", "expired")
    ),
    (CREDITS, 402, "insufficient_credits", "insufficient_credits", None),
    (RATE, 429, "rate_limit_error", "rate_limit_exceeded", None),
    (errors.AccountNotActive("suspended"), 403, "permission_error", "account_suspended", None),
    (errors.ModelNotFound("gpt-9"), 404, "invalid_request_error", "model_not_found", "model"),
    (errors.ModelNotEnabled("gpt-9", "why"), 403, "permission_error", "model_not_enabled", "model"),
    (errors.IdempotencyMismatch(), 422, "invalid_request_error", "idempotency_key_reused", None),
    (errors.RequestInFlight("req_1", 2), 409, "invalid_request_error", "request_in_flight", None),
    (errors.AlreadyCompleted("req_1", 1_000_000), 409, "invalid_request_error", "request_already_completed", None),
    (errors.NotFound("such receipt"), 404, "invalid_request_error", "not_found", None),
    (errors.MethodNotAllowed("POST"), 405, "invalid_request_error", "method_not_allowed", None),
    (errors.Unavailable("the store is busy"), 503, "server_error", "service_unavailable", None),
    *(
        (upstream(status, code="their_code", param="messages"), 400, "invalid_request_error", "their_code", "messages")
        for status in (400, 413, 415, 422)
    ),
    *((upstream(status), 502, "server_error", "upstream_refused", None) for status in (401, 402, 403, 404)),
    (upstream(429), 429, "rate_limit_error", "upstream_rate_limited", None),
    (upstream(504), 504, "server_error", "upstream_timeout", None),
    *(
        (upstream(status), 502, "server_error", "upstream_error", None)
        for status in (0, 302, 408, 409, 500, 502, 503, 529)
    ),
]


def family(of: type[InferGateError] = InferGateError) -> set[type[InferGateError]]:
    below = {c for c in of.__subclasses__() if c.__module__ == errors.__name__}
    return below.union(*(family(c) for c in below))


def headers(error: BaseException) -> dict[bytes, bytes]:
    return dict(wire_error(error).headers)


def test_every_error_raised_on_purpose_has_a_row() -> None:
    leaves = {c for c in family() if not any(b.__module__ == errors.__name__ for b in c.__subclasses__())}

    assert {type(row[0]) for row in ROWS} == leaves


@pytest.mark.parametrize(("error", "status", "kind", "code", "param"), ROWS, ids=lambda v: repr(v)[:40])
def test_an_error_becomes_this_status_and_these_words(
    error: InferGateError, status: int, kind: str, code: str | None, param: str | None
) -> None:
    wire = wire_error(error)

    assert (wire.status, wire.type, wire.code, wire.param) == (status, kind, code, param)


@pytest.mark.parametrize("error", [*(row[0] for row in ROWS), ValueError("x")], ids=lambda v: repr(v)[:40])
def test_every_body_has_openais_four_keys_and_no_other(error: Exception) -> None:
    for body in (wire_error(error).body(), stream_error(error)):  # type: ignore[arg-type]
        said = json.loads(body)

        assert said.keys() == {"error"}
        assert said["error"].keys() == {"message", "type", "param", "code"}
        assert isinstance(said["error"]["message"], str)
        assert said["error"]["message"]
        assert isinstance(said["error"]["type"], str)
        assert isinstance(said["error"]["code"], str | None)
        assert isinstance(said["error"]["param"], str | None)
        assert b"\n" not in body
        assert b"\r" not in body


@pytest.mark.parametrize("affordable", [-1, 0, 1, 10**9])
@pytest.mark.parametrize("available", [-5, 0, 10**12])
def test_no_money_is_402_and_never_a_status_that_sdks_retry(affordable: int, available: int) -> None:
    wire = wire_error(errors.InsufficientCredits(10**9, available, affordable))

    assert wire.status == 402
    assert b"retry-after" not in dict(wire.headers)


def test_no_conflict_is_retried_by_an_sdk_on_its_own() -> None:
    conflicts = [row[0] for row in ROWS if row[1] in (408, 409)]

    assert [headers(error).get(b"x-should-retry") for error in conflicts] == [b"false"] * len(conflicts)


@pytest.mark.parametrize("error", [errors.RequestInFlight("req_1", 2), errors.AlreadyCompleted("req_1", 1_000_000)])
def test_a_used_idempotency_key_names_the_request_that_used_it(error: InferGateError) -> None:
    assert "req_1" in wire_error(error).message
    assert headers(error)[b"x-infergate-original-request-id"] == b"req_1"


def test_no_money_says_what_is_needed_what_is_there_and_what_it_would_buy() -> None:
    message = wire_error(CREDITS).message

    assert "$0.50" in message
    assert "$0.02" in message
    assert "max_tokens to 64" in message


def test_nothing_affordable_offers_nothing() -> None:
    assert "max_tokens" not in wire_error(errors.InsufficientCredits(5, 0, 0)).message


def test_a_reached_limit_says_which_how_much_and_who_set_it() -> None:
    message = wire_error(RATE).message

    assert all(words in message for words in ("60 requests per minute", "plan starter", "60 used", "30 s"))
    assert headers(RATE) == {
        b"retry-after": b"30",
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"30s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"100",
        b"x-ratelimit-reset-tokens": b"30s",
    }


def test_a_request_larger_than_the_whole_limit_is_told_that_waiting_does_not_help() -> None:
    error = errors.RateLimited("tokens per minute", 1000, 0, "this key", 5, asked=1200)

    assert "counts 1200" in wire_error(error).message
    assert headers(error)[b"x-should-retry"] == b"false"


@pytest.mark.parametrize(("wait_s", "long"), [(1, False), (60, False), (61, True), (3600, True), (86_400, True)])
def test_a_wait_is_told_and_a_long_one_is_not_for_sdks_to_sit_out(wait_s: int, long: bool) -> None:
    for error in (
        errors.RateLimited("requests per day", 5, 5, "plan", wait_s),
        errors.Unavailable("busy", wait_s),
        upstream(429, retry_after_s=float(wait_s)),
    ):
        assert headers(error)[b"retry-after"] == b"%d" % wait_s
        assert (headers(error).get(b"x-should-retry") == b"false") == long


@pytest.mark.parametrize(("told", "wait"), [(None, b"1"), (0.0, b"1"), (0.4, b"1"), (1e9, b"86400")])
def test_a_providers_wait_is_at_least_a_second_and_at_most_a_day(told: float | None, wait: bytes) -> None:
    assert headers(upstream(429, retry_after_s=told))[b"retry-after"] == wait


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_provider_that_refuses_us_never_looks_like_the_callers_fault(status: int) -> None:
    wire = wire_error(upstream(status, code="invalid_api_key", param="model"))

    assert wire.status == 502
    assert "provider's words" not in wire.message
    assert (wire.code, wire.param) == ("upstream_refused", None)


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_provider_that_fails_is_not_quoted(status: int) -> None:
    assert "provider's words" not in wire_error(upstream(status)).message


def test_every_status_of_a_provider_has_an_answer_that_is_not_a_success() -> None:
    answers = {status: wire_error(upstream(status)).status for status in (0, *range(100, 600))}

    assert {status: answer for status, answer in answers.items() if answer not in (400, 429, 502, 504)} == {}


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("secret sk-ig-key"), KeyError("secret"), RuntimeError("arn:aws:dynamodb:eu-west-1:1:table/secret")),
        *(OSError(2, "No such file", "/var/task/secret.py"), Exception("secret"), InferGateError("secret")),
        *(UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"), AssertionError("secret"), TimeoutError("secret")),
    ],
)  # fmt: skip
def test_of_an_error_that_is_not_ours_no_text_reaches_the_caller(error: Exception) -> None:
    wire = wire_error(error)

    assert (wire.status, wire.code) == (500, "internal_error")
    assert wire.headers == ()
    for text in (b"secret", b"arn:", b"/var", type(error).__name__.encode()):
        assert text not in wire.body()


def test_a_long_model_name_is_cut_in_the_answer() -> None:
    for error in (errors.ModelNotFound("m" * 10_000), errors.ModelNotEnabled("m" * 10_000, "why")):
        assert len(wire_error(error).message) < 300


def test_a_refused_method_names_the_allowed_one() -> None:
    assert headers(errors.MethodNotAllowed("POST")) == {b"allow": b"POST"}
