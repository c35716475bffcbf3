"""Where an account's terms and the channels' health meet the catalog: which routes a request may take, and which it gets."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import Buyer, Offer, Wishes
from infergate.catalog.types import Channel, Model
from infergate.channels.capacity import Caps, Entered, Full
from infergate.channels.rules import PROBE_S, ChannelState, failure_of
from infergate.chat.types import House
from infergate.kernel.errors import InvalidRequest, ModelNotEnabled, Unavailable, UpstreamFailed

WAIT_S_MAX = 60
"""A channel rests for minutes, but is tried again in between: nobody is sent away for longer."""


@dataclass(frozen=True, slots=True)
class Resting:
    """A channel takes nothing just now: why, and when to ask again."""

    why: str
    retry_after_s: int
    off: bool = False


def buyer_of(house: House, key: ApiKey) -> Buyer:
    return Buyer(key.plan, tuple(key.regions), key.no_retention, key.price_bp, house.health.off())


def no_route(model: Model, wishes: Wishes, refused: Mapping[str, str]) -> InvalidRequest:
    """The model may be called, but not like this: every route with its reason."""
    if not any(route.price.tier(wishes.tier) for route in model.routes):
        return InvalidRequest(f"`{model.id}` has no price for the service tier `{wishes.tier}`.", "service_tier")
    reasons = "; ".join(f"{route}: {reason}" for route, reason in refused.items())
    return InvalidRequest(f"No route to `{model.id}` fits this request. {reasons}.", "provider", "no_route")


def all_rest(model: Model, resting: Collection[Resting]) -> Unavailable | ModelNotEnabled:
    """No channel to the model takes a request now: ours, and soon over; or they are all off, which may last."""
    if all(rest.off for rest in resting):
        return ModelNotEnabled(model.id, "no channel to it is enabled")
    soonest = min(rest.retry_after_s for rest in resting)
    return Unavailable("every channel to this model is resting", max(1, min(soonest, WAIT_S_MAX)))


class Doors:
    """The channels of one request's routes: who may enter, and what came of it."""

    def __init__(self, house: House, model: Model, offers: list[Offer]) -> None:
        self._house = house
        self._model = model
        self._ids = {offer.route.channel.id for offer in offers}
        self.patience_s = float("inf")
        """How long the channel that was entered last may take to begin its answer."""

    async def check(self) -> None:
        """Raises Unavailable or ModelNotEnabled, before anything is held, where it is known that every channel rests."""
        if self._house.health.due(self._ids):
            return  # What is known is old: it is refreshed beside the reserve.
        states = await self._house.health.state_of(self._ids)
        resting = [rest for state in states.values() if (rest := self._rest(state)) is not None]
        if len(resting) == len(self._ids):
            raise all_rest(self._model, resting)

    def refreshing(self) -> "asyncio.Task[None] | None":
        """Brings what is known up to date, where that is due. To be awaited: nothing may be left behind a request."""
        if not self._house.health.due(self._ids):
            return None
        return asyncio.ensure_future(self._house.health.refresh(self._ids))

    async def enter(self, channel: Channel, request_id: str, tokens: int, deadline: int) -> Entered | Resting:
        state = (await self._house.health.state_of([channel.id]))[channel.id]
        rest = self._rest(state)
        if rest is not None:
            return rest
        caps = Caps(channel.requests_per_minute, channel.tokens_per_minute, channel.concurrency)
        entered = await self._house.capacity.enter(channel.id, caps, request_id, tokens, deadline)
        if isinstance(entered, Full):
            return Resting(f"full: {entered.which}", entered.retry_after_s)
        self.patience_s = float("inf")
        if state.phase == "half-open":
            # Last, for who wins it must try it; and within its time, after which somebody else may.
            self.patience_s = PROBE_S
            if not await self._house.health.try_probe(channel.id):
                await self.leave(entered)
                return Resting("half-open: somebody else is trying it", 1)
        return entered

    async def leave(self, entered: Entered) -> None:
        await self._house.capacity.leave(entered)

    async def answered(self, channel: Channel) -> None:
        await self._house.health.succeeded(channel.id)

    async def failed(self, channel: Channel, error: UpstreamFailed) -> None:
        """A refusal of the caller's own mistake is an answer too."""
        failure = failure_of(error.status)
        if failure is None:
            await self._house.health.succeeded(channel.id)
        else:
            await self._house.health.failed(channel.id, failure, error.retry_after_s)

    def _rest(self, state: ChannelState) -> Resting | None:
        if state.phase == "closed" or (state.phase == "half-open" and not state.probing):
            return None
        left_s = int(state.until_s - self._house.clock()) + 1 if state.until_s else WAIT_S_MAX
        return Resting(f"{state.phase}: {state.reason}", max(1, left_s), off=state.phase == "off")
