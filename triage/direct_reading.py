"""A second, direct reading of a protocol file: what boundary tests hold the engine against.

It shares no code with `expression`, `scoring`, `conditions` or the engine: it reads the TOML
text again, with every answer given, and knows neither unknown nor unanswerable. It is written
to be checked by eye against the table in the file, not to be fast.
"""

import ast
import math
import operator
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from triage.format import Answer

_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says about one fully answered patient."""

    fired: frozenset[str]
    level: str | None
    scores: dict[str, int]


class DirectReading:
    """One file, read from its bytes."""

    def __init__(self, raw: bytes) -> None:
        self._file: dict[str, Any] = tomllib.loads(raw.decode())
        inputs = self._file["inputs"]
        self._applies = {entry["key"]: entry.get("when") for entry in inputs}
        self._trees: dict[str, ast.expr] = {}

    def read(self, answers: Mapping[str, Answer]) -> Read:
        """Read the file for one patient.

        Args:
            answers: An answer to every input; those that do not apply are ignored.
        """
        facts: dict[str, Any] = dict(answers)
        totals: dict[str, int] = {}
        for score in self._file.get("scores", []):
            parts: dict[str, int] = {}
            for item in score["items"]:
                group = item.get("one_of", item["id"])
                parts[group] = parts.get(group, 0) + self._points(item, facts)
            totals[score["id"]] = sum(parts.values())
            totals[score["id"] + "_max_item"] = max(parts.values())
        known = facts | totals
        met = self._true(self._file["population"]["when"], known)
        fired = {
            rule["id"]: rule["acuity"]
            for rule in self._file["rules"]
            if met and self._true(rule["when"], known)
        }
        level = min(fired.values(), default=None)
        return Read(fired=frozenset(fired), level=level, scores=totals)

    def _points(self, item: dict[str, Any], facts: dict[str, Any]) -> int:
        """Count one item."""
        if "when" in item and not self._true(item["when"], facts):
            return 0
        if "points_if" in item:
            return int(item["points"]) if self._true(item["points_if"], facts) else 0
        key = item["input"]
        if not self._stands(key, facts):
            return 0
        if "map" in item:
            word = facts[key]
            return int(item["map"][str(word).lower() if isinstance(word, bool) else word])
        row = [points for upper, points in item["bands"] if facts[key] <= float(upper)]
        return int(row[0]) if row else math.nan  # type: ignore[return-value]

    def _stands(self, key: str, facts: dict[str, Any]) -> bool:
        """Tell whether an input applies to this patient; a score always does."""
        condition = self._applies.get(key)
        return condition is None or self._true(condition, facts)

    def _true(self, text: str, facts: dict[str, Any]) -> bool:
        """Read a condition."""
        if text not in self._trees:
            self._trees[text] = ast.parse(text.strip(), mode="eval").body
        return self._holds(self._trees[text], facts)

    def _holds(self, node: ast.expr, facts: dict[str, Any]) -> bool:
        """Read one node of a condition."""
        if isinstance(node, ast.BoolOp):
            each = [self._holds(value, facts) for value in node.values]
            return all(each) if isinstance(node.op, ast.And) else any(each)
        if isinstance(node, ast.UnaryOp):
            return not self._holds(node.operand, facts)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return all(self._compares(one, op, other, facts) for one, op, other in pairs)
        if isinstance(node, ast.Name):
            if node.id in {"true", "false"}:
                return node.id == "true"
            return self._stands(node.id, facts) and facts[node.id] is True
        return isinstance(node, ast.Constant) and node.value is True

    def _compares(
        self, one: ast.expr, op: ast.cmpop, other: ast.expr, facts: dict[str, Any]
    ) -> bool:
        """Read one comparison; on an input that does not apply it does not hold."""
        named = [side.id for side in (one, other) if isinstance(side, ast.Name)]
        if not all(self._stands(key, facts) for key in named):
            return False
        values = [
            facts[side.id] if isinstance(side, ast.Name) else ast.literal_eval(side)
            for side in (one, other)
        ]
        return _COMPARE[type(op)](*values)
