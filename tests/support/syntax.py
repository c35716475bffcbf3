"""The syntax of DynamoDB's expressions: text in, tree out.

What Amazon's DynamoDB Local refuses to parse is refused here: reserved words, redundant parentheses, unknown functions, ...
Grammar: "Using expressions in DynamoDB" of the developer guide.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from tests.support.values import invalid

type Names = Mapping[str, str]
type Resolved = tuple[str | int, ...]

RESERVED = frozenset(File(__file__).with_name("reserved_words.txt").read_text().split())
"""From the developer guide's list of 573 words."""
EXPRESSION_BYTES_MAX = 4096
IN_MAX = 100
_CONDITIONS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}


# -- the syntax tree --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """Elements as written: an index, or a name that begins with # if it is a placeholder."""

    elements: Resolved

    def resolved(self, names: Names) -> Resolved:
        return tuple(names[e] if isinstance(e, str) and e[0] == "#" else e for e in self.elements)


@dataclass(frozen=True, slots=True)
class Constant:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function; of those that give a value only size, if_not_exists and list_append."""

    function: str
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison, or + and - in an update."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Between:
    operand: "Node"
    low: "Node"
    high: "Node"


@dataclass(frozen=True, slots=True)
class In:
    operand: "Node"
    choices: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """AND, OR; NOT of one."""

    word: str
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Something in parentheses."""

    inner: "Node"


type Node = Path | Constant | Call | Binary | Between | In | Logic | Group


def bare(node: Node) -> Node:
    while isinstance(node, Group):
        node = node.inner
    return node


# -- reading it -------------------------------------------------------------------------------------------------------

_token = re.compile(
    r"\s*(?:(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)|(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<index>[0-9]+)"
    r"|(?P<sign><>|<=|>=|[=<>(),.+\-\[\]])|(?P<end>$))"
)


class Parser:
    """One expression's tokens, and which names and values it speaks of."""

    def __init__(self, text: Any, kind: str) -> None:
        if type(text) is not str or not text:
            raise invalid(f"Invalid {kind}: The expression can not be empty;")
        if len(text.encode()) > EXPRESSION_BYTES_MAX:
            raise invalid(f"Invalid {kind}: Expression size has exceeded the maximum allowed size;")
        self.kind = kind
        self.names: set[str] = set()
        self.values: set[str] = set()
        self._tokens = list(self._read(text))
        self._at = 0

    def _read(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        while True:
            match = _token.match(text, at)
            if match is None:
                raise self.wrong(text[at:])
            kind = match.lastgroup or ""
            yield kind, match[kind]
            if kind == "end":
                return
            at = match.end()

    def wrong(self, near: str) -> Exception:
        return invalid(f"Invalid {self.kind}: Syntax error; near: {near!r}")

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at += token[0] != "end"
        return token

    def took(self, *texts: str) -> str | None:
        """The sign or keyword, if it comes next. Keywords know no case."""
        kind, text = self.peek()
        upper = text.upper()
        if kind in ("sign", "word") and upper in texts:
            self._at += 1
            return upper
        return None

    def need(self, text: str) -> None:
        if not self.took(text):
            raise self.wrong(self.peek()[1])

    def done(self) -> None:
        if self.peek()[0] != "end":
            raise self.wrong(self.peek()[1])

    def separated(self, part: Callable[[], Node]) -> tuple[Node, ...]:
        parts = [part()]
        while self.took(","):
            parts.append(part())
        return tuple(parts)

    def path(self) -> Path:
        elements: list[str | int] = [self._element()]
        while True:
            if self.took("."):
                elements.append(self._element())
            elif self.took("["):
                kind, text = self.next()
                if kind != "index":
                    raise self.wrong(text)
                elements.append(int(text))
                self.need("]")
            else:
                return Path(tuple(elements))

    def _element(self) -> str:
        kind, text = self.next()
        if kind == "name":
            self.names.add(text)
        elif kind != "word":
            raise self.wrong(text)
        elif text.upper() in RESERVED:
            raise invalid(f"Invalid {self.kind}: Attribute name is a reserved keyword; reserved keyword: {text}")
        return text

    def constant(self) -> Constant:
        kind, text = self.next()
        if kind != "value":
            raise self.wrong(text)
        self.values.add(text)
        return Constant(text)

    def call(self, part: Callable[[], Node]) -> Call:
        function = self.next()[1]
        self.need("(")
        call = Call(function, self.separated(part))
        self.need(")")
        return call

    def is_call(self) -> bool:
        return self.peek()[0] == "word" and self._tokens[self._at + 1] == ("sign", "(")

    def group(self, part: Callable[[], Node]) -> Group:
        self.need("(")
        inner = part()
        self.need(")")
        if isinstance(inner, Group):
            raise invalid(f"Invalid {self.kind}: The expression has redundant parentheses;")
        return Group(inner)

    # conditions

    def either(self) -> Node:
        return self._joined("OR", self._both)

    def _both(self) -> Node:
        return self._joined("AND", self._not)

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self.took(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return Logic(word, tuple(self.condition(p) for p in parts))

    def _not(self) -> Node:
        if self.peek()[0] == "word" and self.peek()[1].upper() == "NOT":
            self.next()
            return Logic("NOT", (self.condition(self._not()),))
        return self._predicate()

    def _predicate(self) -> Node:
        left = self._term()
        if sign := self.took("=", "<>", "<", "<=", ">", ">="):
            return Binary(sign, self.operand(left), self.operand(self._term()))
        if self.took("BETWEEN"):
            low = self.operand(self._term())
            self.need("AND")
            return Between(self.operand(left), low, self.operand(self._term()))
        if self.took("IN"):
            self.need("(")
            choices = self.separated(lambda: self.operand(self._term()))
            self.need(")")
            if len(choices) > IN_MAX:
                raise invalid(f"Invalid {self.kind}: Invalid number of operands for IN")
            return In(self.operand(left), choices)
        return left

    def _term(self) -> Node:
        kind, text = self.peek()
        if (kind, text) == ("sign", "("):
            return self.group(self.either)
        if kind == "value":
            return self.constant()
        if not self.is_call():
            return self.path()
        call = self.call(lambda: self.operand(self._term()))
        wanted = _CONDITIONS.get(call.function, 1 if call.function == "size" else None)
        if wanted is None:
            raise invalid(f"Invalid {self.kind}: Invalid function name; function: {call.function}")
        if len(call.operands) != wanted:
            raise invalid(f"Invalid {self.kind}: Incorrect number of operands for {call.function}")
        return call

    def _gives_value(self, node: Node) -> bool:
        inner = bare(node)
        return isinstance(inner, Path | Constant) or (isinstance(inner, Call) and inner.function not in _CONDITIONS)

    def operand(self, node: Node) -> Node:
        if not self._gives_value(node):
            raise self.wrong("a condition in place of an operand")
        return bare(node)

    def condition(self, node: Node) -> Node:
        if self._gives_value(node):
            raise self.wrong("an operand in place of a condition")
        return node

    # updates

    def sum(self) -> Node:
        left = self._addend()
        if sign := self.took("+", "-"):
            return Binary(sign, self._no_sum(left), self._no_sum(self._addend()))
        return left

    def _no_sum(self, node: Node) -> Node:
        """There is one + or - to a value, and none inside a function."""
        if isinstance(bare(node), Binary):
            raise self.wrong("a sum in place of an operand")
        return bare(node)

    def _addend(self) -> Node:
        kind, text = self.peek()
        if (kind, text) == ("sign", "("):
            return self.group(self.sum)
        if kind == "value":
            return self.constant()
        if not self.is_call():
            return self.path()
        call = self.call(lambda: self._no_sum(self._addend()))
        if call.function not in ("if_not_exists", "list_append"):
            raise invalid(f"Invalid {self.kind}: The function is not allowed in an update expression: {call.function}")
        if len(call.operands) != 2:
            raise invalid(f"Invalid {self.kind}: Incorrect number of operands for {call.function}")
        if call.function == "if_not_exists" and not isinstance(call.operands[0], Path):
            raise invalid(f"Invalid {self.kind}: Operator or function requires a document path")
        return call
