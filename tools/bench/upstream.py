"""A provider that takes no time: OpenAI's chat answers, by the model's name.

bench-json       one JSON answer
bench-burst      an event stream of 64 tokens, in one write
bench-paced-N    a stream of N tokens, one every 20 ms (the first after 20 ms); each token's text is the moment it was sent

    python -m tools.bench.upstream PORT
"""

import asyncio
import sys
import time
from typing import Any

import orjson

from tools.bench.wire import Log, answer_of, serve

PACE_S = 0.02
BURST = 64
TEXT = "The quick brown fox jumps over the lazy dog, and nobody on the bench is measured by what it says. " * 4
USAGE = {
    "prompt_tokens": 180,
    "completion_tokens": 96,
    "total_tokens": 276,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_NAMED = {"id": "chatcmpl-BenchBenchBenchBench", "created": 1795000000, "model": "bench", "service_tier": "default"}
_LAST = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def json_answer() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT, "refusal": None}, "finish_reason": "stop"}
    return orjson.dumps({**_NAMED, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def event(delta: dict[str, Any] | None, *, finish: str | None = None) -> bytes:
    """One HTTP chunk with one event in it, as providers send them; without a delta, the usage."""
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}] if delta is not None else []
    chunk = {
        **_NAMED,
        "object": "chat.completion.chunk",
        "system_fingerprint": "fp_bench",
        "choices": choices,
        "usage": None if delta is not None else USAGE,
    }
    data = b"data: " + orjson.dumps(chunk) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


JSON = answer_of("200 OK", json_answer())
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = event({"role": "assistant", "content": "", "refusal": None})
END = event({}, finish="stop") + event(None) + _LAST
BURST_ANSWER = HEAD + FIRST + event({"content": "@0 "}) * BURST + END


class Upstream:
    def __init__(self) -> None:
        self._log = Log()

    def answer(self, head: bytes, body: bytes, transport: asyncio.Transport) -> None:
        if head.startswith(b"get /log"):
            transport.write(answer_of("200 OK", self._log.take()))
            return
        self._log.note("upstream")
        _, _, named = body[:200].partition(b'"bench-')
        name = named.partition(b'"')[0]
        if name == b"json":
            transport.write(JSON)
        elif name == b"burst":
            transport.write(BURST_ANSWER)
        elif name.startswith(b"paced-"):
            transport.write(HEAD + FIRST)
            _pace(transport, int(name[6:]), time.monotonic() + PACE_S)
        else:
            transport.write(answer_of("404 Not Found", b'{"error":{"message":"no such model"}}'))


def _pace(transport: asyncio.Transport, left: int, due: float) -> None:
    """Send the next token when it is due: by the plan, so that late ones do not delay those after them."""

    def send() -> None:
        if transport.is_closing():
            return
        token = event({"content": f"@{time.monotonic_ns() // 1000} "})
        transport.write(token if left > 1 else token + END)
        if left > 1:
            _pace(transport, left - 1, due + PACE_S)

    asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), send)


if __name__ == "__main__":
    serve(Upstream().answer, int(sys.argv[1]))
