"""Who says the pipeline's answer in the caller's format. The pipeline itself speaks chat, and knows nothing of this."""

from collections.abc import Iterator
from typing import Any, Protocol

from infergate.chat.relay import DONE, KEEP_ALIVE, frame
from infergate.chat.types import InferenceRequest
from infergate.edge.wire import messages_answer, responses_answer
from infergate.edge.wire.completions import completion
from infergate.edge.wire.messages_answer import PING, MessagesStream
from infergate.edge.wire.responses_answer import ResponsesStream
from infergate.edge.wire.translated import Translated
from infergate.providers.wire_json import dump_json, parse_json

_DATA = b"data: "


class Voice(Protocol):
    """One answer, whole or in pieces. What a provider sent may have any shape; nothing raises because of it."""

    def whole(self, answer: dict[str, Any]) -> bytes: ...

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        """The events for a chunk with choices."""
        ...

    def end(self, usage: dict[str, Any] | None) -> bytes:
        """The events after the last chunk; nothing after a failure."""
        ...

    def error(self, error: dict[str, Any]) -> bytes:
        """The events for a failure in mid-stream. `error` is the inner object of OpenAI's."""
        ...

    def keep_alive(self) -> bytes: ...


class ResponsesVoice:
    def __init__(self, request: Translated) -> None:
        self._request = request
        self._stream = ResponsesStream(request)
        self.chunk, self.end, self.error = self._stream.take, self._stream.end, self._stream.fail

    def whole(self, answer: dict[str, Any]) -> bytes:
        return dump_json(responses_answer.whole(self._request, answer))

    def keep_alive(self) -> bytes:
        return KEEP_ALIVE


class MessagesVoice:
    def __init__(self, request: InferenceRequest) -> None:
        self._request = request
        self._stream = MessagesStream(request.request_id, request.model)
        self.chunk, self.end, self.error = self._stream.take, self._stream.end, self._stream.fail

    def whole(self, answer: dict[str, Any]) -> bytes:
        return dump_json(messages_answer.whole(answer, self._request.request_id, self._request.model))

    def keep_alive(self) -> bytes:
        return PING


class CompletionsVoice:
    """The same events as a chat's, of another shape."""

    def __init__(self, request: InferenceRequest) -> None:
        self._wants_usage = request.wants_usage
        self._head: dict[str, Any] = {}

    def whole(self, answer: dict[str, Any]) -> bytes:
        return dump_json(completion(answer))

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        said = completion(chunk)
        self._head = {name: value for name, value in said.items() if name not in ("choices", "usage")}
        return frame(dump_json(said))

    def end(self, usage: dict[str, Any] | None) -> bytes:
        last = frame(dump_json({**self._head, "choices": [], "usage": usage})) if self._wants_usage and usage else b""
        return last + DONE

    def error(self, error: dict[str, Any]) -> bytes:
        self._wants_usage = False
        return frame(dump_json({"error": error}))

    def keep_alive(self) -> bytes:
        return KEEP_ALIVE


def voice_of(request: InferenceRequest) -> Voice | None:
    """None for a chat: its bytes go out as they are."""
    match request:
        case Translated(wire="responses"):
            return ResponsesVoice(request)
        case Translated(wire="messages"):
            return MessagesVoice(request)
        case Translated(wire="completions"):
            return CompletionsVoice(request)
    return None


class Speech:
    """A chat's SSE events, said by a voice as they come."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._usage: dict[str, Any] | None = None

    def whole(self, body: bytes) -> bytes:
        answer = parse_json(body)
        return self._voice.whole(answer if isinstance(answer, dict) else {})

    def events(self, data: bytes) -> bytes:
        """`data` is whole events, as chat/relay.py frames them: one line of JSON each, or a comment."""
        return b"".join(self._said(data))

    def _said(self, data: bytes) -> Iterator[bytes]:
        for event in data.split(b"\n\n"):
            if event.startswith(b":"):
                yield self._voice.keep_alive()
            elif event + b"\n\n" == DONE:
                yield self._voice.end(self._usage)
            elif event.startswith(_DATA):
                yield self._chunk(parse_json(event[len(_DATA) :]))

    def _chunk(self, chunk: Any) -> bytes:
        if not isinstance(chunk, dict):
            return b""
        if isinstance(error := chunk.get("error"), dict):
            return self._voice.error(error)
        if not chunk.get("choices"):
            self._usage = chunk.get("usage") or self._usage
            return b""
        return self._voice.chunk(chunk)
