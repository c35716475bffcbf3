"""Every error raised on purpose. Anything else is a bug and pages someone.

InferGateError
├── Refused                     the caller must change something first
│   ├── InvalidRequest          message, param, code
│   ├── ContextTooLong          limit, needed
│   ├── BodyTooLarge            limit_bytes
│   ├── InvalidKey              why
│   ├── InsufficientCredits     needed, available, affordable_tokens
│   ├── RateLimited             limit, value, used, source, retry_after_s
│   ├── AccountNotActive        status
│   ├── ModelNotFound           model
│   ├── ModelNotEnabled         model, why
│   ├── IdempotencyMismatch
│   ├── RequestInFlight         request_id, retry_after_s
│   ├── AlreadyCompleted        request_id, cost
│   ├── NotFound                what
│   └── MethodNotAllowed        allowed
├── UpstreamFailed              route, status, message, code, param, retry_after_s
└── Unavailable                 what, retry_after_s: ours; nothing was charged
"""

from dataclasses import dataclass

from infergate.kernel.money import Nanos


class InferGateError(Exception):
    """Carries values, not prose; edge/ turns them into words and a status."""


class Refused(InferGateError):
    pass


@dataclass
class InvalidRequest(Refused):
    message: str
    param: str | None = None
    code: str | None = None


@dataclass
class ContextTooLong(Refused):
    limit: int
    needed: int


@dataclass
class BodyTooLarge(Refused):
    limit_bytes: int


@dataclass
class InvalidKey(Refused):
    why: str


@dataclass
class InsufficientCredits(Refused):
    needed: Nanos
    available: Nanos
    affordable_tokens: int


@dataclass
class RateLimited(Refused):
    limit: str
    value: int
    used: int
    source: str
    retry_after_s: int
    asked: int = 1
    """What this request would have counted."""
    windows: tuple["Window", ...] = ()
    """Where both kinds of limit stand, for the headers."""


@dataclass(frozen=True)
class Window:
    kind: str
    limit: int
    remaining: int
    resets_in_s: int


@dataclass
class AccountNotActive(Refused):
    status: str


@dataclass
class ModelNotFound(Refused):
    model: str


@dataclass
class ModelNotEnabled(Refused):
    model: str
    why: str


@dataclass
class IdempotencyMismatch(Refused):
    """The key was used for another body."""


@dataclass
class RequestInFlight(Refused):
    request_id: str
    retry_after_s: int


@dataclass
class AlreadyCompleted(Refused):
    """The key's request is done and paid; its answer was not kept."""

    request_id: str
    cost: Nanos


@dataclass
class NotFound(Refused):
    what: str


@dataclass
class MethodNotAllowed(Refused):
    allowed: str


@dataclass
class UpstreamFailed(InferGateError):
    """`status` is what the provider said (0: it did not answer); `message` is fit for the caller's eyes."""

    route: str
    status: int
    message: str
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None


@dataclass
class Unavailable(InferGateError):
    what: str
    retry_after_s: int = 2
