"""DynamoDB's expressions: each text is parsed once and compiled to closures over (item, names, values).

What Amazon's DynamoDB Local refuses is refused here, with the same code: operands of a wrong type, overlapping paths, ...
Not modelled, and said so loudly: sets, binary, DELETE, and writing to an element of a list.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from infergate.store.errors import Item

from tests.support.syntax import (
    Between,
    Binary,
    Call,
    Constant,
    In,
    Logic,
    Names,
    Node,
    Parser,
    Path,
    Resolved,
    bare,
)
from tests.support.values import Value, bytes_in, given, invalid, number, size_of, total

type Values = Mapping[str, Value]
type Operand = Callable[[Item, Names, Values], Value | None]
type Test = Callable[[Item, Names, Values], bool]
type Check = Callable[[Names, Values], None]
"""What is known to be wrong before the item is looked at. Raises Rejected."""

KEY_NAMES = ("pk", "sk")
TYPES = frozenset({"S", "N", "B", "SS", "NS", "BS", "BOOL", "NULL", "L", "M"})
_ORDERED = frozenset({"N", "S"})
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Inapplicable(Exception):
    """The update does not fit the item: an answer of its own inside a transaction, else a ValidationException."""


# -- items and paths --------------------------------------------------------------------------------------------------


def value_at(item: Item, path: Resolved) -> Value | None:
    value: Value = {"M": item}
    for element in path:
        if isinstance(element, str):
            found = value.get("M", {}).get(element)
        else:
            found = next(iter(value.get("L", [])[element : element + 1]), None)
        if found is None:
            return None
        value = found
    return value


def reader(node: Path | Constant) -> Operand:
    if isinstance(node, Constant):
        constant = node.name
        return lambda _item, _names, values: values[constant]
    first = node.elements[0]
    if len(node.elements) > 1:
        return lambda item, names, _: value_at(item, node.resolved(names))
    assert isinstance(first, str)
    if first[0] == "#":
        return lambda item, names, _: item.get(names[first])
    return lambda item, _names, _values: item.get(first)


def check_apart(paths: Iterable[Resolved], kind: str) -> None:
    """Raises Rejected if one path lies on another."""
    seen: list[Resolved] = []
    for path in paths:
        for other in seen:
            shorter = min(len(path), len(other))
            if path[:shorter] == other[:shorter]:
                raise invalid(f"Invalid {kind}: Two document paths overlap with each other: {path}, {other}")
        seen.append(path)


def projected(item: Item, paths: Iterable[Resolved]) -> Item:
    """What lies at these paths, in its place in the hierarchy. A list closes up over what is left out."""
    tree: dict[str | int, Any] = {}
    for path in paths:
        value = value_at(item, path)
        if value is not None:
            place = tree
            for element in path[:-1]:
                place = place.setdefault(element, {})
            place[path[-1]] = (given(value),)
    return {str(name): _grown(part) for name, part in tree.items()}


def _grown(part: Any) -> Value:
    """A branch of the tree above; its leaves are tuples."""
    if isinstance(part, tuple):
        leaf: Value = part[0]
        return leaf
    if isinstance(next(iter(part)), int):
        return {"L": [_grown(part[index]) for index in sorted(part)]}
    return {"M": {name: _grown(inner) for name, inner in part.items()}}


# -- conditions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be defined, no more and no less, and what is checked before any item is looked at."""

    names: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    checks: tuple[Check, ...] = ()

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(self.names | other.names, self.values | other.values, self.checks + other.checks)


@dataclass(frozen=True, slots=True)
class Condition:
    test: Test
    needs: Needs
    tree: Node


@lru_cache(10_000)
def condition(text: str, kind: str = "ConditionExpression") -> Condition:
    parser = Parser(text, kind)
    tree = parser.condition(parser.either())
    parser.done()
    checks: list[Check] = []
    test = _test(tree, checks)
    return Condition(test, Needs(frozenset(parser.names), frozenset(parser.values), tuple(checks)), tree)


def _test(node: Node, checks: list[Check]) -> Test:
    match bare(node):
        case Logic(word, parts):
            return _logic(word, [_test(part, checks) for part in parts])
        case Binary(sign, left, right):
            _distinct(checks, left, right)
            if sign in _COMPARE:
                _typed(checks, _ORDERED, left, right)
                return _ordered(_COMPARE[sign], _operand(left, checks), _operand(right, checks))
            return _equal(sign == "=", _operand(left, checks), _operand(right, checks))
        case Between(operand, low, high):
            _distinct(checks, operand, low, high)
            _typed(checks, _ORDERED, operand, low, high)
            _bounds(checks, low, high)
            value = _operand(operand, checks)
            above = _ordered(operator.ge, value, _operand(low, checks))
            below = _ordered(operator.le, value, _operand(high, checks))
            return lambda i, n, v: above(i, n, v) and below(i, n, v)
        case In(operand, choices):
            _distinct(checks, operand, *choices)
            value = _operand(operand, checks)
            same = [_equal(True, value, _operand(choice, checks)) for choice in choices]
            return lambda i, n, v: any(one(i, n, v) for one in same)
        case Call(function, operands):
            return _function(function, operands, checks)
    raise AssertionError(node)


def _logic(word: str, tests: list[Test]) -> Test:
    if word == "NOT":
        (inner,) = tests
        return lambda i, n, v: not inner(i, n, v)
    if word == "OR":
        return lambda i, n, v: any(test(i, n, v) for test in tests)

    def every(item: Item, names: Names, values: Values) -> bool:
        for test in tests:  # noqa: SIM110  a loop is faster than all(), and this is the hottest line
            if not test(item, names, values):
                return False
        return True

    return every


def _equal(wanted: bool, left: Operand, right: Operand) -> Test:
    def equal(item: Item, names: Names, values: Values) -> bool:
        value = left(item, names, values)
        return (value is not None and value == right(item, names, values)) is wanted

    return equal


def _ordered(compare: Callable[[Any, Any], bool], left: Operand, right: Operand) -> Test:
    """False for a missing attribute and for types that differ."""

    def ordered(item: Item, names: Names, values: Values) -> bool:
        one, other = left(item, names, values), right(item, names, values)
        if one is None or other is None:
            return False
        if "N" in one:
            return "N" in other and compare(number(one["N"]), number(other["N"]))
        return "S" in one and "S" in other and compare(one["S"], other["S"])

    return ordered


def _function(function: str, operands: tuple[Node, ...], checks: list[Check]) -> Test:
    first = operands[0]
    if function in ("attribute_exists", "attribute_not_exists", "attribute_type") and not isinstance(first, Path):
        raise invalid(f"Operator or function requires a document path; operator or function: {function}")
    value = _operand(first, checks)
    if function == "attribute_exists":
        return lambda i, n, v: value(i, n, v) is not None
    if function == "attribute_not_exists":
        return lambda i, n, v: value(i, n, v) is None
    _distinct(checks, *operands)
    other = _operand(operands[1], checks)
    if function == "attribute_type":
        return _of_type(value, operands[1], checks)
    if function == "begins_with":
        _typed(checks, frozenset({"S"}), *operands)
        return lambda i, n, v: _begins(value(i, n, v), other(i, n, v))
    return lambda i, n, v: _contains(value(i, n, v), other(i, n, v))


def _of_type(value: Operand, wanted: Node, checks: list[Check]) -> Test:
    if not isinstance(wanted, Constant):
        raise invalid("Incorrect operand type for operator or function; operator or function: attribute_type")

    def check(_: Names, values: Values) -> None:
        if values[wanted.name].get("S") not in TYPES:
            raise invalid("Invalid attribute type name found")

    checks.append(check)
    return lambda i, n, v: v[wanted.name]["S"] in (value(i, n, v) or {})


def _begins(value: Value | None, start: Value | None) -> bool:
    return bool(value and start and "S" in value and "S" in start and value["S"].startswith(start["S"]))


def _contains(value: Value | None, part: Value | None) -> bool:
    if value is None or part is None:
        return False
    if "S" in value:
        return "S" in part and part["S"] in value["S"]
    return "L" in value and part in value["L"]


def _operand(node: Node, checks: list[Check]) -> Operand:
    if isinstance(node, Path | Constant):
        return reader(node)
    assert isinstance(node, Call)
    assert node.function == "size"
    (inner,) = node.operands
    if isinstance(inner, Call):
        raise invalid("Incorrect operand type for operator or function; operator or function: size")
    _typed(checks, frozenset({"S", "M", "L"}), inner)
    value = _operand(inner, checks)

    def size(item: Item, names: Names, values: Values) -> Value | None:
        found = value(item, names, values)
        if found is None:
            return None
        ((kind, content),) = found.items()
        return {"N": str(len(content))} if kind in "SML" else None

    return size


# -- what is wrong before any item is looked at -------------------------------------------------------------------------


def _distinct(checks: list[Check], first: Node, *others: Node) -> None:
    """`a = a` is refused, and so is `#x = a` where #x is a."""
    paths = [other for other in others if isinstance(other, Path)]
    if not isinstance(first, Path) or not paths:
        return

    def check(names: Names, _: Values) -> None:
        if first.resolved(names) in {path.resolved(names) for path in paths}:
            raise invalid(
                "The first operand must be distinct from the remaining operands for this operator or function"
            )

    checks.append(check)


def _typed(checks: list[Check], kinds: frozenset[str], *nodes: Node) -> None:
    """Constants among the operands must be of one of these types."""
    for node in nodes:
        if isinstance(node, Constant):
            checks.append(_type_check(node.name, kinds))


def _type_check(name: str, kinds: frozenset[str]) -> Check:
    def check(_: Names, values: Values) -> None:
        if kinds.isdisjoint(values[name]):
            raise invalid(f"Incorrect operand type for operator or function; operand type: {next(iter(values[name]))}")

    return check


def _bounds(checks: list[Check], low: Node, high: Node) -> None:
    if not isinstance(low, Constant) or not isinstance(high, Constant):
        return
    ordered = _ordered(operator.le, reader(low), reader(high))

    def check(names: Names, values: Values) -> None:
        if not ordered({}, names, values):
            raise invalid("The BETWEEN operator requires bounds of one type, the upper not below the lower")

    checks.append(check)


# -- updates ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    word: str
    path: Path
    value: Operand | None = None


@dataclass(frozen=True, slots=True)
class Update:
    needs: Needs = field(default_factory=Needs)
    actions: tuple[Action, ...] = ()
    paths: tuple[Resolved, ...] = ()
    """Of the actions; with placeholders, unless `plain`."""
    plain: bool = True

    def targets(self, names: Names) -> tuple[Resolved, ...]:
        """Where it writes. Raises Rejected for a key attribute, and for places that overlap."""
        paths = self.paths if self.plain else tuple([action.path.resolved(names) for action in self.actions])
        heads = {path[0] for path in paths}
        if not heads.isdisjoint(KEY_NAMES):
            raise invalid("Cannot update an attribute that is part of the key")
        if len(heads) < len(paths):
            check_apart(paths, "UpdateExpression")
        return paths

    def apply(self, before: Item, targets: tuple[Resolved, ...], names: Names, values: Values) -> tuple[Item, int]:
        """The new item, which shares what did not change, and by how many bytes it grew. Raises Inapplicable."""
        after = before.copy()
        grown = 0
        for action, path in zip(self.actions, targets, strict=True):
            value = action.value(before, names, values) if action.value else None
            if action.word == "ADD":
                value = _added(value_at(before, path), value)
            grown += _write(after, path, value)
        return after, grown


@lru_cache(10_000)
def update(text: str) -> Update:
    parser = Parser(text, "UpdateExpression")
    checks: list[Check] = []
    actions: list[Action] = []
    seen: set[str] = set()
    while word := parser.took("SET", "REMOVE", "ADD"):
        if word in seen:
            raise invalid(f'Invalid UpdateExpression: The "{word}" section can only be used once')
        seen.add(word)
        actions.append(_action(word, parser, checks))
        while parser.took(","):
            actions.append(_action(word, parser, checks))
    if parser.took("DELETE"):
        raise NotImplementedError("sets are not modelled")
    parser.done()
    if any(isinstance(element, int) for action in actions for element in action.path.elements):
        raise NotImplementedError("writing to an element of a list is not modelled")
    paths = tuple(action.path.elements for action in actions)
    plain = not any(str(element).startswith("#") for path in paths for element in path)
    needs = Needs(frozenset(parser.names), frozenset(parser.values), tuple(checks))
    return Update(needs, tuple(actions), paths, plain)


def _action(word: str, parser: Parser, checks: list[Check]) -> Action:
    path = parser.path()
    if word == "REMOVE":
        return Action(word, path)
    if word == "ADD":
        constant = parser.constant()
        _typed(checks, frozenset({"N"}), constant)
        return Action(word, path, reader(constant))
    parser.need("=")
    return Action(word, path, _value(parser.sum(), checks))


def _value(node: Node, checks: list[Check]) -> Operand:
    """Like a condition's operand, but what is missing makes the update inapplicable."""
    match bare(node):
        case Path() as path:
            return _present(reader(path))
        case Constant() as constant:
            return reader(constant)
        case Binary(sign, left, right):
            _typed(checks, frozenset({"N"}), left, right)
            return _sum(_value(left, checks), _value(right, checks), 1 if sign == "+" else -1)
        case Call("if_not_exists", (Path() as path, default)):
            found, otherwise = reader(path), _value(default, checks)

            def first(item: Item, names: Names, values: Values) -> Value | None:
                value = found(item, names, values)
                return otherwise(item, names, values) if value is None else value

            return first
        case Call("list_append", (left, right)):
            _typed(checks, frozenset({"L"}), left, right)
            return _appended(_value(left, checks), _value(right, checks))
    raise AssertionError(node)


def _present(read: Operand) -> Operand:
    def present(item: Item, names: Names, values: Values) -> Value:
        value = read(item, names, values)
        if value is None:
            raise Inapplicable("The provided expression refers to an attribute that does not exist in the item")
        return value

    return present


def _sum(left: Operand, right: Operand, sign: int) -> Operand:
    return lambda i, n, v: _summed(left(i, n, v), right(i, n, v), sign)


def _summed(left: Value | None, right: Value | None, sign: int) -> Value:
    if not left or not right or "N" not in left or "N" not in right:
        raise Inapplicable("An operand in the update expression has an incorrect data type")
    try:
        return {"N": total(left["N"], right["N"], sign)}
    except ValueError as error:
        raise Inapplicable(str(error)) from None


def _added(old: Value | None, amount: Value | None) -> Value | None:
    return amount if old is None else _summed(old, amount, 1)


def _appended(left: Operand, right: Operand) -> Operand:
    def appended(item: Item, names: Names, values: Values) -> Value:
        one, other = left(item, names, values), right(item, names, values)
        if not one or not other or "L" not in one or "L" not in other:
            raise Inapplicable("An operand in the update expression has an incorrect data type")
        return {"L": one["L"] + other["L"]}

    return appended


def _write(item: Item, path: Resolved, value: Value | None) -> int:
    """Put (or, for None, remove) what lies at the path of an item that is ours to change. The maps on the way are copied.

    Returns by how many bytes the item grew. Raises Inapplicable where there is no such map.
    """
    place, nested = item, 0
    for element in path[:-1]:
        inner = place.get(str(element))
        if inner is None or "M" not in inner:
            raise Inapplicable("The document path provided in the update expression is invalid for update")
        copy = inner["M"].copy()
        place[str(element)] = {"M": copy}
        place, nested = copy, 1
    name = str(path[-1])
    old = place.pop(name, None) if value is None else place.get(name)
    grown = 0 if old is None else -(bytes_in(name) + size_of(old) + nested)
    if value is not None:
        place[name] = value
        grown += bytes_in(name) + size_of(value) + nested
    return grown


# -- projections --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Projection:
    needs: Needs
    paths: tuple[Path, ...]

    def of(self, item: Item, names: Names) -> Item:
        return projected(item, self.resolved(names))

    def resolved(self, names: Names) -> list[Resolved]:
        return [path.resolved(names) for path in self.paths]


@lru_cache(10_000)
def projection(text: str) -> Projection:
    parser = Parser(text, "ProjectionExpression")
    parts = parser.separated(parser.path)
    parser.done()
    paths = tuple(part for part in parts if isinstance(part, Path))

    def check(names: Names, _: Values) -> None:
        check_apart([path.resolved(names) for path in paths], "ProjectionExpression")

    return Projection(Needs(frozenset(parser.names), checks=(check,)), paths)
