"""Rows of answers by a seeded generator: numbers on and beside every edge a protocol has."""

import random
from typing import Final

from triage.expression import Value, evaluate, names
from triage.format import Answer, Input
from triage.ladder import Ladder, ladders
from triage.proof_answers import Row
from triage.protocol import Protocol

_TRIES: Final = 40
"""Attempts to meet the gate before a row outside of the population is taken."""


class Sampler:
    """Draws answers of one protocol; equal seeds draw equal rows."""

    def __init__(self, protocol: Protocol, seed: int) -> None:
        self._protocol = protocol
        self._random = random.Random(f"{seed}:{protocol.file.id}")
        self._ladders = ladders(protocol)
        self._gate_names = names(protocol.gate)

    def answer(self, entry: Input) -> Answer:
        """Draw an answer of one input.

        Args:
            entry: One of the protocol's inputs.
        """
        if entry.type == "bool":
            return self._random.random() < 0.5  # noqa: PLR2004 - a coin
        if entry.type == "choice":
            return self._random.choice(entry.choices)
        return self._number(self._ladders[entry.key])

    def _number(self, ladder: Ladder) -> float:
        """Draw a position; between two marks any number of the gap."""
        place = self._random.randint(ladder.low, ladder.high)
        index, step = divmod(place, ladder.room + 1)
        if step == 0:
            return ladder.marks[index]
        low, high = ladder.marks[index : index + 2]
        drawn = round(self._random.uniform(low, high), 1)
        return drawn if low < drawn < high else ladder.number(place)

    def row(self, *, answered: float = 1.0, unanswerable: float = 0.0, calm: float = 0.0) -> Row:
        """Draw a row inside of the population where 40 tries find one.

        Args:
            answered: Share of the inputs that are answered; gate inputs always are.
            unanswerable: Share that nobody can answer; the rest is open.
            calm: Share of the yes-or-no answers that are the reassuring one for certain.
        """
        answers: dict[str, Answer] = {}
        for _ in range(_TRIES):
            answers = {entry.key: self._calmly(entry, calm) for entry in self._protocol.file.inputs}
            values: dict[str, Value] = dict(answers)
            if evaluate(self._protocol.gate, values):
                break
        never: set[str] = set()
        for key in sorted(answers.keys() - self._gate_names):
            draw = self._random.random()
            if draw >= answered:
                del answers[key]
            if answered <= draw < answered + unanswerable:
                never.add(key)
        return Row(answers=answers, unanswerable=frozenset(never))

    def _calmly(self, entry: Input, calm: float) -> Answer:
        """Draw an answer, or the reassuring one."""
        if entry.type == "bool" and self._random.random() < calm:
            return entry.worse == "false"
        return self.answer(entry)
