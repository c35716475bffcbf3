"""Amazon's event stream from a provider that may be hostile: botocore's messages however the bytes arrive, and bounded."""

import contextlib
import time
import tracemalloc
import zlib
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.eventstream import HEADERS_MAX, MESSAGE_MAX, MessageReader
from infergate.providers.types import BrokenStream

from tests.support.eventstream import event, header, message

LAW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES = st.one_of(
    st.sampled_from([(0, b""), (1, b"")]),
    st.integers(-(2**7), 2**7 - 1).map(lambda n: (2, n.to_bytes(1, signed=True))),
    st.integers(-(2**15), 2**15 - 1).map(lambda n: (3, n.to_bytes(2, signed=True))),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: (4, n.to_bytes(4, signed=True))),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: (5, n.to_bytes(8, signed=True))),
    st.binary(max_size=40).map(lambda b: (6, b)),
    st.text(st.characters(codec="utf-8"), max_size=20).map(lambda t: (7, t.encode())),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: (8, n.to_bytes(8, signed=True))),
    st.binary(min_size=16, max_size=16).map(lambda b: (9, b)),
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
MESSAGES = st.builds(
    lambda headers, payload: message(b"".join(header(n, *v) for n, v in headers.items()), payload),
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.binary(max_size=200),
)
PLACES = st.lists(st.integers(0, 10_000), max_size=8)


def read(*pieces: bytes) -> list[tuple[dict[str, Any], bytes]]:
    reader = MessageReader()
    return [(dict(one.headers), one.payload) for piece in pieces for one in reader.feed(piece)]


def by_botocore(stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(dict(one.headers), one.payload) for one in buffer]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(stream) + 1) for place in places})
    return [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]


@LAW
@given(st.lists(MESSAGES, max_size=4).map(b"".join), PLACES)
def test_any_stream_has_botocores_messages_however_it_is_cut(stream: bytes, places: list[int]) -> None:
    assert read(*cut(stream, places)) == by_botocore(stream)


def test_a_stream_that_comes_a_byte_at_a_time_has_the_same_messages() -> None:
    stream = event("messageStart", {"role": "assistant"}) + event("contentBlockStop", {"contentBlockIndex": 0})

    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == by_botocore(stream)


@LAW
@given(MESSAGES, st.data())
def test_one_wrong_bit_anywhere_is_noticed(whole: bytes, data: st.DataObject) -> None:
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    spoilt = bytearray(whole)
    spoilt[at] ^= 1 << bit

    with pytest.raises(BrokenStream):
        read(bytes(spoilt))


@settings(LAW, max_examples=500)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_whatever_bytes_come_nothing_but_a_broken_stream_is_raised(pieces: list[bytes]) -> None:
    with contextlib.suppress(BrokenStream):
        read(*pieces)


@settings(LAW, max_examples=500)
@given(headers=st.binary(max_size=60) | st.lists(st.binary(max_size=8), max_size=4).map(lambda p: b"\x01a".join(p)))
def test_headers_of_any_bytes_are_read_as_botocore_reads_them_or_refused(headers: bytes) -> None:
    whole = message(headers, b"{}")
    try:
        ours = read(whole)
    except BrokenStream:
        return

    assert ours == by_botocore(whole)


def test_what_botocore_refuses_about_headers_is_refused() -> None:
    twice = message(header("a", 0, b"") + header("a", 1, b""), b"")

    with pytest.raises(ParserError):
        by_botocore(twice)
    with pytest.raises(BrokenStream, match="twice"):
        read(twice)


@pytest.mark.parametrize(
    "headers",
    [
        header("a", 10, b""),
        header("a", 7, b"abc")[:-1],
        header("a", 9, b"\0" * 15),
        header("a", 5, b"\0" * 7),
        header("a", 7, b"\xff"),
        b"\x01\xff\x00",
        b"\x05a",
        b"\x01a",
        b"\x01a\x07\x00",
    ],
)
def test_a_header_that_is_cut_off_or_of_no_known_type_breaks_the_stream(headers: bytes) -> None:
    with pytest.raises(BrokenStream):
        read(message(headers, b"{}"))


def prelude(total: int, headers: int) -> bytes:
    numbers = total.to_bytes(4) + headers.to_bytes(4)
    return numbers + zlib.crc32(numbers).to_bytes(4)


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        *((0, 0), (15, 0), (MESSAGE_MAX + 1, 0), (2**32 - 1, 0), (100, 85), (16, 2**32 - 1)),
        (MESSAGE_MAX, HEADERS_MAX + 1),
    ],
)
def test_lengths_out_of_bounds_break_the_stream_before_anything_is_kept(total: int, headers: int) -> None:
    with pytest.raises(BrokenStream):
        read(prelude(total, headers))


def test_the_longest_message_is_read() -> None:
    payload = b"x" * (MESSAGE_MAX - 16)

    assert read(message(b"", payload)) == [({}, payload)]


def test_memory_stays_within_one_message_however_long_the_stream() -> None:
    reader, one = MessageReader(), event("contentBlockDelta", {"delta": {"text": "x" * 500}})
    tracemalloc.start()
    for _ in range(4000):
        reader.feed(one[:300])
        reader.feed(one[300:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 64 << 10


def test_a_long_message_costs_what_it_is_long_not_its_square() -> None:
    whole = message(b"", b"x" * (MESSAGE_MAX - 16))
    reader, started = MessageReader(), time.process_time()
    for at in range(0, len(whole), 64):
        reader.feed(whole[at : at + 64])

    assert time.process_time() - started < 2
