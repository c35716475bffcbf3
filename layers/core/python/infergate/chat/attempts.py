"""Calling upstream: one route after the other on the same hold, until one begins to answer."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from infergate.catalog.types import Route
from infergate.chat.types import House, InferenceRequest
from infergate.kernel.errors import Unavailable, UpstreamFailed
from infergate.providers.types import Provider, Refusal, Target
from infergate.transport.http1 import Response, TransportError, parse_url

ANSWER_MAX = 16 << 20
ERROR_MAX = 64 << 10
RETRYABLE = frozenset({408, 409, 424, 429})
"""424 is Bedrock's word for a model that failed."""
OURS = frozenset({401, 402, 403, 404})
"""The provider refuses *our* key, our balance there, or our name for the model: never the caller's fault."""
THE_CALLERS = frozenset({400, 413, 415, 422})
"""The provider says what is wrong with the request: only then are its words for the caller."""


@dataclass(slots=True)
class Attempts:
    """Every try of a request, as its receipt will show them."""

    tried: list[dict[str, str | int]] = field(default_factory=list)

    def note(self, route: Route, outcome: str, started: float, ended: float) -> None:
        self.tried.append({"route": route.id, "outcome": outcome, "ms": int((ended - started) * 1000)})


async def call(
    house: House, request: InferenceRequest, body: dict[str, Any], route: Route, timeout_s: float
) -> Response:
    """The head of a 200 from this route. Raises UpstreamFailed; Unavailable where the channel's secret cannot be had."""
    until = house.clock() + timeout_s
    reference = house.channel_secret_prefix + route.channel.secret
    secret = await house.secrets.value(reference) if route.channel.secret else ""
    try:
        return await _answered(house, request, body, route, secret, timeout_s)
    except UpstreamFailed as failed:
        if failed.status != 401 or not secret:
            raise
        # Keys are rotated: the one that we kept may be gone, or the newest not in force yet.
        for other in await house.secrets.others(reference, secret):
            with contextlib.suppress(UpstreamFailed):
                response = await _answered(house, request, body, route, other, max(1.0, until - house.clock()))
                house.secrets.prefer(reference, other)
                return response
        raise


async def _answered(
    house: House, request: InferenceRequest, body: dict[str, Any], route: Route, secret: str, timeout_s: float
) -> Response:
    provider, channel = provider_of(house, route), route.channel
    target = Target(channel.base_url, route.upstream_model, secret, channel.options, channel.output_field)
    outgoing = provider.call(request.endpoint, body, target)
    origin, base = parse_url(channel.base_url)
    try:
        response = await house.http.send(
            origin,
            "POST",
            base.rstrip("/") + outgoing.path,
            outgoing.headers,
            outgoing.body,
            first_byte_timeout_s=timeout_s,
        )
        if response.status == 200:
            return response
        raw = await response.read(limit=ERROR_MAX, timeout_s=10)
    except TransportError as error:
        raise not_answered(route, error) from error
    raise _said_no(provider, route, response, raw)


def provider_of(house: House, route: Route) -> Provider:
    return house.providers[route.channel.kind]


def not_answered(route: Route, error: TransportError) -> UpstreamFailed:
    kind = type(error).__name__
    timed_out = kind in {"FirstByteTimeout", "ReadTimeout"}
    message = "did not answer in time" if timed_out else "could not be reached or broke off"
    return UpstreamFailed(route.id, 504 if timed_out else 0, f"The model's provider {message}.", kind)


def outcome_of(error: UpstreamFailed | Unavailable) -> str:
    return f"status {error.status}" if isinstance(error, UpstreamFailed) and error.status else "no answer"


def may_go_on(error: UpstreamFailed) -> bool:
    """Whether another route may succeed where this one failed."""
    return error.status in RETRYABLE or error.status in OURS or error.status >= 500 or error.status == 0


def _said_no(provider: Provider, route: Route, response: Response, raw: bytes) -> UpstreamFailed:
    said = provider.refusal(raw) if response.status in THE_CALLERS else Refusal()
    return UpstreamFailed(
        route.id,
        response.status,
        said.message or "The model's provider refused the request.",
        said.code,
        said.param,
        _retry_after_s(response.header(b"retry-after")),
    )


def _retry_after_s(value: bytes | None) -> float | None:
    try:
        seconds = float(value or b"")
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
