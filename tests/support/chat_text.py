"""How much text a chat holds: what a provider may count as input, in bytes."""

from typing import Any


def text_bytes(value: Any) -> int:
    """Every string in it, names of fields included; images by data URL are counted apart."""
    if isinstance(value, str):
        return 0 if value.startswith("data:image/") else len(value.encode())
    if isinstance(value, dict):
        return sum(text_bytes(name) + text_bytes(inner) for name, inner in value.items())
    if isinstance(value, list):
        return sum(map(text_bytes, value))
    return len(repr(value)) if isinstance(value, int | float) and not isinstance(value, bool) else 0
