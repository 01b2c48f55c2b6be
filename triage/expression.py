"""Conditions of protocols: a small parsed grammar and its three-valued evaluation.

The grammar is and / or / not, comparisons, names, numbers and strings. Text is parsed by
Python's own parser, then copied node by node into the frozen tree below; any other syntax is
refused, and nothing is ever executed. Truth is Kleene's: True, False or None (unknown);
unknown is never false.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

Comparator: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]
Truth: TypeAlias = bool | None
"""True, False, or None for unknown."""


class ExpressionError(ValueError):
    """The text is not a condition of the protocol grammar."""


class Interval(msgspec.Struct, frozen=True):
    """A number known only to lie in [low, high]; both ends belong to it."""

    low: float
    high: float


Value: TypeAlias = bool | float | str | Interval | None
"""What a name may stand for; None is unknown."""


class Constant(msgspec.Struct, frozen=True, tag="constant"):
    """A literal truth, number or string."""

    value: bool | float | str


class Name(msgspec.Struct, frozen=True, tag="name"):
    """An input, a score, or the largest item of a score (`<score>_max_item`)."""

    name: str


class Not(msgspec.Struct, frozen=True, tag="not"):
    """Negation."""

    term: "Expression"


class And(msgspec.Struct, frozen=True, tag="and"):
    """Conjunction of two or more terms."""

    terms: tuple["Expression", ...]


class Or(msgspec.Struct, frozen=True, tag="or"):
    """Disjunction of two or more terms."""

    terms: tuple["Expression", ...]


class Compare(msgspec.Struct, frozen=True, tag="compare"):
    """One comparison of two names or constants."""

    left: Constant | Name
    op: Comparator
    right: Constant | Name


Expression: TypeAlias = Constant | Name | Not | And | Or | Compare

_COMPARATORS: Final[dict[type[ast.cmpop], Comparator]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_NEGATED: Final[dict[Comparator, Comparator]] = {"!=": "==", ">": "<=", ">=": "<"}
_MAX_LENGTH: Final = 2000
_MAX_DEPTH: Final = 20


def parse(text: str) -> Expression:
    """Parse a condition.

    Args:
        text: At most 2000 characters, nested at most 20 deep.

    Returns:
        The frozen tree.

    Raises:
        ExpressionError: Syntax outside of the grammar.
    """
    if len(text) > _MAX_LENGTH:
        message = "condition is longer than 2000 characters"
        raise ExpressionError(message)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = "condition does not parse"
        raise ExpressionError(message) from error
    return _convert(tree.body, 0)


def _convert(node: ast.expr, depth: int) -> Expression:
    """Copy one syntax node into the tree, or refuse it."""
    if depth > _MAX_DEPTH:
        message = "condition is nested too deeply"
        raise ExpressionError(message)
    if isinstance(node, ast.BoolOp):
        terms = tuple(_convert(value, depth + 1) for value in node.values)
        return And(terms) if isinstance(node.op, ast.And) else Or(terms)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return Not(_convert(node.operand, depth + 1))
    if isinstance(node, ast.Compare):
        return _comparison(node)
    return _operand(node)


def _comparison(node: ast.Compare) -> Expression:
    """Copy a comparison; a chain a < b < c becomes the conjunction of its links."""
    operands = [_operand(side) for side in (node.left, *node.comparators)]
    links: list[Expression] = []
    for index, kind in enumerate(node.ops):
        op = _COMPARATORS.get(type(kind))
        if op is None:
            message = "only < <= > >= == != compare"
            raise ExpressionError(message)
        links.append(Compare(operands[index], op, operands[index + 1]))
    return links[0] if len(links) == 1 else And(tuple(links))


def _operand(node: ast.expr) -> Constant | Name:
    """Copy a name, a number, a string, or the words true and false."""
    if isinstance(node, ast.Name):
        words = {"true": True, "false": False}
        return Constant(words[node.id]) if node.id in words else Name(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _operand(node.operand)
        if isinstance(inner, Constant) and type(inner.value) is float:
            return Constant(-inner.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
        value = node.value
        return Constant(value if isinstance(value, bool | str) else float(value))
    message = f"syntax not allowed in a condition: {type(node).__name__}"
    raise ExpressionError(message)


def walk(tree: Expression) -> Iterator[Expression]:
    """Yield every node of a tree, parents first, left to right."""
    yield tree
    if isinstance(tree, Not):
        yield from walk(tree.term)
    elif isinstance(tree, And | Or):
        for term in tree.terms:
            yield from walk(term)
    elif isinstance(tree, Compare):
        yield tree.left
        yield tree.right


def names(tree: Expression) -> frozenset[str]:
    """Give every name the tree mentions."""
    return frozenset(node.name for node in walk(tree) if isinstance(node, Name))


def evaluate(tree: Expression, values: Mapping[str, Value]) -> Truth:
    """Evaluate a condition in three-valued logic.

    Args:
        tree: The condition.
        values: What each name stands for; a missing name is unknown.

    Returns:
        True or False when it holds for every completion of the unknown values that Kleene's
        tables can see, None otherwise.
    """
    if isinstance(tree, And):
        return kleene_and([evaluate(term, values) for term in tree.terms])
    if isinstance(tree, Or):
        return kleene_or([evaluate(term, values) for term in tree.terms])
    if isinstance(tree, Not):
        return kleene_not(evaluate(tree.term, values))
    if isinstance(tree, Compare):
        return _compare(_look_up(tree.left, values), tree.op, _look_up(tree.right, values))
    value = _look_up(tree, values)
    return value if isinstance(value, bool) else None


def kleene_not(truth: Truth) -> Truth:
    """Negate: unknown stays unknown."""
    return None if truth is None else not truth


def kleene_and(truths: list[Truth]) -> Truth:
    """Conjoin: one False settles it, else one unknown keeps it unknown."""
    if False in truths:
        return False
    return None if None in truths else True


def kleene_or(truths: list[Truth]) -> Truth:
    """Disjoin: one True settles it, else one unknown keeps it unknown."""
    if True in truths:
        return True
    return None if None in truths else False


def undetermined(tree: Expression, values: Mapping[str, Value]) -> frozenset[str]:
    """Give the names that keep a condition unknown.

    A branch that is already settled is left out: what it mentions can no longer change the
    condition, so a refused answer elsewhere is not made to wait for it.

    Args:
        tree: The condition.
        values: What each name stands for.

    Returns:
        The names; empty exactly when the condition is settled.
    """
    if evaluate(tree, values) is not None:
        return frozenset()
    if isinstance(tree, And | Or):
        return frozenset().union(*(undetermined(term, values) for term in tree.terms))
    if isinstance(tree, Not):
        return undetermined(tree.term, values)
    sides = (tree.left, tree.right) if isinstance(tree, Compare) else (tree,)
    return frozenset(
        side.name
        for side in sides
        if isinstance(side, Name) and not _is_exact(_look_up(side, values))
    )


def _look_up(node: Expression, values: Mapping[str, Value]) -> Value:
    """Give the value of a name or constant."""
    if isinstance(node, Constant):
        return node.value
    return values.get(node.name) if isinstance(node, Name) else None


def _is_exact(value: Value) -> bool:
    """Tell whether a value leaves nothing open."""
    if isinstance(value, Interval):
        return value.low == value.high
    return value is not None


def _compare(left: Value, op: Comparator, right: Value) -> Truth:
    """Compare two values, either of which may be unknown or an interval."""
    if left is None or right is None:
        return None
    if isinstance(left, str) or isinstance(right, str):
        return (left == right) == (op == "==")
    if op in _NEGATED:
        return kleene_not(_compare(left, _NEGATED[op], right))
    return _compare_bounds(_bounds(left), op, _bounds(right))


def _compare_bounds(a: Interval, op: Comparator, b: Interval) -> Truth:
    """Compare two intervals by ==, < or <=; unknown where their completions disagree."""
    if op == "==":
        always = a.low == a.high == b.low == b.high
        never = a.high < b.low or b.high < a.low
    elif op == "<":
        always, never = a.high < b.low, a.low >= b.high
    else:
        always, never = a.high <= b.low, a.low > b.high
    if always:
        return True
    return False if never else None


def _bounds(value: float | Interval) -> Interval:
    """Give a value as an interval."""
    return value if isinstance(value, Interval) else Interval(float(value), float(value))
