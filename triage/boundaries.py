"""Boundary tests made from a protocol: at, just below and just above every edge it has.

An edge is a constant that an input is compared with, or the upper bound of a band. For each
the solver looks for a patient for whom crossing it changes which rules hold, so that the test
bites; then the engine must say what a second, direct reading of the file says. Thresholds of
scores are tried with patients whose score is one less, the same, and one more.
"""

import math
from collections.abc import Iterator

import msgspec

from triage.assessment import Observation
from triage.circuit import FALSE, TRUE
from triage.direct_reading import DirectReading
from triage.engine import assess
from triage.expression import Compare, Constant, Name
from triage.finding import PROFESSIONAL, Finding
from triage.format import Answer, Input
from triage.ladder import comparisons
from triage.proof_answers import Sheet
from triage.proof_terms import Answered
from triage.proof_world import World
from triage.protocol import Protocol
from triage.sampling import Sampler
from triage.scoring import score

_SECONDS = 5.0
_SPARE = 2
"""Seeded patients tried at each edge besides the one the solver finds."""


class Boundaries(msgspec.Struct, frozen=True, kw_only=True):
    """What the boundary tests of one protocol came to.

    Attributes:
        edges: Constants of inputs and scores.
        biting: Those for which a patient exists whom crossing them changes.
        values: Evaluations compared with the direct reading.
        problems: Sentences on the ones that differ.
    """

    edges: int
    biting: int
    values: int
    problems: tuple[str, ...]


class _Tester:
    """The boundary tests of one protocol."""

    def __init__(self, protocol: Protocol, raw: bytes) -> None:
        self.protocol = protocol
        self.direct = DirectReading(raw)
        self.sheet = Sheet(protocol)
        self.world = self.sheet.world(self.sheet.answered())
        sampler = Sampler(protocol, 1)
        self.spare = [sampler.row(calm=0.8).answers for _ in range(_SPARE)]
        self.values = 0
        self.problems: list[str] = []

    def compare(self, answers: dict[str, Answer], where: str) -> None:
        """Hold the engine against the direct reading for one patient."""
        self.values += 1
        findings = [Finding(input=key, value=value) for key, value in answers.items()]
        got = assess([self.protocol], findings, Observation(context=PROFESSIONAL))
        read = self.direct.read(answers)
        fired = frozenset(entry.rule for entry in got.trace.fired)
        if (got.assured, fired) != (read.level, read.fired):
            differ = ", ".join(sorted(fired ^ read.fired))
            self.problems.append(f"{where}: {got.assured}, read as {read.level} ({differ})")
        for parsed in self.protocol.scores:
            result = score(parsed, answers)
            if (result.low, result.high) != (read.scores[result.score],) * 2:
                self.problems.append(f"{where}: {result.score} is not {read.scores[result.score]}")

    def input_edge(self, entry: Input, edge: float) -> bool:
        """Try one edge of one input; tell whether somebody is found whom it changes."""
        low, high = entry.range or (-math.inf, math.inf)
        values = [math.nextafter(edge, -math.inf), edge, math.nextafter(edge, math.inf)]
        patients = [*self.spare]
        for side in (-1, 1):
            found = self._patient(entry, edge, side)
            patients += [found] if found is not None else []
        for answers in patients:
            for value in values:
                if low <= value <= high:
                    self.compare(answers | {entry.key: value}, f"{entry.key} = {value!r}")
        return len(patients) > len(self.spare)

    def _patient(self, entry: Input, edge: float, side: int) -> dict[str, Answer] | None:
        """Find a patient for whom a rule changes between the edge and the next position."""
        mine = self.world.answers[entry.key]
        if mine.ladder is None:
            return None
        place = mine.ladder.position(edge)
        if not all(mine.ladder.low <= p <= mine.ladder.high for p in (place, place + side)):
            return None
        circuit = self.sheet.circuit
        here, there = (self._fixed(mine, p) for p in (place, place + side))
        changes = circuit.either(
            -circuit.same(one.truth.true, other.truth.true)
            for one, other in zip(here.outcomes, there.outcomes, strict=True)
        )
        found = circuit.solve(changes, seconds=_SECONDS)
        return self.sheet.row(here.answers, found.values).answers if found.values else None

    def _fixed(self, mine: Answered, place: int) -> World:
        """Give the world in which one number stands at a position."""
        if mine.ladder is None:
            return self.world
        upto = tuple(
            TRUE if place <= mine.ladder.low + index else FALSE for index in range(len(mine.upto))
        )
        answers = {**self.world.answers, mine.input.key: msgspec.structs.replace(mine, upto=upto)}
        return self.sheet.world(answers, self.world)

    def score_edge(self, name: str, edge: float) -> bool:
        """Try patients whose score stands one below, at and one above a threshold."""
        circuit, hits = self.sheet.circuit, 0
        for value in (edge - 1, edge, edge + 1):
            exactly = self.world.read(Compare(Name(name), "==", Constant(float(value))))
            target = circuit.both([self.world.gate.true, exactly.true])
            found = circuit.solve(target, seconds=_SECONDS)
            if found.values:
                hits += 1
                self.compare(self.sheet.row(self.world.answers, found.values).answers, name)
        return hits > 1


def _edges(protocol: Protocol) -> Iterator[tuple[str, float]]:
    """Yield each input or score with each constant it is compared with, once."""
    seen: dict[tuple[str, float], None] = {}
    for parsed in protocol.scores:
        for item in parsed.items:
            for upper, _ in item.item.bands:
                if math.isfinite(upper) and item.item.input is not None:
                    seen[item.item.input, upper] = None
    for node in comparisons(protocol, directions=False):
        for side, other in ((node.left, node.right), (node.right, node.left)):
            value = other.value if isinstance(other, Constant) else None
            if isinstance(side, Name) and isinstance(value, float):
                seen[side.name, value] = None
    yield from seen


def run(protocol: Protocol, raw: bytes) -> Boundaries:
    """Make and run the boundary tests of a protocol.

    Args:
        protocol: The readable protocol.
        raw: The bytes it was read from, read again and differently here.
    """
    tester = _Tester(protocol, raw)
    inputs = {entry.key: entry for entry in protocol.file.inputs}
    edges = list(_edges(protocol))
    biting = 0
    for name, edge in edges:
        entry = inputs.get(name)
        bites = tester.score_edge(name, edge) if entry is None else tester.input_edge(entry, edge)
        biting += bites
    return Boundaries(
        edges=len(edges), biting=biting, values=tester.values, problems=tuple(tester.problems)
    )
