"""Reading the catalog's files: YAML in, one CatalogFile out, or every problem at once with its file, its path and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from infergate.catalog.check import problems
from infergate.catalog.file import CatalogFile

SECTIONS = tuple(CatalogFile.model_fields)


@dataclass(frozen=True, slots=True)
class Problem:
    file: str
    path: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.reason) if part)


class CatalogRefused(ValueError):
    """Nothing of it is in force."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in found))
        self.problems = found


class _Loader(yaml.SafeLoader):
    """YAML's reader lets the last of two equal keys win in silence: here they are refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, Any]] = set()
        for key, _ in node.value:
            name = (key.tag, key.value if isinstance(key, yaml.ScalarNode) else id(key))
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    "in a mapping", node.start_mark, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_folder(folder: Path, overrides: Mapping[str, str] | None = None) -> CatalogFile:
    """All `*.yaml` of a folder together, or one file. Raises CatalogRefused."""
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else [folder]
    return read_texts({file.name: file.read_text() for file in files}, overrides)


def parse(text: str, overrides: Mapping[str, str] | None = None) -> CatalogFile:
    """One file that is the whole catalog. Raises CatalogRefused."""
    return read_texts({"": text}, overrides)


def read_texts(texts: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> CatalogFile:
    """`overrides` replace one value each: {"channels.demo.enabled": "true"}. Raises CatalogRefused with all that is wrong."""
    merged, home, found = _merge(texts)
    for path, value in (overrides or {}).items():
        try:
            _override(merged, path, _yaml(value))
        except ValueError as error:
            found.append(Problem("", path, str(error)))
    if found:
        raise CatalogRefused(found)
    try:
        file = CatalogFile.model_validate(merged)
    except ValidationError as error:
        raise CatalogRefused([_problem(e["loc"], e["msg"], merged, home) for e in error.errors()]) from None
    if wrong := problems(file):
        raise CatalogRefused([Problem(_home_of(path, home), path, reason) for path, reason in wrong])
    return file


def _problem(
    loc: tuple[int | str, ...], message: str, merged: dict[str, Any], home: dict[tuple[str, ...], str]
) -> Problem:
    if loc[0] == "price_books" and len(loc) > 2 and not isinstance(merged["price_books"][loc[1]], list):
        loc = (*loc[:2], *loc[3:])  # The only edition of a book that is not dated has no number in the file.
    path = tuple(map(str, loc))
    return Problem(home.get(path[:2], ""), ".".join(path), message.removeprefix("Value error, "))


def _merge(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[tuple[str, ...], str], list[Problem]]:
    """(all sections, which file an entry stands in, what cannot be put together)"""
    merged: dict[str, Any] = {}
    home: dict[tuple[str, ...], str] = {}
    found: list[Problem] = []
    for name, text in texts.items():
        try:
            raw = _yaml(text)
        except ValueError as error:
            found.append(Problem(name, "", str(error)))
            continue
        if not isinstance(raw, dict):
            found.append(Problem(name, "", f"a catalog is a mapping of {', '.join(SECTIONS)}"))
            continue
        for section, entries in raw.items():
            if section not in SECTIONS or not isinstance(entries, dict):
                found.append(Problem(name, str(section), f"a section is a mapping, and one of {', '.join(SECTIONS)}"))
                continue
            merged.setdefault(section, {})
            for entry, terms in entries.items():
                if (section, str(entry)) in home:
                    first = home[section, str(entry)]
                    found.append(Problem(name, f"{section}.{entry}", f"it stands in {first} already"))
                home[section, str(entry)] = name
                merged[section][entry] = terms
    return merged, home, found


def _home_of(path: str, home: dict[tuple[str, ...], str]) -> str:
    """Names may have dots in them: the longest entry that the path begins with."""
    fits = [entry for entry in home if f"{path}.".startswith(".".join(entry) + ".")]
    return home[max(fits, key=lambda entry: len(entry[1]))] if fits else ""


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"not YAML: {error}") from error


def _override(raw: dict[str, Any], path: str, value: Any) -> None:
    """Names may have dots in them: `models.gpt-4.1.context` is the longest name that is there, then what is left."""
    place, names = raw, path.split(".")
    while len(names) > 1:
        taken = next(
            (n for n in range(len(names) - 1, 0, -1) if isinstance(place.get(".".join(names[:n])), dict)), None
        )
        if taken is None:
            raise ValueError(f"nothing is called {path!r} in this catalog")
        place, names = place[".".join(names[:taken])], names[taken:]
    place[names[0]] = value
