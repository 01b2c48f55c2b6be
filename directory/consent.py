"""May this slot be shown or claimed, for this audience, at this moment? Visibility and consent.

A pure rule that every read applies. Its twin where rows are read and seats claimed is the function
`directory.directory_refusal` of `schema/0028_directory_capacity.sql`; tests compare the two.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec

from directory.model import Ownership, Schedule, Visibility

LARGEST_QUOTA: Final = 1_000
LONGEST_HOLD_BACK_S: Final = 92 * 86_400


class Audience(StrEnum):
    """On whose behalf slots are read."""

    CENTRE = "centre"
    PROFESSIONAL = "professional"
    PUBLIC = "public"
    PUBLISHER = "publisher"


class Refusal(StrEnum):
    """Why a slot is not for an audience; the order is that in which they are looked for."""

    OVER = "over"
    PAUSED = "paused"
    ABSENT = "absent"
    VISIBILITY = "visibility"
    HELD_BACK = "held_back"
    OUTDATED = "outdated"
    QUOTA_SPENT = "quota_spent"


class Freshness(StrEnum):
    """How far what a source told can still be believed."""

    FRESH = "fresh"
    MARKED = "marked"
    OUTDATED = "outdated"


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher of a schedule agrees to.

    Attributes:
        paused: Nothing of it is shown or claimed for now.
        quota_per_day: Most places the centre may have of one local day; None = no limit.
        release_before_s: Hold-back in seconds before a slot starts; None = at once.
        release_min: Release time, minutes after local midnight; None = any time.
    """

    paused: bool = False
    quota_per_day: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_QUOTA)] | None = None
    release_before_s: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_HOLD_BACK_S)] | None = None
    release_min: Annotated[int, msgspec.Meta(ge=0, lt=1440)] | None = None


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
    """Tell whether a slot of a schedule may be shown; see `refusal`."""
    return refusal(schedule, visibility, start, audience, now) is None


def refusal(
    schedule: Schedule,
    visibility: Visibility,
    start: datetime,
    audience: Audience,
    now: datetime,
) -> Refusal | None:
    """Give why a slot of a schedule may not be shown, or None when it may.

    Args:
        schedule: Its consent, its zone, the days whose quota is used up, the age of its source.
        visibility: The slot's own visibility.
        start: The slot's start; a slot that has begun is shown to its publisher only.
        audience: Who asks; the publisher always sees its own diary.
        now: The moment of the read.
    """
    found: Refusal | None = None
    if audience is Audience.PUBLISHER:
        found = None
    elif start <= now:
        found = Refusal.OVER
    elif schedule.paused:
        found = Refusal.PAUSED
    elif schedule.absences and _absent(schedule, start):
        found = Refusal.ABSENT
    elif visibility not in SHOWN_TO[audience]:
        found = Refusal.VISIBILITY
    elif _held_back(schedule, start, now):
        found = Refusal.HELD_BACK
    elif schedule.refused_after_s is not None and freshness(schedule, now) is Freshness.OUTDATED:
        found = Refusal.OUTDATED
    elif schedule.quota_per_day is not None and _spent(schedule, start):
        found = Refusal.QUOTA_SPENT
    return found


def released_at(schedule: Schedule, start: datetime) -> datetime | None:
    """Give when a slot becomes the centre's; None = it always was.

    It is the later of the start less the hold-back and, on the local day of that moment, the
    release time; without a hold-back the release time of the slot's own day. "24 h before, from
    18:00 on" gives a 10:00 slot the evening before, and one at 20:00 exactly 24 hours.

    Args:
        schedule: Its consent and zone.
        start: Start of the slot.
    """
    before_s, at_min = schedule.release_before_s, schedule.release_min
    if before_s is None and at_min is None:
        return None
    moment = start - timedelta(seconds=before_s or 0)
    if at_min is None:
        return moment
    clock = _clock(moment.astimezone(_zone(schedule.zone)), at_min)
    return clock if before_s is None else max(moment, clock)


def freshness(schedule: Schedule, now: datetime) -> Freshness:
    """Tell how far a diary can be believed by its age; one that we own is always fresh.

    Args:
        schedule: Its `as_of` and the limits of its source. A mirrored diary that was never
            published has nothing to be believed, so it is fresh.
        now: The moment of the question.
    """
    if schedule.ownership is Ownership.OWNED or schedule.as_of is None:
        return Freshness.FRESH
    age = now - schedule.as_of
    if schedule.refused_after_s is not None and age >= timedelta(seconds=schedule.refused_after_s):
        return Freshness.OUTDATED
    if schedule.marked_after_s is not None and age >= timedelta(seconds=schedule.marked_after_s):
        return Freshness.MARKED
    return Freshness.FRESH


def _held_back(schedule: Schedule, start: datetime, now: datetime) -> bool:
    released = released_at(schedule, start)
    return released is not None and now < released


def _absent(schedule: Schedule, start: datetime) -> bool:
    day = start.astimezone(_zone(schedule.zone)).date()
    ends = iter(schedule.absences)
    return any(since <= day <= until for since, until in zip(ends, ends, strict=True))


def _spent(schedule: Schedule, start: datetime) -> bool:
    if schedule.quota_per_day == 0:
        return True
    return start.astimezone(_zone(schedule.zone)).date() in schedule.spent


def _clock(local: datetime, minutes: int) -> datetime:
    """Give the moment at which the wall clock of a local day shows `minutes`, in UTC.

    A time shown twice or skipped counts as the later of its two readings: nothing is released
    earlier than its publisher can have meant.
    """
    wall = local.replace(hour=minutes // 60, minute=minutes % 60, second=0, microsecond=0, fold=0)
    return max(wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC))


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
