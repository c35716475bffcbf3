"""Amazon's event stream (application/vnd.amazon.eventstream), read incrementally from a provider that may be hostile.

Format: https://smithy.io/2.0/aws/amazon-eventstream.html. A message is, big-endian throughout,

    total length (4) | length of the headers (4) | CRC-32 of these eight bytes (4)
    headers: each name length (1), name, type (1), value
    payload
    CRC-32 of all before it (4)
"""

import struct
from dataclasses import dataclass
from zlib import crc32

from infergate.providers.types import BrokenStream

MESSAGE_MAX = 4 << 20
"""Amazon allows 24 MB; an event of a model's answer is a few hundred bytes, an encrypted thought some hundred thousand."""
HEADERS_MAX = 128 << 10
_PRELUDE = 12
_FRAME = 16
"""The bytes around headers and payload: prelude and CRC."""

type HeaderValue = bool | int | str | bytes

_NUMBERS = {kind: struct.Struct(form) for kind, form in ((2, ">b"), (3, ">h"), (4, ">i"), (5, ">q"), (8, ">q"))}
_LENGTHS = struct.Struct(">II")
_CRC = struct.Struct(">I")
_SIZE = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Message:
    """A timestamp among its headers is an int, milliseconds since the epoch; a UUID is its 16 bytes."""

    headers: dict[str, HeaderValue]
    payload: bytes


class MessageReader:
    """`feed` bytes as they come; it returns the messages that they complete. Keeps one unfinished message at most."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _PRELUDE
        """How long the unfinished message is at least: nothing is looked at before that much of it is there."""

    def feed(self, piece: bytes) -> list[Message]:
        """Raises BrokenStream. What was fed before it is lost: the stream is over."""
        self._rest += piece
        messages: list[Message] = []
        at = 0
        while len(self._rest) - at >= self._needed:
            if self._needed == _PRELUDE:
                self._needed = _total_length(self._rest[at : at + _PRELUDE])
                continue
            messages.append(_message(bytes(self._rest[at : at + self._needed])))
            at, self._needed = at + self._needed, _PRELUDE
        del self._rest[:at]
        return messages


def _total_length(prelude: bytearray) -> int:
    total, headers = _LENGTHS.unpack_from(prelude)
    if crc32(prelude[:8]) != _CRC.unpack_from(prelude, 8)[0]:
        raise BrokenStream("the checksum of a message's lengths is wrong")
    if not _FRAME <= total <= MESSAGE_MAX:
        raise BrokenStream("a message is too short or too long")
    if headers > min(HEADERS_MAX, total - _FRAME):
        raise BrokenStream("a message's headers are too long")
    return int(total)


def _message(data: bytes) -> Message:
    end = len(data) - 4
    if crc32(memoryview(data)[:end]) != _CRC.unpack_from(data, end)[0]:
        raise BrokenStream("the checksum of a message is wrong")
    payload = _PRELUDE + _LENGTHS.unpack_from(data)[1]
    return Message(_headers(data[_PRELUDE:payload]), data[payload:end])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    """Raises BrokenStream where they do not end exactly at the end of `data`, or a name stands twice."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name = data[at + 1 : name_end].decode()
            value, at = _value(data, data[name_end], name_end + 1)
            if name in headers:
                raise BrokenStream("a header stands twice")
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise BrokenStream("a header is cut off or no text") from error
    if at > len(data):
        raise BrokenStream("a header is cut off or no text")
    return headers


def _value(data: bytes, kind: int, at: int) -> tuple[HeaderValue, int]:
    """The value of this type that begins at `at`, and where it ends: the caller checks that this is not beyond the data."""
    if kind == 7 or kind == 6:
        end = at + 2 + _SIZE.unpack_from(data, at)[0]
        text = data[at + 2 : end]
        return (text.decode() if kind == 7 else text), end
    if kind == 0 or kind == 1:
        return kind == 0, at
    if number := _NUMBERS.get(kind):
        return int(number.unpack_from(data, at)[0]), at + number.size
    if kind == 9:
        return data[at : at + 16], at + 16
    raise BrokenStream("a header is of no known type")
