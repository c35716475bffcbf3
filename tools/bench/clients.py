"""CPU of one DynamoDB call by three clients, in one process against the stand-in: an UpdateItem with a condition.

    python -m tools.bench.clients http://127.0.0.1:PORT     prints {"client": [ms a call, one a round], …}

The first value of each client, `… made`, is what making it costs, imports included.
"""

# ruff: noqa: PLC0415  importing a client is part of what it costs

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import uvloop
from infergate.ledger import wallet
from infergate.ledger.types import Hold

ROUNDS = 5
CALLS = 300
_KEYS = ("test", "test")
_REGION = "us-east-1"

type Call = Callable[[], Awaitable[Any]]
type Close = Callable[[], Awaitable[None]]


def params() -> dict[str, Any]:
    hold = Hold("req_01M8740M7HVM9WNBMX2GDW28YP.1", 1_249_500, 1_795_536_085)
    return wallet.reserve("bench-AccountsTable", "acct_bench", hold, epoch=3, room=100, now_s=1_795_536_000)


async def nothing() -> None:
    return


def thin(endpoint: str) -> tuple[Call, Close]:
    from infergate.store import aws
    from infergate.store.signing import Credentials
    from infergate.transport.http1 import HttpClient

    http = HttpClient()
    store = aws.dynamodb(http, Credentials(*_KEYS), region=_REGION, clock=time.time, endpoint=endpoint)
    write = params()
    return lambda: store.call("UpdateItem", write), http.close


def signed_over_aiohttp(endpoint: str) -> tuple[Call, Close]:
    import aiohttp
    from infergate.store.signing import Credentials, Signer

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    signer = Signer(Credentials(*_KEYS), _REGION, "dynamodb", endpoint.partition("://")[2])
    write = params()

    async def call() -> Any:
        body = orjson.dumps(write)
        headers = signer.headers("DynamoDB_20120810.UpdateItem", body, time.time())
        async with session.post(endpoint, data=body, headers=headers) as answer:
            return orjson.loads(await answer.read())

    return call, session.close


def boto3_in_threads(endpoint: str) -> tuple[Call, Close]:
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
    client = boto3.client(
        "dynamodb", endpoint_url=endpoint, region_name=_REGION,
        aws_access_key_id=_KEYS[0], aws_secret_access_key=_KEYS[1], config=config,
    )  # fmt: skip
    write = params()
    return lambda: asyncio.to_thread(client.update_item, **write), nothing


CLIENTS: dict[str, Callable[[str], tuple[Call, Close]]] = {
    "thin SigV4 (ours)": thin,
    "SigV4 over aiohttp": signed_over_aiohttp,
    "boto3 in threads": boto3_in_threads,
}


async def main(endpoint: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    clients: dict[str, tuple[Call, Close]] = {}
    for name, make in CLIENTS.items():
        began = time.process_time()
        clients[name] = make(endpoint)
        found[f"{name}, made"] = [(time.process_time() - began) * 1000]
    for number in range(ROUNDS + 1):
        for name, (call, _) in clients.items():
            for concurrency in (1, 16):
                spent = await _spent(call, concurrency)
                if number:
                    found.setdefault(f"{name}, c={concurrency}", []).append(spent)
    for _, close in clients.values():
        await close()
    return found


async def _spent(call: Call, concurrency: int) -> float:
    began = time.process_time()
    for _ in range(CALLS // concurrency):
        if concurrency == 1:
            await call()
        else:
            await asyncio.gather(*(call() for _ in range(concurrency)))
    return (time.process_time() - began) * 1000 / (CALLS // concurrency * concurrency)


if __name__ == "__main__":
    print(orjson.dumps(uvloop.run(main(sys.argv[1]))).decode())
