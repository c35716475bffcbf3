"""AWS Signature Version 4, for requests whose body is at hand: a POST to `/` (the JSON services) or to a path (REST).

Source: AWS General Reference, "Create a signed AWS API request". A few microseconds a call; botocore's is a hundred times
that. What is the same for a second (the date) or for a day (the key) is worked out once.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str
    session_token: str | None = None


class Signer:
    """Signs for one service in one region. `host` is what the request's host header says, with a port that is no default."""

    def __init__(self, credentials: Credentials, region: str, service: str, host: str) -> None:
        token = credentials.session_token
        self._credentials = credentials
        self._scope_end = f"/{region}/{service}/aws4_request"
        self._host = host
        self._token = [("x-amz-security-token", token)] if token else []
        self._token_line = f"x-amz-security-token:{token}\n" if token else ""
        self._signed = "content-type;host;x-amz-date" + (";x-amz-security-token" if token else "")
        self._signed_json = f"{self._signed};x-amz-target"
        self._second = -1
        self._stamp = ""
        self._day = ""

    def headers(self, target: str, body: bytes, now_s: float) -> list[tuple[str, str]]:
        """The headers of a POST / with this body: x-amz-target, x-amz-date, authorization, content-type."""
        kind = "application/x-amz-json-1.0"
        dated = self._dated("/", kind, f"x-amz-target:{target}\n", self._signed_json, body, now_s)
        return [("content-type", kind), ("x-amz-target", target), *dated]

    def rest_headers(self, path: str, body: bytes, now_s: float) -> list[tuple[str, str]]:
        """The headers of a POST of JSON to `path`, which is given as it is sent: percent-encoded, without a query."""
        kind = "application/json"
        # Every service but S3 has the path encoded once more for its signature.
        dated = self._dated(quote(path, safe="/~"), kind, "", self._signed, body, now_s)
        return [("content-type", kind), *dated]

    def _dated(
        self, path: str, kind: str, last_line: str, signed: str, body: bytes, now_s: float
    ) -> list[tuple[str, str]]:
        second = int(now_s)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        stamp = self._stamp
        if (day := stamp[:8]) != self._day:
            self._start(day)
        canonical = (
            f"POST\n{path}\n\ncontent-type:{kind}\nhost:{self._host}\nx-amz-date:{stamp}\n{self._token_line}"
            f"{last_line}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        )
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{self._scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = self._mac(to_sign.encode())
        authorization = f"{self._credential}, SignedHeaders={signed}, Signature={signature}"
        return [("x-amz-date", stamp), ("authorization", authorization), *self._token]

    def _start(self, day: str) -> None:
        """Keep the day's key as an HMAC that has taken in nothing but it: two hashes, to be copied (RFC 2104)."""
        self._scope = day + self._scope_end
        self._credential = f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{self._scope}"
        key = b"AWS4" + self._credentials.secret_key.encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.sha256(bytes(b ^ 0x5C for b in block))
        self._day = day

    def _mac(self, message: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()
