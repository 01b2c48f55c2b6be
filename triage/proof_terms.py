"""The terms proofs are written in: one input's answer, a three-valued truth."""

from collections.abc import Mapping
from typing import Final

import msgspec

from triage.circuit import FALSE, TRUE, Lit
from triage.format import Input
from triage.ladder import Ladder


class ProofError(ValueError):
    """A condition that the proofs have no encoding for; the text names it."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One input in one world.

    Attributes:
        input: The input.
        known: It is answered.
        unanswerable: Nobody can answer it; neither of both means that it is open.
        truth: The answer of a bool.
        words: The literal of each choice.
        ladder: The positions of a number.
        upto: For each position from the lowest: the number stands there or below.
    """

    input: Input
    known: Lit
    unanswerable: Lit
    truth: Lit = FALSE
    words: Mapping[str, Lit] = {}
    ladder: Ladder | None = None
    upto: tuple[Lit, ...] = ()

    def at_most(self, position: int) -> Lit:
        """Give the literal of "stands at this position or below"."""
        if self.ladder is None or position >= self.ladder.high:
            return TRUE
        return FALSE if position < self.ladder.low else self.upto[position - self.ladder.low]


class Tri(msgspec.Struct, frozen=True):
    """A three-valued truth: it holds, it does not, it is unknown and waits for an open input."""

    true: Lit
    false: Lit
    waits: Lit

    def negated(self) -> "Tri":
        """Give the negation."""
        return Tri(self.false, self.true, self.waits)


YES: Final = Tri(TRUE, FALSE, FALSE)
NO: Final = Tri(FALSE, TRUE, FALSE)
