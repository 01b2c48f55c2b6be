"""The states of one claimable seat and what may happen to it; the schema says the same."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class SeatState(StrEnum):
    """State of one claimable place."""

    FREE = "free"
    HELD = "held"
    BOOKED = "booked"
    DISPLACED = "displaced"
    WITHDRAWN = "withdrawn"


class SeatVerb(StrEnum):
    """What may happen to a seat."""

    CLAIM = "claim"
    BOOK = "book"
    RELEASE = "release"
    WITHDRAW = "withdraw"
    REPUBLISH = "republish"


SEAT_TRANSITIONS: Final[Mapping[tuple[SeatState, SeatVerb], SeatState]] = MappingProxyType(
    {
        (SeatState.FREE, SeatVerb.CLAIM): SeatState.HELD,
        (SeatState.FREE, SeatVerb.WITHDRAW): SeatState.WITHDRAWN,
        (SeatState.HELD, SeatVerb.BOOK): SeatState.BOOKED,
        (SeatState.HELD, SeatVerb.RELEASE): SeatState.FREE,
        (SeatState.HELD, SeatVerb.WITHDRAW): SeatState.DISPLACED,
        (SeatState.BOOKED, SeatVerb.RELEASE): SeatState.FREE,
        (SeatState.BOOKED, SeatVerb.WITHDRAW): SeatState.DISPLACED,
        # The patient was told and placed elsewhere: the place is gone, as its owner wanted.
        (SeatState.DISPLACED, SeatVerb.RELEASE): SeatState.WITHDRAWN,
        (SeatState.WITHDRAWN, SeatVerb.REPUBLISH): SeatState.FREE,
    }
)
"""Every allowed change of a seat; a pair that is not here is a conflict.

A hold that has expired counts as `free`: see `effective`.
"""


def effective(state: SeatState, until: datetime | None, now: datetime) -> SeatState:
    """Give the state that counts at `now`: an expired hold is free, whoever notices first."""
    if state is SeatState.HELD and until is not None and until <= now:
        return SeatState.FREE
    return state
