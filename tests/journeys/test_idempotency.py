"""Idempotency-Key: the same key and body cost once, whatever happens to either request."""

import asyncio

import httpx
from infergate.chat.idempotency import Claim
from infergate.console import api_keys
from infergate.console.api_keys import Terms
from infergate.kernel.ids import new_id
from infergate.ledger.ledger import Ask, Held
from infergate.ledger.types import Receipt

from tests.support.live import Customer, Live

KEY = {"idempotency-key": "order-4711"}
DONE = "demo: tokens=20 prompt=100"


async def spent(live: Live, customer: Customer) -> int:
    wallet = await live.wallet(customer)
    assert (await live.audit(customer)).clean
    return wallet.spent


async def test_a_repeated_request_is_not_charged_again_and_names_the_receipt(live: Live) -> None:
    customer = await live.customer()
    first = await live.chat(customer, DONE, headers=KEY)
    cost = await spent(live, customer)

    again = await live.chat(customer, DONE, headers=KEY)

    assert again.status_code == 409
    assert again.json()["error"]["code"] == "request_already_completed"
    assert again.headers["x-should-retry"] == "false"
    assert again.headers["x-infergate-original-request-id"] == first.headers["x-request-id"]
    assert again.headers["x-infergate-cost"] == first.headers["x-infergate-cost"]
    assert await spent(live, customer) == cost > 0


async def test_another_body_under_the_same_key_is_a_422(live: Live) -> None:
    customer = await live.customer()
    await live.chat(customer, DONE, headers=KEY)

    other = await live.chat(customer, "another question", headers=KEY)

    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


async def test_of_ten_at_once_one_runs_and_the_others_are_told_that_it_does(live: Live) -> None:
    customer = await live.customer()
    slow = "demo: tokens=20 prompt=100 ttft_ms=400"

    answers = await asyncio.gather(*(live.chat(customer, slow, headers=KEY) for _ in range(10)))

    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    refused = next(a for a in answers if a.status_code == 409)
    assert refused.json()["error"]["code"] == "request_in_flight"
    assert refused.headers["x-should-retry"] == "false"
    only = next(a for a in answers if a.status_code == 200)
    assert await spent(live, customer) == (await live.receipt(customer, only)).cost


async def test_a_request_that_cost_nothing_may_be_tried_again_under_its_key(live: Live) -> None:
    customer = await live.customer()
    await switch(live, working=False)
    assert (await live.chat(customer, DONE, headers=KEY)).status_code == 502
    await switch(live, working=True)

    again = await live.chat(customer, DONE, headers=KEY)

    assert again.status_code == 200
    assert await spent(live, customer) == (await live.receipt(customer, again)).cost


async def test_a_refused_request_frees_its_key(live: Live) -> None:
    customer = await live.customer("0")
    assert (await live.chat(customer, DONE, headers=KEY)).status_code == 402
    await live.credit(customer.account, "1.00")

    assert (await live.chat(customer, DONE, headers=KEY)).status_code == 200


async def test_the_key_of_a_worker_that_died_is_free_after_its_deadline_and_the_dead_one_cannot_charge(
    live: Live,
) -> None:
    customer = await live.customer()
    gone = await dead_request(live, customer)
    assert (await live.chat(customer, DONE, headers=KEY)).status_code == 409

    live.clock.advance(800)
    again = await live.chat(customer, DONE, headers=KEY)

    assert again.status_code == 200
    late = Receipt(customer.account, gone.request_id, gone.hold_id, gone.hold, 5_000, "completed", 0)
    assert (await live.house.ledger.write_receipt(late)).reason == "abandoned"
    await live.rooms.sweep.run()
    assert await spent(live, customer) == (await live.receipt(customer, again)).cost


async def test_keys_are_an_accounts_own_and_an_endpoints_own(live: Live) -> None:
    anna, bob = await live.customer(), await live.customer()

    answers = [
        await live.chat(anna, DONE, headers=KEY),
        await live.chat(bob, DONE, headers=KEY),
        await live.post("/v1/embeddings", anna.key, json={"model": "demo-embedding", "input": "a"}, headers=KEY),
    ]

    assert [a.status_code for a in answers] == [200, 200, 200]


async def test_an_answer_is_kept_only_for_an_account_that_asked_and_replayed_to_the_byte(live: Live) -> None:
    for stream in (False, True):
        customer = await live.customer()
        await api_keys.change_terms(
            live.rooms.desk, customer.account, Terms(keep_answers=True), actor="test", reason=""
        )
        how = {"stream": stream}
        first = await live.chat(customer, DONE, headers=KEY, **how)

        again = await live.chat(customer, DONE, headers=KEY, **how)

        assert again.status_code == 200
        assert again.content == first.content
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-infergate-original-request-id"] == first.headers["x-request-id"]
        assert await spent(live, customer) == (await live.receipt(customer, first)).cost

        await api_keys.revoke(live.rooms.desk, customer.account, customer.key_id, actor="test")
        assert (await live.chat(customer, DONE, headers=KEY, **how)).status_code == 401


async def test_by_default_no_byte_of_prompt_or_answer_is_stored(live: Live) -> None:
    customer = await live.customer()
    answer = await live.chat(customer, "canary-prompt-9f3b", headers=KEY)
    assert "canary-prompt-9f3b" in answer.text

    for table in (live.rooms.tables.accounts, live.rooms.tables.receipts, live.rooms.tables.counters):
        page = await live.house.store.call("Scan", {"TableName": table})
        assert "canary-prompt-9f3b" not in str(page)


async def test_a_key_that_is_none_is_a_400(live: Live) -> None:
    customer = await live.customer()

    for key in ("", "a b", "x" * 256):
        assert (await live.chat(customer, DONE, headers={"idempotency-key": key})).status_code == 400


async def switch(live: Live, *, working: bool) -> None:
    """The provider as it is, or one that cannot be reached."""
    route = next(iter((await live.house.shelf.current()).models["demo-chat"].routes))
    base_url = f"{live.upstream_url}/v1" if working else "http://127.0.0.1:9/v1"
    object.__setattr__(route.channel, "base_url", base_url)


async def dead_request(live: Live, customer: Customer) -> Receipt:
    """A request with KEY whose worker has died while its upstream answered: what its receipt would have named."""
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": DONE}]}
    content = httpx.Request("POST", "http://x", json=body).content

    request_id = new_id("req", live.clock(), live.house.entropy)
    claim = Claim(live.house, live.house.counters_table, customer.account, "chat/completions", "order-4711", content)
    assert await claim.take(request_id) is None
    held = await live.house.ledger.reserve(
        Ask(customer.account, request_id, 1_000_000, int(live.clock()) + 660, 1, 100)
    )
    assert isinstance(held, Held)
    return Receipt(customer.account, request_id, held.hold.id, held.hold.amount, 0, "", 0)
