"""Mutants of a module: each is its source with one small thing wrong.

Comparisons, arithmetic, boolean logic, whole numbers, min and max, what is returned, statements that go missing, and the
clauses of DynamoDB's conditions and updates, which are strings to Python and the heart of the matter here.
"""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
ALWAYS = "attribute_not_exists(never)"
_CLAUSE = re.compile(r"^(attribute_(not_)?exists\(.+\)|size\(.+\) [<>=]+ \S+|[#\w.]+ (=|<>|<|<=|>|>=) [:#]\w+|\(.+\))$")
_STATEMENTS = ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete


@dataclass(frozen=True, slots=True)
class Mutant:
    """The `variant`-th thing that can be wrong with the `node`-th node of a module."""

    module: str
    source: str = field(repr=False)
    node: int
    variant: int
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}  {self.what}"

    def tree(self) -> ast.Module:
        tree = ast.parse(self.source)
        nodes = list(ast.walk(tree))
        old = nodes[self.node]
        new = list(variants(old))[self.variant][1]
        for parent in nodes:
            for name, value in ast.iter_fields(parent):
                if value is old:
                    setattr(parent, name, new)
                elif isinstance(value, list) and any(part is old for part in value):
                    setattr(parent, name, [new if part is old else part for part in value])
        return ast.fix_missing_locations(tree)


def mutants_of(module: str, path: Path) -> list[Mutant]:
    source = path.read_text()
    tree = ast.parse(source)
    skipped = set(_not_code(tree))
    made = []
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for number, (what, _) in enumerate(variants(node)):
            made.append(Mutant(module, source, index, number, getattr(node, "lineno", 0), what))
    return sorted(made, key=lambda mutant: (mutant.line, mutant.node, mutant.variant))


def _not_code(tree: ast.Module) -> Iterator[int]:
    """Docstrings, annotations, decorators, type aliases, and what is only said to people in an exception."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.append(node)
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts.append(node.annotation)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts += [node.returns, *node.decorator_list]
        if isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        if isinstance(node, ast.TypeAlias):
            parts.append(node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            parts += node.exc.args
        for part in parts:
            if part is not None:
                yield from (id(inner) for inner in ast.walk(part))


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """(what is wrong, the node with it)."""
    match node:
        case ast.Compare(left, [operator], [right]):
            for other in COMPARISONS.get(type(operator), ()):
                yield _said(node, ast.Compare(left, [other()], [right]))
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                for other in COMPARISONS.get(type(operator), ()):
                    ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                    yield _said(node, ast.Compare(node.left, ops, node.comparators))
        case ast.BinOp(left, operator, right) if type(operator) in ARITHMETIC and not _joins_text(node):
            yield _said(node, ast.BinOp(left, ARITHMETIC[type(operator)](), right))
        case ast.AugAssign(target, operator, value) if isinstance(operator, ast.Add | ast.Sub) and not _is_text(value):
            yield _said(node, ast.AugAssign(target, ARITHMETIC[type(operator)](), value))
        case ast.UnaryOp(ast.Not(), operand):
            yield _said(node, operand)
        case ast.UnaryOp(ast.USub(), operand):
            yield _said(node, operand)
        case ast.BoolOp(operator, values):
            yield _said(node, ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values))
        case ast.If(test, body, orelse):
            yield f"if not ({ast.unparse(test)})", ast.If(_negated(test), body, orelse)
        case ast.While(test, body, orelse) if not isinstance(test, ast.Constant):
            yield f"while not ({ast.unparse(test)})", ast.While(_negated(test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield _said(node, ast.IfExp(_negated(test), body, orelse))
        case ast.comprehension(target, iterated, ifs, is_async) if ifs:
            negated = ast.comprehension(target, iterated, [_negated(ifs[0]), *ifs[1:]], is_async)
            yield f"for {ast.unparse(target)} if not ({ast.unparse(ifs[0])})", negated
        case ast.Constant(bool() as value):
            yield _said(node, ast.Constant(not value))
        case ast.Constant(int() as value):
            yield _said(node, ast.Constant(value + 1))
        case ast.Constant(str() as value):
            for text in texts(value):
                yield _said(node, ast.Constant(text))
        case ast.Name(name) if name in SWAPPED and isinstance(node.ctx, ast.Load):
            yield f"{name} -> {SWAPPED[name]}", ast.Name(SWAPPED[name], ast.Load())
        case ast.Return(value) if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            yield f"{ast.unparse(node)} -> return None", ast.Return(ast.Constant(None))
    if isinstance(node, _STATEMENTS):
        yield f"without {ast.unparse(node).splitlines()[0]}", ast.Pass()


def texts(text: str) -> Iterator[str]:
    """The ways in which an expression of DynamoDB's can be wrong: a clause that is always true, an operator that is another.

    A clause stays beside what makes it true, for DynamoDB refuses values that no expression speaks of.
    """
    if text.count("SET ") or re.search(r"[#\w)] [+-] :\w", text):
        for found in re.finditer(r" ([+-]) (?=:)", text):
            yield text[: found.start(1)] + ("-" if found[1] == "+" else "+") + text[found.end(1) :]
        if " REMOVE " in text:
            yield text[: text.index(" REMOVE ")]
        return
    clauses = _clauses(text)
    for place, clause in enumerate(clauses):
        if _CLAUSE.match(clause.strip()):
            always = clause.replace(clause.strip(), f"({clause.strip()} OR {ALWAYS})")
            yield " AND ".join([*clauses[:place], always, *clauses[place + 1 :]])
    if len(clauses) > 1 or (clauses and _CLAUSE.match(clauses[0].strip())):
        for found in re.finditer(r" (<=|>=|<|>|=) ", text):
            other = {"<=": "<", ">=": ">", "<": "<=", ">": ">=", "=": "<>"}[found[1]]
            yield text[: found.start(1)] + other + text[found.end(1) :]


def _clauses(text: str) -> list[str]:
    """Split at AND, but not inside parentheses."""
    parts: list[str] = []
    for part in text.split(" AND "):
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += f" AND {part}"
        else:
            parts.append(part)
    return parts


def _said(old: ast.AST, new: ast.AST) -> tuple[str, ast.AST]:
    return f"{_short(old)} -> {_short(new)}", new


def _short(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).replace("\n", " ")
    return text if len(text) <= 110 else f"{text[:107]}..."


def _negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _joins_text(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
