"""Accounts: who they belong to and what they chose. Never their money: that is the ledger's, in an item of its own.

accounts table:
  ACCOUNT#<account>   ACCOUNT          the profile
                      AUDIT#<ulid>     who changed what about the account, and why
  EMAIL#<hmac>        EMAIL            the account that claimed this canonical address, so that none has two trials
"""

import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from infergate.kernel.errors import InvalidRequest
from infergate.store.client import Params
from infergate.store.codec import decode_item, record
from infergate.store.errors import Item
from infergate.store.transact import put_new, update_member

ACCOUNT = "ACCOUNT"
AUDIT = "AUDIT#"
_DOTS_IGNORED = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    email: str
    name: str
    plan: str
    created_at: int
    keep_answers: bool = False
    """Whether answers are kept with their Idempotency-Key, for two days."""
    regions: list[str] = field(default_factory=list)
    no_retention: bool = False
    price_bp: int = 10_000
    """These three as accounts/keys.ApiKey explains them: each key has them too."""


def canonical_email(address: str) -> str:
    """One spelling for all that reach the same box: lower case, no +tag, no dots where they mean nothing.

    Raises InvalidRequest for what is no address.
    """
    text = unicodedata.normalize("NFKC", address).strip().lower()
    local, at, domain = text.rpartition("@")
    labels = domain.split(".")
    if not at or "@" in local or len(labels) < 2 or not all(labels) or len(text) > 254:
        raise InvalidRequest("That is not an e-mail address.", param="email")
    # Not printable: control characters, zero-width ones, lone surrogates.
    if " " in text or not text.isprintable():
        raise InvalidRequest("That is not an e-mail address.", param="email")
    local = local.partition("+")[0]
    if domain in _DOTS_IGNORED:
        local, domain = local.replace(".", ""), "gmail.com"
    if not local:
        raise InvalidRequest("That is not an e-mail address.", param="email")
    return f"{local}@{domain}"


def email_pk(canonical: str, pepper: str) -> str:
    return "EMAIL#" + hmac.digest(pepper.encode(), canonical.encode(), "sha256").hex()


def put_members(table: str, account: Account, claim_pk: str) -> list[Params]:
    """The transaction members that store a new account and claim its address. They fail if the address is taken."""
    items = [
        {"pk": claim_pk, "sk": "EMAIL", "account": account.id},
        {"pk": f"ACCOUNT#{account.id}", "sk": ACCOUNT, **asdict(account)},
    ]
    return [put_new(table, item) for item in items]


def change_member(table: str, account: str, changes: Mapping[str, Any]) -> Params:
    return update_member(table, f"ACCOUNT#{account}", ACCOUNT, changes, condition="attribute_exists(pk)")


def audit_member(table: str, account: str, audit_id: str, at: int, actor: str, action: str, reason: str) -> Params:
    item = {
        "pk": f"ACCOUNT#{account}",
        "sk": AUDIT + audit_id,
        "at": at,
        "actor": actor,
        "action": action,
        "reason": reason,
    }
    return put_new(table, item)


def read(item: Item) -> Account:
    return record(Account, decode_item(item))
