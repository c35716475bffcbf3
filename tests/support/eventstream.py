"""An encoder of Amazon's event stream, for fake providers: written from the specification, not from our reader.

https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import json
import zlib
from typing import Any


def header(name: str, kind: int, value: bytes) -> bytes:
    """A header of any type. Types 6 (bytes) and 7 (text) say how long their value is."""
    sized = len(value).to_bytes(2) + value if kind in (6, 7) else value
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + sized


def message(headers: bytes, payload: bytes) -> bytes:
    prelude = (16 + len(headers) + len(payload)).to_bytes(4) + len(headers).to_bytes(4)
    prelude += zlib.crc32(prelude).to_bytes(4)
    return prelude + headers + payload + zlib.crc32(prelude + headers + payload).to_bytes(4)


def event(kind: str, payload: Any) -> bytes:
    """As Bedrock sends one."""
    return _of("event", ":event-type", kind, json.dumps(payload).encode())


def exception(kind: str, text: str) -> bytes:
    return _of("exception", ":exception-type", kind, json.dumps({"message": text}).encode())


def _of(message_type: str, name: str, kind: str, payload: bytes) -> bytes:
    headers = ((name, kind), (":content-type", "application/json"), (":message-type", message_type))
    return message(b"".join(header(key, 7, value.encode()) for key, value in headers), payload)
