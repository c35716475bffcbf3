"""DynamoDB's typed values: taken in (checked, copied, in canonical form), given out (copied), weighed, added.

In canonical form equal values have equal JSON, so that comparing them is Python's `==`. What was taken in is never
changed afterwards, so that old and new items may share their parts.

Sizes: "DynamoDB Item sizes and formats" of the developer guide. Sets and binary are not modelled: nothing here stores any.
"""

import re
from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException
from typing import Any

from infergate.store.errors import Item, Rejected

type Value = dict[str, Any]

LEVELS_MAX = 31
"""Maps and lists around an attribute's innermost value."""
DIGITS_MAX = 38
_EXACT = Context(prec=300)
_ROUND = 10**DIGITS_MAX
_plain_number = re.compile(r"0|-?[1-9][0-9]{0,37}").fullmatch
_any_number = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?").fullmatch


def invalid(message: str) -> Rejected:
    return Rejected("ValidationException", message)


def taken(value: Any, level: int = 0) -> Value:
    """A copy of our own, in canonical form. Raises Rejected."""
    try:
        ((kind, content),) = value.items()
    except (AttributeError, ValueError):
        raise invalid("an attribute value has exactly one datatype") from None
    if kind == "N" and type(content) is str:
        return {"N": content if _plain_number(content) else _checked(content)}
    if kind == "S" and type(content) is str:
        return {"S": content}
    if kind == "BOOL" and type(content) is bool:
        return {"BOOL": content}
    if kind == "NULL" and type(content) is bool:
        if content is True:
            return {"NULL": True}
        raise invalid("Null attribute value types must have the value of true")
    if level >= LEVELS_MAX:
        raise invalid("Nesting Levels have exceeded supported limits")
    if kind == "M" and isinstance(content, Mapping):
        if "" in content:
            raise invalid("Empty attribute name")
        return {"M": {name: taken(part, level + 1) for name, part in content.items()}}
    if kind == "L" and isinstance(content, list):
        return {"L": [taken(part, level + 1) for part in content]}
    if kind in {"B", "SS", "NS", "BS"}:
        raise NotImplementedError(f"values of type {kind} are not modelled")
    raise Rejected("SerializationException", f"not a value of type {kind}")


def taken_item(item: Mapping[str, Any]) -> Item:
    if "" in item:
        raise invalid("Empty attribute name")
    return {name: taken(value) for name, value in item.items()}


def given(value: Value) -> Value:
    """A copy for the caller, who may do with it as they like."""
    for kind, content in value.items():
        if kind == "M":
            return {"M": {name: given(part) for name, part in content.items()}}
        if kind == "L":
            return {"L": [given(part) for part in content]}
    return value.copy()


def given_item(item: Item) -> Item:
    return {name: given(value) for name, value in item.items()}


def size_of(value: Value) -> int:
    """Bytes, by the developer guide: a number has one for every two significant digits, and one more; and one for a minus,
    which both emulators count."""
    ((kind, content),) = value.items()
    if kind == "N":
        digits = content.lstrip("-").replace(".", "").strip("0")
        return 1 + (len(digits) + 1) // 2 + int(content.startswith("-"))
    if kind == "S":
        return bytes_in(content)
    if kind == "M":
        return 3 + sum(1 + bytes_in(name) + size_of(part) for name, part in content.items())
    if kind == "L":
        return 3 + sum(1 + size_of(part) for part in content)
    return 1


def size_of_item(item: Item) -> int:
    return sum(bytes_in(name) + size_of(value) for name, value in item.items())


def bytes_in(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def number(text: str) -> int | Decimal:
    """Of a canonical number, for comparing."""
    return Decimal(text) if "." in text else int(text)


def total(left: str, right: str, sign: int = 1) -> str:
    """left + sign * right, exactly. Raises ValueError for a result that no item can hold."""
    if "." in left or "." in right:
        exact = _EXACT.add if sign > 0 else _EXACT.subtract
        return canonical(format(exact(Decimal(left), Decimal(right)), "f"))
    result = int(left) + sign * int(right)
    return str(result) if -_ROUND < result < _ROUND else canonical(str(result))


def canonical(text: str) -> str:
    """Without an exponent or needless zeros. Raises ValueError for what is no number, or none that DynamoDB can hold."""
    if not _any_number(text):
        raise ValueError("A value provided cannot be converted into a number")
    try:
        value = Decimal(text)
    except DecimalException:
        raise ValueError("Number overflow or underflow") from None
    if not value:
        return "0"
    if value.adjusted() > 125 or value.adjusted() < -130:
        raise ValueError("Number overflow or underflow")
    value = value.normalize(_EXACT)
    if len(value.as_tuple().digits) > DIGITS_MAX:
        raise ValueError("Attempting to store more than 38 significant digits in a Number")
    return format(value, "f")


def _checked(text: str) -> str:
    try:
        return canonical(text)
    except ValueError as error:
        raise invalid(str(error)) from None
