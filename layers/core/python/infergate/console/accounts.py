"""Opening, suspending and reinstating an account: where accounts and the ledger meet, in one transaction each."""

from dataclasses import dataclass

from infergate.accounts import accounts
from infergate.accounts.accounts import Account
from infergate.catalog.types import Campaign
from infergate.kernel.errors import InvalidRequest, NotFound, Unavailable
from infergate.kernel.ids import Entropy, new_id, new_ulid
from infergate.kernel.time import NEVER, Clock
from infergate.ledger.grants import bump_epoch, opening
from infergate.ledger.ledger import Chance, Sleep
from infergate.ledger.types import Grant
from infergate.store.client import Params, Store, get
from infergate.store.errors import Busy, OutcomeUnknown, TransactionFailed
from infergate.store.secrets import Secrets

TRIES = 8


@dataclass(slots=True)
class Desk:
    """What every change to an account needs."""

    store: Store
    table: str
    secrets: Secrets
    pepper_ref: str
    clock: Clock
    entropy: Entropy
    sleep: Sleep
    chance: Chance

    def now_s(self) -> int:
        return int(self.clock())

    def new_id(self, prefix: str) -> str:
        return new_id(prefix, self.clock(), self.entropy)

    async def transact(self, members: list[Params]) -> bool:
        """All of it, or none: False if a condition refused it. Raises Unavailable after TRIES; safe to call again."""
        # By its token a try knows an earlier one that was applied, and answers as that should have been answered.
        params = {"TransactItems": members, "ClientRequestToken": new_ulid(self.clock(), self.entropy)}
        for tried in range(TRIES):
            try:
                await self.store.call("TransactWriteItems", params)
                return True
            except TransactionFailed as failed:
                if not failed.conflicted:
                    return False
            except (Busy, OutcomeUnknown):
                pass
            await self.sleep(self.chance() * 0.02 * 2**tried)
        raise Unavailable("the account is busy")

    def audit(self, account: str, actor: str, action: str, reason: str) -> Params:
        ulid = new_ulid(self.clock(), self.entropy)
        return accounts.audit_member(self.table, account, ulid, self.now_s(), actor, action, reason)


async def find(desk: Desk, account: str) -> Account:
    """Raises NotFound."""
    item = await get(desk.store, desk.table, f"ACCOUNT#{account}", accounts.ACCOUNT)
    if item is None:
        raise NotFound(f"account {account}")
    return accounts.read(item)


async def by_email(desk: Desk, email: str) -> str | None:
    """The id of the account that claimed this address, under the pepper in force or the one before."""
    canonical = accounts.canonical_email(email)
    for pepper in await desk.secrets.live_values(desk.pepper_ref):
        if claim := await get(desk.store, desk.table, accounts.email_pk(canonical, pepper), "EMAIL"):
            return str(claim["account"]["S"])
    return None


async def open_account(
    desk: Desk, email: str, *, name: str, plan: str, trial: Campaign | None, actor: str
) -> tuple[Account, bool]:
    """An account, its wallet and its trial credit at once, or the account that this address already has.

    Returns the account and whether it is new. However often and however parallel it is called, an address gets one account
    and one trial.
    """
    if existing := await by_email(desk, email):
        return await find(desk, existing), False
    now_s = desk.now_s()
    account = Account(desk.new_id("acct"), email.strip(), name.strip()[:100], plan, now_s)
    pepper = await desk.secrets.value(desk.pepper_ref)
    claim = accounts.email_pk(accounts.canonical_email(email), pepper)
    grants = [grant_of(desk, trial, source=f"campaign:{trial.id}")] if trial else []
    opened = await desk.transact(
        [
            *accounts.put_members(desk.table, account, claim),
            *opening(desk.table, account.id, grants, now_s, actor),
            desk.audit(account.id, actor, "account opened", f"plan {plan}"),
        ]
    )
    if opened:
        return account, True
    existing = await by_email(desk, email)
    if existing is None:
        raise Unavailable("the account could not be opened")
    # A lost answer of our own looks the same as somebody else's claim: the id tells them apart.
    return await find(desk, existing), existing == account.id


def grant_of(desk: Desk, campaign: Campaign, *, source: str) -> Grant:
    now_s = desk.now_s()
    days = campaign.expires_after_days
    return Grant(
        id=desk.new_id("grant"),
        kind=campaign.kind,
        granted=campaign.amount,
        left=campaign.amount,
        created_at=now_s,
        expires_at=NEVER if days is None else now_s + days * 86_400,
        priority=campaign.priority,
        source=source,
    )


async def set_status(desk: Desk, account: str, status: str, *, actor: str, reason: str) -> None:
    """In force at the account's next request, whatever is cached anywhere. Raises NotFound, InvalidRequest."""
    if status not in ("active", "suspended"):
        raise InvalidRequest("An account is made active or suspended.", param="status")
    if not reason.strip():
        raise InvalidRequest("A reason is needed: it stands in the audit log.", param="reason")
    await find(desk, account)
    members = [
        bump_epoch(desk.table, account, status),
        desk.audit(account, actor, f"account made {status}", reason.strip()[:500]),
    ]
    if not await desk.transact(members):
        raise InvalidRequest("An account with a debt or an open dispute cannot be made active.", param="status")
