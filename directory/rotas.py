"""Who is on call for a zone, at an instant: doctors, ambulances, pharmacies, dentists.

A shift is an interval of UTC; whoever writes a rota by the clock on the wall uses `nightly`, so
that a night on which the clock is changed is an hour longer or shorter and leaves no gap. Who is on
call is open then, whatever its hours (`directory.hours`).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from directory.model import CareServiceId, Interval, wall_clock_utc


class Line(StrEnum):
    """What sort of duty it is."""

    DOCTOR = "doctor"
    AMBULANCE = "ambulance"
    PHARMACY = "pharmacy"
    DENTIST = "dentist"


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A care service on call for a zone.

    Attributes:
        interval: Half-open, in UTC.
        rank: Who is called first: 1, then 2, ...
        phone: Number of the duty, where it is not the care service's own.
    """

    interval: Interval
    care_service_id: CareServiceId
    rank: int = 1
    phone: str | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which nobody is on call."""

    starts_at: datetime
    ends_at: datetime


def on_call(shifts: Iterable[Shift], moment: datetime) -> Sequence[Shift]:
    """Give the shifts of a moment, by rank."""
    present = [one for one in shifts if one.interval.contains(moment)]
    return sorted(present, key=lambda one: (one.rank, one.interval.start, one.care_service_id))


def clash(shifts: Iterable[Shift]) -> tuple[Shift, Shift] | None:
    """Give two shifts of one rank that share a moment, or None."""
    last: dict[int, Shift] = {}
    for one in sorted(shifts, key=lambda shift: shift.interval):
        before = last.get(one.rank)
        if before is not None and before.interval.overlaps(one.interval):
            return before, one
        last[one.rank] = one
    return None


def gaps(shifts: Iterable[Shift], window: Interval) -> Sequence[Gap]:
    """Give when nobody is on call within a window, by start."""
    found: list[Gap] = []
    covered = window.start
    for one in sorted(shifts, key=lambda shift: shift.interval):
        if one.interval.start >= window.end:
            break
        if one.interval.start > covered:
            found.append(Gap(starts_at=covered, ends_at=one.interval.start))
        covered = max(covered, one.interval.end)
    if covered < window.end:
        found.append(Gap(starts_at=covered, ends_at=window.end))
    return found


def nightly(
    first: date,
    services: Sequence[CareServiceId],
    zone: ZoneInfo,
    *,
    begins_min: int,
    ends_min: int,
) -> Sequence[Shift]:
    """Give one shift for each of consecutive local days, one care service after the other.

    Args:
        first: Local day on which the first shift begins.
        services: Who takes each day, in order.
        zone: Whose clock.
        begins_min: Minutes after midnight.
        ends_min: Minutes after midnight: of the same day when later than `begins_min`, otherwise
            of the next one.
    """
    found = []
    for after, service in enumerate(services):
        day = first + timedelta(days=after)
        until = day if ends_min > begins_min else day + timedelta(days=1)
        interval = Interval(
            start=wall_clock_utc(day, begins_min, zone), end=wall_clock_utc(until, ends_min, zone)
        )
        found.append(Shift(interval=interval, care_service_id=service))
    return found
