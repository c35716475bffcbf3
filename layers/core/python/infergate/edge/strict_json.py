"""JSON from callers, read strictly: what two readers could read in two ways is refused, before any credit is held."""

import json
from typing import Any

from infergate.kernel.errors import InvalidRequest

DEPTH_MAX = 64
PARTS_MAX = 100_000
"""Keys in one object, or lists and objects on one level: more than any conversation has, and slow to read."""
_OPENING = (b"[", b"{")


def parse_object(body: bytes) -> dict[str, Any]:
    """The object that `body` is. Raises InvalidRequest for anything else: not UTF-8, duplicate keys, NaN, numbers beyond a
    double, nesting beyond DEPTH_MAX, lone surrogates (they have no UTF-8 form, so they cannot be passed on)."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.") from None
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite)
    except _Refused as refused:
        raise InvalidRequest(str(refused), param=refused.key) from None
    except RecursionError:
        raise InvalidRequest(f"The body is nested deeper than {DEPTH_MAX} levels.") from None
    except ValueError:
        raise InvalidRequest("The body is not valid JSON.") from None
    if sum(body.count(c) for c in _OPENING) > DEPTH_MAX:
        _check_shape(value)
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if b"\\u" in body and not _encodable(text, value):
        raise InvalidRequest("The body has an unpaired surrogate in a string.")
    return value


class _Refused(Exception):
    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > PARTS_MAX:
        raise _Refused(f"An object has at most {PARTS_MAX} keys.")
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        # Half of a surrogate pair has no UTF-8 form: this name goes into an answer.
        name = twice[:60].encode("utf-8", "backslashreplace").decode()
        raise _Refused(f"The key {name!r} stands twice in one object.", name)
    return value


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Refused(f"The number {text[:40]} is too large.")
    return number


def _check_shape(value: Any) -> None:
    """Level by level, without recursion. Raises InvalidRequest for what is too deep or has too many parts."""
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [c for v in level for c in (v.values() if type(v) is dict else v) if type(c) is dict or type(c) is list]
        if not level:
            return
        if len(level) > PARTS_MAX:
            raise InvalidRequest(f"The body has more than {PARTS_MAX} lists and objects.")
    raise InvalidRequest(f"The body is nested deeper than {DEPTH_MAX} levels.")


def _encodable(text: str, value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
