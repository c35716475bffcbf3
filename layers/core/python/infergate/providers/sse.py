"""Server-sent events, read incrementally from a provider that may be hostile.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Only `data` matters here; comments, `event`, `id`
and `retry` lines are dropped, so that nothing of a provider's framing reaches our caller.
"""

from infergate.providers.types import BrokenStream

LINE_MAX = 1 << 20
EVENT_MAX = 2 << 20
_BOM = b"\xef\xbb\xbf"


class SseReader:
    """`feed` bytes as they come; it returns the data of each event that they complete."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._started = False
        self._after_cr = False
        """The last piece ended in a carriage return: a line feed that begins the next one belongs to it."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises BrokenStream. What was fed before it is lost: the stream is over."""
        if not self._started:
            piece = bytes(self._rest) + piece
            if len(piece) < 3 and _BOM.startswith(piece):
                self._rest = bytearray(piece)
                return []
            piece, self._started = piece.removeprefix(_BOM), True
            self._rest.clear()
        if self._after_cr and piece:
            piece, self._after_cr = piece.removeprefix(b"\n"), False
        # Nearly every piece is whole events of one data line each.
        if not self._rest and not self._data and piece[-2:] == b"\n\n" and b"\r" not in piece:
            events = self._plain(piece)
            if events is not None:
                return events
        return self._lines(piece)

    def _plain(self, piece: bytes) -> list[bytes] | None:
        events = piece[:-2].split(b"\n\n")
        for event in events:
            if event[:6] != b"data: " or b"\n" in event or len(event) > LINE_MAX:
                return None
        return [event[6:] for event in events]

    def _lines(self, piece: bytes) -> list[bytes]:
        if b"\n" not in piece and b"\r" not in piece:
            # Appended, not joined: a line that comes a byte at a time costs what it is long, not its square.
            self._rest += piece
            if len(self._rest) > LINE_MAX:
                raise BrokenStream("a line is too long")
            return []
        buffer = bytes(self._rest) + piece
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = buffer.split(b"\n")
        self._rest = bytearray(rest)
        if len(self._rest) > LINE_MAX:
            raise BrokenStream("a line is too long")
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: bytes) -> bytes | None:
        if len(line) > LINE_MAX:
            raise BrokenStream("a line is too long")
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._size += len(value) + 1
            if self._size > EVENT_MAX:
                raise BrokenStream("an event is too long")
            self._data.append(value)
        return None

    def _dispatch(self) -> bytes | None:
        if not self._data:
            return None
        event, self._data, self._size = b"\n".join(self._data), [], 0
        return event
