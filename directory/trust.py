"""How likely a publisher is to keep its word: a Beta estimate that forgets; pure.

Good outcomes are patients accepted or seen; bad ones are refusals, silence, and slots that their
own publisher took away from a booked patient. A patient who does not come says nothing about the
publisher and is never learned from. Older outcomes fade with each new one and with time, so that
nobody is held to last year, for better or worse.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

PRIOR_GOOD: Final = 9.0
PRIOR_BAD: Final = 1.0
FADE: Final = 0.97
"""What an outcome keeps of the weight of those before it: some 33 outcomes are remembered."""
HALF_LIFE: Final = timedelta(days=45)
"""Without any outcome, weights halve in this time."""


class Outcome(StrEnum):
    """What happened when a publisher was given a patient."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    DISPLACED = "displaced"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a publisher.

    Attributes:
        good: Faded weight of good outcomes.
        bad: Faded weight of bad outcomes.
        as_of: Moment of these weights; None when nothing happened yet.
        accepted: Patients accepted or seen, of all time.
        refused: Refusals and cancellations by the receiver, of all time.
        unanswered: Handoffs nobody answered in time, of all time.
        displaced: Booked patients whose slot was taken away, of all time.
    """

    good: float = 0.0
    bad: float = 0.0
    as_of: datetime | None = None
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    displaced: int = 0

    @property
    def asked(self) -> int:
        """Give how many outcomes there were."""
        return self.accepted + self.refused + self.unanswered + self.displaced


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What ranking needs of a publisher; `contested` when it objected in the last 30 days."""

    acceptance: float
    accepted: int
    asked: int
    contested: bool = False


NEWCOMER: Final = PRIOR_GOOD / (PRIOR_GOOD + PRIOR_BAD)
"""Acceptance of a publisher of whom nothing is known."""


def learn(standing: Standing, outcome: Outcome, now: datetime) -> Standing:
    """Give what is known after one more outcome.

    Args:
        standing: What was known.
        outcome: What happened.
        now: When; earlier than `as_of` counts as then.
    """
    kept = FADE * _left(standing, now)
    good = standing.good * kept + (outcome is Outcome.ACCEPTED)
    bad = standing.bad * kept + (outcome is not Outcome.ACCEPTED)
    counted = {outcome.value: getattr(standing, outcome.value) + 1}
    later = now if standing.as_of is None else max(now, standing.as_of)
    return msgspec.structs.replace(standing, good=good, bad=bad, as_of=later, **counted)


def acceptance(standing: Standing, now: datetime) -> float:
    """Give the probability that the publisher takes the next patient, strictly within 0 and 1.

    Args:
        standing: What is known.
        now: The moment of the question; old outcomes weigh less.
    """
    left = _left(standing, now)
    good, bad = standing.good * left, standing.bad * left
    return (PRIOR_GOOD + good) / (PRIOR_GOOD + PRIOR_BAD + good + bad)


def _left(standing: Standing, now: datetime) -> float:
    """Give what time has left of the weights."""
    if standing.as_of is None or now <= standing.as_of:
        return 1.0
    return float(0.5 ** ((now - standing.as_of) / HALF_LIFE))
