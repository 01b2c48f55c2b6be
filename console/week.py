"""A clinic's week: the grid that is shown, and the slots that a short form stands for; pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from console import views
from console.catalogue import Words
from directory import consent
from directory.consent import Audience
from directory.model import Interval, Schedule, SlotKind, wall_clock_utc
from directory.publication import PublishedSlot
from directory.store import SlotView

DAYS: Final = 7
_HOURS: Final = 24
_FIRST_HOUR: Final = 8
_LAST_HOUR: Final = 19
_LONGEST_NUMBER: Final = 120
_MOST_EXTRA: Final = 20
_EXTRA_MIN: Final = 15


def monday_of(day: date) -> date:
    """Give the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def read_day(text: str, today: date) -> date:
    """Read an ISO day; today when it can't be read."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return today


def window(monday: date, zone: ZoneInfo) -> Interval:
    """Give the week as an interval on the place's clock."""
    return Interval(
        start=wall_clock_utc(monday, 0, zone),
        end=wall_clock_utc(monday + timedelta(days=DAYS), 0, zone),
    )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication form means.

    Attributes:
        days: 0 Monday to 6 Sunday.
        start_min: Minutes after local midnight.
        end_min: Minutes after local midnight, later than `start_min`.
        kind: `slot` = one after the other, `range` = one for all.
        number: Minutes of a slot, or patients of the range.
        extra: Places beyond that, by agreement, each day.
    """

    days: tuple[int, ...]
    start_min: int
    end_min: int
    kind: SlotKind
    number: int
    extra: int


def read(form: views.PublishForm) -> tuple[Plan | None, Mapping[str, str]]:
    """Understand a publication form.

    Args:
        form: As typed.

    Returns:
        The plan, or None with the code of what is wrong for each field.
    """
    wrong: dict[str, str] = {}
    start, end = clock_minutes(form.start), clock_minutes(form.end)
    number = whole_number(form.number, 1, _LONGEST_NUMBER)
    extra = whole_number(form.extra, 0, _MOST_EXTRA)
    if not form.days:
        wrong["days"] = "days_missing"
    if start is None:
        wrong["from"] = "time_unreadable"
    if end is None:
        wrong["to"] = "time_unreadable"
    elif start is not None and end <= start:
        wrong["to"] = "time_order"
    if number is None:
        wrong["number"] = "number_unreadable"
    if extra is None:
        wrong["extra"] = "extra_unreadable"
    if wrong or start is None or end is None or number is None or extra is None:
        return None, wrong
    kind = SlotKind.RANGE if form.how == "range" else SlotKind.SLOT
    plan = Plan(days=form.days, start_min=start, end_min=end, kind=kind, number=number, extra=extra)
    return plan, {}


def expand(plan: Plan, monday: date, zone: ZoneInfo) -> tuple[PublishedSlot, ...]:
    """Write a plan as slots of one week.

    Args:
        plan: Days, times and numbers.
        monday: First day of the week.
        zone: Clock of the place.

    Returns:
        By start; keys tell day and time, so that the same plan gives the same slots again.
    """
    made: list[PublishedSlot] = []
    for index in sorted(plan.days):
        day = monday + timedelta(days=index)
        if plan.kind is SlotKind.RANGE:
            made.append(
                _slot(day, (plan.start_min, plan.end_min), zone, SlotKind.RANGE, plan.number)
            )
        else:
            starts = range(plan.start_min, plan.end_min - plan.number + 1, plan.number)
            made += [_slot(day, (at, at + plan.number), zone, SlotKind.SLOT, 1) for at in starts]
        if plan.extra:
            begin = max(plan.start_min, plan.end_min - _EXTRA_MIN)
            made.append(_slot(day, (begin, plan.end_min), zone, SlotKind.OVERBOOK, plan.extra))
    return tuple(one for one in made if one.start < one.end)  # an hour skipped in spring


def merged(
    stored: Iterable[SlotView], planned: Sequence[PublishedSlot]
) -> tuple[PublishedSlot, ...]:
    """Put a plan into a week without putting anybody out.

    What does not overlap the plan stays. What overlaps it is replaced, unless a patient is held
    or booked there: then it stays and the planned slots that overlap it are left out.

    Args:
        stored: What the week holds now.
        planned: What the plan says.

    Returns:
        By start, then key.
    """
    week = tuple(stored)
    known = {(one.key, one.start, one.end, one.kind) for one in planned}
    kept = [
        _published(one)
        for one in week
        if (one.key, one.starts_at, one.ends_at, one.kind) not in known
        and (one.taken or not any(_overlap(one, slot) for slot in planned))
    ]
    occupied = [
        one
        for one in week
        if one.taken and (one.key, one.starts_at, one.ends_at, one.kind) not in known
    ]
    fresh = [
        slot
        for slot in planned
        if slot.kind is SlotKind.OVERBOOK or not any(_overlap(one, slot) for one in occupied)
    ]
    return tuple(sorted([*kept, *fresh], key=lambda one: (one.start, one.key)))


def _overlap(stored: SlotView, planned: PublishedSlot) -> bool:
    return stored.starts_at < planned.end and planned.start < stored.ends_at


def _published(slot: SlotView) -> PublishedSlot:
    return PublishedSlot(
        key=slot.key,
        start=slot.starts_at,
        end=slot.ends_at,
        kind=slot.kind,
        modality=slot.modality,
        visibility=slot.visibility,
        capacity=slot.capacity,
    )


def grid(
    slots: Iterable[SlotView],
    monday: date,
    today: date,
    zone: ZoneInfo,
    words: Words,
    *,
    hidden: Mapping[UUID, str] = MappingProxyType({}),
) -> tuple[tuple[views.WeekDay, ...], tuple[int, ...]]:
    """Lay slots out by local day and hour.

    Args:
        slots: Of the week.
        monday: Its first day.
        today: Local day, marked.
        zone: Clock of the place.
        words: For the names of the days.
        hidden: Why the centre is not shown a slot, by slot.

    Returns:
        Seven days of 24 hours, and the hours worth showing.
    """
    cells: dict[tuple[int, int], list[views.WeekSlot]] = {}
    for slot in slots:
        local = slot.starts_at.astimezone(zone)
        at = ((local.date() - monday).days, local.hour)
        cells.setdefault(at, []).append(_cell(slot, hidden.get(slot.id, "")))
    used = {hour for _, hour in cells} | {_FIRST_HOUR, _LAST_HOUR}
    days = tuple(
        views.WeekDay(
            label=words.day(wall_clock_utc(monday + timedelta(days=index), 720, zone), str(zone)),
            date=(monday + timedelta(days=index)).isoformat(),
            today=monday + timedelta(days=index) == today,
            hours=tuple(tuple(cells.get((index, hour), ())) for hour in range(_HOURS)),
        )
        for index in range(DAYS)
    )
    return days, tuple(range(min(used), max(used) + 1))


def _cell(slot: SlotView, hidden: str) -> views.WeekSlot:
    return views.WeekSlot(
        start=slot.starts_at,
        end=slot.ends_at,
        kind=slot.kind.value,
        capacity=slot.capacity,
        taken=slot.taken,
        hidden=hidden,
    )


def hidden(slots: Iterable[SlotView], schedule: Schedule, now: datetime) -> Mapping[UUID, str]:
    """Give why the centre is not shown slots to come, by slot; what has begun is left out.

    Args:
        slots: Of the schedule.
        schedule: Its consent, absences and age.
        now: The moment of the read.
    """
    found = {
        one.id: consent.refusal(schedule, one.visibility, one.starts_at, Audience.CENTRE, now)
        for one in slots
    }
    return {
        key: why.value
        for key, why in found.items()
        if why is not None and why is not consent.Refusal.OVER
    }


def _slot(
    day: date, minutes: tuple[int, int], zone: ZoneInfo, kind: SlotKind, capacity: int
) -> PublishedSlot:
    start, end = minutes
    return PublishedSlot(
        key=f"{kind.value}-{day.isoformat()}-{start:04d}",
        start=wall_clock_utc(day, start, zone).astimezone(UTC),
        end=wall_clock_utc(day, end, zone).astimezone(UTC),
        kind=kind,
        capacity=capacity,
    )


def clock_minutes(text: str) -> int | None:
    """Read `17:30`, `17h30`, `17 h` or `17` as minutes after midnight; None when it is none."""
    hours, _, minutes = text.lower().replace("h", ":").replace(" ", "").partition(":")
    if not hours.isdecimal() or not hours.isascii() or not (minutes or "0").isdecimal():
        return None
    total = int(hours[:3]) * 60 + int((minutes or "0")[:3])
    return total if total <= _HOURS * 60 and int((minutes or "0")[:3]) < 60 else None  # noqa: PLR2004


def whole_number(text: str, low: int, high: int) -> int | None:
    """Read a whole number in a range; None when it is none."""
    if not text.isascii() or not text.isdecimal():
        return None
    value = int(text[:6])
    return value if low <= value <= high else None


def other(monday: date, weeks: int) -> date:
    """Give the Monday so many weeks later, or earlier when negative."""
    return monday + timedelta(weeks=weeks)
