"""Running source that `compiler` and `complete` generated from a parsed tree, and nothing else."""

import math
from collections.abc import Mapping
from types import CodeType
from typing import Any, TypeAlias

from triage.expression import Comparator

Row: TypeAlias = "list[Any] | tuple[Any, ...]"
"""Answers in asking order, None where there is none."""
Part: TypeAlias = tuple[int, int, int]
"""Least points, most points and the inputs that keep them open, of one item or group."""


def load_source(code: CodeType, **more: object) -> Mapping[str, Any]:
    """Run compiled source that this package generated, with no builtins but what it needs.

    Args:
        code: Generated from a parsed tree.
        **more: Constants that the source names.

    Returns:
        The names it defined.
    """
    made: dict[str, Any] = {
        "__builtins__": {}, "inf": math.inf, "max": max, "sides": compare_sides, **more,
    }  # fmt: skip
    exec(code, made)  # noqa: S102 - generated from the white-listed tree alone, see above
    return made


def compare_sides(a: Part | None, op: Comparator, b: Part | None, blockers: int) -> int:
    """Compare two numbers of which either may be an interval or unknown, in hope form.

    Args:
        a: The left side as (least, most, inputs that keep it open), None when unanswered.
        op: The comparator.
        b: The right side.
        blockers: The inputs without an answer among both sides.

    Returns:
        -1, 0, or the inputs that keep it unknown.
    """
    doubt = blockers | (a[2] if a and a[0] != a[1] else 0) | (b[2] if b and b[0] != b[1] else 0)
    if a is None or b is None:
        return doubt
    if op in {"!=", ">", ">="}:
        negated: dict[str, Comparator] = {"!=": "==", ">": "<=", ">=": "<"}
        found = compare_sides(a, negated[op], b, blockers)
        return found if found > 0 else ~found
    (al, ah, _), (bl, bh, _) = a, b
    always, never = {
        "==": (al == ah == bl == bh, ah < bl or bh < al),
        "<": (ah < bl, al >= bh),
        "<=": (ah <= bl, al > bh),
    }[op]
    return -1 if always else 0 if never else doubt
