"""Scores in proofs: points between what is certain and what is still possible."""

import math
from collections.abc import Iterable, Mapping
from typing import Protocol as Shape

import msgspec

from triage.circuit import FALSE, TRUE, Circuit, Lit
from triage.expression import Expression
from triage.proof_terms import YES, Answered, Tri
from triage.protocol import ParsedItem


class Encoder(Shape):
    """What a score needs of the world it is in."""

    circuit: Circuit
    answers: Mapping[str, Answered]

    def read(self, tree: Expression) -> Tri:
        """Encode a condition."""
        ...

    def is_open(self, answer: Answered) -> Lit:
        """Give the literal of "may still be asked"."""
        ...


class Points(msgspec.Struct, frozen=True):
    """A whole number of points by literals: `(value, at least this value)`, ascending."""

    steps: tuple[tuple[int, Lit], ...]

    def at_least(self, value: int) -> Lit:
        """Give the literal of "at least this many points"."""
        return next((literal for step, literal in self.steps if step >= value), FALSE)

    def values(self) -> frozenset[int]:
        """Give every value it can take."""
        return frozenset(step for step, _ in self.steps)

    def terms(self) -> list[tuple[Lit, int]]:
        """Give the points as weighted literals that add up to them."""
        below = (0, *(step for step, _ in self.steps))
        return [(lit, step - low) for (step, lit), low in zip(self.steps, below, strict=False)]


class Span(msgspec.Struct, frozen=True):
    """Points between a low and a high end; `waits`: they differ and an open input is why."""

    low: Points
    high: Points
    waits: Lit


def part(world: Encoder, entries: list[ParsedItem]) -> Span:
    """Encode one item, or the items that share a one_of group: the hull of what may count."""
    both, either = world.circuit.both, world.circuit.either
    exclusive = entries[0].item.one_of is not None
    zero = Points(((0, TRUE),))
    options: list[tuple[Lit, Points, Points]] = []
    waiting: list[Lit] = []
    out: list[Lit] = []
    for entry in entries:
        when = YES if entry.when is None else world.read(entry.when)
        applies = YES if entry.applies is None else world.read(entry.applies)
        low, high, waits = _item(world, entry)
        maybe = both([-when.true, -when.false]) if not exclusive else FALSE
        options.append((both([-when.false, -applies.false]), low, high))
        options.append((both([-when.false, either([-applies.true, maybe])]), zero, zero))
        answer = both([-applies.false, waits])
        waiting.append(both([-when.false, either([when.waits, applies.waits, answer])]))
        out.append(when.false)
    options.append((both(out), zero, zero))
    values = sorted(frozenset().union(*(p.values() for _, *ends in options for p in ends)))
    low = Points(
        tuple((v, both(either([-may, end.at_least(v)]) for may, end, _ in options)) for v in values)
    )
    high = Points(
        tuple((v, either(both([may, end.at_least(v)]) for may, _, end in options)) for v in values)
    )
    differs = either(both([high.at_least(v), -low.at_least(v)]) for v in values)
    return Span(low, high, both([differs, either(waiting)]))


def _item(world: Encoder, entry: ParsedItem) -> tuple[Points, Points, Lit]:
    """Encode an item that is gated in: least points, most points, what it waits for."""
    item = entry.item
    if entry.points_if is not None:
        truth = world.read(entry.points_if)
        sure, maybe = (truth.true, -truth.false)
        first, last = sorted((0, item.points))
        if item.points < 0:
            sure, maybe = -maybe, -sure
        low, high = (Points(((first, TRUE), (last, more))) for more in (sure, maybe))
        return low, high, truth.waits
    answer = world.answers[item.input or ""]
    given = list(_given(world, entry, answer))
    values = sorted({points for points, _ in given})
    reached = [
        (v, world.circuit.either(lit for points, lit in given if points >= v)) for v in values
    ]
    least = [
        (v, TRUE if v == values[0] else world.circuit.both([answer.known, lit]))
        for v, lit in reached
    ]
    most = [(v, world.circuit.either([-answer.known, lit])) for v, lit in reached]
    return Points(tuple(least)), Points(tuple(most)), world.is_open(answer)


def _given(world: Encoder, entry: ParsedItem, answer: Answered) -> Iterable[tuple[int, Lit]]:
    """Give the points of each band or word with the literal of that answer."""
    for word, points in (entry.item.map or {}).items():
        if answer.input.type == "bool":
            yield points, answer.truth if word == "true" else -answer.truth
        else:
            yield points, answer.words[word]
    below: Lit = FALSE
    for upper, points in entry.item.bands:
        upto = TRUE
        if math.isfinite(upper) and answer.ladder is not None:
            upto = answer.at_most(answer.ladder.position(upper))
        yield points, world.circuit.both([upto, -below])
        below = upto
