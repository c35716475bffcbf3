"""Which sort keys a KeyConditionExpression wants: its few forms, as bounds on an ordered list."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from tests.support.expressions import KEY_NAMES, Values
from tests.support.syntax import Between, Binary, Call, Constant, Logic, Names, Node, Path, bare
from tests.support.values import invalid


@dataclass(slots=True)
class Bounds:
    """Which sort keys a query wants."""

    low: str = ""
    high: str | None = None
    without_low: bool = False
    without_high: bool = False
    prefix: str = ""

    def keys(self, order: list[str]) -> list[str]:
        begin = (bisect_right if self.without_low else bisect_left)(order, max(self.low, self.prefix))
        end = len(order)
        if self.high is not None:
            end = (bisect_left if self.without_high else bisect_right)(order, self.high)
        if self.prefix:
            end = bisect_right(order, self.prefix, begin, key=lambda sk: sk[: len(self.prefix)])
        return order[begin:end]

    def contain(self, sk: str) -> bool:
        return bool(self.keys([sk]))


def key_condition(tree: Node, names: Names, values: Values) -> tuple[str, Bounds]:
    """The pk and the bounds of the sk. Raises Rejected for any other form."""
    node = bare(tree)
    parts = node.parts if isinstance(node, Logic) and node.word == "AND" else (node,)
    found: dict[str, tuple[str, list[str]]] = {}
    for part in parts:
        name, sign, texts = _key_predicate(bare(part), names, values)
        if name in found or name not in KEY_NAMES:
            raise invalid("KeyConditionExpressions must only contain one condition per key")
        found[name] = sign, texts
    if found.get("pk", ("", []))[0] != "=":
        raise invalid("Query condition missed key schema element: pk")
    return found["pk"][1][0], _bounds_of(*found["sk"]) if "sk" in found else Bounds()


def _key_predicate(node: Node, names: Names, values: Values) -> tuple[str, str, list[str]]:
    match node:
        case Binary(("=" | "<" | "<=" | ">" | ">=") as sign, Path() as path, Constant() as constant):
            return _key_name(path, names), sign, [_key_text(constant, values)]
        case Binary(("=" | "<" | "<=" | ">" | ">=") as sign, Constant() as constant, Path() as path):
            turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
            return _key_name(path, names), turned, [_key_text(constant, values)]
        case Between(Path() as path, Constant() as low, Constant() as high):
            return _key_name(path, names), "BETWEEN", [_key_text(low, values), _key_text(high, values)]
        case Call("begins_with", (Path() as path, Constant() as start)):
            return _key_name(path, names), "begins_with", [_key_text(start, values)]
    raise invalid("Invalid operator used in KeyConditionExpression")


def _key_name(path: Path, names: Names) -> str:
    return ".".join(map(str, path.resolved(names)))


def _key_text(constant: Constant, values: Values) -> str:
    text = values[constant.name].get("S")
    if text is None:
        raise invalid("Condition parameter type does not match schema type")
    if text == "":
        raise invalid("The AttributeValue for a key attribute cannot contain an empty string value")
    return str(text)


def _bounds_of(sign: str, texts: list[str]) -> Bounds:
    text = texts[0]
    match sign:
        case "=":
            return Bounds(low=text, high=text)
        case "BETWEEN":
            return Bounds(low=text, high=texts[1])
        case "begins_with":
            return Bounds(prefix=text)
        case "<" | "<=":
            return Bounds(high=text, without_high=sign == "<")
    return Bounds(low=text, without_low=sign == ">")
