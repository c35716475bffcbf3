"""The key that a request presents, in whichever header its client puts it."""

from infergate.edge.asgi import Scope, header
from infergate.kernel.errors import InvalidKey, InvalidRequest

KEY_MAX = 200


def for_anthropic(path: str) -> bool:
    """Where Anthropic's clients call: their key header is taken, and errors have their form."""
    return path == "/v1/messages" or path.startswith("/v1/messages/")


def presented_key(scope: Scope) -> str | None:
    """The bearer token; where Anthropic's clients call, `x-api-key` too. Raises InvalidKey for any other form of the header,
    and where there are two keys."""
    token = _bearer(_only(scope, b"authorization"))
    other = _only(scope, b"x-api-key") if for_anthropic(scope["path"]) else None
    if other is None:
        return token
    if not other or len(other) > KEY_MAX:
        raise InvalidKey("malformed")
    presented = other.decode("latin-1")
    if token is not None and token != presented:
        raise InvalidKey("twice")
    return presented


def _only(scope: Scope, name: bytes) -> bytes | None:
    try:
        return header(scope, name)
    except InvalidRequest:
        raise InvalidKey("twice") from None


def _bearer(value: bytes | None) -> str | None:
    if value is None:
        return None
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"bearer" or not token or len(token) > KEY_MAX:
        raise InvalidKey("malformed")
    return token.decode("latin-1")
