"""May this slot be shown, to this audience, at this moment? Visibility and the publisher's consent.

A pure rule that every read applies; the same conditions stand in SQL where rows are read
(`directory/store.py`), and a test compares the two.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from directory.model import Schedule, Visibility


class Audience(StrEnum):
    """On whose behalf slots are read."""

    CENTRE = "centre"
    PROFESSIONAL = "professional"
    PUBLIC = "public"
    PUBLISHER = "publisher"


SHOWN_TO: Final[Mapping[Audience, frozenset[Visibility]]] = MappingProxyType(
    {
        Audience.CENTRE: frozenset(Visibility),
        Audience.PROFESSIONAL: frozenset({Visibility.PUBLIC, Visibility.PRO}),
        Audience.PUBLIC: frozenset({Visibility.PUBLIC}),
        Audience.PUBLISHER: frozenset(Visibility),
    }
)
"""Visibilities each audience is shown. The centre regulates, so it sees SNP and CPTS slots too."""


def shows(
    schedule: Schedule,
    visibility: Visibility,
    start: datetime,
    audience: Audience,
    now: datetime,
) -> bool:
    """Tell whether a slot of a schedule may be shown.

    Args:
        schedule: Its consent: `paused`, `release_before_s`.
        visibility: The slot's own visibility.
        start: The slot's start; a slot that has begun is shown to its publisher only.
        audience: Who asks; the publisher always sees its own diary.
        now: The moment of the read.
    """
    if audience is Audience.PUBLISHER:
        return True
    if schedule.paused or visibility not in SHOWN_TO[audience] or start <= now:
        return False
    hold_back = schedule.release_before_s
    return hold_back is None or start - now <= timedelta(seconds=hold_back)
