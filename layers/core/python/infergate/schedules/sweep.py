"""Ending holds that their requests did not end: the worker died, or a write of its was lost or came late.

A hold past its deadline (and a minute, for clocks that differ) whose request's receipt names it is settled by that receipt.
A hold without a receipt gets one of cost 0, which a late worker then finds. Any other hold of the request goes back whole.
Each step is the same conditional write that a worker uses, so that two sweeps, or a sweep and a worker, do no harm.
"""

from dataclasses import dataclass

from infergate.kernel.errors import InferGateError
from infergate.kernel.ids import made_at_ms
from infergate.kernel.time import Clock
from infergate.ledger.keys import ACTIVE_SPREAD, WINDOW_S, active_pk, window_of
from infergate.ledger.ledger import Ledger
from infergate.ledger.types import Hold, Receipt, Wallet
from infergate.ledger.wallet import request_of
from infergate.store.client import Store, query
from infergate.store.errors import StoreError

SLACK_S = 60
LOOK_BACK_S = 2 * 3600
"""Windows this far back are looked at in every run; older marks are for the daily run, which looks a week back."""
WEEK_S = 7 * 86_400


@dataclass(slots=True)
class Swept:
    accounts: int = 0
    settled: int = 0
    abandoned: int = 0
    released: int = 0
    failed: int = 0
    oldest_hold_age_s: int = 0


class Sweep:
    def __init__(self, store: Store, ledger: Ledger, counters_table: str, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._table = counters_table
        self._clock = clock

    async def run(self, *, look_back_s: int = LOOK_BACK_S, accounts_max: int = 10_000) -> Swept:
        """One run. Oldest windows first; what it does not reach, the next run does, from the same marks."""
        swept = Swept()
        now = window_of(self._clock())
        for window in range(now - look_back_s // WINDOW_S, now + 1):
            for spread in range(ACTIVE_SPREAD):
                marks = await query(self._store, self._table, active_pk(window, spread))
                for mark in marks[: accounts_max - swept.accounts]:
                    await self._one(window, spread, mark["sk"]["S"], swept)
        return swept

    async def _one(self, window: int, spread: int, account: str, swept: Swept) -> None:
        try:
            await self.account(account, swept)
            await self._forget(window, spread, account)
        except (InferGateError, StoreError):
            # One account that cannot be dealt with (a wallet that is throttled) does not stop the others; its mark stays.
            swept.failed += 1

    async def account(self, account: str, swept: Swept) -> None:
        """End every due hold of one account."""
        swept.accounts += 1
        wallet = await self._ledger.wallet(account)
        if wallet is None:
            return
        for hold in sorted(wallet.holds.values(), key=lambda h: h.id):
            age_s = int(self._clock()) - made_at_ms(request_of(hold.id)) // 1000
            swept.oldest_hold_age_s = max(swept.oldest_hold_age_s, age_s)
            if hold.deadline + SLACK_S < self._clock():
                await self._end(wallet, hold, swept)

    async def _end(self, wallet: Wallet, hold: Hold, swept: Swept) -> None:
        request_id = request_of(hold.id)
        receipt = await self._ledger.receipt(wallet.account, request_id)
        if receipt is None:
            receipt = await self._ledger.write_receipt(_abandoned(wallet.account, request_id, hold))
            swept.abandoned += receipt.hold_id == hold.id and receipt.reason == "abandoned"
        if receipt.hold_id == hold.id:
            swept.settled += await self._ledger.settle(receipt) is not None
        else:
            await self._ledger.release(wallet.account, hold)
            swept.released += 1

    async def _forget(self, window: int, spread: int, account: str) -> None:
        """A mark has done its work when no hold made in its window can be left: its deadline is at most 20 minutes away."""
        if (window + 1) * WINDOW_S + 1200 + SLACK_S >= self._clock():
            return
        wallet = await self._ledger.wallet(account)
        made_then = [h for h in wallet.holds if window_of(made_at_ms(request_of(h)) / 1000) <= window] if wallet else []
        if not made_then:
            key = {"pk": {"S": active_pk(window, spread)}, "sk": {"S": account}}
            await self._store.call("DeleteItem", {"TableName": self._table, "Key": key})


def _abandoned(account: str, request_id: str, hold: Hold) -> Receipt:
    return Receipt(
        account=account,
        request_id=request_id,
        hold_id=hold.id,
        hold=hold.amount,
        cost=0,
        reason="abandoned",
        created_at_ms=made_at_ms(request_id),
    )
