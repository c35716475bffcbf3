"""An account's terms: its own and each of its keys', at once."""

import pytest
from infergate.accounts import keys
from infergate.console.accounts import Desk, find, open_account
from infergate.console.api_keys import KEYS_MAX, Terms, change_terms, create, list_keys, revoke
from infergate.kernel.errors import InvalidRequest, NotFound
from infergate.ledger.keys import WALLET
from infergate.store.client import get, query

from tests.prove.crash_world import T0, TABLES, Run
from tests.support.memory_store import MemoryStore


@pytest.fixture
def desk() -> Desk:
    return Run(MemoryStore([TABLES.accounts]), T0).process().desk


async def opened(desk: Desk, number: int = 1) -> str:
    account, _ = await open_account(desk, "ada@example.com", name="", plan="starter", trial=None, actor="test")
    for i in range(number):
        await create(desk, account.id, name=str(i), actor="test")
    return account.id


async def epoch_of(desk: Desk, account: str) -> int:
    item = await get(desk.store, desk.table, f"ACCOUNT#{account}", WALLET)
    assert item is not None
    return int(item["epoch"]["N"])


async def test_terms_change_for_the_account_and_for_as_many_keys_as_it_may_have(desk: Desk) -> None:
    account = await opened(desk, KEYS_MAX)
    before = await epoch_of(desk, account)

    await change_terms(
        desk, account, Terms(plan="business", price_bp=9_500, regions=["eu"]), actor="anna", reason="deal"
    )

    owner = await find(desk, account)
    assert (owner.plan, owner.price_bp, owner.regions, owner.no_retention) == ("business", 9_500, ["eu"], False)
    for key in await list_keys(desk, account):
        presented = await get(desk.store, desk.table, keys.lookup_pk(key.hash), keys.KEY)
        assert presented is not None
        assert keys.read(presented) == key
        assert (key.plan, key.price_bp, key.regions) == ("business", 9_500, ["eu"])
    assert await epoch_of(desk, account) == before + 1


async def test_a_new_key_has_the_accounts_terms(desk: Desk) -> None:
    account = await opened(desk)
    await change_terms(desk, account, Terms(no_retention=True, price_bp=20_000), actor="anna", reason="")

    made = await create(desk, account, name="later", actor="test")

    assert (made.key.no_retention, made.key.price_bp) == (True, 20_000)


async def test_a_revoked_key_stays_as_it_was(desk: Desk) -> None:
    account = await opened(desk)
    (key,) = await list_keys(desk, account)
    await revoke(desk, account, key.id, actor="test")

    await change_terms(desk, account, Terms(plan="business"), actor="anna", reason="")

    assert [k.plan for k in await list_keys(desk, account)] == ["starter"]


async def test_who_changed_what_and_why_stands_in_the_audit_log(desk: Desk) -> None:
    account = await opened(desk)

    await change_terms(desk, account, Terms(price_bp=9_000), actor="anna", reason="a good customer")

    entries = await query(desk.store, desk.table, f"ACCOUNT#{account}", prefix="AUDIT#")
    (entry,) = [entry for entry in entries if entry["actor"]["S"] == "anna"]
    assert (entry["action"]["S"], entry["reason"]["S"]) == ("terms: price_bp 9000", "a good customer")


@pytest.mark.parametrize(
    "terms",
    [
        Terms(),
        Terms(price_bp=0),
        Terms(price_bp=-1),
        Terms(price_bp=100_001),
        Terms(regions=["EU"]),
        Terms(regions=[""]),
        Terms(regions=["eu"] * 11),
    ],
)
async def test_terms_that_are_none_are_refused_and_change_nothing(desk: Desk, terms: Terms) -> None:
    account = await opened(desk)
    before = await find(desk, account), await epoch_of(desk, account)

    with pytest.raises(InvalidRequest):
        await change_terms(desk, account, terms, actor="anna", reason="")

    assert (await find(desk, account), await epoch_of(desk, account)) == before


async def test_an_account_that_is_not_there_has_no_terms(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await change_terms(desk, "acct_none", Terms(plan="business"), actor="anna", reason="")
