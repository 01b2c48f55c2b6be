"""Many cases at once: columns of answers in, the interval of every row out.

For replays of a year of calls, comparisons of two versions and fits of thresholds. The
arithmetic is that of `compiler`, one byte a row: in *hope* form -1 is true, 0 false, 1 unknown
through unanswerable inputs only, 3 unknown through an open one; *doubt* form swaps the first
two. What a rule still waits for is thereby known without naming the inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from triage.acuity import Acuity
from triage.compiler import groups, severest_first
from triage.expression import And, Comparator, Compare, Constant, Expression, Name, Not, Or
from triage.program import LEVELS, NO_LEVEL, RANK
from triage.protocol import MAX_ITEM_SUFFIX, Input, ParsedItem, ParsedRule, ParsedScore, Protocol

Bytes: TypeAlias = npt.NDArray[np.int8]
Points: TypeAlias = npt.NDArray[np.int16]
Missing: TypeAlias = Literal["open", "unanswerable"]

_DOUBT: Final[dict[Missing, int]] = {"unanswerable": 1, "open": 3}
_BLOCK: Final = 16_384
"""Rows evaluated at a time: what is computed stays in the processor's cache."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of one input.

    Attributes:
        values: Numbers; bools as 0 and 1; choices as their places in the input's list.
        missing: Where there is no answer; None where every row has one.
    """

    values: npt.NDArray[np.float64]
    missing: npt.NDArray[np.bool_] | None = None


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """The interval of every row, as ranks: 0 is U0, 6 is no level.

    Attributes:
        assured: Rank of the most severe level that fired.
        worst: Rank of the most severe level that is not excluded.
    """

    assured: Bytes
    worst: Bytes

    def level(self, row: int) -> Acuity | None:
        """Give the assured level of one row."""
        return LEVELS[int(self.assured[row])]


def column(entry: Input, answers: Sequence[bool | float | str | None]) -> Column:
    """Make a column of answers.

    Args:
        entry: The input; its choices give words their numbers.
        answers: One per row, None where there is none.

    Returns:
        The column.
    """
    places = {word: float(place) for place, word in enumerate(entry.choices)}
    numbers = [
        np.nan if value is None else places[value] if isinstance(value, str) else float(value)
        for value in answers
    ]
    return of_numbers(np.array(numbers, dtype=np.float64))


def of_numbers(values: npt.NDArray[np.float64]) -> Column:
    """Make a column of numbers in which NaN stands for no answer."""
    missing = np.isnan(values)
    return Column(values=values, missing=missing if bool(missing.any()) else None)


def levels(
    protocol: Protocol, columns: Mapping[str, Column], rows: int, missing: Missing = "open"
) -> Levels:
    """Evaluate a protocol over many cases.

    Args:
        protocol: The protocol.
        columns: Answers by input; an input without a column is missing in every row.
        rows: How many rows every column has.
        missing: What a missing answer is: still open, or unanswerable.

    Returns:
        The interval of every row, equal to what `engine` says of each.
    """
    assured = np.empty(rows, dtype=np.int8)
    worst = np.empty(rows, dtype=np.int8)
    rules = severest_first(protocol)
    for start in range(0, rows, _BLOCK):
        part = slice(start, min(start + _BLOCK, rows))
        blocks = {key: _cut(column, part) for key, column in columns.items()}
        block = _Batch(protocol, blocks, part.stop - start, _DOUBT[missing])
        assured[part], worst[part] = block.levels(rules)
    return Levels(assured=assured, worst=worst)


def _cut(whole: Column, part: slice) -> Column:
    """Give some rows of a column; a part without a gap carries no mask."""
    missing = None if whole.missing is None else whole.missing[part]
    if missing is not None and not missing.any():
        missing = None
    return Column(values=whole.values[part], missing=missing)


class _Batch:
    """One evaluation; every condition that is read twice is computed once."""

    def __init__(
        self, protocol: Protocol, columns: Mapping[str, Column], rows: int, doubt: int
    ) -> None:
        """Begin with what is known of every row."""
        self.protocol = protocol
        self.columns = columns
        self.rows = rows
        self.doubt = np.int8(doubt)
        self.inputs = {entry.key: entry for entry in protocol.file.inputs}
        self.known: dict[tuple[Expression, bool], Bytes] = {}
        self.scores: dict[str, tuple[Points, Points, Bytes]] = {}
        self.gaps: dict[int, Bytes] = {}
        self.settled = all(
            entry.key in columns and columns[entry.key].missing is None
            for entry in protocol.file.inputs
        )

    def levels(self, rules: Sequence[ParsedRule]) -> tuple[Bytes, Bytes]:
        """Evaluate the gate, the scores and every rule; give both ends of the interval."""
        gate = self.truth(self.protocol.gate, hope=False)
        for parsed in self.protocol.scores:
            self.add_score(parsed)
        assured = np.full(self.rows, NO_LEVEL, dtype=np.int8)
        worst = assured if self.settled else assured.copy()
        for level, group in reversed([(k, list(g)) for k, g in groupby(rules, _level)]):
            rank = RANK[level]
            wholes = [(one, gate | self.truth(one.when, hope=False)) for one in group]
            excluded = reduce(np.bitwise_and, [whole for _, whole in wholes])
            np.copyto(worst, rank, where=excluded >= 0)
            if self.settled:
                continue
            fire = [whole for one, whole in wholes if one.rule.when_unanswerable == "fire"]
            if fire:
                guessed = reduce(np.logical_or, [whole == 1 for whole in fire])
                np.copyto(assured, np.minimum(assured, rank or 1), where=guessed)
            np.copyto(assured, rank, where=reduce(np.logical_or, [w == 0 for _, w in wholes]))
        return assured, worst

    def truth(self, tree: Expression, *, hope: bool) -> Bytes:
        """Evaluate a condition in a form."""
        if isinstance(tree, Not):
            return self.truth(tree.term, hope=not hope)
        found = self.known.get((tree, hope))
        if found is None:
            natural = not isinstance(tree, And)
            found = self.other(self.truth(tree, hope=natural)) if hope != natural else None
            found = self.natural(tree) if found is None else found
            self.known[tree, hope] = found
        return found

    def other(self, truth: Bytes) -> Bytes:
        """Give a truth in the other form; doubts stay what they are."""
        if self.settled:
            return ~truth
        return truth ^ ((truth > 0).view(np.int8) - np.int8(1))

    def natural(self, tree: Expression) -> Bytes:
        """Evaluate a conjunction in doubt form, anything else in hope form."""
        if isinstance(tree, And | Or):
            first, *others = (self.truth(term, hope=isinstance(tree, Or)) for term in tree.terms)
            if not others:
                return first
            joined = first | others[0]
            for term in others[1:]:
                joined |= term
            return joined
        if isinstance(tree, Constant):
            return np.full(self.rows, -1 if tree.value is True else 0, dtype=np.int8)
        if isinstance(tree, Compare):
            return self.compare(tree)
        entry = self.columns.get(tree.name) if isinstance(tree, Name) else None
        if entry is None:
            return np.full(self.rows, self.doubt)
        return self.answered(-(entry.values == 1).view(np.int8), entry)

    def answered(self, truth: Bytes, *entries: Column) -> Bytes:
        """Put doubt where one of the answers is missing; the truth is false there."""
        for entry in entries:
            if entry.missing is not None:
                gap = self.gaps.get(id(entry))
                if gap is None:
                    gap = self.gaps[id(entry)] = entry.missing.view(np.int8) * self.doubt
                truth |= gap
        return truth

    def compare(self, tree: Compare) -> Bytes:
        """Evaluate a comparison in hope form."""
        sides = (tree.left, tree.right)
        if isinstance(tree.left, Name) and isinstance(tree.right, Constant):
            score = self.scores.get(tree.left.name)
            if score is not None and tree.op in {"<", "<=", ">", ">="}:
                low, high, doubt = score
                surely, perhaps = (low, high) if tree.op in {">", ">="} else (high, low)
                compare, bound = _COMPARE[tree.op], float(tree.right.value)
                bound = int(bound) if bound.is_integer() else bound
                sure: Bytes = -compare(surely, bound).view(np.int8)
                if low is high:
                    return sure
                possible: Bytes = -compare(perhaps, bound).view(np.int8)
                return sure | (doubt & possible)
        if any(isinstance(side, Name) and side.name not in self.inputs for side in sides):
            return self.compare_bounds(tree.op, self.bounds(tree.left), self.bounds(tree.right))
        entries = [self.columns.get(side.name) for side in sides if isinstance(side, Name)]
        if None in entries:
            return np.full(self.rows, self.doubt)
        if tree.op == "!=":
            return self.other(self.truth(Compare(tree.left, "==", tree.right), hope=True))
        left, right = (self.number(side, other) for side, other in (sides, sides[::-1]))
        truth = -np.atleast_1d(np.asarray(_COMPARE[tree.op](left, right))).view(np.int8)
        whole = np.broadcast_to(truth, (self.rows,)).copy() if truth.size == 1 else truth
        return self.answered(whole, *(entry for entry in entries if entry is not None))

    def number(self, side: Constant | Name, other: Constant | Name) -> Any:  # noqa: ANN401
        """Give a side as numbers; a word by its place among the other side's choices."""
        if isinstance(side, Name):
            return self.columns[side.name].values
        if isinstance(side.value, str) and isinstance(other, Name):
            return float(self.inputs[other.name].choices.index(side.value))
        return side.value

    def bounds(self, side: Constant | Name) -> tuple[Any, Any, Any]:
        """Give a side as least, most, and the doubt where they differ; NaN where unanswered."""
        if isinstance(side, Constant):
            return side.value, side.value, np.int8(0)
        if side.name not in self.inputs:
            return self.scores[side.name]
        entry = self.columns.get(side.name)
        if entry is None:
            return np.nan, np.nan, self.doubt
        doubt = np.int8(0) if entry.missing is None else np.where(entry.missing, self.doubt, 0)
        return entry.values, entry.values, doubt

    def compare_bounds(
        self, op: Comparator, a: tuple[Any, Any, Any], b: tuple[Any, Any, Any]
    ) -> Bytes:
        """Compare intervals in hope form; the rule is that of `expression`."""
        (al, ah, ad), (bl, bh, bd) = a, b
        if op in {"!=", ">", ">="}:
            negated: dict[str, Comparator] = {"!=": "==", ">": "<=", ">=": "<"}
            return self.other(self.compare_bounds(negated[op], a, b))
        if op == "==":
            always = (al == ah) & (bl == bh) & (al == bl)
            never = (ah < bl) | (bh < al)
        elif op == "<":
            always, never = ah < bl, al >= bh
        else:
            always, never = ah <= bl, al > bh
        unanswered = np.isnan(al) | np.isnan(bl)
        doubt = np.where((al != ah) | np.isnan(al), ad, 0) | np.where(
            (bl != bh) | np.isnan(bl), bd, 0
        )
        settled = np.where(always, np.int8(-1), np.where(never, np.int8(0), doubt))
        return np.broadcast_to(np.where(unanswered, doubt, settled), (self.rows,)).astype(np.int8)

    def add_score(self, parsed: ParsedScore) -> None:
        """Add a score up, as `scoring` does."""
        parts = [self.group(entries) for entries in groups(parsed).values()]
        doubt = np.zeros(self.rows, dtype=np.int8)
        for least, most, part_doubt in parts:
            if least is not most:
                doubt |= part_doubt & -(least != most).view(np.int8)
        low, most_low = self.total([part[0] for part in parts])
        high, most_high = low, most_low
        if any(least is not most for least, most, _ in parts):
            high, most_high = self.total([part[1] for part in parts])
        self.scores[parsed.score.id] = (low, high, doubt)
        self.scores[parsed.score.id + MAX_ITEM_SUFFIX] = (most_low, most_high, doubt)

    def total(self, parts: list[Points]) -> tuple[Points, Points]:
        """Give the sum and the largest of the parts of a score."""
        if not parts:
            none = np.zeros(self.rows, dtype=np.int16)
            return none, none
        added = parts[0].copy()
        for part in parts[1:]:
            added += part
        return added, reduce(np.maximum, parts)

    def group(self, entries: list[ParsedItem]) -> tuple[Points, Points, Bytes]:
        """Give the points of one item or group: least, most, and what keeps them open."""
        only = entries[0]
        if len(entries) == 1 and only.when is None and only.applies is None:
            return self.points(only)
        exclusive = only.item.one_of is not None
        low = np.full(self.rows, 9999, dtype=np.int16)
        high = -low
        doubt = np.zeros(self.rows, dtype=np.int8)
        certain = np.zeros(self.rows, dtype=np.int8)
        for entry in entries:
            gate, applies = (
                certain if tree is None else self.truth(tree, hope=False)
                for tree in (entry.when, entry.applies)
            )
            least, most, part_doubt = self.points(entry)
            inside = gate >= 0
            counts = inside & (applies >= 0)
            doubt |= np.where(inside, gate, 0).astype(np.int8)
            doubt |= np.where(counts, applies | part_doubt, 0).astype(np.int8)
            np.minimum(low, least, out=low, where=counts)
            np.maximum(high, most, out=high, where=counts)
            perhaps = (applies != 0) if exclusive else (applies != 0) | (gate > 0)
            np.minimum(low, 0, out=low, where=inside & perhaps)
            np.maximum(high, 0, out=high, where=inside & perhaps)
        none = low > high
        low[none] = 0
        high[none] = 0
        return low, high, np.where((low != high) & (doubt == 0), 1, doubt).astype(np.int8)

    def points(self, entry: ParsedItem) -> tuple[Points, Points, Bytes]:
        """Give the points of an item that is gated in."""
        item = entry.item
        if entry.points_if is not None:
            hope = self.truth(entry.points_if, hope=True)
            if self.settled:
                worth = hope.astype(np.int16) * np.int16(-item.points)
                return worth, worth, hope
            low = np.where(hope == -1, item.points, min(0, item.points) * (hope > 0))
            high = np.where(hope == -1, item.points, max(0, item.points) * (hope > 0))
            doubt = np.where(hope > 0, hope, 0)
            return low.astype(np.int16), high.astype(np.int16), doubt.astype(np.int8)
        found = self.columns.get(item.input or "")
        options = [points for _, points in item.bands] or list((item.map or {}).values())
        if found is None:
            whole = np.zeros(self.rows, dtype=np.int16)
            return whole + min(options), whole + max(options), np.full(self.rows, self.doubt)
        low = self.worth(entry, found)
        if found.missing is None:
            return low, low, np.zeros(self.rows, dtype=np.int8)
        high = np.where(found.missing, np.int16(max(options)), low)
        low = np.where(found.missing, np.int16(min(options)), low)
        return low, high, np.where(found.missing, self.doubt, np.int8(0))

    def worth(self, entry: ParsedItem, found: Column) -> Points:
        """Give the points of answers by the item's bands or map."""
        item = entry.item
        if item.map is None:
            worth = np.full(self.rows, item.bands[0][1], dtype=np.int16)
            steps = zip(item.bands[:-1], item.bands[1:], strict=True)
            for (upper, below), (_, above) in steps:
                worth += (found.values > upper).view(np.int8) * np.int8(above - below)
            return worth
        asked = self.inputs[item.input or ""]
        places = asked.choices or ("false", "true")
        table = np.array([item.map.get(word, 0) for word in places], dtype=np.int16)
        return table[np.nan_to_num(found.values).astype(np.intp)]


def _level(parsed: ParsedRule) -> Acuity:
    """Give the level of a rule."""
    return parsed.rule.acuity


_COMPARE: Final[dict[Comparator, Callable[[Any, Any], Any]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
