"""Flows of the crash explorer: requests through the gateway's door, with a scripted provider behind it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from infergate.catalog.types import Campaign, Channel, Model, Plan, PriceBook, Route, Snapshot
from infergate.console import accounts, api_keys
from infergate.console.api_keys import Terms
from infergate.kernel.money import format_usd, usd
from infergate.schedules.sweep import Swept

from tests.prove.crash_flow import Facts, Flow, History, Judge
from tests.prove.crash_world import Answer, Exchange, Process
from tests.support.faults import Crash

_BOOK = PriceBook("explorer", "v1", {"input": usd("0.50"), "cached_input": usd("0.25"), "output": usd("1.50")})
_NEAR = Channel("near", "openai", "https://near.example/v1", "near")
_FAR = Channel("far", "openai", "https://far.example/v1", "far")
_ROUTES = (Route("near-one", _NEAR, "up", _BOOK, 1), Route("far-one", _FAR, "up", _BOOK, 2))
SNAPSHOT = Snapshot(
    "snapshot-1",
    {
        "one": Model("one", "chat", "explorer", 0, 8000, 1000, routes=_ROUTES[:1]),
        "two": Model("two", "chat", "explorer", 0, 8000, 1000, routes=_ROUTES),
        "vectors": Model("vectors", "embedding", "explorer", 0, 8000, 0, routes=_ROUTES[:1]),
    },
    {"starter": Plan("starter", 600, 2_000_000, 100)},
    {"trial": Campaign("trial", "trial", usd("20"), 90)},
    channels={"near": _NEAR, "far": _FAR},
)

_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
COST = 80_000
"""100 tokens in and 20 out, in nano-dollars."""
VECTORS_COST = 5_000


def _body(**fields: Any) -> dict[str, Any]:
    return {"model": "one", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100, **fields}


def _frame(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _delta(text: str) -> bytes:
    return _frame(
        {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}
    )


_MESSAGE = {"role": "assistant", "content": "Hello there"}
WHOLE = Answer(pieces=[orjson.dumps({"id": "c1", "choices": [{"index": 0, "message": _MESSAGE}], "usage": _USAGE})])
VECTORS = Answer(
    pieces=[orjson.dumps({"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 10, "total_tokens": 10}})]
)
_USED = _frame({"id": "c1", "choices": [], "usage": _USAGE})
STREAM = Answer(stream=True, pieces=[_delta("Hello"), _delta(" there"), _USED, b"data: [DONE]\n\n"])
BREAKS = Answer(stream=True, pieces=[_delta("Hello")], breaks=True)
EMPTY_STREAM = Answer(stream=True, pieces=[], breaks=True)
FAILS = Answer(503, [b'{"error": {"message": "overloaded"}}'])


# -- preparations ------------------------------------------------------------------------------------------------------


async def customer(p: Process, *, credit: str = "5", limits: dict[str, int] | None = None) -> Facts:
    """An account with paid credit and a key."""
    account, _ = await accounts.open_account(
        p.desk, "anna@example.com", name="Anna", plan="starter", trial=None, actor="explorer"
    )
    if credit != "0":
        paid = p.grant(credit, source="payment:pi_1")
        await p.grants.add(account.id, paid, cause="payment:pi_1", actor="explorer", reason="paid")
    key = await api_keys.create(p.desk, account.id, name="key", actor="explorer", limits=limits)
    return {"account": account.id, "secret": key.secret, "key": key.key.id}


async def poor(p: Process) -> Facts:
    return await customer(p, credit="0.001")


async def broke(p: Process) -> Facts:
    return await customer(p, credit="0")


async def with_gift(p: Process) -> Facts:
    """Two dollars that end in five minutes, which burn first, and five that do not."""
    facts = await customer(p)
    gift = p.grant("2", ends_in_s=300, kind="promo", source="campaign:spring")
    await p.grants.add(facts["account"], gift, cause="gift", actor="explorer", reason="spring")
    return facts


async def with_ended_gift(p: Process) -> Facts:
    facts = await with_gift(p)
    p.clock.advance(301)
    return facts


async def at_its_rate_limit(p: Process) -> Facts:
    facts = await customer(p, limits={"requests_per_minute": 1})
    await ask(p, facts, WHOLE)
    return facts


async def with_own_stray(p: Process) -> Facts:
    """Nearly all credit is held by an earlier reserve of the very request that comes now, whose answer was lost."""
    facts = await customer(p, credit="0.0003")
    await p.held(facts["account"], "0.00025", request_id=p.next_request(), attempt=6)
    return facts


async def whose_worker_died(p: Process) -> Facts:
    """A request with an Idempotency-Key died while the provider answered, fifteen minutes ago."""
    facts = await customer(p)
    doomed = p.other()

    async def die() -> None:
        doomed.die()

    doomed.provider.during = die
    try:
        await ask(doomed, facts, WHOLE, key="order-1")
    except Crash:
        p.clock.advance(900)
    return facts


async def who_asked_before(p: Process) -> Facts:
    facts = await customer(p)
    await ask(p, facts, WHOLE, key="order-1")
    return facts


async def who_keeps_answers(p: Process) -> Facts:
    facts = await customer(p)
    await api_keys.change_terms(p.desk, facts["account"], Terms(keep_answers=True), actor="explorer", reason="")
    return facts


# -- what happens in the meantime --------------------------------------------------------------------------------------

type Meanwhile = Callable[[Process, Facts], Awaitable[None]]


async def gift_ends(p: Process, facts: Facts) -> None:
    p.clock.advance(301)
    await p.other().grants.expire(facts["account"])


async def gift_is_taken_back(p: Process, facts: Facts) -> None:
    await p.other().grants.remove_campaign(facts["account"], "spring", actor="explorer", reason="misuse")


async def more_is_paid(p: Process, facts: Facts) -> None:
    other = p.other()
    paid = other.grant("3", source="payment:pi_2")
    await other.grants.add(facts["account"], paid, cause="payment:pi_2", actor="explorer", reason="paid")


async def payment_is_disputed(p: Process, facts: Facts) -> None:
    await p.other().disputes.opened(facts["account"], "dp_1", "payment:pi_1", usd("5"), actor="provider")


async def account_is_suspended(p: Process, facts: Facts) -> None:
    await accounts.set_status(p.other().desk, facts["account"], "suspended", actor="explorer", reason="abuse")


async def key_is_revoked(p: Process, facts: Facts) -> None:
    await api_keys.revoke(p.other().desk, facts["account"], facts["key"], actor="explorer")


async def it_is_swept(p: Process, facts: Facts) -> None:
    """The provider takes longer than a request may, and the sweep gives the request up."""
    p.clock.advance(800)
    await p.other().sweep.account(facts["account"], Swept())


# -- the flows ---------------------------------------------------------------------------------------------------------


async def ask(
    p: Process, facts: Facts, *answers: Answer, key: str = "", path: str = "/v1/chat/completions", **fields: Any
) -> Exchange:
    p.provider.answers = list(answers)
    body = {"model": "vectors", "input": "Hello"} if path == "/v1/embeddings" else _body(**fields)
    return await p.post(facts["secret"], body, idempotency_key=key, path=path)


def request(
    name: str,
    *answers: Answer,
    prepare: Callable[[Process], Awaitable[Facts]] = customer,
    meanwhile: Meanwhile | None = None,
    cost: int = COST,
    reason: str = "completed",
    path: str = "/v1/chat/completions",
    clean: str = "done",
    suspends: bool = False,
    **fields: Any,
) -> Flow:
    """A request without an Idempotency-Key: one that is sent again is another request."""

    async def act(p: Process, facts: Facts) -> Exchange:
        if meanwhile is not None:
            p.provider.during = lambda: meanwhile(p, facts)
        return await ask(p, facts, *answers, path=path, **fields)

    judge = each_pays_its_own(cost, reason)
    # What happens in the meantime happens once.
    return Flow(name, prepare, act, judge=judge, retries=meanwhile is None, clean=clean, suspends=suspends)


def each_pays_its_own(cost: int, reason: str) -> Judge:
    def judge(history: History) -> list[str]:
        known = {receipt.request_id for receipt in history.before.receipts}
        made = {r.request_id: r for r in history.after.receipts if r.request_id not in known}
        wrong = [f"a receipt of nobody's: {lost}" for lost in made.keys() - _asked(history)]
        for exchange in history.run.exchanges:
            receipt = made.get(exchange.request_id)
            found = (receipt.cost, receipt.reason) if receipt else (0, "no receipt")
            if exchange.done and found != (cost, reason):
                wrong.append(f"an answer in full is to cost {cost} ({reason}), and cost {found}")
            if (
                exchange.failed_in_mid_stream
                and exchange.returned
                and not (0 < found[0] <= COST and found[1] == "upstream failed in mid-stream")
            ):
                wrong.append(f"half an answer cost {found}")
            if exchange.status not in (0, 200) and found[0]:
                wrong.append(f"a {exchange.status} says that nothing was charged, and cost {found}")
            said = exchange.headers.get(b"x-infergate-cost")
            if said is not None and said.decode() != format_usd(found[0]):
                wrong.append(f"x-infergate-cost was {said.decode()}, charged were {format_usd(found[0])}")
        served = [receipt for receipt in made.values() if receipt.reason != "abandoned"]
        if sum(1 for receipt in served if receipt.cost) > history.run.asked:
            wrong.append("a request was charged that never reached a provider")
        counted = sum(history.after.rates.values()) - sum(history.before.rates.values())
        if counted < len(served):
            wrong.append(f"P14: {len(served)} requests were admitted and {counted} counted")
        return wrong

    return judge


def _asked(history: History) -> set[str]:
    held = {hold.rpartition(".")[0] for account in history.before.accounts.values() for hold in _holds(account)}
    return held | {exchange.request_id for exchange in history.run.exchanges}


def _holds(account: Any) -> Sequence[str]:
    return list(account.wallet.holds) if account.wallet else []


def once(name: str, prepare: Callable[[Process], Awaitable[Facts]], *, clean: str = "done", **fields: Any) -> Flow:
    """A request with an Idempotency-Key: asked again, and once more in the end, it is charged exactly once."""
    answer = STREAM if fields.get("stream") else WHOLE

    async def act(p: Process, facts: Facts) -> Exchange:
        return await ask(p, facts, answer, key="order-1", **fields)

    return Flow(name, prepare, act, judge=charged_exactly_once, closing=act, clean=clean)


def charged_exactly_once(history: History) -> list[str]:
    charged = [receipt for receipt in history.after.receipts if receipt.cost]
    wrong = []
    if len(charged) != 1:
        wrong.append(f"P13: {len(charged)} requests were charged under one Idempotency-Key")
    for receipt in charged:
        cut = receipt.reason == "upstream failed in mid-stream"
        if receipt.cost != COST and not (cut and receipt.cost < COST):
            wrong.append(f"P13: {receipt.cost} were charged ({receipt.reason})")
    last = history.run.exchanges[-1]
    already = b"request_already_completed" in last.body
    if not (last.done or already):
        wrong.append(f"P13: in the end the caller was told {last.status} {last.body[:80]!r}")
    return wrong


async def _stale(p: Process, facts: Facts) -> Exchange:
    """The key is in this process's cache when something about the account's keys changes."""
    await p.house.keys.find(facts["secret"])
    await api_keys.create(p.other().desk, facts["account"], name="another", actor="explorer")
    return await ask(p, facts, WHOLE)


async def _revoked(p: Process, facts: Facts) -> Exchange:
    await p.house.keys.find(facts["secret"])
    await key_is_revoked(p, facts)
    return await ask(p, facts, WHOLE)


FLOWS = [
    request("chat", WHOLE),
    request("chat at once", WHOLE, suspends=True),
    request("chat stream", STREAM, stream=True, stream_options={"include_usage": True}),
    request("chat stream at once", STREAM, stream=True, suspends=True),
    request("embeddings", VECTORS, cost=VECTORS_COST, path="/v1/embeddings"),
    request("provider fails before output", FAILS, cost=0, clean="failed"),
    request("provider breaks off before output", EMPTY_STREAM, stream=True, cost=0, clean="failed"),
    request("provider breaks off in mid-stream", BREAKS, stream=True, clean="failed"),
    request("second route", FAILS, WHOLE, model="two"),
    request("second route, stream", EMPTY_STREAM, STREAM, model="two", stream=True),
    request("output clamped to the balance", WHOLE, prepare=poor, max_tokens=None),
    request("credit due at the reserve", WHOLE, prepare=with_ended_gift),
    request("own stray hold in the way", WHOLE, prepare=with_own_stray),
    request("refused for credit", WHOLE, prepare=broke, clean="refused"),
    request("refused for rate", WHOLE, prepare=at_its_rate_limit, clean="refused"),
    request("refused for rate at once", WHOLE, prepare=at_its_rate_limit, clean="refused", suspends=True),
    request("credit ends in mid-request", WHOLE, prepare=with_gift, meanwhile=gift_ends),
    request("gift taken back in mid-stream", STREAM, prepare=with_gift, meanwhile=gift_is_taken_back, stream=True),
    request("payment in mid-request", WHOLE, meanwhile=more_is_paid),
    request("dispute in mid-request", WHOLE, meanwhile=payment_is_disputed),
    request("suspended in mid-stream", STREAM, meanwhile=account_is_suspended, stream=True),
    request("revoked in mid-request", WHOLE, meanwhile=key_is_revoked),
    request("swept in mid-request", WHOLE, meanwhile=it_is_swept, cost=0, reason="abandoned"),
    Flow("stale key", customer, _stale, judge=each_pays_its_own(COST, "completed")),
    Flow("revoked key", customer, _revoked, judge=each_pays_its_own(0, "never"), clean="refused"),
    once("once", customer),
    once("once, stream", customer, stream=True),
    once("once, asked before", who_asked_before, clean="refused"),
    once("once, answers kept", who_keeps_answers),
    once("once, after a worker died", whose_worker_died),
]
