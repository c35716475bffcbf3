"""Admission: credit is held and the request is counted, both or neither, in one round trip."""

import asyncio
from dataclasses import dataclass, replace

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import Offer
from infergate.catalog.types import Model, Plan
from infergate.chat.limits import limits_of
from infergate.chat.price import Quote, Tariff, counted_tokens, output_wanted, tariff, within
from infergate.chat.types import House, InferenceRequest
from infergate.kernel.errors import AccountNotActive, InsufficientCredits, RateLimited, Unavailable
from infergate.kernel.money import Nanos
from infergate.ledger.ledger import Ask, Held
from infergate.ledger.types import Hold
from infergate.ledger.wallet import CreditDue, Missing, NotActive, NotEnough, Refusal, Stale, TooManyInFlight
from infergate.limits.rates import Counted, Standings, windows_of
from infergate.limits.rules import Limits
from infergate.store.errors import StoreError

ROUNDS = 6
"""How often one request may ask again: for a stale key, for expired credit, for less output than it first asked for."""


@dataclass(frozen=True, slots=True)
class Admission:
    key: ApiKey
    hold: Hold
    output: int
    standings: Standings
    tokens: int
    """What it counts against limits on tokens."""


class KeyChanged(Exception):
    """What the key may do is not what it was when it was cached: ask again with this one. Nothing is held."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__()
        self.key = key


async def admit(
    house: House, request: InferenceRequest, key: ApiKey, model: Model, offers: list[Offer], plan: Plan
) -> Admission:
    """Raises one of kernel.errors.Refused, Unavailable, or KeyChanged; then nothing is held and nothing counted."""
    limits = limits_of(plan, key)
    terms = tariff(request, model, offers)
    output = output_wanted(request, model)
    deadline = int(house.clock()) + house.request_s_max + 60
    ask = Ask(key.account, request.request_id, terms.hold(output), deadline, key.epoch, limits.concurrency.value)
    tokens = counted_tokens(request, model, output)

    counting = asyncio.ensure_future(house.rates.count(key.account, limits, tokens, house.clock()))
    try:
        held, output = await _hold(house, request, key, limits, terms, ask, output)
    except BaseException as error:
        counted = await _uncount(house, counting)
        if counted is not None and isinstance(error, RateLimited):
            error.windows = windows_of(counted.standings)
        raise
    try:
        counted = await counting
    except RateLimited:
        await house.ledger.release(key.account, held.hold)
        raise
    except StoreError as error:
        await house.ledger.release(key.account, held.hold)
        raise Unavailable("the rate counters are busy") from error
    return Admission(key, held.hold, output, counted.standings, tokens)


async def _hold(
    house: House, request: InferenceRequest, key: ApiKey, limits: Limits, terms: Tariff, ask: Ask, output: int
) -> tuple[Held, int]:
    for _ in range(ROUNDS):
        answer = await house.ledger.reserve(ask)
        if isinstance(answer, Held):
            return answer, output
        quote = await _after(house, request, key, limits, terms, ask, output, answer)
        ask.amount, output = quote.hold, quote.output
    raise Unavailable("the account changes too fast")


async def _after(
    house: House,
    request: InferenceRequest,
    key: ApiKey,
    limits: Limits,
    terms: Tariff,
    ask: Ask,
    output: int,
    refusal: Refusal,
) -> Quote:
    """What to ask for next. Raises what the caller is told if there is nothing more to ask."""
    again = Quote(ask.amount, output)
    match refusal:
        case Stale(epoch):
            reread = await house.keys.reread(key, epoch)
            if replace(reread, epoch=key.epoch) != key:
                raise KeyChanged(reread)
            ask.epoch = epoch
            return again
        case CreditDue():
            await house.grants.expire(ask.account)
            return again
        case NotEnough(available, strays) if strays:
            # Our own, from a reserve whose answer was lost. Never refuse a customer on the strength of these.
            for stray in strays:
                await house.ledger.release(ask.account, stray)
            return again
        case NotEnough(available, _):
            return _less(request, terms, ask, output, available)
        case TooManyInFlight(in_flight):
            limit = limits.concurrency
            raise RateLimited(limit.name, limit.value, in_flight, limit.source, 1)
        case NotActive(status):
            raise AccountNotActive(status)
        case Missing():
            house.log({"event": "wallet_missing", "account": ask.account, "alarm": True})
            raise Unavailable("the account's wallet is missing")
    raise AssertionError(f"unexpected refusal {refusal!r}")


def _less(request: InferenceRequest, terms: Tariff, ask: Ask, output: int, available: Nanos) -> Quote:
    """Where the caller set no limit, the limit is what the balance allows. Raises InsufficientCredits."""
    quote = within(request, terms, Quote(ask.amount, output), available)
    if quote is None:
        affordable = max(0, terms.affordable_output(available)) if request.kind == "chat" else 0
        raise InsufficientCredits(ask.amount, available, affordable)
    return quote


async def _uncount(house: House, counting: "asyncio.Future[Counted]") -> Counted | None:
    try:
        counted = await counting
    except (RateLimited, StoreError):
        return None
    await house.rates.undo(counted)
    return counted
