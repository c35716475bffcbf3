"""The family of errors."""

import re

from infergate.kernel import errors
from infergate.kernel.errors import InferGateError

LINE = re.compile(r"^(?P<indent>(?:│   |    )*)(?:├── |└── )?(?P<name>[A-Z]\w+)")


def drawn() -> list[tuple[str, str | None]]:
    """(class, its parent) for each line of the tree in the module's docstring."""
    path: list[str] = []
    found: list[tuple[str, str | None]] = []
    for line in (errors.__doc__ or "").splitlines()[2:]:
        if match := LINE.match(line):
            depth = len(match["indent"]) // 4 + ("── " in line)
            path[depth:] = [match["name"]]
            found.append((match["name"], path[depth - 1] if depth else None))
    return found


def real(of: type[InferGateError] = InferGateError, parent: str | None = None) -> list[tuple[str, str | None]]:
    below = [c for c in of.__subclasses__() if c.__module__ == errors.__name__]
    return [(of.__name__, parent), *(row for child in below for row in real(child, of.__name__))]


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    assert drawn() == real()
