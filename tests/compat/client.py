"""What a client is here: the few things that it is asked to do, and what it says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from tests.compat.bench import Place

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE_URL = "https://pictures.example/one.png"
WEATHER = "get_weather"
DEGREES = "7 degrees"
"""What every tool answers."""


class Weather(BaseModel):
    city: str
    degrees: int


@dataclass(frozen=True)
class Answer:
    text: str
    request_id: str | None = None
    """None where the client does not tell."""
    tokens: tuple[int, int] | None = None
    """Input, output."""
    cost: str | None = None


class Refused(Exception):
    """What a client in another process raised. Those in this one raise their own."""

    def __init__(self, name: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.status_code = status


class Client(Protocol):
    """Every method is one task, done as the client's own documentation says, without retries of the client's."""

    name: str
    slug: str
    not_offered: frozenset[str]
    """Capabilities that the client itself has no way to ask for, or to tell."""
    refusals: Mapping[int, type[Exception] | str]
    """The exception's class for a status, by the client's documentation; its name, for a client in another process."""
    encodings: Sequence[str | None]
    """Of embeddings; None where the client chooses by itself."""
    at_once: int
    """How many things it does at a time. A program that starts anew for each has to do several, for the run's sake."""

    async def models(self, at: Place) -> list[str]: ...

    async def ask(self, at: Place, text: str, extra: dict[str, Any] | None = None) -> Answer:
        """`extra` are fields of the body that the client does not know."""

    async def stream(self, at: Place, text: str, leave_after: int | None = None) -> list[str]:
        """The pieces of text. With `leave_after`, the client goes away after so many."""

    async def tools(self, at: Place, text: str) -> str:
        """The final text, after a tool of the client's program answered `DEGREES`."""

    async def structured(self, at: Place, text: str) -> dict[str, Any]:
        """What the client made of an answer in the form of `Weather`."""

    async def look(self, at: Place, text: str) -> None:
        """Sends `PICTURE_URL`, and `PIXEL` as a data URL."""

    async def embed(self, at: Place, texts: list[str], encoding: str | None) -> list[list[float]]: ...
