"""Slots that come back: rules in local time, turned into single slots in UTC. Pure.

A subset of RFC 5545 recurrence rules, read by `dateutil`. Rules live with the publisher; what is
stored are the slots. Local times follow the clock of the place: the nine o'clock slot is at nine
in winter and in summer. A local time that a change of clocks leaves out has no slot; one that it
repeats has its slot the first time.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from dateutil import rrule

from directory.model import Interval, Modality, SlotKind, Visibility
from directory.publication import LARGEST, PublishedSlot
from kernel import errors

PARTS: Final = frozenset(
    {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYSETPOS", "COUNT", "UNTIL", "WKST"}
)
"""Parts of a rule that are understood; what recurs within a day is written as `places`."""
FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY"})
FARTHEST: Final = timedelta(days=366 * 3)
"""The first session lies no farther than this from the window."""
_DAY: Final = timedelta(days=1)


class Recurring(msgspec.Struct, frozen=True, kw_only=True):
    """A session that comes back.

    Attributes:
        key: The publisher's name of it, unique in the publication.
        first: Local start of the first session, without an offset.
        minutes: Length of one slot.
        places: Slots that follow one another in a session.
        rule: Such as `FREQ=WEEKLY;BYDAY=MO,TH`; a single session without it.
        but_on: Local days on which it does not take place.
    """

    key: str
    first: datetime
    minutes: int
    places: int = 1
    rule: str | None = None
    but_on: frozenset[date] = frozenset()
    kind: SlotKind = SlotKind.SLOT
    modality: Modality = Modality.OFFICE
    visibility: Visibility = Visibility.PUBLIC
    capacity: int = 1


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """Local days without any session, both included."""

    since: date
    until: date


def expand(
    sessions: Iterable[Recurring], absences: Iterable[Absence], window: Interval, zone: ZoneInfo
) -> tuple[PublishedSlot, ...]:
    """Turn recurring sessions into the slots of a window.

    Args:
        sessions: What comes back.
        absences: Days on which nothing takes place.
        window: Slots that start in it are given.
        zone: Clock of the place.

    Returns:
        By session, then by start. Each slot has the key `<key>@<local start>`.

    Raises:
        kernel.errors.Invalid: `recurrence_rule` (with the allowed parts), `recurrence_too_far`,
            `recurrence_too_long` for a session over midnight, `publication_too_large`.
    """
    away = tuple(absences)
    found: list[PublishedSlot] = []
    for index, session in enumerate(sessions):
        _check(session, window, zone, index)
        slots = _slots(session, away, window, zone, index)
        found += islice(slots, LARGEST - len(found) + 1)
        if len(found) > LARGEST:
            raise errors.Invalid("publication_too_large", limit=LARGEST)
    return tuple(found)


def exists(local: datetime, zone: ZoneInfo) -> bool:
    """Tell whether the clock of a place ever shows this local time."""
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local


def _slots(
    session: Recurring, away: tuple[Absence, ...], window: Interval, zone: ZoneInfo, index: int
) -> Iterator[PublishedSlot]:
    """Give the slots of one session that start in the window."""
    length = timedelta(minutes=session.minutes)
    for day in _days(session, window, zone, index):
        off = any(one.since <= day.date() <= one.until for one in away)
        if off or day.date() in session.but_on:
            continue
        for place in range(session.places):
            local = day + place * length
            start = local.replace(tzinfo=zone).astimezone(UTC)
            if window.contains(start) and exists(local, zone):
                yield PublishedSlot(
                    key=f"{session.key}@{local:%Y-%m-%dT%H:%M}",
                    start=start,
                    end=start + length,
                    kind=session.kind,
                    modality=session.modality,
                    visibility=session.visibility,
                    capacity=session.capacity,
                )


def _days(session: Recurring, window: Interval, zone: ZoneInfo, index: int) -> Iterator[datetime]:
    """Give the local starts of the sessions that may touch the window."""
    early = window.start.astimezone(zone).replace(tzinfo=None) - _DAY
    late = window.end.astimezone(zone).replace(tzinfo=None) + _DAY
    if session.rule is None:
        return iter((session.first,) if early <= session.first <= late else ())
    try:
        rule = rrule.rrulestr(session.rule, dtstart=session.first)
    except (ValueError, TypeError, KeyError, OverflowError) as problem:
        raise _refused(index) from problem
    return iter(rule.between(early, late, inc=True))


def _check(session: Recurring, window: Interval, zone: ZoneInfo, index: int) -> None:
    """Refuse what is outside of the subset or would run for ever."""
    if session.rule is not None:
        parts = dict(part.partition("=")[::2] for part in session.rule.split(";"))
        known = set(parts) <= PARTS and all(parts.values())
        if not known or parts.get("FREQ") not in FREQUENCIES or not _bounded(parts):
            raise _refused(index)
    opening = window.start.astimezone(zone).replace(tzinfo=None)
    if abs(session.first - opening) > FARTHEST:
        raise errors.Invalid("recurrence_too_far", index=index, farthest_days=FARTHEST.days)
    last = session.first + timedelta(minutes=session.minutes * session.places)
    if last.date() > session.first.date() and last.time() != datetime.min.time():
        raise errors.Invalid("recurrence_too_long", index=index)


def _bounded(parts: dict[str, str]) -> bool:
    """Tell whether the numbers of a rule are small enough to be counted through."""
    numbers = [parts[name] for name in ("INTERVAL", "COUNT") if name in parts]
    return all(one.isascii() and one.isdigit() and 0 < int(one) <= LARGEST for one in numbers)


def _refused(index: int) -> errors.Invalid:
    return errors.Invalid(
        "recurrence_rule",
        "A recurrence rule is DAILY, WEEKLY or MONTHLY, of known parts.",
        index=index,
        allowed=sorted(PARTS),
    )
