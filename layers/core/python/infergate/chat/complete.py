"""The story of a paid request, from the first check to the settled receipt. The only file that knows the order.

resolve, estimate, admit, call, relay, receipt, settle. Who pays when something goes wrong is decided in
`bill.py`, by the table in docs/architecture.md; the reason stands on the receipt.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from infergate.accounts.keys import ApiKey
from infergate.catalog.resolve import Offer, in_order, offers, resolve
from infergate.catalog.types import Model, Route
from infergate.channels.capacity import Entered
from infergate.chat import attempts
from infergate.chat.admit import Admission, KeyChanged, admit
from infergate.chat.attempts import ANSWER_MAX, Attempts, provider_of
from infergate.chat.bill import Bill, bill_of, due_for
from infergate.chat.relay import DONE, KEEP_ALIVE, Relay, answer_bytes
from infergate.chat.routing import Doors, Resting, all_rest, buyer_of, no_route
from infergate.chat.shape import answer_headers, outgoing_body, priced_answer
from infergate.chat.types import House, InferenceRequest, Reply
from infergate.kernel.errors import InvalidRequest, ModelNotEnabled, Refused, Unavailable, UpstreamFailed
from infergate.kernel.ids import made_at_ms
from infergate.kernel.money import Nanos
from infergate.ledger.types import Receipt
from infergate.providers.types import BrokenStream, Events, Usage
from infergate.transport.http1 import ReadTimeout, Response, TransportError

KEY_CHANGES_MAX = 3
END_S = 0.25
DEADLINE_SLACK_S = 20
"""We stop this long before the platform stops us, to settle first."""


async def complete(house: House, key: ApiKey, request: InferenceRequest, reply: Reply) -> None:
    """Raises Refused, UpstreamFailed or Unavailable if nothing was sent yet; afterwards errors go into the stream.

    `key` may be from a cache: admission proves it fresh.
    """
    started = house.clock()
    job = Job(house, request, reply, await _admitted(house, key, request, started), started)
    try:
        await job.run()
    except (UpstreamFailed, Unavailable, Refused):
        raise
    except Exception:
        # A bug of ours is our loss. (A worker that dies instead leaves the hold to the sweep, with the same result.)
        await job.settle(Bill("internal error"))
        raise


async def _admitted(house: House, key: ApiKey, request: InferenceRequest, now_s: float) -> "Admitted":
    snapshot = await house.shelf.current()
    for _ in range(KEY_CHANGES_MAX):
        buyer = buyer_of(house, key)
        model = resolve(snapshot, request.model, request.kind, buyer)
        taken, refused = offers(model, buyer, request.wishes, now_s)
        if not taken:
            raise no_route(model, request.wishes, refused)
        doors = Doors(house, model, taken)
        await doors.check()
        refreshing = doors.refreshing()
        try:
            admission = await admit(house, request, key, model, taken, snapshot.plans[key.plan])
            return Admitted(model, taken, doors, admission)
        except KeyChanged as changed:
            # Its terms are others now: what may be called, and at which price, is asked again.
            key = changed.key
        finally:
            if refreshing is not None:
                await refreshing
    raise Unavailable("the account's terms change too fast")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request with everything that was decided before a provider is asked."""

    model: Model
    offers: list[Offer]
    doors: Doors
    admission: Admission


class Job:
    """One admitted request."""

    def __init__(
        self, house: House, request: InferenceRequest, reply: Reply, admitted: Admitted, started: float
    ) -> None:
        self.house = house
        self.request = request
        self.reply = reply
        self.model = admitted.model
        self.offers = admitted.offers
        self.doors = admitted.doors
        self.admission = admitted.admission
        self.started = started
        self.attempts = Attempts()
        self.flags: list[str] = []
        self.first_token: float | None = None
        self.offer: Offer | None = None
        self.entered: Entered | None = None
        self.settled = False
        own = started + house.request_s_max
        self.deadline = own if request.deadline is None else min(own, request.deadline - DEADLINE_SLACK_S)

    async def run(self) -> None:
        failure: UpstreamFailed | Unavailable | ModelNotEnabled | None = None
        refused: InvalidRequest | None = None
        resting: list[Resting] = []
        for offer in in_order(self.offers, self.request.wishes, self.house.chance):
            began = self.house.clock()
            if began >= self.deadline:
                break
            entered = await self._enter(offer.route)
            if isinstance(entered, Resting):
                self.attempts.note(offer.route, entered.why, began, began)
                resting.append(entered)
                continue
            self.offer, self.entered = offer, entered
            try:
                return await self._try(offer.route)
            except InvalidRequest as error:
                # This provider cannot express the request; another may.
                refused = error
                self.attempts.note(offer.route, "not expressible", began, self.house.clock())
            except (UpstreamFailed, Unavailable) as error:
                failure = error
                self.attempts.note(offer.route, attempts.outcome_of(error), began, self.house.clock())
                if isinstance(error, UpstreamFailed):
                    await self.doors.failed(offer.route.channel, error)
                    if not attempts.may_go_on(error):
                        break
            finally:
                await self._leave()
        if failure is None and resting:
            failure = all_rest(self.model, resting)
        if failure is None and refused is not None:
            await self.settle(Bill("no provider can express it"))
            raise refused
        await self.settle(Bill("upstream failed before any output"))
        raise failure or Unavailable("no channel to this model is ready")

    async def _enter(self, route: Route) -> Entered | Resting:
        hold = self.admission.hold
        return await self.doors.enter(route.channel, self.request.request_id, self.admission.tokens, hold.deadline)

    async def _leave(self) -> None:
        """Before the answer's end too, after which Lambda may freeze us: the second time there is nothing to give back."""
        entered, self.entered = self.entered, None
        if entered is not None:
            await self.doors.leave(entered)

    async def _try(self, route: Route) -> None:
        """Raises InvalidRequest, UpstreamFailed or Unavailable if nothing was sent yet."""
        body = outgoing_body(self.request, self.admission.output)
        await (self._stream(body, route) if self.request.stream else self._whole(body, route))

    async def _began(self, route: Route, began: float) -> None:
        """From here on nobody else is asked."""
        self.first_token = self.house.clock()
        self.attempts.note(route, "answered", began, self.first_token)
        await self.doors.answered(route.channel)

    # -- an answer in one piece ---------------------------------------------------------------------------------------

    async def _whole(self, sent: dict[str, Any], route: Route) -> None:
        began = self.house.clock()
        timeout_s = min(route.channel.answer_timeout_s, self.deadline - began, self.doors.patience_s)
        response = await attempts.call(self.house, self.request, sent, route, timeout_s)
        try:
            raw = await response.read(limit=ANSWER_MAX, timeout_s=max(1.0, began + timeout_s - self.house.clock()))
        except TransportError as error:
            raise attempts.not_answered(route, error) from error
        answer = provider_of(self.house, route).answer(self.request.endpoint, sent, raw)
        if answer is None or answer.get("error"):
            raise UpstreamFailed(route.id, 502, "The model's provider sent no answer.")
        await self._began(route, began)
        bill = self._bill_of(self._usage_of(route, answer), answer_bytes(answer), answer.get("service_tier"))
        # Made before it is charged, so that nothing can go wrong between the charge and the answer.
        ours = self._receipt(bill)
        cost: Nanos | None = ours.cost
        body = priced_answer(self.request, answer, ours.units, cost)
        (receipt, booked), _ = await asyncio.gather(self.settle(bill), self._leave())
        standing = receipt.cost if booked else None
        if standing != cost:
            # It could not be booked; or the sweep had given the request up, and its receipt of cost 0 stands.
            cost, body = standing, priced_answer(self.request, answer, ours.units, standing)
        await self.reply.json(200, answer_headers(self.admission.standings, self.admission.output, cost), body)

    def _usage_of(self, route: Route, answer: dict[str, Any]) -> Usage | None:
        try:
            return provider_of(self.house, route).usage(answer)
        except ValueError as error:
            self.flags.append(f"usage refused: {error}")
            return None

    # -- an answer in pieces ------------------------------------------------------------------------------------------

    async def _stream(self, body: dict[str, Any], route: Route) -> None:
        began = self.house.clock()
        timeout_s = min(route.channel.first_byte_timeout_s, self.deadline - began, self.doors.patience_s)
        response = await attempts.call(self.house, self.request, body, route, timeout_s)
        provider = provider_of(self.house, route)
        relay = Relay(provider, wants_usage=self.request.wants_usage)
        if not (response.header(b"content-type") or b"").startswith(provider.stream_type):
            response.abort()
            raise UpstreamFailed(route.id, 502, "The model's provider did not answer with a stream.")
        reader = provider.events(body)
        try:
            first = await self._first_frames(response, reader, relay, began + timeout_s)
        except TransportError as error:
            response.abort()
            raise attempts.not_answered(route, error) from error
        except BaseException:
            response.abort()
            raise
        if not first and relay.failure:
            response.abort()
            raise UpstreamFailed(route.id, 502, relay.failure, relay.failure_code)
        await self._began(route, began)
        await self.reply.open_stream(answer_headers(self.admission.standings, self.admission.output, None))
        try:
            await self._relay(response, reader, relay, first, route)
            await self._close(route, relay, response)
        finally:
            # Nothing, if the body has ended and the connection waits for its next request.
            response.abort()

    async def _first_frames(self, response: Response, reader: Events, relay: Relay, until: float) -> bytes:
        """Until something can be sent or the stream is over: so far another route may still be tried."""
        while not relay.over:
            piece = await response.chunk(max(0.001, until - self.house.clock()))
            if frames := _frames(reader, relay, piece):
                return frames
            if not piece:
                relay.failure = "The model's provider ended its answer early."
        return b""

    async def _relay(self, response: Response, reader: Events, relay: Relay, frames: bytes, route: Route) -> None:
        idle_s, silent_s, gone_at = route.channel.idle_timeout_s, 0.0, None
        while True:
            if frames:
                await self.reply.write(frames)
            if relay.over:
                return
            now = self.house.clock()
            if self.reply.gone and gone_at is None:
                gone_at = now
            end = self.deadline if gone_at is None else min(self.deadline, gone_at + self.house.drain_s_max)
            if now >= end:
                relay.failure = "The answer took longer than a request may."
                return
            wait_s = min(self.house.keep_alive_s, idle_s - silent_s, end - now)
            try:
                piece = await response.chunk(max(0.001, wait_s))
            except ReadTimeout:
                silent_s += wait_s
                if silent_s >= idle_s:
                    relay.failure = "The model's provider went silent in the middle of its answer."
                frames = KEEP_ALIVE
                continue
            except TransportError:
                relay.failure = "The connection to the model's provider broke in the middle of its answer."
                return
            silent_s = 0.0
            frames = _frames(reader, relay, piece)
            if not piece and not relay.over:
                relay.failure = "The model's provider ended its answer early."

    async def _close(self, route: Route, relay: Relay, response: Response) -> None:
        """Tell the client what it needs to know, then settle: no write of ours stands between it and its last byte."""
        self.flags += relay.flags
        if self.reply.gone:
            self.flags.append("client gone")
        failed = relay.failure is not None
        bill = self._bill_of(relay.usage, relay.relayed_bytes, relay.service_tier, failed=failed)
        receipt = self._receipt(bill)
        if relay.failure is not None:
            await self.reply.error_event(UpstreamFailed(route.id, 502, relay.failure, relay.failure_code))
        elif self.request.wants_usage:
            await self.reply.write(relay.usage_chunk(receipt.units, receipt.cost) + DONE)
        else:
            await self.reply.write(DONE)
        # Both before the answer's end, after which Lambda may freeze us.
        await asyncio.gather(self.settle(bill), self._leave(), _read_end(response, relay))
        await self.reply.close()

    # -- the money ----------------------------------------------------------------------------------------------------

    def _bill_of(self, usage: Usage | None, relayed_bytes: int, tier: Any, *, failed: bool = False) -> Bill:
        assert self.offer is not None, "only what a provider answered is billed"
        return bill_of(self.request, self.model, self.offer.price, usage, relayed_bytes, tier, failed=failed)

    def _receipt(self, bill: Bill) -> Receipt:
        hold = self.admission.hold
        now = self.house.clock()
        offer = self.offer
        route = offer.route if offer else None
        due = due_for(bill, offer.price if offer else None, hold.amount)
        return Receipt(
            account=self.admission.key.account,
            request_id=self.request.request_id,
            hold_id=hold.id,
            hold=hold.amount,
            cost=due.cost,
            reason=bill.reason,
            created_at_ms=made_at_ms(self.request.request_id),
            key_id=self.admission.key.id,
            endpoint=self.request.endpoint if self.request.wire == "chat" else self.request.wire,
            model=self.model.id,
            route=route.id if route else "",
            channel=route.channel.id if route else "",
            upstream_model=route.upstream_model if route else "",
            price_version=f"{offer.price.id}@{offer.price.version}" if offer else "",
            units=due.units,
            rates=due.rates,
            estimated=bill.estimated,
            loss=due.loss,
            stream=self.request.stream,
            latency_ms=int((now - self.started) * 1000),
            first_token_ms=int((self.first_token - self.started) * 1000) if self.first_token else 0,
            attempts=self.attempts.tried if len(self.attempts.tried) > 1 else [],
            flags=self.flags,
            service_tier=bill.tier,
        )

    async def settle(self, bill: Bill) -> tuple[Receipt, bool]:
        """Write the receipt, then settle what it says. Returns the receipt, and whether it stands.

        Never raises for a store that does not answer: the hold stays, and the sweep ends it by the receipt that stands.
        """
        ours = self._receipt(bill)
        if self.settled:
            return ours, False
        self.settled = True
        standing: Receipt | None = None
        try:
            standing = await self.house.ledger.write_receipt(ours)
            if standing.hold_id == ours.hold_id:
                await self.house.ledger.settle(standing)
            else:
                # Somebody gave this request up and decided that it costs nothing: the hold is not named, so it goes back.
                await self.house.ledger.release(ours.account, self.admission.hold)
        except Unavailable as error:
            self.house.log({"event": "left_to_the_sweep", "request_id": ours.request_id, "why": error.what})
        self._log(standing or ours)
        return standing or ours, standing is not None and standing.hold_id == ours.hold_id

    def _log(self, receipt: Receipt) -> None:
        line: dict[str, Any] = {
            "event": "request",
            "request_id": receipt.request_id,
            "account": receipt.account,
            "key_id": receipt.key_id,
            "model": receipt.model,
            "route": receipt.route,
            "reason": receipt.reason,
            "cost_nanos": receipt.cost,
            "latency_ms": receipt.latency_ms,
            "first_token_ms": receipt.first_token_ms,
        }
        if receipt.loss or any(flag.startswith("usage refused") for flag in receipt.flags):
            line |= {"alarm": True, "loss_nanos": receipt.loss, "flags": receipt.flags}
        self.house.log(line)


async def _read_end(response: Response, relay: Relay) -> None:
    """After [DONE] only the end of the body is missing: with it read, the connection serves the next request."""
    if relay.done:
        with contextlib.suppress(TransportError):
            await response.chunk(END_S)


def _frames(reader: Events, relay: Relay, piece: bytes) -> bytes:
    """What to send for a piece of the provider's stream; stops at the first event after which nothing may follow."""
    try:
        events = reader.feed(piece)
    except BrokenStream as broken:
        relay.failure = f"The model's provider broke the stream's format: {broken}."
        return b""
    out = []
    for event in events:
        out.append(relay.take(event))
        if relay.over:
            break
    return b"".join(out)
