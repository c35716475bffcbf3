"""Single fields of a body, read strictly. Each raises InvalidRequest under the field's own name."""

from typing import Any

from infergate.kernel.errors import InvalidRequest

NAME_MAX = 200


def text(values: dict[str, Any], name: str, param: str | None = None) -> str:
    """A name: of a model, a tool, a call."""
    value = values.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_MAX:
        raise InvalidRequest(f"{param or name} is a string of 1 to {NAME_MAX} characters.", param or name)
    return value


def flag(values: dict[str, Any], name: str, param: str | None = None) -> bool:
    """False where it is absent or null."""
    value = values.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidRequest(f"{param or name} is true or false.", param or name)
    return value


def whole(values: dict[str, Any], name: str, low: int, high: int, param: str | None = None) -> int | None:
    """None where it is absent or null."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRequest(f"{param or name} is a whole number from {low} to {high}.", param or name)
    return value


def choice(values: dict[str, Any], name: str, allowed: tuple[str, ...], param: str | None = None) -> str | None:
    """One of a few words; None where it is absent or null."""
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in allowed:
        raise InvalidRequest(f"{param or name} is one of {', '.join(allowed)}.", param or name)
    return value


def section(values: dict[str, Any], name: str, param: str | None = None) -> dict[str, Any]:
    """An object inside the body; empty where it is absent or null."""
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{param or name} is an object.", param or name)
    return value


def objects(values: dict[str, Any], name: str, param: str | None = None) -> list[dict[str, Any]]:
    """A list of objects; empty where it is absent or null."""
    value = values.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidRequest(f"{param or name} is a list of objects.", param or name)
    return value
