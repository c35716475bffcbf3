"""Flows of the crash explorer: accounts, keys, grants, holds and the clock's own work."""

from dataclasses import replace
from typing import Any

from infergate.console import accounts, api_keys, sign_up
from infergate.console.api_keys import Terms
from infergate.ledger.types import Entry
from infergate.schedules.sweep import Swept

from tests.prove.crash_chat import SNAPSHOT, customer
from tests.prove.crash_checks import State, books
from tests.prove.crash_flow import Facts, Flow, History
from tests.prove.crash_world import Process

ANNA = "Anna.Smith+news@gmail.com"


async def nobody(p: Process) -> Facts:
    return {}


# -- accounts and keys -------------------------------------------------------------------------------------------------


async def open_with_trial(p: Process, facts: Facts) -> Any:
    trial = SNAPSHOT.campaigns["trial"]
    return await accounts.open_account(p.desk, ANNA, name="Anna", plan="starter", trial=trial, actor="anna")


async def sign_up_confirmed(p: Process, facts: Facts) -> str:
    return await sign_up.confirmed(p.desk, p.shelf, "sub-1", ANNA, "Anna")


def opened(state: State) -> Any:
    return (len(state.claims), len(state.links), [a.profile is not None for a in state.accounts.values()], books(state))


def opened_without_link(state: State) -> bool:
    return len(state.accounts) == 1 and not state.links


async def suspend(p: Process, facts: Facts) -> None:
    await accounts.set_status(p.desk, facts["account"], "suspended", actor="operator", reason="abuse")


async def suspended_customer(p: Process) -> Facts:
    facts = await customer(p)
    await suspend(p, facts)
    return facts


async def reinstate(p: Process, facts: Facts) -> None:
    await accounts.set_status(p.desk, facts["account"], "active", actor="operator", reason="a mistake")


def standing(state: State) -> Any:
    wallet = state.only().wallet
    assert wallet is not None
    return wallet.status


def changed_with_its_epoch(history: History) -> list[str]:
    """P8: whatever an account's keys or status became, its epoch has risen, and the audit log says so."""
    before, after = history.before.only(), history.after.only()
    assert before.wallet
    assert after.wallet
    risen, logged = after.wallet.epoch - before.wallet.epoch, after.audits - before.audits
    changed = before.keys != after.keys or before.wallet.status != after.wallet.status
    wrong = []
    if changed and not risen and len(before.keys) == len(after.keys):
        wrong.append("P8: it changed, and the epoch did not rise")
    if changed and not logged:
        wrong.append("it changed, and the audit log does not say so")
    if logged > 2 * len(history.told):
        wrong.append(f"the audit log says it {logged} times")
    return wrong


async def create_key(p: Process, facts: Facts) -> api_keys.NewKey:
    return await api_keys.create(p.desk, facts["account"], name="second", actor="anna")


async def rotate_key(p: Process, facts: Facts) -> api_keys.NewKey:
    return await api_keys.rotate(p.desk, facts["account"], facts["key"], grace_s=7200, actor="anna")


async def revoke_key(p: Process, facts: Facts) -> Any:
    return await api_keys.revoke(p.desk, facts["account"], facts["key"], actor="anna")


async def keep_answers(p: Process, facts: Facts) -> None:
    await api_keys.change_terms(p.desk, facts["account"], Terms(keep_answers=True), actor="anna", reason="")


def created(history: History) -> list[str]:
    """Who was shown a key has it; nobody else's is good for more than its maker's attempts."""
    kept = {key.id: key for key in history.after.lookups}
    shown = [told.value.key for told in history.succeeded]
    wrong = [f"a key was shown and is not there: {key.id}" for key in shown if kept.get(key.id) != key]
    made = len(history.after.lookups) - len(history.before.lookups)
    if made > len(history.told):
        wrong.append(f"{len(history.told)} attempts made {made} keys")
    return wrong + changed_with_its_epoch(history)


def rotated(history: History) -> list[str]:
    (old,) = history.before.lookups
    now = next(key for key in history.after.lookups if key.id == old.id)
    wrong = []
    if history.succeeded and now.expires_at == old.expires_at:
        wrong.append("a key was rotated, and the old one does not end")
    if now.expires_at != old.expires_at and len(history.after.lookups) < 2:
        wrong.append("the old key ends, and there is no new one")
    return wrong + created(history)


def revoked(state: State) -> Any:
    return [key.revoked_at > 0 for key in state.lookups]


def keeping(state: State) -> Any:
    profile = state.only().profile
    return profile and profile["keep_answers"], [key.keep_answers for key in state.lookups]


async def apply_catalog(p: Process, facts: Facts) -> None:
    await p.shelf.apply(replace(SNAPSHOT, version="snapshot-2"), "operator")


def in_force(state: State) -> Any:
    version = state.catalog["CURRENT"]["version"]["S"]
    return version, f"SNAPSHOT#{version}" in state.catalog


# -- grants ------------------------------------------------------------------------------------------------------------


async def paid(p: Process) -> Facts:
    """Five paid dollars, one of them spent."""
    account = await p.account(p.grant("5", source="payment:pi_1"))
    await p.spend(account, "1")
    return {"account": account}


async def add_grant(p: Process, facts: Facts) -> Entry:
    grant = p.grant("8", source="payment:pi_2")
    return await p.grants.add(facts["account"], grant, cause="payment:pi_2", actor="provider", reason="paid")


async def add_gift(p: Process, facts: Facts) -> Entry:
    gift = p.grant("3", ends_in_s=90_000, kind="promo", source="campaign:spring")
    return await p.grants.add(facts["account"], gift, cause="gift:1", actor="operator", reason="spring")


async def gifts_have_ended(p: Process) -> Facts:
    """Two gifts of different length, some of it spent, and paid credit; five minutes later."""
    facts = await gifts(p)
    p.clock.advance(301)
    return facts


async def gifts(p: Process) -> Facts:
    account = await p.account(
        p.grant("2", ends_in_s=300, kind="promo", source="campaign:spring"),
        p.grant("3", ends_in_s=200, kind="trial", source="campaign:trial"),
        p.grant("5", source="payment:pi_1"),
    )
    await p.spend(account, "0.5")
    return {"account": account}


async def gifts_have_ended_under_holds(p: Process) -> Facts:
    """As above, with two requests under way: they hold all of the one gift, a part of the other."""
    facts = await gifts(p)
    for amount in ("2.5", "1"):
        await p.held(facts["account"], amount)
    p.clock.advance(301)
    return facts


async def two_accounts_whose_gifts_ended(p: Process) -> Facts:
    await gifts(p)
    return await gifts_have_ended_under_holds(p)


async def gifts_under_a_hold(p: Process) -> Facts:
    facts = await gifts(p)
    await p.held(facts["account"], "4")
    return facts


async def expire(p: Process, facts: Facts) -> int:
    return await p.grants.expire(facts["account"])


async def expire_run(p: Process, facts: Facts) -> None:
    await p.expire.run()


async def remove_campaign(p: Process, facts: Facts) -> int:
    return await p.grants.remove_campaign(facts["account"], "spring", actor="operator", reason="misuse")


async def attribute(p: Process, facts: Facts) -> Any:
    return await p.grants.attribute(facts["account"])


def stored(state: State) -> Any:
    """As the grants lie in the table: attribution is this very difference."""
    return books(state), sorted((g.kind, g.left, g.spent) for g in state.only().grants)


# -- holds -------------------------------------------------------------------------------------------------------------


async def abandoned(p: Process) -> Facts:
    """A worker died with its hold; its deadline is past."""
    facts = await paid(p)
    await p.held(facts["account"], "2")
    p.clock.advance(800)
    return facts


async def abandoned_after_receipt(p: Process) -> Facts:
    facts = await paid(p)
    await p.receipt(facts["account"], await p.held(facts["account"], "2"), "0.75")
    p.clock.advance(800)
    return facts


async def stray(p: Process) -> Facts:
    """A settled request whose first reserve landed late."""
    facts = await paid(p)
    request_id = p.desk.new_id("req")
    named = await p.held(facts["account"], "2", request_id=request_id, attempt=1)
    await p.ledger.settle(await p.receipt(facts["account"], named, "0.75"))
    facts["hold"] = await p.held(facts["account"], "2", request_id=request_id)
    p.clock.advance(800)
    return facts


async def all_kinds_of_holds(p: Process) -> Facts:
    """Two accounts, one with a hold of each kind, one of them over credit that has ended."""
    other = await paid(p)
    await p.held(other["account"], "1")
    facts = await gifts(p)
    await p.held(facts["account"], "1")
    await p.receipt(facts["account"], await p.held(facts["account"], "2"), "0.75")
    request_id = p.desk.new_id("req")
    await p.receipt(facts["account"], await p.held(facts["account"], "1", request_id=request_id, attempt=1), "0.25")
    await p.held(facts["account"], "1", request_id=request_id)
    p.clock.advance(301)
    await p.grants.expire(facts["account"])
    p.clock.advance(500)
    return facts


async def sweep(p: Process, facts: Facts) -> None:
    await p.swept()


async def worker_against_sweep(p: Process, facts: Facts) -> None:
    """The sweep comes between a worker's receipt and its settle."""
    hold = await p.held(facts["account"], "2")
    receipt = await p.receipt(facts["account"], hold, "0.75")
    p.clock.advance(800)
    await p.other().sweep.account(facts["account"], Swept())
    await p.ledger.settle(receipt)


async def late_worker(p: Process, facts: Facts) -> None:
    """The sweep gave the request up before its worker wrote the receipt."""
    hold = await p.held(facts["account"], "2")
    p.clock.advance(800)
    await p.other().sweep.account(facts["account"], Swept())
    await p.ledger.settle(await p.receipt(facts["account"], hold, "0.75"))


async def release(p: Process, facts: Facts) -> None:
    await p.ledger.release(facts["account"], facts["hold"])


FLOWS = [
    Flow("open account with trial", nobody, open_with_trial, opened),
    Flow("sign-up", nobody, sign_up_confirmed, opened, between=opened_without_link),
    Flow("suspend", customer, suspend, standing, changed_with_its_epoch),
    Flow("reinstate", suspended_customer, reinstate, standing, changed_with_its_epoch),
    Flow("create key", customer, create_key, judge=created),
    Flow("rotate key", customer, rotate_key, judge=rotated),
    Flow("revoke key", customer, revoke_key, revoked, changed_with_its_epoch),
    Flow("keep answers", customer, keep_answers, keeping, changed_with_its_epoch),
    Flow("apply catalog", nobody, apply_catalog, in_force),
    Flow("add grant", paid, add_grant, books),
    Flow("add gift that ends", paid, add_gift, books),
    Flow("expire", gifts_have_ended, expire, books, always=True),
    Flow("expire under holds", gifts_have_ended_under_holds, expire, books, always=True),
    Flow("expiry run", two_accounts_whose_gifts_ended, expire_run, books, always=True, retries=False),
    Flow("remove campaign", gifts, remove_campaign, books),
    Flow("remove campaign under a hold", gifts_under_a_hold, remove_campaign, books),
    Flow("attribute", paid, attribute, stored),
    Flow("sweep abandoned hold", abandoned, sweep, books, always=True, retries=False),
    Flow("sweep after receipt", abandoned_after_receipt, sweep, books, always=True, retries=False),
    Flow("sweep stray hold", stray, sweep, books, always=True, retries=False),
    Flow("sweep all kinds of holds", all_kinds_of_holds, sweep, books, always=True, retries=False),
    Flow("release stray hold", stray, release, books, always=True),
    Flow("worker against sweep", paid, worker_against_sweep, books, retries=False),
    Flow("late worker after sweep", paid, late_worker, books, retries=False),
]
