"""Changes to an account whose answer is lost: applied once, and told as they are."""

import pytest
from infergate.console import accounts
from infergate.kernel.errors import InvalidRequest
from infergate.kernel.money import usd

from tests.prove.crash_chat import customer
from tests.prove.crash_checks import State
from tests.prove.crash_world import T0, TABLES, Run
from tests.support.faults import Mode
from tests.support.memory_store import MemoryStore


def blank() -> Run:
    return Run(MemoryStore([TABLES.accounts, TABLES.receipts, TABLES.counters, "catalog"]), T0)


@pytest.mark.parametrize("mode", [Mode.REPLY_LOST, Mode.NEVER_SENT, Mode.LATE, Mode.THROTTLED, Mode.CONFLICT])
async def test_an_account_is_suspended_once_and_its_operator_told_so_whatever_becomes_of_the_first_try(
    mode: Mode,
) -> None:
    run = blank()
    facts = await customer(run.process())
    before = State(run.tap.store).only()
    operator = run.process({1: mode})

    await accounts.set_status(operator.desk, facts["account"], "suspended", actor="olga", reason="abuse")
    await run.deliver(operator.wire)

    after = State(run.tap.store).only()
    assert after.wallet
    assert before.wallet
    assert (after.wallet.status, after.wallet.epoch) == ("suspended", before.wallet.epoch + 1)
    assert after.audits == before.audits + 1


async def test_an_account_with_an_open_dispute_is_not_made_active() -> None:
    run = blank()
    facts = await customer(run.process())
    await run.process().disputes.opened(facts["account"], "dp_1", "payment:pi_1", usd("5"), actor="provider")

    with pytest.raises(InvalidRequest):
        await accounts.set_status(run.process().desk, facts["account"], "active", actor="olga", reason="a mistake")

    wallet = State(run.tap.store).only().wallet
    assert wallet
    assert wallet.status == "disputed"
