"""Scores as intervals: what is certain, and what the missing items may still add."""

from collections.abc import Mapping

import msgspec

from triage.expression import Interval, Value, evaluate, names, undetermined
from triage.protocol import Item, ParsedItem, ParsedScore


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one item or one_of group: at least `low`, at most `high`."""

    item: str
    low: int
    high: int
    inputs: tuple[str, ...]


class ScoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """A score over the answers given: its total and its largest item, as closed intervals."""

    score: str
    low: int
    high: int
    max_item_low: int
    max_item_high: int
    contributions: tuple[Contribution, ...]

    def total(self) -> Interval:
        """Give the total as an interval."""
        return Interval(self.low, self.high)

    def max_item(self) -> Interval:
        """Give the largest item as an interval."""
        return Interval(self.max_item_low, self.max_item_high)

    def open_inputs(self) -> frozenset[str]:
        """Give the inputs that keep the total open."""
        return frozenset(
            name for part in self.contributions if part.low != part.high for name in part.inputs
        )


def score(parsed: ParsedScore, values: Mapping[str, Value]) -> ScoreResult:
    """Add up a score.

    Args:
        parsed: The score.
        values: Answered inputs by key; a missing key is unknown.

    Returns:
        The tightest interval that follows from treating the items (groups) as independent.
    """
    groups: dict[str, list[ParsedItem]] = {}
    for entry in parsed.items:
        groups.setdefault(entry.item.one_of or entry.item.id, []).append(entry)
    parts = tuple(_contribution(name, entries, values) for name, entries in groups.items())
    return ScoreResult(
        score=parsed.score.id,
        low=sum(part.low for part in parts),
        high=sum(part.high for part in parts),
        max_item_low=max((part.low for part in parts), default=0),
        max_item_high=max((part.high for part in parts), default=0),
        contributions=parts,
    )


def _contribution(
    name: str, entries: list[ParsedItem], values: Mapping[str, Value]
) -> Contribution:
    """Give the points of one item, or of the one_of group it belongs to.

    While the gates of a group are unknown its points lie in the hull of those that may still
    be gated in. An item on its own may also be gated out, and any input may not apply: 0.
    """
    exclusive = entries[0].item.one_of is not None
    ranges: list[tuple[int, int]] = []
    inputs: set[str] = set()
    for entry in entries:
        gate = True if entry.when is None else evaluate(entry.when, values)
        applies = True if entry.applies is None else evaluate(entry.applies, values)
        if gate is False:
            continue
        if applies is not False:
            ranges.append(_points(entry, values))
        inputs |= _unknown_inputs(entry, values)
        if applies is not True or (gate is None and not exclusive):
            ranges.append((0, 0))
    low = min((points[0] for points in ranges), default=0)
    high = max((points[1] for points in ranges), default=0)
    used = tuple(sorted(inputs)) if low != high else tuple(sorted(_mentioned(entries)))
    return Contribution(item=name, low=low, high=high, inputs=used)


def _points(entry: ParsedItem, values: Mapping[str, Value]) -> tuple[int, int]:
    """Give the least and most points of an item that is gated in."""
    item = entry.item
    if entry.points_if is not None:
        truth = evaluate(entry.points_if, values)
        if truth is None:
            return min(0, item.points), max(0, item.points)
        return (item.points, item.points) if truth else (0, 0)
    value = values.get(item.input or "")
    if value is None:
        return _spread(item)
    if item.map is not None:
        key = str(value).lower() if isinstance(value, bool) else str(value)
        return item.map[key], item.map[key]
    number = float(value) if isinstance(value, int | float) else 0.0
    points = next(points for upper, points in item.bands if number <= upper)
    return points, points


def _spread(item: Item) -> tuple[int, int]:
    """Give the least and most points an unanswered item may bring."""
    options = [points for _, points in item.bands] or list((item.map or {"": 0}).values())
    return min(options), max(options)


def _unknown_inputs(entry: ParsedItem, values: Mapping[str, Value]) -> frozenset[str]:
    """Give the inputs that keep an item's points or gate open."""
    gates = [gate for gate in (entry.when, entry.applies) if gate is not None]
    keys = frozenset[str]().union(*(undetermined(gate, values) for gate in gates))
    if entry.applies is not None and evaluate(entry.applies, values) is False:
        return keys
    if entry.points_if is not None:
        return keys | undetermined(entry.points_if, values)
    key = entry.item.input
    return keys | {key} if key is not None and values.get(key) is None else keys


def _mentioned(entries: list[ParsedItem]) -> frozenset[str]:
    """Give the inputs the items are computed from."""
    keys = {entry.item.input for entry in entries if entry.item.input is not None}
    for entry in entries:
        keys |= names(entry.points_if) if entry.points_if is not None else frozenset()
    return frozenset(keys)
