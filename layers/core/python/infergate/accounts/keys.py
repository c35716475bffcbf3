"""API keys: their form, how they are kept, how a presented one is recognised.

A key is `sk-ig-` + 43 characters of base 62 (256 random bits) + 6 of checksum (CRC-32 in base 62), so that a mistyped key
is known as such without a look-up and a leaked one can be found by scanners. It is shown once; what is kept is its
HMAC-SHA-256 under a pepper from Secrets Manager, so that a dump of the table neither forges nor recognises one.

accounts table:
  KEY#<hmac>          KEY              what a request needs to know: the account, its plan, the key's own limits
  ACCOUNT#<account>   KEY#<key id>     the same key as its owner sees it
"""

import hmac
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from infergate.kernel.ids import Entropy
from infergate.kernel.time import NEVER
from infergate.store.client import Params
from infergate.store.codec import decode_item, record
from infergate.store.errors import Item
from infergate.store.transact import put_new, update_member

PREFIX = "sk-ig-"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"sk-ig-([0-9A-Za-z]{43})([0-9A-Za-z]{6})")

KEY = "KEY"
OWNED = "KEY#"


@dataclass(slots=True)
class ApiKey:
    """`epoch` is the wallet's when this was read or written: a reserve under an older one is refused as stale."""

    id: str
    account: str
    hash: str
    name: str
    hint: str
    plan: str
    epoch: int
    created_at: int
    expires_at: int = NEVER
    revoked_at: int = 0
    limits: dict[str, int] = field(default_factory=dict)
    regions: list[str] = field(default_factory=list)
    """Where the account allows its prompts to be processed; empty: anywhere."""
    no_retention: bool = False
    """The account allows only providers that keep no prompts."""
    price_bp: int = 10_000
    """What the account pays, in basis points of the list price."""
    keep_answers: bool = False
    """The account asked for answers to be kept with their Idempotency-Key, for two days. Otherwise none ever is."""

    def state(self, now_s: float) -> str:
        """active, revoked or expired."""
        if self.revoked_at:
            return "revoked"
        return "active" if self.expires_at > now_s else "expired"


def generate(entropy: Entropy) -> str:
    """A new key, in clear: the only time that it is."""
    body = _base62(int.from_bytes(entropy(32)), 43)
    return PREFIX + body + _checksum(body)


def well_formed(presented: str) -> bool:
    """Whether it can be a key of ours at all. Looks at the whole of it, and at nothing beyond 55 characters."""
    form = _FORM.fullmatch(presented)
    return form is not None and _checksum(form[1]) == form[2]


def hash_of(key: str, pepper: str) -> str:
    """64 hexadecimal digits."""
    return hmac.digest(pepper.encode(), key.encode(), "sha256").hex()


def hint_of(key: str) -> str:
    """What may be shown later: sk-ig-…a1B2."""
    return f"{PREFIX}…{key[-4:]}"


def lookup_pk(key_hash: str) -> str:
    return f"KEY#{key_hash}"


def put_members(table: str, key: ApiKey) -> list[Params]:
    """The transaction members that store a new key in both its places."""
    values = asdict(key)
    places = [
        {"pk": lookup_pk(key.hash), "sk": KEY},
        {"pk": f"ACCOUNT#{key.account}", "sk": OWNED + key.id},
    ]
    return [put_new(table, place | values) for place in places]


def change_members(table: str, key: ApiKey, changes: Mapping[str, Any]) -> list[Params]:
    """The transaction members that set attributes of a key in both its places. They fail for a key that is not there."""
    places = [(lookup_pk(key.hash), KEY), (f"ACCOUNT#{key.account}", OWNED + key.id)]
    return [
        update_member(table, pk, sk, changes, condition="attribute_exists(pk) AND revoked_at = :never", never=0)
        for pk, sk in places
    ]


def read(item: Item) -> ApiKey:
    return record(ApiKey, decode_item(item))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
