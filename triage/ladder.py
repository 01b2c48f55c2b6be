"""Numbers of a protocol as positions: only what a condition can tell apart is told apart.

A proof need not try every number. Between two neighbouring constants of a protocol (bounds
of bands, of comparisons, of ranges) every number behaves alike, so an input is a position:
on a constant, or between two. Inputs that conditions compare with each other share their
constants, with room for all of them between two.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from triage.expression import Compare, Constant, Expression, Name, walk
from triage.protocol import Input, Protocol


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """The positions of one numeric input.

    Attributes:
        marks: Every constant, ascending.
        room: How many inputs share the ladder; that many positions lie between two marks.
        low: The lowest position of the input's range.
        high: The highest position of it.
    """

    marks: tuple[float, ...]
    room: int
    low: int
    high: int

    def position(self, mark: float) -> int:
        """Give the position of one of the marks."""
        return self.marks.index(mark) * (self.room + 1)

    def number(self, position: int) -> float:
        """Give a number that stands at a position, a round one where there is a choice."""
        index, step = divmod(position, self.room + 1)
        below = self.marks[index]
        if step == 0:
            return below
        above = self.marks[index + 1]
        return _round_between(
            below + (above - below) * (step - 0.5) / self.room,
            below + (above - below) * (step - 1) / self.room,
            below + (above - below) * step / self.room,
        )


def _round_between(number: float, low: float, high: float) -> float:
    """Round a number as far as it stays strictly inside of (low, high)."""
    for digits in range(-3, 4):
        rounded = round(number, digits)
        if low < rounded < high:
            return rounded
    return number


def ladders(protocol: Protocol) -> dict[str, Ladder]:
    """Give the ladder of every numeric input of a protocol.

    Args:
        protocol: Conditions, bands, ranges and normal ranges give the marks.
    """
    numbers = {e.key: e for e in protocol.file.inputs if e.type == "number"}
    marks = {key: set(_bounds(entry)) for key, entry in numbers.items()}
    group = {key: {key} for key in numbers}
    for parsed in protocol.scores:
        for entry in parsed.items:
            if entry.item.input in marks:
                marks[entry.item.input] |= {u for u, _ in entry.item.bands if math.isfinite(u)}
    for node in comparisons(protocol):
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if not isinstance(side, Name) or side.name not in numbers:
                continue
            if isinstance(other, Constant) and isinstance(other.value, float):
                marks[side.name].add(other.value)
            elif isinstance(other, Name) and other.name in numbers:
                joined = group[side.name] | group[other.name]
                group |= dict.fromkeys(joined, joined)
    return {key: _ladder(entry, group[key], marks) for key, entry in numbers.items()}


def _ladder(entry: Input, group: Iterable[str], marks: Mapping[str, set[float]]) -> Ladder:
    """Build the ladder of one input from the marks of all that share it."""
    members = sorted(group)
    merged = tuple(sorted(set().union(*(marks[key] for key in members))))
    low, high = entry.range or (merged[0], merged[-1])
    spacing = len(members) + 1
    return Ladder(
        marks=merged,
        room=len(members),
        low=merged.index(low) * spacing,
        high=merged.index(high) * spacing,
    )


def _bounds(entry: Input) -> Iterator[float]:
    """Give the ends of an input's range and of its normal range."""
    yield from map(float, entry.range or (0.0, 1.0))
    for normal in (entry.normal, *(case.normal for case in entry.worse_if)):
        yield from map(float, normal or ())


def trees(protocol: Protocol, *, directions: bool = True) -> Iterator[Expression]:
    """Yield every condition of a protocol, rewritten for applicability.

    Args:
        protocol: The readable protocol.
        directions: Also those that say which way an input is worse.
    """
    yield protocol.gate
    yield from (parsed.when for parsed in protocol.rules)
    for entry in protocol.inputs:
        yield from (tree for tree in (entry.applies,) if tree is not None)
        if directions:
            yield from (tree for tree, _ in entry.worse_if)
    for item in itertools.chain.from_iterable(score.items for score in protocol.scores):
        yield from (t for t in (item.when, item.applies, item.points_if) if t is not None)


def comparisons(protocol: Protocol, *, directions: bool = True) -> Iterator[Compare]:
    """Yield every comparison in every condition of a protocol.

    Args:
        protocol: The readable protocol.
        directions: Also in those that say which way an input is worse.
    """
    for tree in trees(protocol, directions=directions):
        yield from (node for node in walk(tree) if isinstance(node, Compare))
