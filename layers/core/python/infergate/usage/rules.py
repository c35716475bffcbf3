"""Receipts into numbers: pure."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infergate.kernel.ids import REQUEST_ID, made_at_ms
from infergate.store.codec import decode
from infergate.store.errors import Item
from infergate.usage.keys import start_of
from infergate.usage.types import LATENCY, LATENCY_BOUNDS_MS, SPANS, UNITS, Cell, Malformed, Numbers, Use

MEMBERS_MAX = 100
"""Of one TransactWriteItems."""
_BUCKET = re.compile(r"[a-z0-9_]{1,40}")
_BUCKETS_MAX = 40
_NAME_BYTES_MAX = 256
_NUMBER_MAX = 1 << 62


def read(image: Item) -> Use:
    """Raises Malformed. Attributes that usage does not count are not looked at, so that a receipt may gain some."""
    get = _Reader(image)
    request_id = get.text("request_id", required=True)
    if not REQUEST_ID.fullmatch(request_id):
        raise Malformed("request_id")
    first_token_ms = get.number("first_token_ms")
    numbers = {
        "requests": 1,
        "errors": int(get.text("reason", required=True) != "completed"),
        "cost": get.number("cost", required=True),
        "loss": get.number("loss"),
        "first_tokens": int(first_token_ms > 0),
        "first_token_ms": first_token_ms,
        **get.units(),
    }
    if latency_ms := get.number("latency_ms"):
        numbers[f"{LATENCY}{latency_bound(latency_ms)}"] = 1
    return Use(
        account=get.text("account", required=True),
        request_id=request_id,
        made_at_ms=made_at_ms(request_id),
        model=get.text("model"),
        key=get.text("key_id"),
        route=get.text("route"),
        numbers={name: number for name, number in numbers.items() if number},
        expires_at=get.number("ttl") or None,
    )


def latency_bound(milliseconds: int) -> int:
    return LATENCY_BOUNDS_MS[min(bisect_left(LATENCY_BOUNDS_MS, milliseconds), len(LATENCY_BOUNDS_MS) - 1)]


def cells_of(use: Use) -> list[Cell]:
    """One of each span."""
    return [Cell(span, start_of(use.made_at_ms, span), use.model, use.key, use.route) for span in SPANS]


def tally(uses: Iterable[Use]) -> dict[Cell, Counter[str]]:
    """What each cell grows by. The order of the uses does not matter; that no one comes twice is the caller's care."""
    cells: dict[Cell, Counter[str]] = {}
    for use in uses:
        for cell in cells_of(use):
            cells.setdefault(cell, Counter()).update(use.numbers)
    return cells


def parcels(uses: Iterable[Use]) -> Iterator[list[Use]]:
    """In lists whose marks and cells fit into one transaction; those of one cell together, where its cost is shared."""
    parcel: list[Use] = []
    cells: set[Cell] = set()
    for use in sorted(uses, key=lambda u: (u.model, u.key, u.route, u.made_at_ms)):
        grown = cells.union(cells_of(use))
        if len(parcel) + 1 + len(grown) > MEMBERS_MAX:
            yield parcel
            parcel, grown = [], set(cells_of(use))
        parcel.append(use)
        cells = grown
    if parcel:
        yield parcel


def differences(ours: Mapping[Cell, Numbers], theirs: Mapping[Cell, Numbers]) -> dict[Cell, dict[str, int]]:
    """Ours less theirs, where they differ."""
    found = {}
    for cell in {**ours, **theirs}:
        mine, other = ours.get(cell, {}), theirs.get(cell, {})
        apart = {name: mine.get(name, 0) - other.get(name, 0) for name in {**mine, **other}}
        if any(apart.values()):
            found[cell] = {name: number for name, number in sorted(apart.items()) if number}
    return found


class _Reader:
    """Typed attributes of an item. Each method raises Malformed with the attribute's name."""

    def __init__(self, image: Item) -> None:
        if not isinstance(image, Mapping):
            raise Malformed("image")
        self._image = image

    def text(self, name: str, *, required: bool = False) -> str:
        value = self._get(name, "")
        if not isinstance(value, str) or len(value.encode(errors="replace")) > _NAME_BYTES_MAX:
            raise Malformed(name)
        if required and not value:
            raise Malformed(name)
        return value

    def number(self, name: str, *, required: bool = False) -> int:
        return _count(name, self._get(name, None if required else 0))

    def units(self) -> dict[str, int]:
        units = self._get("units", {})
        if not isinstance(units, dict) or len(units) > _BUCKETS_MAX or not all(map(_BUCKET.fullmatch, units)):
            raise Malformed("units")
        return {UNITS + bucket: _count("units", count) for bucket, count in units.items()}

    def _get(self, name: str, default: object) -> Any:
        if name not in self._image:
            return default
        try:
            return decode(self._image[name])
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed(name) from error


def _count(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value < _NUMBER_MAX:
        raise Malformed(name)
    return value
