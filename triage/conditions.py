"""Conditions of a protocol file: parsed, checked against what they name, made applicable.

An input may apply only when a condition on other inputs holds. Every comparison on such an
input is rewritten to mean "it applies, and ...", so an answer that makes no sense here counts
for nothing and is never waited for.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from triage.expression import (
    And,
    Compare,
    Constant,
    Expression,
    ExpressionError,
    Name,
    Not,
    Or,
    names,
    parse,
    walk,
)


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """What a name stands for in a condition: its type and, for a choice, its choices."""

    type: Literal["number", "bool", "choice"]
    choices: tuple[str, ...] = ()


NUMBER = Term(type="number")
"""A score, or the largest item of one."""


def condition(text: str, known: Mapping[str, Term]) -> Expression:
    """Parse a condition and check that each name exists and is used as its type allows.

    Args:
        text: The condition as written.
        known: What may be named.

    Returns:
        The tree as written.

    Raises:
        ExpressionError: Outside of the grammar, an unknown name, unlike things compared, or a
            word that is none of the choices.
    """
    tree = parse(text)
    compared = _check_comparisons(tree, known)
    for node in walk(tree):
        if isinstance(node, Name) and id(node) not in compared:
            _require(_term(node, known).type == "bool", "needs a comparison")
        if isinstance(node, Constant) and id(node) not in compared:
            _require(isinstance(node.value, bool), "a constant is not a truth")
    return tree


def applicabilities(trees: Mapping[str, Expression]) -> dict[str, Expression]:
    """Resolve the conditions under which inputs apply, however deep they nest.

    Args:
        trees: For each input that applies only sometimes, its condition as written.

    Returns:
        The same conditions with every comparison on another such input made applicable.

    Raises:
        ExpressionError: An input applies only when itself does.
    """
    resolved: dict[str, Expression] = {}
    waiting = dict(trees)
    while waiting:
        ready = [key for key, tree in waiting.items() if not names(tree) & waiting.keys()]
        if not ready:
            raise ExpressionError(f"{', '.join(sorted(waiting))}: applies only when it applies")
        resolved |= {key: applicable(waiting.pop(key), resolved) for key in ready}
    return resolved


def applicable(tree: Expression, applies: Mapping[str, Expression]) -> Expression:
    """Rewrite each comparison so that an input counts only where it applies.

    Args:
        tree: A condition as written.
        applies: Resolved conditions of the inputs that apply only sometimes.

    Returns:
        The tree in which every atom on such an input reads "applies and atom".
    """
    if isinstance(tree, And):
        return And(tuple(applicable(term, applies) for term in tree.terms))
    if isinstance(tree, Or):
        return Or(tuple(applicable(term, applies) for term in tree.terms))
    if isinstance(tree, Not):
        return Not(applicable(tree.term, applies))
    sides: Iterable[Expression] = (tree.left, tree.right) if isinstance(tree, Compare) else (tree,)
    keys = dict.fromkeys(side.name for side in sides if isinstance(side, Name))
    gates = [applies[key] for key in keys if key in applies]
    return And((*gates, tree)) if gates else tree


def _check_comparisons(tree: Expression, known: Mapping[str, Term]) -> frozenset[int]:
    """Check both sides of every comparison; give the identities of the nodes compared."""
    compared: set[int] = set()
    for node in walk(tree):
        if isinstance(node, Compare):
            kinds = {_kind(side, known) for side in (node.left, node.right)}
            _require(len(kinds) == 1 and "bool" not in kinds, "compares unlike things")
            _require("number" in kinds or node.op in {"==", "!="}, "orders words")
            _check_choice(node, known)
            compared |= {id(node.left), id(node.right)}
    return frozenset(compared)


def _check_choice(node: Compare, known: Mapping[str, Term]) -> None:
    """Check that a word compared with a choice is one of its choices."""
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(side, Name) and isinstance(other, Constant) and isinstance(other.value, str):
            choices = _term(side, known).choices
            _require(other.value in choices, f"{side.name} has no such choice")


def _kind(side: Constant | Name, known: Mapping[str, Term]) -> str:
    """Give the type of one side of a comparison: bool, number or choice."""
    if isinstance(side, Name):
        return _term(side, known).type
    if isinstance(side.value, bool):
        return "bool"
    return "choice" if isinstance(side.value, str) else "number"


def _term(name: Name, known: Mapping[str, Term]) -> Term:
    """Give what a name stands for."""
    found = known.get(name.name)
    if found is None:
        raise ExpressionError(f"unknown name {name.name}")
    return found


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - an assertion with a sentence
    """Refuse the condition unless the check holds."""
    if not holds:
        raise ExpressionError(message)
