"""Server-sent events from a provider that may be hostile: the same events however the bytes arrive, and bounded always."""

import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infergate.providers.sse import EVENT_MAX, LINE_MAX, BrokenStream, SseReader

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BOM = b"\xef\xbb\xbf"
ENDINGS = st.sampled_from([b"\n", b"\r\n", b"\r"])
PART = st.sampled_from(
    [
        *(b"data: ", b"data:", b"data", b":", b" ", b"event: x", b"id: 1", b"retry: 5", b"{}", b"x", b"\0", b"\xff", BOM),
        *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"", b"d", b": ping\n\n", b"data: [DONE]"),
        *(b"data: a\n\n", b"data: a\n", b"data:  a\r\n", b"data: a\r\r", b"data: a\n\ndata: b\n\n"),
    ]
)  # fmt: skip
PIECES = st.lists(PART, max_size=24)
STREAMS = PIECES.map(b"".join)
TEXT = st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))


def read(*pieces: bytes) -> list[bytes]:
    reader = SseReader()
    return [event for piece in pieces for event in reader.feed(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(stream) + 1) for place in places})
    return [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]


def feed_until_broken(reader: SseReader, block: bytes) -> None:
    """Raises BrokenStream, or returns after more bytes than an event may have."""
    for _ in range(2 * EVENT_MAX // (len(block) // 6) + 1):
        assert reader.feed(block) == []


def by_the_standard(stream: bytes) -> list[bytes]:
    """The same, whole and slow: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"""
    text = stream.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, _unterminated = text.split(b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in lines:
        field, _, value = line.partition(b":")
        if not line:
            events += [b"\n".join(data)] if data else []
            data = []
        elif field == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
    return events


@settings(LAW, max_examples=400)
@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=12))
def test_any_stream_has_the_standards_events_however_it_is_cut(stream: bytes, places: list[int]) -> None:
    expected = by_the_standard(stream)

    assert read(*cut(stream, places)) == expected
    assert read(stream) == expected


@settings(LAW, max_examples=400)
@given(PIECES)
def test_pieces_that_end_where_lines_do_have_the_same_events(pieces: list[bytes]) -> None:
    assert read(*pieces) == by_the_standard(b"".join(pieces))


@LAW
@given(STREAMS)
def test_a_stream_that_comes_a_byte_at_a_time_has_the_same_events(stream: bytes) -> None:
    assert read(*(bytes([b]) for b in stream)) == by_the_standard(stream)


@LAW
@given(STREAMS, STREAMS)
def test_an_empty_piece_changes_nothing(one: bytes, other: bytes) -> None:
    assert read(b"", one, b"", b"", other, b"") == read(one + other)


@LAW
@given(st.lists(TEXT, min_size=1, max_size=4), ENDINGS)
def test_what_was_framed_is_read_back(lines: list[bytes], ending: bytes) -> None:
    stream = b"".join(b"data: " + line + ending for line in lines) + ending

    assert read(stream) == [b"\n".join(lines)]


@LAW
@given(TEXT, ENDINGS)
def test_an_event_is_whole_at_its_last_byte(text: bytes, ending: bytes) -> None:
    """A lone carriage return ends a line at once: else the last event of a stream would never come."""
    reader = SseReader()

    assert reader.feed(b"data: " + text + ending + ending) == [text]


@pytest.mark.parametrize("cut_at", [0, 1, 2, 3])
def test_a_byte_order_mark_at_the_start_is_dropped_even_in_two_pieces(cut_at: int) -> None:
    stream = BOM + b"data: a\n\n"

    assert read(stream[:cut_at], stream[cut_at:]) == [b"a"]


@pytest.mark.parametrize("stream", [b"data: a\n\n" + BOM + b"data: b\n\n", BOM + BOM + b"data: b\n\ndata: a\n\n"])
def test_a_byte_order_mark_elsewhere_spoils_its_line(stream: bytes) -> None:
    assert read(stream) == [b"a"]


@pytest.mark.parametrize(
    "line",
    [
        *(b": keep-alive", b":", b"event: error", b"id: 7", b"id: \0", b"retry: 1", b"foo: bar", b"foo", b" data: x"),
        *(b"Data: x", b"data : x", b"dataa: x", b"\xff\xfe: x"),
    ],
)  # fmt: skip
def test_whatever_is_not_data_is_dropped(line: bytes) -> None:
    assert read(line + b"\n\n") == []
    assert read(line + b"\ndata: a\n" + line + b"\n\n") == [b"a"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data:  a\r\n\r\n", [b" a"]),
        (b"data: a: b\n\n", [b"a: b"]),
        (b"data\n\n", [b""]),
        (b"data:\n\n", [b""]),
        (b"data: \n\n", [b""]),
        (b"data\ndata\n\n", [b"\n"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b"\n\n\n", []),
        (b"data: \0\xff\xed\xa0\x80\n\n", [b"\0\xff\xed\xa0\x80"]),
        (b'data: {"a":"\xe2\x80\xa8"}\n\n', [b'{"a":"\xe2\x80\xa8"}']),
    ],
)
def test_data_is_passed_on_to_the_byte(stream: bytes, events: list[bytes]) -> None:
    assert read(stream) == events


@pytest.mark.parametrize("stream", [b"data: a", b"data: a\n", b"data: a\r\n", b"data: a\n:\n", b"data: a\ndata: b\n"])
def test_an_event_that_is_not_ended_is_no_event(stream: bytes) -> None:
    assert read(stream) == []


@pytest.mark.parametrize("piece", [11, 4096, 1 << 22])
@pytest.mark.parametrize("ended", [b"", b"\n\n"])
def test_a_line_longer_than_its_limit_breaks_the_stream(piece: int, ended: bytes) -> None:
    line = b"data: " + b"x" * (LINE_MAX - 5) + ended

    with pytest.raises(BrokenStream):
        read(*(line[i : i + piece] for i in range(0, len(line), piece)))


@pytest.mark.parametrize("piece", [4096, 1 << 22])
def test_a_line_of_its_limit_is_read(piece: int) -> None:
    line = b"data: " + b"x" * (LINE_MAX - 6)
    stream = line + b"\n\n"

    assert read(*(stream[i : i + piece] for i in range(0, len(stream), piece))) == [line[6:]]


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000, b"data:", b"data", b"data: x"])
def test_an_event_that_never_ends_breaks_the_stream(line: bytes) -> None:
    reader = SseReader()
    block = (line + b"\n") * 1000

    with pytest.raises(BrokenStream):
        feed_until_broken(reader, block)


def test_comments_without_end_take_no_memory() -> None:
    reader = SseReader()
    block = b": keep-alive, keep-alive, keep-alive\n\n" * 1000
    reader.feed(block)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    for _ in range(200):
        assert reader.feed(block) == []

    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000


def test_data_lines_without_end_take_bounded_memory() -> None:
    reader = SseReader()
    block = b"data:sixteen letters_\n" * 10_000
    tracemalloc.start()

    with pytest.raises(BrokenStream):
        feed_until_broken(reader, block)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * EVENT_MAX


def test_a_megabyte_that_comes_a_byte_at_a_time_takes_linear_time() -> None:
    reader = SseReader()
    started = time.perf_counter()

    for _ in range(LINE_MAX):
        reader.feed(b"x")
    with pytest.raises(BrokenStream):
        reader.feed(b"x")

    assert time.perf_counter() - started < 5


def test_many_lines_in_small_pieces_take_linear_time() -> None:
    reader = SseReader()
    started = time.perf_counter()

    for _ in range(100_000):
        reader.feed(b"data: xx")
        reader.feed(b"x\r")
        assert reader.feed(b"\n\r\n") == [b"xxx"]

    assert time.perf_counter() - started < 5
