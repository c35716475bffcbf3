"""The crash explorer finds nothing in the product, and finds each of these in a product that is broken on purpose."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from infergate.accounts import keys
from infergate.chat.admit import Admission
from infergate.chat.complete import Job
from infergate.chat.idempotency import Claim
from infergate.console import api_keys
from infergate.console.accounts import Desk
from infergate.ledger import entries, receipts, wallet
from infergate.ledger.ledger import Ask
from infergate.ledger.types import Hold, Wallet
from infergate.schedules.sweep import Sweep, Swept
from infergate.store.client import Params

from tests.prove.crashes import explore, flow_named, prove


def test_no_fault_of_any_flow_breaks_a_promise() -> None:
    row = prove(1)

    assert row.violations == []
    flows, runs = (int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", row.how_many))
    assert flows >= 25
    assert runs >= 2000


def test_two_faults_in_one_run_break_none_either() -> None:
    totals = explore(
        [flow_named(name) for name in ("chat", "once", "refund sent", "sweep all kinds of holds")], pairs=300
    )

    assert totals.violations == []


# -- broken on purpose -------------------------------------------------------------------------------------------------

type Break = Callable[[pytest.MonkeyPatch], None]


def hold_ids_are_used_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ask, "next_hold", lambda ask: Hold(wallet.hold_id(ask.request_id, 1), ask.amount, ask.deadline))


def settle_has_no_condition(patch: pytest.MonkeyPatch) -> None:
    whole = wallet.settle

    def settle(*how: Any) -> Params:
        write = whole(*how)
        del write["ConditionExpression"]
        return {**write, "ExpressionAttributeValues": _without(write["ExpressionAttributeValues"], ":amount", ":due")}

    patch.setattr(wallet, "settle", settle)


def the_sweep_skips_the_receipt(patch: pytest.MonkeyPatch) -> None:
    async def end(sweep: Sweep, found: Wallet, hold: Hold, swept: Swept) -> None:
        await sweep._ledger.release(found.account, hold)

    patch.setattr(Sweep, "_end", end)


def the_sweep_does_not_look(patch: pytest.MonkeyPatch) -> None:
    async def account(sweep: Sweep, name: str, swept: Swept) -> None:
        return

    patch.setattr(Sweep, "account", account)


def a_receipt_replaces_another(patch: pytest.MonkeyPatch) -> None:
    put = receipts.put
    patch.setattr(receipts, "put", lambda *how: _without(put(*how), "ConditionExpression"))


def expired_credit_is_reserved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wallet, "RESERVE", wallet.RESERVE.replace(wallet.UNEXPIRED, ":now > :now OR " + wallet.ENOUGH))


def a_cause_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    put = entries.put_cause
    patch.setattr(entries, "put_cause", lambda *how: put(how[0], how[1], f"{how[2]} {how[3]}", how[3]))


def a_gift_leaves_no_mark(patch: pytest.MonkeyPatch) -> None:
    put = entries.put_grant
    patch.setattr(entries, "put_grant", lambda *how: put(*how)[:1])


def a_transaction_has_no_token(patch: pytest.MonkeyPatch) -> None:
    transact = Desk.transact

    class Untokened:
        def __init__(self, store: Any) -> None:
            self.store = store

        async def call(self, operation: str, params: Params) -> dict[str, Any]:
            answer: dict[str, Any] = await self.store.call(operation, _without(params, "ClientRequestToken"))
            return answer

    async def without(desk: Desk, members: list[Params]) -> bool:
        return await transact(replace(desk, store=Untokened(desk.store)), members)

    patch.setattr(Desk, "transact", without)


def revoking_leaves_the_epoch(patch: pytest.MonkeyPatch) -> None:
    def check(table: str, account: str) -> Params:
        key = {"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": "WALLET"}}
        exists = {"TableName": table, "Key": key, "ConditionExpression": "attribute_exists(pk)"}
        return {"ConditionCheck": exists}

    patch.setattr(api_keys, "bump_epoch", check)


def a_key_changes_in_one_of_its_places(patch: pytest.MonkeyPatch) -> None:
    change = keys.change_members
    patch.setattr(keys, "change_members", lambda *how: change(*how)[:1])


def a_claimed_key_is_always_free(patch: pytest.MonkeyPatch) -> None:
    async def may(claim: Claim, first: str, deadline: int) -> bool:
        return True

    patch.setattr(Claim, "_may_take_over", may)


def a_dead_workers_key_stays_taken(patch: pytest.MonkeyPatch) -> None:
    async def take_over(claim: Claim, first: str, request_id: str) -> bool:
        return False

    patch.setattr(Claim, "_take_over", take_over)


def it_is_charged_before_the_provider_answers(patch: pytest.MonkeyPatch) -> None:
    run = Job.run

    async def early(job: Job) -> None:
        admission: Admission = job.admission
        await job.house.ledger._settle(admission.key.account, admission.hold.id, admission.hold.amount, 80_000)
        await run(job)

    patch.setattr(Job, "run", early)


def the_sweep_forgets_an_account_at_once(patch: pytest.MonkeyPatch) -> None:
    """Then what arrives late is never found."""

    async def forget(sweep: Sweep, window: int, spread: int, account: str) -> None:
        key = {"pk": {"S": f"ACTIVE#{window}#{spread}"}, "sk": {"S": account}}
        await sweep._store.call("DeleteItem", {"TableName": "counters", "Key": key})

    patch.setattr(Sweep, "_forget", forget)


def _without(params: Params, *names: str) -> Params:
    return {name: value for name, value in params.items() if name not in names}


BROKEN: list[tuple[Break, str]] = [
    (hold_ids_are_used_twice, "chat"),
    (settle_has_no_condition, "chat"),
    (settle_has_no_condition, "worker against sweep"),
    (the_sweep_skips_the_receipt, "chat"),
    (the_sweep_skips_the_receipt, "sweep after receipt"),
    (the_sweep_does_not_look, "sweep abandoned hold"),
    (a_receipt_replaces_another, "swept in mid-request"),
    (expired_credit_is_reserved, "credit due at the reserve"),
    (a_cause_is_not_written_down, "add grant"),
    (a_gift_leaves_no_mark, "add gift that ends"),
    (a_transaction_has_no_token, "suspend"),
    (revoking_leaves_the_epoch, "revoke key"),
    (a_key_changes_in_one_of_its_places, "rotate key"),
    (a_claimed_key_is_always_free, "once"),
    (a_dead_workers_key_stays_taken, "once, after a worker died"),
    (it_is_charged_before_the_provider_answers, "chat"),
    (the_sweep_forgets_an_account_at_once, "chat"),
]


@pytest.mark.parametrize(("broken", "flow"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_the_explorer_finds(broken: Break, flow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)

    violations = explore([flow_named(flow)]).violations

    assert violations
    assert all(f'python -m tests.prove.crashes "{flow}" ' in sentence for sentence in violations)


def test_one_run_can_be_seen_again_from_the_command_line() -> None:
    again = ["chat", "4", "late", "--retry", "--soon", "--second", "sweep", "0", "reply-lost"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.prove.crashes", *again], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "no violation" in done.stdout
