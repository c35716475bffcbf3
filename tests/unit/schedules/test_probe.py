"""The probe's one call, to real servers on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from infergate.providers.probe import probe_call
from infergate.providers.types import Call, Target
from infergate.schedules.probe import send_probe

MODELS = Call("/models", [("authorization", "Bearer key-1")], b"")

type Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(status: str, *headers: str) -> Answering:
    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", *headers, "content-length: 2", "", "{}"]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()

    return answer


@contextlib.asynccontextmanager
async def provider(answer: Answering, heads: list[str]) -> AsyncIterator[str]:
    """A base URL below which everything is answered so; `heads` gets what was asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.mark.parametrize(("status", "code"), [("200 OK", 200), ("401 Unauthorized", 401), ("503 Busy", 503)])
async def test_the_status_of_one_get_with_the_channels_key_is_what_is_wanted(status: str, code: int) -> None:
    heads: list[str] = []
    async with provider(says(status), heads) as base_url:
        assert await send_probe(base_url, MODELS) == code

    assert len(heads) == 1
    assert heads[0].startswith("GET /v1/models HTTP/1.1\r\n")
    assert "authorization: Bearer key-1\r\n" in heads[0]


async def test_a_redirect_is_not_followed_so_that_no_key_goes_elsewhere() -> None:
    heads: list[str] = []
    async with (
        provider(says("200 OK"), heads) as elsewhere,
        provider(says("302 Found", f"location: {elsewhere}/models"), []) as base_url,
    ):
        assert await send_probe(base_url, MODELS) == 302

    assert heads == []


async def test_where_nobody_listens_there_is_no_answer() -> None:
    async with provider(says("200 OK"), []) as base_url:
        pass

    assert await send_probe(base_url, MODELS) == 0


async def test_who_hangs_up_gives_no_answer() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with provider(hang_up, []) as base_url:
        assert await send_probe(base_url, MODELS) == 0


async def test_who_says_nothing_does_not_answer_in_time() -> None:
    enough = asyncio.Event()

    async def silence(writer: asyncio.StreamWriter) -> None:
        await enough.wait()

    async with provider(silence, []) as base_url:
        assert await send_probe(base_url, MODELS, timeout_s=0.05) == 504
        enough.set()


async def test_no_key_goes_over_plain_http_to_another_machine() -> None:
    with pytest.raises(ValueError, match="https"):
        await send_probe("http://provider.example/v1", MODELS)


def test_only_kinds_with_a_call_that_costs_nothing_are_probed() -> None:
    target = Target("https://provider.example/v1", "", "key-1")

    assert probe_call("openai", target) == MODELS
    assert probe_call("openai", Target("https://provider.example/v1", "")) == Call("/models", [], b"")
    assert probe_call("groq", target) == MODELS
    azure = Target("https://r.openai.azure.com/openai", "", "key-1", {"api_version": "2024-10-21"})
    assert probe_call("azure", azure) == Call("/models?api-version=2024-10-21", [("api-key", "key-1")], b"")
    assert probe_call("something else", target) is None
