"""Where a request goes and what its head looks like: values in, bytes out (RFC 9112 §3, §5)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_URL = re.compile(
    r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(/[!\"$-~]*)?(\?[!\"$-~]*)?", re.ASCII | re.IGNORECASE
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_OURS = frozenset({"host", "content-length", "transfer-encoding", "accept-encoding", "connection"})
_EMPTY_BODY_COUNTS = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 §8.6: these say content-length: 0


class Origin(NamedTuple):
    scheme: str
    host: str  # lower case; an IPv6 address without its brackets
    port: int


def parse_url(url: str) -> tuple[Origin, str]:
    """`https://api.openai.com/v1` -> its origin and `/v1`; the target of a bare origin is `/`.

    Raises ValueError for anything but http(s), and for userinfo, fragments, spaces, control and non-ASCII characters.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("not a plain http(s) URL")  # without the URL: it may hold a secret
    scheme, host, port, path, query = match.groups()
    scheme = scheme.lower()
    number = int(port) if port else (443 if scheme == "https" else 80)
    if not 0 < number < 65536:
        raise ValueError("not a port")
    return Origin(scheme, host.strip("[]").lower(), number), (path or "/") + (query or "")


def encode_head(origin: Origin, method: str, target: str, headers: Sequence[tuple[str, str]], length: int) -> bytes:
    """The request head (RFC 9112 §3, §5). Raises ValueError, without quoting values: they may be secrets."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host_of(origin)}", "accept-encoding: identity"]
    for name, value in headers:
        _check_name(name)
        lines.append(f"{name}: {value}")
    if length or method in _EMPTY_BODY_COUNTS:
        lines.append(f"content-length: {length}")
    text, breaks = "\r\n".join(lines), len(lines) - 1
    if text.count("\r") != breaks or text.count("\n") != breaks or "\0" in text or not text.isascii():
        raise ValueError("CR, LF, NUL or non-ASCII in a request head")
    if not (target and target.isprintable() and lines[0].count(" ") == 2 and _TOKEN.fullmatch(method)):
        raise ValueError("malformed method or target")
    return f"{text}\r\n\r\n".encode()


@lru_cache(512)
def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
        raise ValueError("a header name that is no token, or is set by the client itself")


@lru_cache(512)
def host_of(origin: Origin) -> str:
    """The host header, which a signature covers: with the port, where it is not the scheme's own."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    default = {"http": 80, "https": 443}[origin.scheme]
    return host if origin.port == default else f"{host}:{origin.port}"
