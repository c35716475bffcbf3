"""Four processes that reserve from one wallet at once, twenty times over; prints a line of JSON for each repeat.

python tests/support/reserver.py ENDPOINT parent
"""

import asyncio
import json
import random
import subprocess
import sys
import time
import uuid

import boto3
from infergate.kernel.ids import new_id
from infergate.ledger.grants import opening
from infergate.ledger.ledger import Ask, Held, Ledger, Tables
from infergate.ledger.types import Grant
from infergate.ledger.wallet import NotEnough
from infergate.store import aws
from infergate.store.signing import Credentials
from infergate.transport.http1 import HttpClient

from tools.local.template import create_tables

PROCESSES, EACH, REPEATS = 4, 50, 20
HOLD, CREDIT = 7, 7 * 13 + 5


def ledger(endpoint: str, tables: Tables) -> Ledger:
    store = aws.dynamodb(
        HttpClient(), Credentials("test", "test"), region="us-east-1", clock=time.time, endpoint=endpoint
    )
    return Ledger(store, tables, time.time, asyncio.sleep, random.random)


async def child(endpoint: str, tables: Tables) -> None:
    """For every account named on standard input: EACH reserves at once, then the counts."""
    books = ledger(endpoint, tables)
    for line in iter(sys.stdin.readline, ""):
        account = line.strip()
        asks = [
            Ask(account, new_id("req", time.time(), random.randbytes), HOLD, int(time.time()) + 600, 1, 400)
            for _ in range(EACH)
        ]
        answers = await asyncio.gather(*(books.reserve(ask) for ask in asks))
        granted = sum(isinstance(answer, Held) for answer in answers)
        refused = sum(isinstance(answer, NotEnough) for answer in answers)
        print(json.dumps([granted, refused]), flush=True)


async def parent(endpoint: str) -> None:
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    names = create_tables(client, f"r{uuid.uuid4().hex[:8]}-")
    tables = Tables(names["ACCOUNTS_TABLE"], names["RECEIPTS_TABLE"], names["COUNTERS_TABLE"])
    command = [sys.executable, __file__, endpoint, tables.accounts, tables.receipts, tables.counters]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    books = ledger(endpoint, tables)
    for _ in range(REPEATS):
        account = new_id("acct", time.time(), random.randbytes)
        grant = Grant("grant_x", "paid", CREDIT, CREDIT, int(time.time()), 253402300799, source="test")
        members = opening(tables.accounts, account, [grant], int(time.time()), "test")
        client.transact_write_items(TransactItems=members)
        for process in children:
            print(account, file=process.stdin, flush=True)
        counts = [json.loads(process.stdout.readline()) for process in children if process.stdout]
        wallet = await books.wallet(account)
        assert wallet is not None
        row = {
            "granted": sum(granted for granted, _ in counts),
            "refused": sum(refused for _, refused in counts),
            "difference": wallet.difference,
            "available": wallet.available,
        }
        print(json.dumps(row), flush=True)
    for process in children:
        if process.stdin:
            process.stdin.close()
        process.wait(10)


if __name__ == "__main__":
    endpoint, *rest = sys.argv[1:]
    asyncio.run(parent(endpoint) if rest == ["parent"] else child(endpoint, Tables(*rest)))
