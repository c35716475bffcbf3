"""What every kind of provider has in common. One file a kind, behind this Protocol: translation there and back, no I/O.

The gateway speaks OpenAI's chat completions inside. A kind that speaks something else says what it got in that form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

USAGE_MAX = 100_000_000
"""More tokens than any request can have: above it a provider's count is absurd."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Disjoint buckets: `input` excludes what was read from or written to a cache, `output` excludes `reasoning`.

    input, cached_input, cache_write (5 minutes), cache_write_1h, output, reasoning, audio_input, audio_output.
    `wire` is what the provider said, in the form of OpenAI's usage object.
    """

    units: dict[str, int]
    wire: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes, as the catalog says: the channel's base URL and options, the model's name there, the key."""

    base_url: str
    model: str
    secret: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    output_field: str = ""
    """The operator's word for what this one server calls the output limit; empty: what its kind calls it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it goes out: path (and query) below the channel's base URL, headers, body."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider says about a request that it did not take. Empty where it says nothing usable."""

    message: str | None = None
    code: str | None = None
    param: str | None = None


class BrokenStream(Exception):
    """What a provider sends is not the format that it should be in. Says how, without quoting it."""


class Events(Protocol):
    """One stream, read incrementally."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that the piece completes: each the JSON of one chat.completion.chunk, one {"error": …} or [DONE].

        The chunk that ends the stream carries `usage`; no other needs to. Raises BrokenStream.
        """
        ...


class Provider(Protocol):
    stream_type: bytes
    """The content type that a stream of it begins with."""

    def call(self, endpoint: str, body: dict[str, Any], target: Target) -> Call:
        """Translate a request in OpenAI's form. `endpoint` is "chat/completions" or "embeddings".

        Raises InvalidRequest with `param` for what this provider cannot express: nothing is dropped in silence.
        """
        ...

    def answer(self, endpoint: str, body: dict[str, Any], raw: bytes) -> dict[str, Any] | None:
        """An answer in one piece, in OpenAI's form, None where it is not one. `body` is the request in OpenAI's form."""
        ...

    def events(self, body: dict[str, Any]) -> Events:
        """A reader for the stream that answers this request."""
        ...

    def usage(self, answer: dict[str, Any]) -> Usage | None:
        """The usage that an answer or a chunk (in OpenAI's form) reports, None where none. Raises ValueError if absurd."""
        ...

    def refusal(self, raw: bytes) -> Refusal:
        """What the body of an answer other than 200 says."""
        ...
