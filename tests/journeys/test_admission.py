"""Credit for exactly k requests admits exactly k of 200 that arrive at once, from several processes."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from infergate.catalog.compile import compile_file
from infergate.catalog.read import parse
from infergate.console import api_keys
from infergate.kernel.money import cost_of, format_usd, usd

from tests.support.gateways import Gateways, gateways
from tests.support.live import Customer, Live, live_house
from tools.local import dynamodb_local
from tools.local.aws import client_arguments
from tools.local.template import ROOT, create_tables

K = 12
REPEATS = 3
SPENDS_ITS_HOLD = "demo: tokens=5 prompt=900000"
"""So that no request gives credit back to the next one: the provider reports more than any hold covers."""
STAYS = "demo: tokens=5 ttft_ms=3000"


def body_of(content: str) -> str:
    messages = [{"role": "user", "content": content}]
    return json.dumps({"model": "demo-chat", "max_tokens": 20, "messages": messages}, separators=(",", ":"))


def hold() -> int:
    """What one such request holds: each byte of the body a token at most, and the output asked for."""
    return cost_of(
        {"input": len(body_of(SPENDS_ITS_HOLD)), "output": 20}, {"input": usd("0.50"), "output": usd("1.50")}
    )


async def statuses(live: Live, customers: list[Customer], how_many: int, content: str) -> Counter[int]:
    body = body_of(content)
    answers = await asyncio.gather(
        *(live.post("/v1/chat/completions", customers[i % len(customers)].key, content=body) for i in range(how_many))
    )
    return Counter(answer.status_code for answer in answers)


async def test_credit_for_k_admits_exactly_k_of_200_at_once_in_every_one_of_20_repeats(live: Live) -> None:
    for _ in range(20):
        customer = await live.customer(format_usd(K * hold()), plan="business")

        assert await statuses(live, [customer], 200, SPENDS_ITS_HOLD) == {200: K, 402: 200 - K}

        wallet = await live.wallet(customer)
        assert wallet.available >= 0
        assert (await live.audit(customer)).clean


async def test_two_keys_of_one_wallet_share_its_credit(live: Live) -> None:

    customer = await live.customer(format_usd(K * hold()), plan="business")
    other = await api_keys.create(live.rooms.desk, customer.account, name="other", actor="test")
    both = [customer, Customer(customer.account, other.secret, other.key.id)]

    assert await statuses(live, both, 100, SPENDS_ITS_HOLD) == {200: K, 402: 100 - K}


async def test_n_choices_hold_n_outputs(live: Live) -> None:
    one, eight = await live.customer(), await live.customer()

    single = await live.chat(one, "demo: tokens=5", max_tokens=100)
    many = await live.chat(eight, "demo: tokens=5", max_tokens=100, n=8)

    difference = (await live.receipt(eight, many)).hold - (await live.receipt(one, single)).hold
    assert difference == 7 * 100 * 1500 + 6 * 500, "seven more outputs, and six more bytes of body"


async def test_the_limit_on_requests_in_flight_is_exact(live: Live) -> None:
    await apply(live, {"plans.starter.concurrency": "7"})
    customer = await live.customer("5.00")

    assert await statuses(live, [customer], 60, STAYS) == {200: 7, 429: 53}

    await live.wallet(customer)
    assert (await live.audit(customer)).clean


async def apply(live: Live, overrides: dict[str, str]) -> None:
    base = {"channels.demo.base_url": f"{live.upstream_url}/v1", "channels.demo.enabled": "true"}
    snapshot = compile_file(parse((ROOT / "tests" / "support" / "catalog.yaml").read_text(), base | overrides))
    await live.house.shelf.apply(snapshot, "test")


# -- several processes, straight at the ledger -------------------------------------------------------------------------

RESERVER = Path(__file__).parents[1] / "support" / "reserver.py"


@pytest.fixture(params=["embedded", "amazon"])
def store_endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """The embedded AWS and, where Java is, Amazon's own DynamoDB Local."""
    if request.param == "embedded":
        yield request.getfixturevalue("aws").endpoint
        return

    if not dynamodb_local.available():
        pytest.skip("no Java or no npm here: Amazon's own engine cannot be run")
    with dynamodb_local.DynamoDbLocal() as engine:
        yield engine.endpoint


def test_k_of_200_reserves_from_four_processes_are_granted_in_every_one_of_20_repeats(store_endpoint: str) -> None:
    command = [sys.executable, str(RESERVER), store_endpoint]
    done = subprocess.run([*command, "parent"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    repeats = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(repeats) == 20
    assert all(r == {"granted": 13, "refused": 187, "difference": 0, "available": 5} for r in repeats), repeats


# -- several gateways, each a process ----------------------------------------------------------------------------------


@pytest.fixture
def several(store_endpoint: str) -> Iterator[tuple[str, dict[str, str], Gateways]]:
    tables = create_tables(boto3.client("dynamodb", **client_arguments(store_endpoint)), f"a{uuid.uuid4().hex[:8]}-")
    with gateways(store_endpoint, tables) as running:
        yield store_endpoint, tables, running


KINDS: dict[str, dict[str, int]] = {
    "two keys": {"max_tokens": 20},
    "n=8": {"max_tokens": 20, "n": 8},
    "no max_tokens": {},
}
SPARE = 5
"""Nano-dollars, too few for any output."""


async def test_credit_for_k_admits_exactly_k_of_200_at_once_through_four_gateways(
    several: tuple[str, dict[str, str], Gateways],
) -> None:
    """By two keys of one wallet; and the same for eight choices each, and where nobody says how long an answer may be."""
    endpoint, tables, running = several
    messages = [{"role": "user", "content": SPENDS_ITS_HOLD}]
    async with live_house(endpoint, tables) as live:
        for fields in KINDS.values():
            body = json.dumps({"model": "demo-chat", "messages": messages, **fields})
            rich = await live.customer("900.00", plan="business")
            whole = (await live.receipt(rich, await live.post("/v1/chat/completions", rich.key, content=body))).hold
            for _ in range(REPEATS):
                customer = await live.customer(format_usd(K * whole + SPARE), plan="business")
                other = await api_keys.create(live.rooms.desk, customer.account, name="other", actor="test")

                found = await asyncio.to_thread(running.statuses, [customer.key, other.secret], body, 200)

                assert found == {200: K, 402: 200 - K}, fields
                wallet = await live.wallet(customer)
                assert (wallet.available, wallet.spent) == (SPARE, K * whole)
                assert (await live.audit(customer)).clean
