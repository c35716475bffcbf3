"""From an error to what the caller reads: a status, OpenAI's error object, headers. The only place that knows both.

Status to exception class in OpenAI's SDKs: 400 BadRequest, 401 Authentication, 402 APIStatusError, 403 PermissionDenied,
404 NotFound, 409 Conflict, 413 APIStatusError, 422 UnprocessableEntity, 429 RateLimit, from 500 InternalServer. They retry
408, 409, 429 and from 500, unless x-should-retry says otherwise.
"""

from dataclasses import dataclass

import orjson

from infergate.chat.attempts import OURS, THE_CALLERS
from infergate.chat.types import Headers
from infergate.kernel import errors
from infergate.kernel.errors import InferGateError
from infergate.kernel.money import format_usd

LONG_WAIT_S = 60
"""Above it, SDKs disagree about Retry-After: say that they should not retry by themselves."""


@dataclass(frozen=True, slots=True)
class WireError:
    status: int
    message: str
    type: str
    code: str | None
    param: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self) -> bytes:
        return orjson.dumps(self.object())

    def object(self) -> dict[str, dict[str, str | None]]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def wire_error(error: BaseException) -> WireError:
    """Anything that is not ours becomes a plain 500: no text of it reaches the caller."""
    match error:
        case errors.InvalidRequest(message, param, code):
            return WireError(400, message, "invalid_request_error", code, param)
        case errors.ContextTooLong(limit, needed):
            message = f"This model's context holds {limit} tokens; the messages come to about {needed}. Shorten them."
            return WireError(400, message, "invalid_request_error", "context_length_exceeded", "messages")
        case errors.BodyTooLarge(limit):
            message = f"The body is larger than {limit} bytes. Send less, or images by URL."
            return WireError(413, message, "invalid_request_error", "request_too_large")
        case errors.InvalidKey():
            return WireError(401, _KEY, "invalid_request_error", "invalid_api_key")
        case errors.InsufficientCredits(needed, available, affordable):
            return WireError(
                402, _credits(needed, available, affordable), "insufficient_credits", "insufficient_credits"
            )
        case errors.RateLimited():
            return _rate_limited(error)
        case errors.AccountNotActive(status):
            message = f"This account is {status}. Write to support from the dashboard to have it looked at."
            return WireError(403, message, "permission_error", "account_suspended")
        case errors.ModelNotFound(model):
            message = f"The model `{model[:100]}` does not exist. GET /v1/models lists those that this key may call."
            return WireError(404, message, "invalid_request_error", "model_not_found", "model")
        case errors.ModelNotEnabled(model, why):
            message = f"The model `{model[:100]}` is not available to this account: {why}."
            return WireError(403, message, "permission_error", "model_not_enabled", "model")
        case errors.IdempotencyMismatch():
            message = "This Idempotency-Key was used for another body. Use a new key for a new request."
            return WireError(422, message, "invalid_request_error", "idempotency_key_reused")
        case errors.RequestInFlight(request_id, retry_after_s):
            message = f"A request with this Idempotency-Key is under way: {request_id}."
            return WireError(
                409, message, "invalid_request_error", "request_in_flight", None, _done(request_id, retry_after_s)
            )
        case errors.AlreadyCompleted(request_id, cost):
            message = (
                f"The request of this Idempotency-Key is done and cost ${format_usd(cost)}: see GET /v1/receipts/{request_id}. "
                "Its answer was not kept, because this account has not asked for that."
            )
            headers = (*_done(request_id, None), (b"x-infergate-cost", format_usd(cost).encode()))
            return WireError(409, message, "invalid_request_error", "request_already_completed", None, headers)
        case errors.NotFound(what):
            return WireError(404, f"There is no {what}.", "invalid_request_error", "not_found")
        case errors.MethodNotAllowed(allowed):
            message = f"This URL answers {allowed} only."
            return WireError(
                405, message, "invalid_request_error", "method_not_allowed", None, ((b"allow", allowed.encode()),)
            )
        case errors.UpstreamFailed():
            return _upstream(error)
        case errors.Unavailable(what, retry_after_s):
            message = f"Not served: {what}. Nothing was charged; try again."
            return WireError(503, message, "server_error", "service_unavailable", None, tuple(_wait(retry_after_s)))
    return WireError(500, "Something broke on our side. Nothing was charged.", "server_error", "internal_error")


def _done(request_id: str, retry_after_s: int | None) -> tuple[tuple[bytes, bytes], ...]:
    """SDKs retry a 409 by themselves: tell them not to."""
    headers = ((b"x-should-retry", b"false"), (b"x-infergate-original-request-id", request_id.encode()))
    return headers if retry_after_s is None else (*headers, (b"retry-after", b"%d" % retry_after_s))


_KEY = (
    "No valid API key. Send one as a header, Authorization: Bearer sk-ig-…, whole, neither revoked nor expired; "
    "the dashboard lists yours and makes new ones."
)
"""The same for every bad key: which of them somebody guessed near is nobody's business."""


def _credits(needed: int, available: int, affordable: int) -> str:
    message = f"This request may cost up to ${format_usd(needed)}; ${format_usd(available)} is available."
    if affordable > 0:
        return f"{message} Set max_tokens to {affordable} or less, or buy credits."
    return f"{message} Buy credits in the dashboard."


def _wait(seconds: int) -> Headers:
    headers: Headers = [(b"retry-after", b"%d" % seconds)]
    if seconds > LONG_WAIT_S:
        headers.append((b"x-should-retry", b"false"))
    return headers


def _rate_limited(error: errors.RateLimited) -> WireError:
    headers = _wait(error.retry_after_s)
    if error.asked > error.value:
        # Waiting does not help.
        headers = [(b"retry-after", b"%d" % error.retry_after_s), (b"x-should-retry", b"false")]
        message = (
            f"This request counts {error.asked}, and the limit is {error.value} {error.limit} (set by {error.source}). "
            "Send less, or set a smaller max_tokens."
        )
    else:
        message = (
            f"Limit of {error.value} {error.limit} reached (set by {error.source}): {error.used} used. "
            f"It resets in {error.retry_after_s} s."
        )
    for window in error.windows:
        kind = window.kind.encode()
        headers += [
            (b"x-ratelimit-limit-" + kind, b"%d" % window.limit),
            (b"x-ratelimit-remaining-" + kind, b"%d" % window.remaining),
            (b"x-ratelimit-reset-" + kind, b"%ds" % window.resets_in_s),
        ]
    return WireError(429, message, "rate_limit_error", "rate_limit_exceeded", None, tuple(headers))


def _upstream(error: errors.UpstreamFailed) -> WireError:
    """The provider's words only where they tell the caller what to change; its refusals of our own key never look like the
    caller's."""
    if error.status in THE_CALLERS:
        return WireError(400, error.message, "invalid_request_error", error.code, error.param)
    if error.status == 429:
        wait = min(int(error.retry_after_s or 1) or 1, 86_400)
        message = "The model's provider is at its limit. Nothing was charged; try again later."
        return WireError(429, message, "rate_limit_error", "upstream_rate_limited", None, tuple(_wait(wait)))
    if error.status == 504:
        return WireError(504, f"{error.message} Nothing was charged; try again.", "server_error", "upstream_timeout")
    if error.status in OURS:
        message = "The model's provider refused this gateway. Nothing was charged; the operator has been told."
        return WireError(502, message, "server_error", "upstream_refused")
    if error.status >= 500 and error.status != 502:
        message = "The model's provider failed. Nothing was charged; try again."
        return WireError(502, message, "server_error", "upstream_error")
    return WireError(502, error.message, "server_error", "upstream_error")


def stream_error(error: InferGateError) -> bytes:
    """The data of an error event, in mid-stream."""
    wire = wire_error(error)
    return wire.body()
