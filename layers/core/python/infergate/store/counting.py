"""Counters with a ceiling: any number of them in one conditional write, all or none. Exact with any number of writers.

A count whose outcome is unknown and that is sent again may count twice, never too little: a ceiling is not passed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infergate.store.client import Params
from infergate.store.codec import decode
from infergate.store.errors import Item


@dataclass(frozen=True, slots=True)
class Counter:
    """`name` is the item's attribute, `ceiling` the most that it may come to with `more` added."""

    name: str
    more: int
    ceiling: int


def count(table: str, key: Params, counters: Iterable[Counter], ttl_s: int) -> Params:
    """Add to every counter if each stays within its ceiling. The answer and the refusal both bring the whole item."""
    names: dict[str, str] = {"#ttl": "ttl"}
    values: dict[str, Any] = {":ttl": {"N": str(ttl_s)}}
    adds, conditions = [], []
    for i, counter in enumerate(counters):
        names[f"#c{i}"] = counter.name
        values[f":more{i}"] = {"N": str(counter.more)}
        values[f":most{i}"] = {"N": str(counter.ceiling - counter.more)}
        adds.append(f"#c{i} :more{i}")
        below = f"#c{i} <= :most{i}"
        # A counter that is not there stands at 0. What is larger than the whole ceiling never fits.
        fits = counter.more <= counter.ceiling
        conditions.append(f"(attribute_not_exists(#c{i}) OR {below})" if fits else below)
    return {
        "TableName": table,
        "Key": key,
        "UpdateExpression": f"SET #ttl = if_not_exists(#ttl, :ttl) ADD {', '.join(adds)}",
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def take_back(table: str, key: Params, counters: Iterable[Counter]) -> Params:
    """Undo a count, if its item is still there."""
    names, values, adds = {}, {}, []
    for i, counter in enumerate(counters):
        names[f"#c{i}"], values[f":less{i}"] = counter.name, {"N": str(-counter.more)}
        adds.append(f"#c{i} :less{i}")
    return {
        "TableName": table,
        "Key": key,
        "UpdateExpression": f"ADD {', '.join(adds)}",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def numbers_of(item: Item | None) -> dict[str, int]:
    """Every number of the item."""
    return {name: decode(value) for name, value in (item or {}).items() if "N" in value}
