"""Calendars of the demonstration: slots, ranges and extra places for a number of days.

Everything is written on the wall clock of the place and turned into UTC day by day, so that a
surgery that opens at nine does so on both sides of a clock change.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from directory import seed
from directory.model import (
    CareService,
    Intake,
    Modality,
    Ownership,
    Schedule,
    ScheduleId,
    Slot,
    SlotId,
    SlotKind,
    Visibility,
    wall_clock_utc,
)

_SHARE: Final = {"general_practice": 0.52, "dental": 0.4}  # who publishes to the centre
_OTHER_SHARE: Final = 0.5
_SATURDAY: Final = 5
_HOLD_BACK_S: Final = 24 * 3600


class _Opening(msgspec.Struct, frozen=True):
    """One slot on the wall clock: minutes after local midnight."""

    start: int
    end: int
    kind: SlotKind
    capacity: int


_MORNING: Final = tuple(_Opening(540 + 15 * n, 555 + 15 * n, SlotKind.SLOT, 1) for n in range(4))
_AFTERNOON: Final = tuple(_Opening(960 + 20 * n, 980 + 20 * n, SlotKind.SLOT, 1) for n in range(4))
_PATTERNS: Final = (
    (*_MORNING, *_AFTERNOON),
    (_Opening(540, 720, SlotKind.RANGE, 4), _Opening(840, 1080, SlotKind.RANGE, 5)),
    (
        *_AFTERNOON,
        _Opening(540, 660, SlotKind.RANGE, 3),
        _Opening(1110, 1140, SlotKind.OVERBOOK, 2),
    ),
    (
        *_MORNING,
        _Opening(1020, 1140, SlotKind.RANGE, 4),
        _Opening(1140, 1170, SlotKind.OVERBOOK, 1),
    ),
)
_EVENING: Final = tuple(
    _Opening(60 * hour, 60 * hour + 60, SlotKind.RANGE, 4) for hour in range(20, 24)
)
_WEEKEND: Final = tuple(
    _Opening(60 * hour, 60 * hour + 60, SlotKind.RANGE, 4) for hour in range(8, 24)
)
_ALWAYS: Final = tuple(_Opening(60 * hour, 60 * hour + 60, SlotKind.RANGE, 2) for hour in range(24))


def build(
    services: Sequence[CareService], rng: random.Random, zone: str, start: date, days: int
) -> tuple[list[Schedule], list[Slot]]:
    """Give the schedules and slots of the care services that publish.

    Args:
        services: All care services; those engaged by referral have no diary.
        rng: Seeded; who publishes and how does not depend on `start`.
        zone: IANA zone of their wall clocks.
        start: First local day.
        days: Number of local days.
    """
    schedules: list[Schedule] = []
    slots: list[Slot] = []
    clock = _Clock(ZoneInfo(zone))
    for service in services:
        if service.intake is Intake.REFERRAL:
            continue
        permanent = "duty" in service.skills
        publishes = rng.random() < _SHARE.get(service.service, _OTHER_SHARE)
        pattern, mirrored, held_back = rng.randrange(len(_PATTERNS)), rng.random(), rng.random()
        days_off = rng.randrange(5)
        if not (publishes or permanent):
            continue
        schedule = Schedule(
            id=ScheduleId(seed.identity("schedule", str(service.id))),
            care_service_id=service.id,
            ownership=Ownership.MIRRORED if mirrored < 0.15 and not permanent else Ownership.OWNED,  # noqa: PLR2004
            source="editor_demo" if mirrored < 0.15 and not permanent else "own",  # noqa: PLR2004
            release_before_s=_HOLD_BACK_S if held_back < 0.1 and not permanent else None,  # noqa: PLR2004
        )
        schedules.append(schedule)
        openings = _permanent(service) if permanent else _surgery(pattern, days_off)
        slots.extend(_fill(service, schedule, openings, clock, (start, days)))
    return schedules, slots


class _Clock:
    """Wall clock of one zone; remembers what it converted."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._known: dict[tuple[date, int], datetime] = {}

    def utc(self, day: date, minutes: int) -> datetime:
        """Give the UTC moment of a wall time."""
        found = self._known.get((day, minutes))
        if found is None:
            found = self._known[day, minutes] = wall_clock_utc(day, minutes, self._zone)
        return found


_Week = tuple[tuple[_Opening, ...], ...]


def _surgery(pattern: int, days_off: int) -> _Week:
    """Give seven days of openings: four weekdays and, for some, Saturday morning."""
    usual = _PATTERNS[pattern]
    week = [() if weekday == days_off else usual for weekday in range(5)]
    saturday = _MORNING if pattern % 2 else ()
    return (*week, saturday, ())


def _permanent(service: CareService) -> _Week:
    """Give the openings of on-call care: evenings and week-ends, or round the clock."""
    if service.modalities != frozenset({Modality.OFFICE}):
        return (_ALWAYS,) * 7
    return (_EVENING,) * _SATURDAY + (_WEEKEND,) * 2


def _fill(
    service: CareService, schedule: Schedule, week: _Week, clock: _Clock, span: tuple[date, int]
) -> Iterator[Slot]:
    first, days = span
    modalities = sorted(service.modalities)
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        for number, opening in enumerate(week[day.weekday()]):
            start, end = clock.utc(day, opening.start), clock.utc(day, opening.end)
            if start >= end:
                continue  # the hour that a clock change skips
            key = f"{day.isoformat()}/{opening.start:04d}/{opening.kind.value}"
            yield Slot(
                id=SlotId(seed.identity("slot", str(schedule.id), key)),
                schedule_id=schedule.id,
                key=key,
                start=start,
                end=end,
                kind=opening.kind,
                modality=modalities[(number + ahead) % len(modalities)],
                visibility=_visibility(service, opening, number),
                capacity=opening.capacity,
            )


def _visibility(service: CareService, opening: _Opening, number: int) -> Visibility:
    """Give who sees it: on-call care is for regulation, extra places for professionals."""
    if "duty" in service.skills:
        return Visibility.SNP
    if opening.kind is SlotKind.OVERBOOK:
        return Visibility.PRO
    return Visibility.CPTS if number % 6 == 5 else Visibility.PUBLIC  # noqa: PLR2004
