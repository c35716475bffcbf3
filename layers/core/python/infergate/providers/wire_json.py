"""JSON as providers send and take it: orjson, and the standard library for the little that orjson refuses."""

import json
from typing import Any

import orjson

_BEYOND_A_DOUBLE = 10**309


def parse_json(data: bytes) -> Any:
    """What a provider sent, None where it is not JSON in UTF-8. Whatever this returns, `dump_json` can write."""
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        # Numbers beyond a double are JSON too (only the usage that holds them is refused), and so is half of a surrogate
        # pair: some providers cut a character in two. Decoded here: json.loads would take UTF-16 and encoded surrogates.
        return json.loads(data.decode(), parse_constant=_refuse, parse_float=_float)
    except (ValueError, RecursionError):
        return None


def dump_json(value: Any) -> bytes:
    """One line. Long integers, halves of surrogate pairs and deep nesting are written as they were read."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _float(text: str) -> float | int:
    """Never infinite: JSON has no word for that."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return _BEYOND_A_DOUBLE if number > 0 else -_BEYOND_A_DOUBLE
    return number
