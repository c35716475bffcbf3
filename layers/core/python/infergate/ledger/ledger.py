"""The hot path's ledger: reserve, receipt, settle, release. One write each; what a lost or late answer means is decided here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from infergate.kernel.errors import Unavailable
from infergate.kernel.ids import made_at_ms, spread_of
from infergate.kernel.money import Nanos
from infergate.kernel.time import Clock
from infergate.ledger import receipts, wallet
from infergate.ledger.keys import (
    ACTIVE_SPREAD,
    RECEIPT_SPREAD,
    WALLET,
    WINDOW_S,
    account_pk,
    active_pk,
    receipt_pk,
    receipt_pk_of_hour,
    window_of,
)
from infergate.ledger.types import Hold, Receipt, Wallet
from infergate.ledger.wallet import AlreadyHeld, Refusal
from infergate.store.client import Store, get, query
from infergate.store.errors import Busy, ConditionFailed, OutcomeUnknown

TRIES = 5
"""A throttled or conflicting write is tried this often within about two seconds."""

type Sleep = Callable[[float], Awaitable[None]]
type Chance = Callable[[], float]
"""A number in [0, 1): `random.random` in production."""


@dataclass(frozen=True, slots=True)
class Tables:
    accounts: str
    receipts: str
    counters: str


@dataclass(slots=True)
class Ask:
    """One request's wish to hold credit. `attempt` counts up, so that no two reserves share a hold id."""

    account: str
    request_id: str
    amount: Nanos
    deadline: int
    epoch: int
    room: int
    attempt: int = 0

    def next_hold(self) -> Hold:
        self.attempt += 1
        return Hold(wallet.hold_id(self.request_id, self.attempt), self.amount, self.deadline)


@dataclass(frozen=True, slots=True)
class Held:
    hold: Hold
    available: Nanos


class Ledger:
    def __init__(self, store: Store, tables: Tables, clock: Clock, sleep: Sleep, chance: Chance) -> None:
        self._store = store
        self._tables = tables
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._marked: set[str] = set()
        self._marked_window = 0

    async def reserve(self, ask: Ask) -> Held | Refusal:
        """Hold `ask.amount`, or say which condition refused it. Raises Unavailable after TRIES busy or unknown outcomes.

        A reserve whose outcome is unknown is tried again under a fresh hold id; the first, should it have been or yet be
        applied, is given back at once if possible and by the sweep otherwise.
        """
        await self._mark_active(ask.account)
        for tried in range(TRIES):
            hold = ask.next_hold()
            now_s = int(self._clock())
            write = wallet.reserve(
                self._tables.accounts, ask.account, hold, epoch=ask.epoch, room=ask.room, now_s=now_s
            )
            try:
                return Held(hold, wallet.available_after(await self._store.call("UpdateItem", write)))
            except ConditionFailed as failed:
                refusal = wallet.why_refused(failed.old, hold, epoch=ask.epoch, room=ask.room, now_s=now_s)
                return Held(hold, refusal.available) if isinstance(refusal, AlreadyHeld) else refusal
            except OutcomeUnknown:
                await self.release(ask.account, hold)
            except Busy:
                pass
            await self._back_off(tried)
        raise Unavailable("the account's wallet is busy")

    async def release(self, account: str, hold: Hold) -> None:
        """Give a hold back whole. Never raises for a store that fails: the sweep does it later."""
        try:
            await self._settle(account, hold.id, hold.amount, 0)
        except Unavailable:
            return

    async def write_receipt(self, receipt: Receipt) -> Receipt:
        """Put it if its request has none. Returns the receipt that stands, which may be another's (the sweep's).

        Raises Unavailable where the outcome stays unknown: then the sweep decides.
        """
        write = receipts.put(self._tables.receipts, receipt)
        for tried in range(TRIES):
            try:
                await self._store.call("PutItem", write)
                return receipt
            except ConditionFailed as failed:
                if failed.old:
                    return receipts.read(failed.old)
                raise Unavailable("a receipt cannot be read") from failed
            except (Busy, OutcomeUnknown):
                await self._back_off(tried)
        raise Unavailable("a receipt cannot be written")

    async def settle(self, receipt: Receipt) -> Nanos | None:
        """Book the receipt's cost against the one hold it names. Returns what is available then, or None if the hold is gone.

        Raises Unavailable where the outcome stays unknown: the sweep does it from the receipt.
        """
        return await self._settle(receipt.account, receipt.hold_id, receipt.hold, receipt.cost)

    async def _settle(self, account: str, hold_id: str, amount: Nanos, cost: Nanos) -> Nanos | None:
        write = wallet.settle(self._tables.accounts, account, hold_id, amount, cost)
        for tried in range(TRIES):
            try:
                return wallet.available_after(await self._store.call("UpdateItem", write))
            except ConditionFailed as failed:
                held = wallet.read_wallet(failed.old).holds.get(hold_id) if failed.old else None
                if held is None:
                    return None
                # Credit expired under the hold, perhaps a moment ago.
                write = wallet.settle(self._tables.accounts, account, hold_id, amount, cost, held.due)
            except (Busy, OutcomeUnknown):
                await self._back_off(tried)
        raise Unavailable("the account's wallet is busy")

    async def wallet(self, account: str) -> Wallet | None:
        item = await get(self._store, self._tables.accounts, account_pk(account), WALLET)
        return wallet.read_wallet(item) if item else None

    async def receipt(self, account: str, request_id: str) -> Receipt | None:
        """Raises ValueError for something that is no request id."""
        item = await get(self._store, self._tables.receipts, receipt_pk(account, request_id), request_id)
        return receipts.read(item) if item else None

    async def receipts(self, account: str, *, since_s: int, until_s: int | None = None) -> list[Receipt]:
        """The account's receipts of requests begun since then and before `until_s` (now), oldest first."""
        end_s = int(self._clock()) + 1 if until_s is None else until_s
        found: list[Receipt] = []
        for hour_s in range(since_s - since_s % 3600, end_s, 3600):
            for spread in range(RECEIPT_SPREAD):
                pk = receipt_pk_of_hour(account, hour_s, spread)
                found += [receipts.read(item) for item in await query(self._store, self._tables.receipts, pk)]
        within = (r for r in found if since_s * 1000 <= made_at_ms(r.request_id) < end_s * 1000)
        return sorted(within, key=lambda r: r.request_id)

    async def _mark_active(self, account: str) -> None:
        """Tell the sweep, before the first hold of a window, where holds may lie. Once per account, window and process."""
        window = window_of(self._clock())
        if window != self._marked_window:
            self._marked_window, self._marked = window, set()
        if account in self._marked:
            return
        write = {
            "TableName": self._tables.counters,
            "Item": {
                "pk": {"S": active_pk(window, spread_of(account, ACTIVE_SPREAD))},
                "sk": {"S": account},
                "ttl": {"N": str((window + 1) * WINDOW_S + 7 * 86_400)},
            },
        }
        for tried in range(TRIES):
            try:
                await self._store.call("PutItem", write)
                self._marked.add(account)
                return
            except (Busy, OutcomeUnknown):
                await self._back_off(tried)
        raise Unavailable("the counters are busy")

    async def _back_off(self, tried: int) -> None:
        """Full jitter, up to 50, 100, 200, 400, 800 ms."""
        await self._sleep(self._chance() * 0.05 * 2**tried)
