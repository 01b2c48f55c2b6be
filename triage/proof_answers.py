"""Free answers for proofs: fresh inputs, their status, and which of two is the worse one.

Reading a solution back gives a row of findings that the engine itself can replay.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from triage.circuit import FALSE, TRUE, Circuit, Lit
from triage.finding import Finding
from triage.format import Answer, Input, WorseIf
from triage.ladder import ladders
from triage.proof_terms import Answered
from triage.proof_world import World
from triage.protocol import ParsedInput, Protocol

_WEIGHT: Final = {"unremarkable": 0, "remarkable": 1, "unanswerable": 3}
"""What one input costs in a counter-example: the less there is to say the better."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of one patient: what is answered, what is unanswerable; the rest is open."""

    answers: dict[str, Answer]
    unanswerable: frozenset[str] = frozenset()

    def findings(self) -> list[Finding]:
        """Give the row as the engine takes it."""
        given = [Finding(input=key, value=value) for key, value in self.answers.items()]
        return given + [
            Finding(input=key, unanswerable="caller_cannot_know")
            for key in sorted(self.unanswerable)
        ]

    def without(self, key: str) -> "Row":
        """Give the row with one input open again."""
        answers = {name: value for name, value in self.answers.items() if name != key}
        return Row(answers=answers, unanswerable=self.unanswerable - {key})


class Sheet:
    """The free answers of one protocol in one circuit.

    Attributes:
        circuit: Where they are variables.
        protocol: Whose inputs they answer.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.circuit = Circuit()
        self.protocol = protocol
        self._ladders = ladders(protocol)

    def answered(self) -> dict[str, Answered]:
        """Give every input a free answer."""
        return {entry.key: self.fresh(entry) for entry in self.protocol.file.inputs}

    def settled(self) -> dict[str, Answered]:
        """Give every input a free answer, or none for ever."""
        return {key: self.or_unanswerable(entry) for key, entry in self.answered().items()}

    def open(self) -> dict[str, Answered]:
        """Give every input a free answer, none for ever, or none yet."""
        return {
            key: msgspec.structs.replace(
                entry, known=(known := self.circuit.variable()), unanswerable=self._but(known)
            )
            for key, entry in self.answered().items()
        }

    def _but(self, known: Lit) -> Lit:
        """Give a fresh literal that never holds together with another one."""
        return self.circuit.both([self.circuit.variable(), -known])

    def fresh(self, entry: Input) -> Answered:
        """Give an input an answer of its own."""
        new = Answered(input=entry, known=TRUE, unanswerable=FALSE)
        if entry.type == "bool":
            return msgspec.structs.replace(new, truth=self.circuit.variable())
        if entry.type == "choice":
            words = {word: self.circuit.variable() for word in entry.choices}
            if len(words) == 1:
                words = dict.fromkeys(words, TRUE)
            self.circuit.require(self.circuit.either(words.values()))
            lits = list(words.values())
            for index, first in enumerate(lits):
                for second in lits[index + 1 :]:
                    self.circuit.require(self.circuit.either([-first, -second]))
            return msgspec.structs.replace(new, words=words)
        ladder = self._ladders[entry.key]
        upto = tuple(self.circuit.variable() for _ in range(ladder.low, ladder.high))
        for lower, upper in itertools.pairwise(upto):
            self.circuit.require(self.circuit.implies(lower, upper))
        return msgspec.structs.replace(new, ladder=ladder, upto=upto)

    def or_unanswerable(self, entry: Answered) -> Answered:
        """Let an answered input be unanswerable instead."""
        known = self.circuit.variable()
        return msgspec.structs.replace(entry, known=known, unanswerable=-known)

    def world(self, answers: Mapping[str, Answered], like: World | None = None) -> World:
        """Tell what the engine says about the answers; `like` shares what is the same."""
        return World(self.circuit, self.protocol, answers, like)

    def row(self, answers: Mapping[str, Answered], values: Mapping[Lit, bool]) -> Row:
        """Read one world of a solution back; what the solver left open is unremarkable.

        Args:
            answers: The inputs of the world.
            values: The solution.
        """
        given: dict[str, Answer] = {}
        never: set[str] = set()
        for key, entry in answers.items():
            if self._value(entry.known, values, missing=True):
                given[key] = self._answer(entry, values)
            elif self._value(entry.unanswerable, values, missing=False):
                never.add(key)
        return Row(answers=given, unanswerable=frozenset(never))

    def _value(self, literal: Lit, values: Mapping[Lit, bool], *, missing: bool) -> bool:
        """Read a literal; a constant is its own value."""
        if abs(literal) == TRUE:
            return literal == TRUE
        if abs(literal) not in values:
            return missing
        return values[abs(literal)] == (literal > 0)

    def _answer(self, entry: Answered, values: Mapping[Lit, bool]) -> Answer:
        """Read the value of an answered input."""
        calm = entry.input.worse == "false"
        if entry.input.type == "bool":
            return self._value(entry.truth, values, missing=calm)
        if entry.input.type == "choice":
            given = (w for w, lit in entry.words.items() if self._value(lit, values, missing=False))
            return next(given, entry.input.choices[0])
        ladder = entry.ladder
        if ladder is None:
            return 0.0
        if entry.upto and all(abs(step) not in {TRUE, *values} for step in entry.upto):
            return (entry.input.normal or entry.input.range or (0.0, 0.0))[0]
        above = sum(not self._value(step, values, missing=True) for step in entry.upto)
        return ladder.number(ladder.low + above)

    def remarks(self, answers: Mapping[str, Answered]) -> Iterator[tuple[Lit, int]]:
        """Give what makes a row long to tell, with weights: worrying and missing answers."""
        for entry in answers.values():
            one = entry.input
            yield entry.unanswerable, _WEIGHT["unanswerable"]
            if one.type == "bool":
                told = -entry.truth if one.worse == "false" else entry.truth
                yield self.circuit.both([entry.known, told]), _WEIGHT["remarkable"]
            elif one.type == "choice":
                yield -entry.words[one.choices[0]], _WEIGHT["remarkable"]
            elif one.normal is not None and entry.ladder is not None:
                low, high = (entry.ladder.position(float(end)) for end in one.normal)
                inside = self.circuit.both([-entry.at_most(low - 1), entry.at_most(high)])
                yield -inside, _WEIGHT["remarkable"]

    def worse(self, parsed: ParsedInput, better: World, worse: World) -> Lit:
        """Give the literal of "in the second world this one input is answered worse".

        Args:
            parsed: The input; both worlds answer it.
            better: The first world.
            worse: The second world.
        """
        entry = parsed.input
        if entry.worse != "conditional":
            return self._worse(entry, entry, better, worse)
        cases: list[Lit] = []
        earlier: list[Lit] = []
        for tree, case in parsed.worse_if:
            truths = [better.read(tree), worse.read(tree)]
            holds = [truth.true for truth in truths]
            cases.append(
                self.circuit.both([*holds, *earlier, self._worse(entry, case, better, worse)])
            )
            earlier += [truth.false for truth in truths]
        return self.circuit.either(cases)

    def _worse(self, entry: Input, case: Input | WorseIf, better: World, worse: World) -> Lit:
        """Give the literal of "worse" in one fixed direction."""
        direction, normal = case.worse, case.normal or entry.normal
        first, second = better.answers[entry.key], worse.answers[entry.key]
        both, either = self.circuit.both, self.circuit.either
        if direction in {"true", "false"}:
            sign = 1 if direction == "true" else -1
            return both([-first.truth * sign, second.truth * sign])
        if direction == "listed":
            words = list(entry.choices)
            return either(
                both([first.words[mild], second.words[grave]])
                for index, mild in enumerate(words)
                for grave in words[index + 1 :]
            )
        up, down = _below(self.circuit, first, second), _below(self.circuit, second, first)
        if direction == "away" and normal is not None and first.ladder is not None:
            low, high = (first.ladder.position(float(end)) for end in normal)
            return either(
                [
                    both([up, -first.at_most(low - 1), -second.at_most(high)]),
                    both([down, first.at_most(high), second.at_most(low - 1)]),
                ]
            )
        return {"up": up, "down": down}.get(direction, FALSE)


def _below(circuit: Circuit, first: Answered, second: Answered) -> Lit:
    """Give the literal of "the first number is smaller than the second"."""
    if first.ladder is None:
        return FALSE
    places: Iterable[int] = range(first.ladder.low, first.ladder.high)
    return circuit.either(
        circuit.both([first.at_most(place), -second.at_most(place)]) for place in places
    )
