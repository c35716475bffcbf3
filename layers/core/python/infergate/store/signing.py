"""AWS Signature Version 4 for the JSON services: POST / with a signed body.

Source: AWS General Reference, "Create a signed AWS API request". A few microseconds a call; botocore's is a hundred times
that. What is the same for a second (the date) or for a day (the key) is worked out once.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str
    session_token: str | None = None


class Signer:
    """Signs for one service in one region."""

    def __init__(self, credentials: Credentials, region: str, service: str, host: str) -> None:
        self._credentials = credentials
        self._region = region
        self._service = service
        self._host = host
        self._second = -1
        self._stamp = ""
        self._day = ""

    def headers(self, target: str, body: bytes, now_s: float) -> list[tuple[str, str]]:
        """The headers of a POST / with this body: x-amz-target, x-amz-date, authorization, content-type."""
        stamp = self._stamp_of(int(now_s))
        day = stamp[:8]
        if day != self._day:
            self._start(day)
        token = self._credentials.session_token
        signed = "content-type;host;x-amz-date;" + ("x-amz-security-token;" if token else "") + "x-amz-target"
        token_line = f"x-amz-security-token:{token}\n" if token else ""
        canonical = (
            f"POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:{self._host}\nx-amz-date:{stamp}\n{token_line}"
            f"x-amz-target:{target}\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        )
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = self._mac(to_sign.encode())
        headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-date", stamp),
            ("x-amz-target", target),
            (
                "authorization",
                f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}, "
                f"SignedHeaders={signed}, Signature={signature}",
            ),
        ]
        if token:
            headers.append(("x-amz-security-token", token))
        return headers

    def _stamp_of(self, second: int) -> str:
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return self._stamp

    def _start(self, day: str) -> None:
        """Keep the day's key as an HMAC that has taken in nothing but it: two hashes, to be copied (RFC 2104)."""
        key = b"AWS4" + self._credentials.secret_key.encode()
        for part in (day, self._region, self._service, "aws4_request"):
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
