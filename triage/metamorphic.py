"""Metamorphic cases: what a change of one answer may and may not do, on seeded patients.

No expected level is written down; two patients that differ in one known way are compared.
The relations are those of docs/protocols.md, tried here in the engine as it ships:

- an answer that becomes open only widens the interval;
- an open input that nobody can answer never softens a level and opens no question;
- an answer that nobody can give any more never softens the worst level;
- an added red flag, or a worsened measurement, never gives a milder level.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from triage.acuity import Acuity, is_more_severe
from triage.assessment import Observation
from triage.engine import Evaluation, evaluate
from triage.expression import Truth, Value, names
from triage.expression import evaluate as truth_of
from triage.finding import PROFESSIONAL
from triage.format import Answer, Input, WorseIf
from triage.proof_answers import Row
from triage.protocol import ParsedInput, Protocol
from triage.sampling import Sampler

Relation: TypeAlias = Literal["opened", "given_up", "taken_back", "red_flag", "worsened"]
RELATIONS: Final[tuple[Relation, ...]] = (
    "opened",
    "given_up",
    "taken_back",
    "red_flag",
    "worsened",
)

_OBSERVATION: Final = Observation(context=PROFESSIONAL)
_SHOWN: Final = 5
"""Violations printed of one protocol."""
_DRAWS: Final = 6
"""Draws of a worse answer before a case is given up."""

Judge: TypeAlias = Callable[[Protocol, Row], Evaluation]


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """Two rows that break a relation; `case` and the seed make them again."""

    relation: Relation
    case: int
    input: str
    before: Row
    after: Row


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What the metamorphic cases of one protocol came to; skipped ones had nothing to change."""

    cases: int
    by_relation: dict[str, int]
    violations: tuple[Violation, ...]


def judged(protocol: Protocol, row: Row) -> Evaluation:
    """Ask the engine about a row, everything being obtainable."""
    return evaluate([protocol], row.findings(), _OBSERVATION)


def sabotaged(protocol: Protocol, row: Row) -> Evaluation:
    """Ask a faulty engine: what nobody can answer it takes for reassuring.

    The fault that three-valued logic is there to exclude; a run with it must fail.
    """
    answers = dict(row.answers)
    for entry in protocol.file.inputs:
        if entry.key in row.unanswerable:
            answers[entry.key] = _reassuring(entry)
    return judged(protocol, Row(answers=answers, unanswerable=frozenset()))


def _reassuring(entry: Input) -> Answer:
    """Give the answer a careless reader would assume."""
    if entry.type == "bool":
        return entry.worse == "false"
    if entry.type == "choice":
        return entry.choices[0]
    return (entry.normal or entry.range or (0.0, 0.0))[0]


class Generator:
    """Draws pairs of patients for one protocol; equal seeds draw equal pairs."""

    def __init__(self, protocol: Protocol, seed: int) -> None:
        self._protocol = protocol
        self._sampler = Sampler(protocol, seed)
        self._random = random.Random(f"{seed}:pairs:{protocol.file.id}")
        inputs = protocol.inputs
        self._declared = [e for e in inputs if e.input.worse != "none"]
        self._dependants = {
            entry.input.key: [
                other.input
                for other in inputs
                if other.applies is not None and entry.input.key in names(other.applies)
            ]
            for entry in inputs
        }

    def pair(self, relation: Relation) -> tuple[str, Row, Row] | None:
        """Draw the input changed, and the row before and after; None when nothing can."""
        calm = self._random.choice((0.0, 0.5, 0.8, 0.95))
        if relation in {"red_flag", "worsened"}:
            return self._worse(
                relation, self._sampler.row(answered=0.85, unanswerable=0.15, calm=calm)
            )
        row = self._sampler.row(answered=0.6, unanswerable=0.15, calm=calm)
        if relation == "given_up":
            keys = [e.key for e in self._protocol.file.inputs if _is_open(row, e.key)]
        else:
            keys = sorted(row.answers)
        if not keys:
            return None
        key = self._random.choice(keys)
        rest = row.without(key)
        if relation == "opened":
            return key, row, rest
        return key, row, Row(answers=rest.answers, unanswerable=rest.unanswerable | {key})

    def _worse(self, relation: Relation, row: Row) -> tuple[str, Row, Row] | None:
        """Worsen one answer; what applies on one side only is drawn anew for that side."""
        flags = relation == "red_flag"
        options = [
            entry
            for entry in self._declared
            if entry.input.key in row.answers and (entry.input.type == "bool") == flags
        ]
        if not options:
            return None
        parsed = self._random.choice(options)
        entry = parsed.input
        for _ in range(_DRAWS):
            second = self._sampler.answer(entry)
            answers = row.answers | {entry.key: second}
            if self._is_worse(parsed, row, answers):
                after = Row(answers=answers, unanswerable=row.unanswerable)
                return entry.key, row, self._redrawn(entry, row, after)
        return None

    def _redrawn(self, entry: Input, row: Row, after: Row) -> Row:
        """Draw anew what applies in only one of the rows."""
        answers, never = dict(after.answers), set(after.unanswerable)
        for other in self._dependants[entry.key]:
            if self._is_moot(other.key, row) or self._is_moot(other.key, after):
                answers[other.key] = self._sampler.answer(other)
                never.discard(other.key)
        return Row(answers=answers, unanswerable=frozenset(never))

    def _is_moot(self, key: str, row: Row) -> bool:
        """Tell whether an input surely does not apply; one that applies perhaps is kept."""
        parsed = next(entry for entry in self._protocol.inputs if entry.input.key == key)
        values: dict[str, Value] = dict(row.answers)
        return parsed.applies is not None and truth_of(parsed.applies, values) is False

    def _is_worse(self, parsed: ParsedInput, row: Row, after: dict[str, Answer]) -> bool:
        """Tell whether the second answer of an input is declared worse than the first."""
        key = parsed.input.key
        first, second = row.answers[key], after[key]
        if parsed.input.worse != "conditional":
            return _worse(parsed.input, parsed.input, first, second)
        for tree, case in parsed.worse_if:
            truths = {_truth(tree, row.answers), _truth(tree, after)}
            if truths == {True}:
                return _worse(parsed.input, case, first, second)
            if truths != {False}:
                return False
        return False


def _truth(tree: object, answers: dict[str, Answer]) -> Truth:
    """Evaluate a condition over answers."""
    values: dict[str, Value] = dict(answers)
    return truth_of(tree, values)  # type: ignore[arg-type]


def _is_open(row: Row, key: str) -> bool:
    """Tell whether an input is open in a row."""
    return key not in row.answers and key not in row.unanswerable


def _worse(entry: Input, case: Input | WorseIf, first: Answer, second: Answer) -> bool:
    """Tell whether an answer is worse than another one in a fixed direction."""
    if case.worse in {"true", "false"}:
        return first is not second and second is (case.worse == "true")
    if case.worse == "listed":
        return entry.choices.index(str(second)) > entry.choices.index(str(first))
    if isinstance(first, str) or isinstance(second, str):
        return False
    if case.worse in {"up", "down"}:
        return second > first if case.worse == "up" else second < first
    normal = case.normal or entry.normal
    if case.worse != "away" or normal is None:
        return False
    low, high = normal
    return (second > max(first, high) and first >= low) or (
        second < min(first, low) and first <= high
    )


def _milder(first: Acuity | None, second: Acuity | None) -> bool:
    """Tell whether the second level is milder than the first."""
    return first is not None and is_more_severe(first, second)


def broken(relation: Relation, one: Evaluation, two: Evaluation) -> bool:
    """Tell whether two evaluations break a relation.

    Args:
        relation: How the second row was made from the first.
        one: The first row.
        two: The second row.
    """
    if relation == "opened":
        return _milder(two.assured, one.assured) or _milder(one.worst, two.worst)
    if relation == "given_up":
        softer = _milder(one.assured, two.assured) or one.worst != two.worst
        return softer or (one.closed and not two.closed)
    if relation == "taken_back":
        return _milder(one.worst, two.worst)
    inside = all(entry.readings[0].gate == 0 for entry in (one, two))
    return inside and _milder(one.proposed, two.proposed)


def run(protocol: Protocol, cases: int, seed: int, judge: Judge = judged) -> Tried:
    """Try seeded metamorphic cases of one protocol.

    Args:
        protocol: The readable protocol.
        cases: How many pairs.
        seed: Equal seeds try equal pairs.
        judge: What tells the levels of a row; a planted fault in tests.

    Returns:
        The counts, and every violation.
    """
    generator = Generator(protocol, seed)
    counted: Counter[str] = Counter()
    violations: list[Violation] = []
    for case in range(cases):
        relation = RELATIONS[case % len(RELATIONS)]
        pair = generator.pair(relation)
        if pair is None:
            counted["skipped"] += 1
            continue
        key, before, after = pair
        counted[relation] += 1
        if broken(relation, judge(protocol, before), judge(protocol, after)):
            violations.append(
                Violation(relation=relation, case=case, input=key, before=before, after=after)
            )
    return Tried(cases=cases, by_relation=dict(counted), violations=tuple(violations))


def lines(protocol: Protocol, tried: Tried) -> Iterator[str]:
    """Print what the cases of one protocol came to.

    Args:
        protocol: What was tried.
        tried: What came of it.

    Yields:
        The counts, and for each violation how to make it again.
    """
    counts = " ".join(f"{name} {count}" for name, count in sorted(tried.by_relation.items()))
    yield f"{protocol.file.id:28} {counts}, {len(tried.violations)} violations"
    for entry in tried.violations[:_SHOWN]:
        first, second = (row.answers.get(entry.input) for row in (entry.before, entry.after))
        yield f"    case {entry.case}: {entry.relation} {entry.input}: {first} -> {second}"
