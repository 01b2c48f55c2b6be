"""How often rules fire because nobody could answer: measured on seeded patients, and printed."""

from typing import Final

import msgspec

from triage.assessment import Observation
from triage.engine import assess
from triage.finding import PROFESSIONAL
from triage.protocol import Protocol
from triage.sampling import Sampler

SHARE: Final = 0.15
"""Share of the inputs outside of the gate that nobody can answer in a drawn row."""


class Guesses(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in which unanswerable inputs made a rule fire, and in which that set the level."""

    rows: int
    fired: int
    decided: int


def measure(protocol: Protocol, rows: int = 200, seed: int = 1) -> Guesses:
    """Count firings for want of an answer on seeded rows with 15 % unanswerable inputs.

    Four of five yes-or-no answers are the reassuring one, or nearly every row would hold a
    graver rule and hide the guesses.

    Args:
        protocol: Evaluated alone, for patients inside of its population.
        rows: How many.
        seed: Equal seeds give equal counts.
    """
    sampler = Sampler(protocol, seed)
    fired = decided = 0
    for _ in range(rows):
        row = sampler.row(answered=1.0 - SHARE, unanswerable=SHARE, calm=0.8)
        got = assess([protocol], row.findings(), Observation(context=PROFESSIONAL))
        guessed = [entry for entry in got.trace.fired if entry.unanswerable]
        sure = [entry.acuity for entry in got.trace.fired if not entry.unanswerable]
        fired += bool(guessed)
        decided += bool(guessed) and min(e.acuity for e in guessed) < min(sure, default="U9")
    return Guesses(rows=rows, fired=fired, decided=decided)
