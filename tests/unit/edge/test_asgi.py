"""Sending to a client that does not read, or has left."""

import asyncio
from typing import Any

import pytest
from infergate.edge import asgi
from infergate.edge.asgi import AsgiReply


async def never(*_: Any) -> Any:
    await asyncio.Event().wait()


async def test_a_client_that_reads_nothing_counts_as_gone_and_sending_never_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asgi, "SEND_S_MAX", 0.05)
    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await never()

    reply = AsgiReply(send, never, "req_1")
    await reply.open_stream([])
    await reply.write(b"data: 1\n\n")
    assert reply.gone

    await reply.write(b"data: 2\n\n")
    await reply.close()
    assert sent == ["http.response.start", "http.response.body"]


async def test_a_client_that_leaves_is_noticed_while_the_answer_still_comes() -> None:
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        return

    reply = AsgiReply(send, receive, "req_1")
    await reply.open_stream([])
    await reply.write(b"data: 1\n\n")
    assert not reply.gone
    left.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert reply.gone
    await reply.close()
