"""Identifiers: a prefix that says what it names, then a ULID (48 bits of milliseconds, 80 random bits).

Format: https://github.com/ulid/spec, Crockford's base 32. They sort by the time of their making.
"""

import re
from collections.abc import Callable

type Entropy = Callable[[int], bytes]
"""`os.urandom` in production."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
REQUEST_ID = re.compile(rf"req_{ULID.pattern}")


def new_ulid(now_s: float, entropy: Entropy) -> str:
    """26 characters."""
    number = int(now_s * 1000) << 80 | int.from_bytes(entropy(10))
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def new_id(prefix: str, now_s: float, entropy: Entropy) -> str:
    """Such as req_01JDF3Z9G0M7…"""
    return f"{prefix}_{new_ulid(now_s, entropy)}"


def made_at_ms(identifier: str) -> int:
    """Milliseconds since the epoch at which the identifier was made. Raises ValueError where it has no ULID."""
    ulid = identifier.rpartition("_")[2]
    if not ULID.fullmatch(ulid):
        raise ValueError(f"not an identifier of ours: {identifier[:64]!r}")
    value = 0
    for character in ulid[:10]:
        value = value << 5 | _VALUES[character]
    return value


def spread_of(identifier: str, ways: int) -> int:
    """A number below `ways`, from the identifier's last (random) character."""
    return _VALUES[identifier[-1]] % ways
