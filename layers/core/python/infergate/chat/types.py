"""What one inference request is, between the wire and the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from infergate.accounts.directory import KeyDirectory
from infergate.catalog.resolve import NO_WISHES, Wishes
from infergate.catalog.shelf import Shelf
from infergate.channels.capacity import Capacity
from infergate.channels.health import Health
from infergate.kernel.errors import InferGateError
from infergate.kernel.ids import Entropy
from infergate.kernel.time import Clock
from infergate.ledger.grants import Grants
from infergate.ledger.ledger import Chance, Ledger
from infergate.limits.rates import Rates
from infergate.providers.types import Provider
from infergate.store.client import Store
from infergate.store.secrets import Secrets
from infergate.transport.http1 import HttpClient

type Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class InferenceRequest:
    """A body that passed every check of its form.

    `max_output` is what the caller asked for, None if it did not say. `input_bytes` bounds the input's tokens from above
    (a token is at least one byte); `images` come on top. `deadline` is the time, in epoch seconds, by which the platform
    will have stopped us, None where nothing will.
    """

    request_id: str
    endpoint: str
    kind: str
    body: dict[str, Any]
    model: str
    input_bytes: int
    images: int = 0
    stream: bool = False
    wants_usage: bool = False
    choices: int = 1
    max_output: int | None = None
    deadline: float | None = None
    cache_writes: tuple[str, ...] = ()
    """The buckets of cache writes that the body asks for."""
    wishes: Wishes = NO_WISHES
    wire: str = "chat"
    """The format that the caller speaks: chat, responses, messages or completions. `body` is a chat in any case."""


class Reply(Protocol):
    """Where an answer goes. Sending never raises because the client left; `gone` then turns true."""

    @property
    def gone(self) -> bool: ...

    async def json(self, status: int, headers: Headers, body: bytes) -> None: ...

    async def open_stream(self, headers: Headers) -> None: ...

    async def write(self, data: bytes) -> None:
        """Whole SSE events."""
        ...

    async def error_event(self, error: InferGateError) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class House:
    """Everyone a request meets. Built once per process, by wiring."""

    store: Store
    counters_table: str
    keys: KeyDirectory
    shelf: Shelf
    ledger: Ledger
    grants: Grants
    rates: Rates
    health: Health
    capacity: Capacity
    secrets: Secrets
    channel_secret_prefix: str
    http: HttpClient
    providers: dict[str, Provider]
    clock: Clock
    entropy: Entropy
    chance: Chance
    log: Callable[[dict[str, Any]], None]
    request_s_max: int = 600
    """The longest that a request may run. A hold's deadline is this far away, and a minute."""
    drain_s_max: int = 60
    keep_alive_s: float = 10.0
