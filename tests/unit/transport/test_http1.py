import asyncio
import random
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from infergate.transport.http1 import (
    BodyTooLarge,
    ConnectFailed,
    ConnectionLost,
    FirstByteTimeout,
    HttpClient,
    NoResponse,
    Origin,
    ProtocolError,
    ReadTimeout,
    Response,
    TransportError,
)

from .conftest import Handler, Peer, Serve, settle

CLOSE = b"<close>"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def ok(body: bytes = b"fine", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"content-length: %d" % len(body), b"", body])


def replies(*answers: bytes) -> Handler:
    """Answer the n-th request, on whichever connection it comes, with the n-th answer; one ending in CLOSE hangs up."""
    left = list(answers)

    async def handler(peer: Peer) -> None:
        while left:
            await peer.request()
            answer = left.pop(0)
            await peer.send(answer.removesuffix(CLOSE))
            if answer.endswith(CLOSE):
                return
        await peer.until_hung_up()

    return handler


async def silence(peer: Peer) -> None:
    await peer.request()
    await peer.until_hung_up()


def after_request(*pieces: bytes, gap_s: float = 0.0) -> Handler:
    async def handler(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(gap_s)
        await peer.until_hung_up()

    return handler


async def get(client: HttpClient, origin: Origin, target: str = "/", method: str = "GET") -> Response:
    return await client.send(origin, method, target, [], first_byte_timeout_s=2.0)


async def whole(response: Response) -> bytes:
    return await response.read(limit=1 << 20, timeout_s=2.0)


# -- requests and answers


async def test_a_request_arrives_as_it_was_meant(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok()))

    await client.send(server.origin, "POST", "/a?b", [("x-key", "v")], b"{}", first_byte_timeout_s=2.0)

    assert server.requests[0].split(b"\r\n") == [
        b"POST /a?b HTTP/1.1",
        b"host: 127.0.0.1:%d" % server.origin.port,
        b"accept-encoding: identity",
        b"x-key: v",
        b"content-length: 2",
        b"",
        b"{}",
    ]


async def test_a_large_body_arrives_whole(serve: Serve, client: HttpClient) -> None:
    server, body = await serve(replies(ok())), random.randbytes(3_000_000)

    await client.send(server.origin, "POST", "/", [], body, first_byte_timeout_s=2.0)

    assert server.requests[0].endswith(b"\r\n\r\n" + body)


async def test_nothing_is_sent_when_a_header_is_refused(serve: Serve, client: HttpClient) -> None:
    server = await serve(silence)

    with pytest.raises(ValueError, match="CR, LF"):
        await client.send(server.origin, "GET", "/", [("x", "a\r\nb: c")], first_byte_timeout_s=2.0)

    assert server.connections == 0


async def test_headers_keep_their_order_and_lose_their_case(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok(b"", b"X-B: 1", b"X-A: Two", b"x-b: 3")))

    response = await get(client, server.origin)

    assert response.status == 200
    assert response.headers == [(b"x-b", b"1"), (b"x-a", b"Two"), (b"x-b", b"3"), (b"content-length", b"0")]
    assert (response.header(b"x-b"), response.header(b"x-c")) == (b"1", None)


async def test_the_head_is_handed_over_before_the_body_comes(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"))

    response = await get(client, server.origin)

    assert response.status == 200
    response.abort()


async def test_an_answer_torn_into_single_bytes_is_the_same_answer(serve: Serve, client: HttpClient) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n"
    server = await serve(after_request(*(answer[i : i + 1] for i in range(len(answer)))))

    response = await get(client, server.origin)

    assert await whole(response) == b"abcde"
    assert response.headers == [(b"transfer-encoding", b"chunked")]


async def test_interim_answers_are_skipped(serve: Serve, client: HttpClient) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    server = await serve(replies(interim + ok(b"one"), ok(b"two")))

    response = await get(client, server.origin)

    assert (response.status, response.headers) == (200, [(b"content-length", b"3")])
    assert await whole(response) == b"one"
    assert await whole(await get(client, server.origin)) == b"two"
    assert server.connections == 1


async def test_redirects_and_errors_are_answers_like_any_other(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n", ok()))

    assert (await get(client, server.origin)).status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_ends_with_its_head(
    serve: Serve, client: HttpClient, method: str, answer: bytes
) -> None:
    server = await serve(replies(answer, ok()))

    assert await whole(await get(client, server.origin, method=method)) == b""
    assert await whole(await get(client, server.origin)) == b"fine"
    assert server.connections == 1


async def test_a_body_without_length_ends_with_the_connection(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(b"HTTP/1.1 200 OK\r\n\r\nall of it" + CLOSE, ok()))

    assert await whole(await get(client, server.origin)) == b"all of it"
    assert await whole(await get(client, server.origin)) == b"fine"
    assert server.connections == 2


async def test_chunks_come_as_they_arrive_and_end_with_nothing(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(CHUNKED, b"1\r\na\r\n", b"2\r\nbc\r\n", b"0\r\n\r\n", gap_s=0.01))
    response = await get(client, server.origin)

    pieces = [await response.chunk(2.0) for _ in range(4)]

    assert pieces == [b"a", b"bc", b"", b""]


async def test_what_is_buffered_comes_joined(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"))
    response = await get(client, server.origin)

    assert await response.chunk(2.0) == b"abc"


# -- the pool


async def test_a_finished_answer_returns_its_connection_by_itself(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok(b"one"), CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n", ok(b"three")))

    first = await get(client, server.origin)
    second = await get(client, server.origin)
    third = await get(client, server.origin)

    assert [await whole(each) for each in (third, second, first)] == [b"three", b"two", b"one"]
    assert server.connections == 1


async def test_two_requests_at_once_never_share_a_connection(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"))

    responses = [await get(client, server.origin) for _ in range(3)]

    assert server.connections == 3
    for response in responses:
        response.abort()


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"last", b"connection: close"),
        ok(b"last", b"Connection: keep-alive, Close"),
        ok(b"last").replace(b"HTTP/1.1", b"HTTP/1.0"),
        ok(b"last", b"connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
async def test_a_connection_announced_to_end_is_not_used_again(serve: Serve, client: HttpClient, answer: bytes) -> None:
    server = await serve(replies(answer, ok()))

    assert await whole(await get(client, server.origin)) == b"last"
    await whole(await get(client, server.origin))

    assert server.connections == 2


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("GET", ok(b"mine") + ok(b"smuggled")),
        ("GET", ok(b"mine") + b"HTTP/1.1 2"),
        ("GET", ok(b"mine") + b"garbage"),
        ("GET", CHUNKED + b"4\r\nmine\r\n0\r\n\r\nx"),
        ("GET", ok(b"mine", b"connection: close") + b"garbage"),
        ("HEAD", ok(b"four")),
        ("HEAD", CHUNKED + b"0\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nbody"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nbody"),
    ],
)
async def test_bytes_after_the_answer_end_the_connection(
    serve: Serve, client: HttpClient, method: str, answer: bytes
) -> None:
    server = await serve(replies(answer, ok(b"yours")))

    assert await whole(await get(client, server.origin, method=method)) in (b"", b"mine")
    assert await whole(await get(client, server.origin)) == b"yours"
    assert server.connections == 2


async def test_bytes_nobody_asked_for_end_an_idle_connection(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(ok(b"mine"), ok(b"smuggled"), gap_s=0.02))

    assert await whole(await get(client, server.origin)) == b"mine"
    await server.until_hung_up()
    assert await whole(await get(client, server.origin)) == b"mine"
    assert server.connections == 2


async def test_a_connection_the_server_closed_is_not_handed_out(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok() + CLOSE, ok(), ok() + CLOSE))

    await whole(await get(client, server.origin))
    await settle(lambda: not client._idle[server.origin])
    await whole(await get(client, server.origin))

    assert server.connections == 2


async def test_a_connection_about_to_close_is_not_handed_out(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok(), ok()))
    await get(client, server.origin)

    client._idle[server.origin][0]._transport.abort()  # the pool hears of it a turn of the loop later
    await get(client, server.origin)

    assert server.connections == 2


async def test_an_idle_connection_is_not_trusted_past_its_time(serve: Serve) -> None:
    server, client = await serve(replies(ok(), ok(), ok())), HttpClient(idle_s=0.05)

    await get(client, server.origin)
    await get(client, server.origin)
    await asyncio.sleep(0.06)
    await get(client, server.origin)

    assert server.connections == 2
    await server.until_hung_up()
    await client.close()


async def test_time_that_passed_while_frozen_counts_as_idle(serve: Serve) -> None:
    wall_s = 1000.0
    server, client = await serve(replies(ok(), ok(), ok())), HttpClient(idle_s=20.0, wall_clock=lambda: wall_s)

    await get(client, server.origin)
    wall_s += 19
    await get(client, server.origin)
    wall_s += 21
    await get(client, server.origin)

    assert server.connections == 2
    await client.close()


async def test_a_wall_clock_set_back_does_not_matter(serve: Serve) -> None:
    wall_s = 1000.0
    server, client = await serve(replies(ok(), ok())), HttpClient(wall_clock=lambda: wall_s)

    await get(client, server.origin)
    wall_s -= 500
    await get(client, server.origin)

    assert server.connections == 1
    await client.close()


async def test_the_pool_keeps_no_more_than_it_may(serve: Serve) -> None:
    server, client = await serve(replies(*[ok()] * 9)), HttpClient(max_idle_per_origin=2)

    for _ in range(3):
        await client.warm(server.origin)

    await settle(lambda: server.connections == 3)
    await server.until_hung_up(1)
    assert len(client._idle[server.origin]) == 2
    await client.close()


async def test_a_warm_connection_serves_the_first_request(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok()))

    await client.warm(server.origin)
    await get(client, server.origin)

    assert server.connections == 1


async def test_origins_do_not_share_connections(serve: Serve, client: HttpClient) -> None:
    one, two = await serve(replies(ok(b"one"))), await serve(replies(ok(b"two")))

    assert await whole(await get(client, one.origin)) == b"one"
    assert await whole(await get(client, two.origin)) == b"two"


async def test_small_writes_do_not_wait_for_acknowledgement(serve: Serve, client: HttpClient) -> None:
    server = await serve(silence)

    await client.warm(server.origin)

    raw = client._idle[server.origin][0]._transport.get_extra_info("socket")
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_an_answer_before_the_request_was_fully_sent_costs_the_connection(
    serve: Serve, client: HttpClient
) -> None:
    async def too_large(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(ok(b"too large"))
        await asyncio.sleep(0.1)  # reads no more: the rest of the request stays with the client
        await peer.until_hung_up()

    server = await serve(too_large)
    response = await client.send(server.origin, "POST", "/", [], bytes(16 << 20), first_byte_timeout_s=2.0)

    assert await whole(response) == b"too large"
    assert not client._idle.get(server.origin)


async def test_closing_ends_what_is_idle_and_spares_what_is_under_way(serve: Serve) -> None:
    server, client = await serve(after_request(CHUNKED, b"2\r\nok\r\n0\r\n\r\n", gap_s=0.03)), HttpClient()
    await client.warm(server.origin)
    await client.warm(server.origin)
    response = await get(client, server.origin)

    await client.close()

    await server.until_hung_up(1)
    assert await whole(response) == b"ok"
    await server.until_hung_up(2)
    with pytest.raises(RuntimeError, match="closed"):
        await get(client, server.origin)


# -- failures, by the name of the error


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "a" * 70 + ".example"])
async def test_a_refused_connection_or_a_bad_name_says_nothing_was_sent(client: HttpClient, host: str) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await get(client, Origin("http", host, free_port()))

    assert failed.value.origin.host == host
    assert failed.value.reason


async def test_a_server_that_hangs_up_on_arrival_is_noticed_at_once(serve: Serve, client: HttpClient) -> None:
    async def hang_up(peer: Peer) -> None:
        peer.writer.transport.abort()

    server = await serve(hang_up)

    with pytest.raises((ConnectFailed, NoResponse)):
        await get(client, server.origin)


async def test_a_hang_up_before_the_request_says_nothing_was_sent(
    serve: Serve, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang_up(peer: Peer) -> None:
        return

    async def slowly(*args: Any, **kwargs: Any) -> object:
        made = await create_connection(*args, **kwargs)
        await asyncio.sleep(0.03)
        return made

    server, loop = await serve(hang_up), asyncio.get_running_loop()
    create_connection = loop.create_connection
    monkeypatch.setattr(loop, "create_connection", slowly)

    with pytest.raises(ConnectFailed):
        await get(client, server.origin)


async def test_a_server_that_speaks_first_is_not_spoken_to(serve: Serve, client: HttpClient) -> None:
    async def banner(peer: Peer) -> None:
        await peer.send(b"220 smtp ready\r\n")
        await peer.until_hung_up()

    server = await serve(banner)

    with pytest.raises((ConnectFailed, ProtocolError)):
        await get(client, server.origin)


async def test_a_connection_that_dies_unanswered_is_not_tried_again(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(CLOSE))

    with pytest.raises(NoResponse) as died:
        await get(client, server.origin)

    assert not died.value.reused
    assert len(server.requests) == server.connections == 1


async def test_a_reused_connection_that_dies_before_any_byte_says_so(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok(), CLOSE))
    await get(client, server.origin)

    with pytest.raises(NoResponse) as died:
        await get(client, server.origin)

    assert died.value.reused
    assert len(server.requests) == 2


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_reused_connection_that_dies_within_a_head_is_no_mere_idle_death(
    serve: Serve, client: HttpClient, part: bytes
) -> None:
    server = await serve(replies(ok(), part + CLOSE))
    await get(client, server.origin)

    with pytest.raises(NoResponse) as died:
        await get(client, server.origin)

    assert not died.value.reused


async def test_a_warm_connection_that_dies_before_any_byte_counts_as_reused(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(CLOSE))
    await client.warm(server.origin)

    with pytest.raises(NoResponse) as died:
        await get(client, server.origin)

    assert died.value.reused


@pytest.mark.parametrize(
    "pieces", [[], [b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 50], [b"HTTP/1.1 100 Continue\r\n\r\n"] * 50]
)
async def test_the_whole_head_must_come_in_time(serve: Serve, client: HttpClient, pieces: list[bytes]) -> None:
    server = await serve(after_request(*pieces, gap_s=0.01))

    with pytest.raises(FirstByteTimeout):
        await client.send(server.origin, "GET", "/", [], first_byte_timeout_s=0.05)

    await server.until_hung_up()
    assert not client._idle.get(server.origin)


async def test_a_timeout_while_waiting_for_a_chunk_loses_no_data(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(CHUNKED, b"3\r\nabc\r\n", b"3\r\ndef\r\n", b"0\r\n\r\n", gap_s=0.03))
    response = await get(client, server.origin)
    got, late = b"", 0

    while True:
        try:
            piece = await response.chunk(0.004)
        except ReadTimeout:
            late += 1
            continue
        if not piece:
            break
        got += piece

    assert got == b"abcdef"
    assert late >= 2
    assert len(client._idle[server.origin]) == 1


async def test_framing_without_content_does_not_put_off_a_timeout(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(CHUNKED + b"5;", *[b"x"] * 100, gap_s=0.005))
    response = await get(client, server.origin)

    with pytest.raises(ReadTimeout):
        await response.chunk(0.03)

    response.abort()


async def test_reading_a_body_is_timed_as_a_whole(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(CHUNKED, *[b"1\r\na\r\n"] * 100, gap_s=0.005))
    response = await get(client, server.origin)

    with pytest.raises(ReadTimeout):
        await response.read(limit=1000, timeout_s=0.05)

    await server.until_hung_up()


async def test_a_body_that_never_pauses_is_timed_too(serve: Serve, client: HttpClient) -> None:
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await peer.flood(bytes(4096))

    server = await serve(endless)
    response = await get(client, server.origin)

    with pytest.raises(ReadTimeout):
        await response.read(limit=1 << 40, timeout_s=0.05)

    await server.until_hung_up()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx",
        CHUNKED + b"b\r\nhello world\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello world",
    ],
)
async def test_a_body_past_the_limit_is_dropped(serve: Serve, client: HttpClient, answer: bytes) -> None:
    server = await serve(replies(answer))
    response = await get(client, server.origin)

    with pytest.raises(BodyTooLarge):
        await response.read(limit=10, timeout_s=2.0)

    await server.until_hung_up()


async def test_a_body_at_the_limit_is_read(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok(b"0123456789"), ok(b"0123456789")))

    assert await (await get(client, server.origin)).read(limit=10, timeout_s=2.0) == b"0123456789"
    with pytest.raises(BodyTooLarge):
        await (await get(client, server.origin)).read(limit=9, timeout_s=2.0)


@pytest.mark.parametrize(
    "cut",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", CHUNKED + b"4\r\nhell", CHUNKED + b"4\r\nhell\r\n0\r\n"],
)
async def test_a_body_cut_short_is_never_taken_for_a_whole_one(serve: Serve, client: HttpClient, cut: bytes) -> None:
    server = await serve(replies(cut + CLOSE, cut + CLOSE))
    response = await get(client, server.origin)

    assert await response.chunk(2.0) == b"hell"
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            await response.chunk(2.0)
    with pytest.raises(ConnectionLost):
        await whole(await get(client, server.origin))


async def test_a_reset_does_not_end_a_body_without_length(serve: Serve, client: HttpClient) -> None:
    async def reset(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\npart")
        await asyncio.sleep(0.02)
        raw = peer.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()

    server = await serve(reset)
    response = await get(client, server.origin)

    with pytest.raises(ConnectionLost):
        await whole(response)


MALFORMED = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "another protocol": b"ICY 200 OK\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "length and another coding": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: gzip\r\n\r\nhello",
    "coding not asked for": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding without an end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
    "chunked twice": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "a list of lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
    "a length past 64 bits": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello",
    "a folded header": b"HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
    "a NUL": b"HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nx: y\n\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "switching protocols silently": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 201 + b"\r\n",
    "a head above 64 KiB": b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"y" * 1000) * 70 + b"\r\n",
    "a header above 64 KiB": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_head_is_refused_and_its_connection_dropped(
    serve: Serve, client: HttpClient, answer: bytes
) -> None:
    server = await serve(replies(answer))

    with pytest.raises(ProtocolError) as refused:
        await get(client, server.origin)

    assert refused.value.reason
    await server.until_hung_up()


async def test_two_hundred_headers_and_nearly_64_kib_are_accepted(serve: Serve, client: HttpClient) -> None:
    lines = [b"x-%d: %b" % (i, b"y" * 300) for i in range(199)]
    server = await serve(replies(ok(b"fine", *lines)))

    response = await get(client, server.origin)

    assert len(response.headers) == 200
    assert await whole(response) == b"fine"


@pytest.mark.parametrize(
    "bad", [b"zz\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"1\r\nab\r\n", b"0x1\r\na\r\n", b"1\na\n"]
)
async def test_a_bad_chunk_is_told_after_the_bytes_before_it(serve: Serve, client: HttpClient, bad: bytes) -> None:
    server = await serve(replies(CHUNKED + b"4\r\ngood\r\n" + bad))
    response = await get(client, server.origin)

    assert (await response.chunk(2.0)).startswith(b"good")
    with pytest.raises(ProtocolError):
        await response.chunk(2.0)
    await server.until_hung_up()


ENDLESS_HEADS = {
    "header": (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 8192),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000),
    "reason": (b"HTTP/1.1 200 ", b"OK" * 4096),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 300),
    "interim answers with headers": (b"", b"HTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\n" * 300),
    "empty lines": (b"", b"\r\n" * 4096),
}
ENDLESS_FRAMING = {
    "chunk extension": (CHUNKED + b"5;", b"x" * 8192),
    "trailer": (CHUNKED + b"0\r\nx: ", b"y" * 8192),
    "trailers": (CHUNKED + b"0\r\n", b"x: y\r\n" * 1000),
}


def endless(start: bytes, again: bytes) -> Handler:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        await peer.flood(again)

    return handler


@pytest.mark.parametrize("script", ENDLESS_HEADS.values(), ids=ENDLESS_HEADS.keys())
async def test_a_head_without_end_is_cut_off(serve: Serve, client: HttpClient, script: tuple[bytes, bytes]) -> None:
    server = await serve(endless(*script))

    with pytest.raises(ProtocolError):
        await get(client, server.origin)

    await server.until_hung_up()
    assert server.flooded < 16 << 20  # the kernel's buffers are most of it


@pytest.mark.parametrize("script", ENDLESS_FRAMING.values(), ids=ENDLESS_FRAMING.keys())
async def test_framing_without_end_is_cut_off(serve: Serve, client: HttpClient, script: tuple[bytes, bytes]) -> None:
    server = await serve(endless(*script))
    response = await get(client, server.origin)

    with pytest.raises(ProtocolError):
        await whole(response)

    await server.until_hung_up()


async def test_an_unread_body_waits_with_the_server(serve: Serve, client: HttpClient) -> None:
    body = random.randbytes(1 << 20) * 12

    async def generous(peer: Peer) -> None:
        await peer.request()
        await peer.send(ok(body))
        peer.server.flooded = len(body)
        await peer.request()
        await peer.send(ok(b"next"))
        await peer.until_hung_up()

    server = await serve(generous)
    response = await get(client, server.origin)
    await asyncio.sleep(0.1)

    assert len(response._buffer) <= 512 * 1024
    assert not server.flooded
    first = await response.chunk(2.0)
    await asyncio.sleep(0.05)
    assert len(response._buffer) <= 512 * 1024
    assert first + await response.read(limit=len(body), timeout_s=2.0) == body
    assert await whole(await get(client, server.origin)) == b"next"
    assert server.connections == 1


# -- abort and cancellation


async def test_aborting_hangs_up_and_may_be_repeated(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(CHUNKED + b"4\r\npart\r\n"))
    response = await get(client, server.origin)

    response.abort()
    response.abort()

    await server.until_hung_up()
    with pytest.raises(ConnectionLost):
        await response.chunk(2.0)


async def test_aborting_wakes_the_reader(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(CHUNKED))
    response = await get(client, server.origin)
    reader = asyncio.create_task(response.chunk(2.0))
    await asyncio.sleep(0)

    response.abort()

    with pytest.raises(ConnectionLost):
        await reader


async def test_aborting_what_has_ended_harms_nobody(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(ok(b"one"), ok(b"two")))
    first = await get(client, server.origin)
    second = await get(client, server.origin)

    first.abort()

    assert [await whole(first), await whole(second)] == [b"one", b"two"]
    assert server.connections == 1


async def cancelled(task: asyncio.Task[object]) -> None:
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_a_send_drops_its_connection(serve: Serve, client: HttpClient) -> None:
    server = await serve(silence)

    await cancelled(asyncio.create_task(get(client, server.origin)))

    await server.until_hung_up()
    assert not client._idle.get(server.origin)


@pytest.mark.parametrize("reading", [lambda response: response.chunk(2.0), whole], ids=["chunk", "read"])
async def test_cancelling_a_reader_drops_its_connection(
    serve: Serve, client: HttpClient, reading: Callable[[Response], Coroutine[None, None, bytes]]
) -> None:
    server = await serve(replies(CHUNKED))
    response = await get(client, server.origin)

    await cancelled(asyncio.create_task(reading(response)))

    await server.until_hung_up()
    with pytest.raises(ConnectionLost):
        await response.chunk(2.0)


async def test_cancelling_a_handshake_drops_its_connection(serve: Serve, client: HttpClient) -> None:
    async def mute(peer: Peer) -> None:
        await peer.until_hung_up()

    server = await serve(mute)

    await cancelled(asyncio.create_task(get(client, server.origin._replace(scheme="https"))))

    await server.until_hung_up()


async def test_whenever_a_call_is_cancelled_the_others_get_their_own_answers(serve: Serve, client: HttpClient) -> None:
    async def echo(peer: Peer) -> None:
        while True:
            target = (await peer.request()).split()[1]
            await peer.send(CHUNKED + b"%x\r\n%b\r\n" % (len(target), target))
            await asyncio.sleep(0)
            await peer.send(b"0\r\n\r\n")

    async def call(target: str) -> None:
        assert await whole(await get(client, server.origin, target)) == target.encode()

    async def call_and_cancel(target: str, turns: int) -> None:
        task = asyncio.create_task(call(target))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()

    server = await serve(echo)
    for turns in range(40):
        await asyncio.gather(call_and_cancel(f"/cancel/{turns}", turns), call(f"/a/{turns}"), call(f"/b/{turns}"))

    assert server.connections > 2


async def test_waiting_starts_no_task(serve: Serve, client: HttpClient) -> None:
    server = await serve(replies(CHUNKED, ok()))
    response = await get(client, server.origin)
    before = len(asyncio.all_tasks())
    reader = asyncio.create_task(response.chunk(2.0))
    await asyncio.sleep(0.01)

    assert len(asyncio.all_tasks()) == before + 1

    response.abort()
    await asyncio.gather(reader, return_exceptions=True)


async def test_a_second_reader_is_refused_and_the_first_unharmed(serve: Serve, client: HttpClient) -> None:
    server = await serve(after_request(CHUNKED, b"1\r\na\r\n0\r\n\r\n", gap_s=0.03))
    response = await get(client, server.origin)
    first = asyncio.create_task(response.chunk(2.0))
    await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="two readers"):
        await response.chunk(2.0)

    assert await first == b"a"


# -- TLS


async def test_tls_connections_are_reused_like_any_other(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    body = random.randbytes(1_500_000)
    server, client = await serve(replies(ok(), ok(body)), server_tls), HttpClient(ssl_context=client_tls)

    assert await whole(await get(client, server.origin)) == b"fine"
    response = await client.send(server.origin, "POST", "/", [], body, first_byte_timeout_s=2.0)

    assert await response.read(limit=len(body), timeout_s=2.0) == body
    assert server.requests[1].endswith(body)
    assert server.connections == 1
    raw = client._idle[server.origin][0]._transport.get_extra_info("socket")
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await client.close()
    await server.until_hung_up()


async def test_an_untrusted_certificate_is_not_spoken_to(
    serve: Serve, client: HttpClient, server_tls: ssl.SSLContext
) -> None:
    server = await serve(replies(ok()), server_tls)

    with pytest.raises(ConnectFailed) as failed:
        await get(client, server.origin)

    assert isinstance(failed.value.__cause__, ssl.SSLCertVerificationError)
    assert not server.requests


async def test_a_handshake_that_stalls_is_given_up(serve: Serve) -> None:
    async def mute(peer: Peer) -> None:
        await peer.until_hung_up()

    server, client = await serve(mute), HttpClient(connect_timeout_s=0.05)

    with pytest.raises(ConnectFailed):
        await get(client, server.origin._replace(scheme="https"))

    await server.until_hung_up()
    await client.close()


async def test_only_an_orderly_tls_end_ends_a_body_without_length(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def cut(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nbody")
        await asyncio.sleep(0.02)
        if b"/cut" in request:
            peer.writer.transport.abort()

    server, client = await serve(cut, server_tls), HttpClient(ssl_context=client_tls)

    assert await whole(await get(client, server.origin, "/orderly")) == b"body"
    with pytest.raises(ConnectionLost):
        await whole(await get(client, server.origin, "/cut"))
    await client.close()


async def test_an_idle_tls_connection_the_server_closed_is_forgotten(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    server, client = await serve(replies(ok() + CLOSE, ok()), server_tls), HttpClient(ssl_context=client_tls)

    await whole(await get(client, server.origin))
    await settle(lambda: not client._idle[server.origin])
    await whole(await get(client, server.origin))

    assert server.connections == 2
    await client.close()


async def test_an_unread_tls_body_waits_with_the_server(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    body = random.randbytes(1 << 20) * 12
    server, client = await serve(replies(ok(body)), server_tls), HttpClient(ssl_context=client_tls)
    response = await get(client, server.origin)
    await asyncio.sleep(0.1)

    assert len(response._buffer) <= 1 << 20
    assert await response.read(limit=len(body), timeout_s=2.0) == body
    await client.close()


# -- the house


def test_the_client_imports_little() -> None:
    heavy = "aiohttp httpx email http.client urllib.request urllib.parse encodings.idna multiprocessing pydantic boto3"
    code = f"import infergate.transport.http1, sys; print(sorted(set('{heavy}'.split()) & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_error_is_a_transport_error_and_says_where() -> None:
    for kind in (ConnectFailed, NoResponse, FirstByteTimeout, ReadTimeout, ConnectionLost, BodyTooLarge, ProtocolError):
        error = kind(Origin("http", "h", 80), "why")

        assert isinstance(error, TransportError)
        assert (error.origin.host, error.reason) == ("h", "why")
