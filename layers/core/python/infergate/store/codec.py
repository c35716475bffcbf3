"""Python values and DynamoDB's typed JSON. Numbers are ints: nothing in this product stores a fraction."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, cast

from infergate.store.errors import Item


def encode(value: Any) -> dict[str, Any]:
    """Raises TypeError for floats and other types that have no exact form."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, Mapping):
        return {"M": {k: encode(v) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [encode(v) for v in value]}
    raise TypeError(f"no exact stored form for {type(value).__name__}")


def decode(typed: Mapping[str, Any]) -> Any:
    """The inverse of `encode`. Raises ValueError for a number with a fraction and TypeError for unknown types."""
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return int(value)
        case "S" | "BOOL":
            return value
        case "M":
            return {k: decode(v) for k, v in value.items()}
        case "L":
            return [decode(v) for v in value]
        case "NULL":
            return None
    raise TypeError(f"unexpected stored type {kind}")


def encode_item(values: Mapping[str, Any]) -> Item:
    return {k: encode(v) for k, v in values.items()}


def decode_item(item: Item) -> dict[str, Any]:
    return {k: decode(v) for k, v in item.items()}


def record[T](kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass from stored values. Attributes that it does not know are passed over: during a deploy the version before
    reads what this one wrote, and the other way round."""
    known = _names(cast(Any, kind))
    return kind(**{name: value for name, value in values.items() if name in known})


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))
