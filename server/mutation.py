"""Small faults in a module's source, one at a time: what mutation testing plants.

Pure: source in, changed sources out. A fault is one comparator, boolean operator, negation,
number, truth, sign, loop jump or return value. Words in messages, docstrings, annotations and the
keywords of class statements stay as they are: nobody should test those.
"""

import ast
import copy
from collections.abc import Iterator
from typing import Final

import msgspec

_COMPARE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: where, what, and the whole changed module."""

    line: int
    what: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Plant every fault this module knows into a source, one at a time.

    Args:
        source: Of a module that compiles.

    Yields:
        The faults in the order of the source.
    """
    clean = ast.parse(source)
    for index, node in enumerate(_nodes(clean)):
        for variant in range(_variants(node)):
            tree = copy.deepcopy(clean)
            target = list(_nodes(tree))[index]
            what = _plant(target, variant)
            yield Mutant(line=getattr(node, "lineno", 0), what=what, tree=tree)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what may be changed, in order: no docstring, annotation, message or class keyword."""
    for field, value in ast.iter_fields(tree):
        if field in {"annotation", "returns", "decorator_list", "keywords"} and not isinstance(
            tree, ast.Call
        ):
            continue
        if isinstance(tree, ast.Raise) or (field == "value" and _is_alias(tree)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_text(child):
                yield child
                yield from _nodes(child)


def _is_text(node: ast.AST) -> bool:
    """Tell whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_alias(node: ast.AST) -> bool:
    """Tell whether an assignment only names a type."""
    return isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)


def _variants(node: ast.AST) -> int:
    """Count the faults one node may carry."""
    if isinstance(node, ast.Compare):
        return sum(type(op) in _COMPARE for op in node.ops)
    return int(
        isinstance(node, ast.BoolOp | ast.Break | ast.Continue)
        or (isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value))
        or (isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float))
        or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC)
        or (isinstance(node, ast.Name) and node.id in _NAMES and isinstance(node.ctx, ast.Load))
        or (
            isinstance(node, ast.If | ast.IfExp | ast.While)
            and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp)
        )
    )


def _is_none(node: ast.AST) -> bool:
    """Tell whether an expression is None."""
    return isinstance(node, ast.Constant) and node.value is None


def _plant(node: ast.AST, variant: int) -> str:
    """Change a node in place; give what was done."""
    if isinstance(node, ast.Compare):
        places = [place for place, op in enumerate(node.ops) if type(op) in _COMPARE]
        old = node.ops[places[variant]]
        node.ops[places[variant]] = _COMPARE[type(old)]()
        return f"{type(old).__name__} -> {type(node.ops[places[variant]]).__name__}"
    if isinstance(node, ast.Return):
        node.value = ast.Constant(value=None, lineno=node.lineno, col_offset=0)
        return "return -> return None"
    if isinstance(node, ast.Constant):
        return _constant(node)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        new = _ARITHMETIC[type(node.op)]()
        what = f"{type(node.op).__name__} -> {type(new).__name__}"
        node.op = new
        return what
    if isinstance(node, ast.Name):
        node.id, old_name = _NAMES[node.id], node.id
        return f"{old_name} -> {node.id}"
    return _logic(node)


def _constant(node: ast.Constant) -> str:
    """Change a truth or a number."""
    old = node.value
    if isinstance(old, bool):
        node.value = not old
    elif isinstance(old, int | float):
        node.value = old + 1
    return f"{old!r} -> {node.value!r}"


def _logic(node: ast.AST) -> str:
    """Change a boolean operator, a negation, a sign, a condition or a jump."""
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return "and <-> or"
    if isinstance(node, ast.UnaryOp):
        kept = node.op
        node.op = ast.UAdd() if isinstance(kept, ast.USub) else ast.Not()
        if isinstance(kept, ast.Not):
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
        return "sign dropped" if isinstance(kept, ast.USub) else "not dropped"
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
        return "condition turned round"
    if isinstance(node, ast.Break | ast.Continue):
        # A jump becomes the other jump where it stands.
        node.__class__ = ast.Continue if isinstance(node, ast.Break) else ast.Break
        return "break <-> continue"
    return "nothing"
