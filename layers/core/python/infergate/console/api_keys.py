"""Creating, listing, rotating and revoking API keys. Every change raises the wallet's epoch in the same transaction."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from infergate.accounts import accounts, keys
from infergate.accounts.keys import OWNED, ApiKey
from infergate.console.accounts import Desk, find
from infergate.kernel.errors import InvalidRequest, NotFound, Unavailable
from infergate.kernel.time import NEVER
from infergate.ledger.grants import bump_epoch
from infergate.ledger.keys import WALLET
from infergate.store.client import get, query

KEYS_MAX = 48
"""Live keys of one account: all of them change with it, in one transaction of at most a hundred members."""
LIMITS = ("requests_per_minute", "tokens_per_minute")


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to change; None stays as it is. `price_bp`: basis points of the list price."""

    plan: str | None = None
    keep_answers: bool | None = None
    regions: list[str] | None = None
    no_retention: bool | None = None
    price_bp: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is the key in clear: shown once, kept nowhere."""

    key: ApiKey
    secret: str


async def create(
    desk: Desk, account: str, *, name: str, actor: str, limits: dict[str, int] | None = None, expires_at: int = NEVER
) -> NewKey:
    """Raises NotFound, InvalidRequest (too many keys, limits that are none)."""
    owner = await find(desk, account)
    _check_limits(limits or {})
    live = [k for k in await list_keys(desk, account) if k.state(desk.now_s()) == "active"]
    if len(live) >= KEYS_MAX:
        raise InvalidRequest(f"An account has at most {KEYS_MAX} live keys: revoke one first.", param="name")
    secret = keys.generate(desk.entropy)
    key = ApiKey(
        id=desk.new_id("key"),
        account=account,
        hash=keys.hash_of(secret, await desk.secrets.value(desk.pepper_ref)),
        name=name.strip()[:100],
        hint=keys.hint_of(secret),
        plan=owner.plan,
        epoch=await _epoch(desk, account),
        created_at=desk.now_s(),
        expires_at=expires_at,
        limits=limits or {},
        keep_answers=owner.keep_answers,
        regions=owner.regions,
        no_retention=owner.no_retention,
        price_bp=owner.price_bp,
    )
    members = [*keys.put_members(desk.table, key), desk.audit(account, actor, "key created", key.id)]
    # A conditional put that an earlier try of this very transaction made refuses the next: then the key is there.
    if not await desk.transact(members) and key.id not in {k.id for k in await list_keys(desk, account)}:
        raise Unavailable("the key could not be stored")
    return NewKey(key, secret)


async def list_keys(desk: Desk, account: str) -> list[ApiKey]:
    """Oldest first, the revoked ones included."""
    items = await query(desk.store, desk.table, f"ACCOUNT#{account}", prefix=OWNED)
    return [keys.read(item) for item in items]


async def revoke(desk: Desk, account: str, key_id: str, *, actor: str) -> ApiKey:
    """Refused from its next request on. Revoking it again changes nothing. Raises NotFound."""
    key = await _owned(desk, account, key_id)
    if not key.revoked_at:
        await _change(desk, key, "revoked_at", desk.now_s(), actor, "key revoked")
    return await _owned(desk, account, key_id)


async def rotate(desk: Desk, account: str, key_id: str, *, grace_s: int, actor: str) -> NewKey:
    """A new key with the old one's name and limits; the old one is good for `grace_s` seconds more.

    The new key comes first: a crash in between leaves both, never none. Raises NotFound, InvalidRequest.
    """
    if not 0 <= grace_s <= 30 * 86_400:
        raise InvalidRequest("The grace period is between 0 seconds and 30 days.", param="grace")
    old = await _owned(desk, account, key_id)
    if old.state(desk.now_s()) != "active":
        raise InvalidRequest(f"That key is {old.state(desk.now_s())}: create a new one.", param="key_id")
    fresh = await create(desk, account, name=old.name, actor=actor, limits=dict(old.limits), expires_at=old.expires_at)
    ends_at = min(old.expires_at, desk.now_s() + grace_s)
    await _change(desk, old, "expires_at", ends_at, actor, "key rotated")
    return fresh


async def change_terms(desk: Desk, account: str, changes: Terms, *, actor: str, reason: str) -> None:
    """The account's settings, its plan and its price: for the account and each of its live keys, from the next request on.

    Raises NotFound, InvalidRequest.
    """
    asked = {name: value for name, value in asdict(changes).items() if value is not None}
    _check_terms(asked)
    await find(desk, account)
    live = [key for key in await list_keys(desk, account) if not key.revoked_at]
    members = [accounts.change_member(desk.table, account, asked)]
    for key in live:
        members += keys.change_members(desk.table, key, asked)
    shown = ", ".join(f"{name} {value}" for name, value in asked.items())
    members += [bump_epoch(desk.table, account), desk.audit(account, actor, f"terms: {shown}", reason.strip()[:500])]
    if len(members) > 100 or not await desk.transact(members):
        raise Unavailable("the account's keys are changing; try again")


async def _change(desk: Desk, key: ApiKey, attribute: str, value: int, actor: str, action: str) -> None:
    members = [
        *keys.change_members(desk.table, key, {attribute: value}),
        bump_epoch(desk.table, key.account),
        desk.audit(key.account, actor, action, key.id),
    ]
    # Refused means revoked meanwhile, or applied by an earlier try: either way the key is no longer what it was.
    await desk.transact(members)


async def _owned(desk: Desk, account: str, key_id: str) -> ApiKey:
    item = await get(desk.store, desk.table, f"ACCOUNT#{account}", OWNED + key_id)
    if item is None:
        raise NotFound(f"key {key_id}")
    return keys.read(item)


async def _epoch(desk: Desk, account: str) -> int:
    """Read before the key is written: a change in between makes the new key stale once, and never good for too long."""
    item = await get(desk.store, desk.table, f"ACCOUNT#{account}", WALLET)
    if item is None:
        raise NotFound(f"account {account}")
    return int(item["epoch"]["N"])


def _check_limits(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        if name not in LIMITS:
            raise InvalidRequest(f"There is no limit {name!r}; there are {', '.join(LIMITS)}.", param="limits")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000_000:
            raise InvalidRequest(f"{name} is a whole number from 1 to 1000000000.", param="limits")


def _check_terms(asked: dict[str, Any]) -> None:
    if not asked:
        raise InvalidRequest("Say what is to change.")
    if not 1 <= asked.get("price_bp", 1) <= 100_000:
        raise InvalidRequest("A price is from 1 to 100000 basis points of the list price.", param="price_bp")
    regions = asked.get("regions", [])
    if len(regions) > 10 or not all(re.fullmatch(r"[a-z]{2,10}", region) for region in regions):
        raise InvalidRequest("A region is 2 to 10 small letters, as channels have it: eu, us.", param="regions")
