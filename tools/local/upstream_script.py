"""The demo upstream's faults, written by a test into the message it sends.

When the last user message (or the first input of an embedding) starts with `demo:`, the rest of it is a script of
`key=value`, apart by spaces: `demo: tokens=50 delay_ms=20 cut_after=5`.

    key          value           effect
    tokens       N               the answer has N tokens of filler
    ttft_ms      N               wait before the headers
    delay_ms     N               wait between tokens (not streamed: their sum, before the answer)
    status       N               answer with this status and an OpenAI error body
    error        WORD            its `type` and `code` (alone: with status 500)
    retry_after  SECONDS         and this header
    usage        missing, negative, string, huge, zero, float, 1e400: what the totals look like
                 twice           two usage chunks, the first too low (streams)
    prompt       N               report N prompt tokens
    cached       N               N prompt tokens are cached (the prompt grows to N unless `prompt` says else)
    reasoning    N               N reasoning tokens, part of the completion and of max_tokens
    over         N               ignore max_tokens: N tokens more than it (or than the answer had)
    cut_after    N               close the connection after N chunks (not streamed: after half of the body)
    stall_after  N               after N chunks send nothing, stay connected (not streamed: after half of the body)
    error_after  N               after N chunks an error event, then the end (not streamed: status 200, an error body)
    end          no_done         leave out `data: [DONE]`
    empty        1, body         an answer without content; `body`: 200 and not one byte
    html         1               200 and a web page
    redirect     URL             307 to there
    bomb         N               a gzip body that unpacks to N MiB (256 at most)
    garbage      longline        a line of 2 MiB between two good chunks
                 event           one event of 3 MiB in `data:` lines of 1 KiB
                 comments        3 MiB of comments between two good chunks
                 cr              lines end in a bare carriage return (legal in SSE)
                 bom             a byte order mark first (legal in SSE)
                 nul, utf8       one event of NUL bytes; one chunk whose text is not UTF-8
                 bytes           the good stream, one byte at a time
                 truncated       the third chunk breaks off in mid-JSON, and the stream ends
                 (not streamed, every word: half of the JSON, said to be all of it)

Chunks are counted behind the one that carries the role. An unknown key or word is a 400, so that a slip of the pen
cannot pass for a well-behaved upstream.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import orjson

type Json = dict[str, Any]

NUMBERS = {
    *("tokens", "ttft_ms", "delay_ms", "status", "prompt", "cached", "reasoning", "over"),
    *("cut_after", "stall_after", "error_after", "html", "bomb"),
}
FREE = {"error", "retry_after", "redirect"}
WORDS = {
    "usage": {"missing", "negative", "string", "huge", "zero", "float", "1e400", "twice"},
    "end": {"no_done"},
    "empty": {"1", "body"},
    "garbage": {"longline", "event", "comments", "cr", "bom", "nul", "utf8", "bytes", "truncated"},
}
MIB = 2**20
UNWRITABLE = "@1e400@"  # orjson writes no such number; `dump` swaps it in the finished JSON
PAGE = b"<!doctype html><title>502</title><h1>502 Bad Gateway</h1><p>A proxy that thinks this is fine.</p>"


class UnknownDirectiveError(ValueError):
    """A key or word that is not in the table above."""


def parse_script(text: str) -> Json:
    """The options behind `demo:`, whole numbers where the table says N; {} for any other text."""
    if not text.startswith("demo:"):
        return {}
    script: Json = {}
    for pair in text.removeprefix("demo:").split():
        key, _, value = pair.partition("=")
        if key in NUMBERS and value.isdecimal():
            script[key] = int(value)
        elif key in FREE or value in WORDS.get(key, ()):
            script[key] = value
        else:
            raise UnknownDirectiveError(f"the demo upstream knows no {pair!r}")
    return script


def bomb(mib: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * MIB) for _ in range(mib)) + packer.flush()


def garble(kind: str, frames: Iterator[bytes]) -> Iterator[bytes]:
    if kind == "cr":
        return (frame.replace(b"\n", b"\r") for frame in frames)
    if kind == "bytes":
        return (bytes((byte,)) for frame in frames for byte in frame)
    if kind == "bom":
        return chain([b"\xef\xbb\xbf"], frames)
    good = islice(frames, 3)
    if kind == "truncated":
        return chain(islice(good, 2), (frame[: len(frame) // 2] for frame in good))
    return chain(good, rubbish(kind), frames)


def rubbish(kind: str) -> Iterable[bytes]:
    line = b"data: " + b"a" * 1017 + b"\n"
    return {
        "longline": [b"data: " + b"a" * 2 * MIB],
        "event": [line * 1024] * 3,
        "comments": [b": on and on, as if it were the news\n" * 30_000] * 3,
        "nul": [b"data: \0\0\0\0\n\n"],
        "utf8": [b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"},"finish_reason":null}]}\n\n'],
    }[kind]


SPOILED: dict[str, Callable[[int], Any]] = {
    "negative": lambda tokens: -tokens - 1,
    "string": str,
    "huge": lambda tokens: tokens + 10**15,
    "zero": lambda tokens: 0,
    "float": lambda tokens: tokens + 0.5,
    "1e400": lambda tokens: UNWRITABLE,
}


def spoil(report: Json, how: str | None) -> Json | None:
    if how == "missing":
        return None
    bend = SPOILED.get(how or "", int)
    return {key: bend(value) if isinstance(value, int) else value for key, value in report.items()}


def dump(value: Any) -> bytes:
    return orjson.dumps(value).replace(b'"%b"' % UNWRITABLE.encode(), b"1e400")
