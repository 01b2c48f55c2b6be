"""When a care service without slots is open: weekly hours, holidays, exceptions, on-call shifts.

Pure. On a local day the first of these holds that says something: an exception for the date, the
rule for public holidays, the weekly hours. A shift on call is open beside all of them.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from directory import holidays
from directory.model import (
    CareService,
    Holidays,
    Interval,
    Location,
    OpeningException,
    OpeningHours,
    wall_clock_utc,
)

FARTHEST: Final = timedelta(days=366)
"""An exception lies at most this far ahead."""
_AFTER: Final = 23
"""Days looked at after the last exception: weekly hours come back within three weeks, whatever
two holidays on the same weekday (Christmas and New Year) close."""
_SUNDAY: Final = 6
_DAY_MIN: Final = 1440
_WHOLE: Final = ((0, _DAY_MIN),)


def next_opening(service: CareService, place: Location, moment: datetime) -> datetime | None:
    """Give the first moment, not before `moment`, at which a care service is open.

    Args:
        service: Its hours, exceptions, rule for holidays and shifts count.
        place: Its location: clock and department.
        moment: Aware UTC.

    Returns:
        None when it is never open.
    """
    if service.hours is None and not service.exceptions and service.holidays is Holidays.OPEN:
        return moment
    on_call = next_start(service.shifts, moment)
    by_clock = None if on_call == moment else _by_clock(service, place, moment)
    return min((one for one in (on_call, by_clock) if one is not None), default=None)


def is_open(service: CareService, place: Location, moment: datetime) -> bool:
    """Tell whether a care service is open at a moment."""
    return next_opening(service, place, moment) == moment


def is_on_call(service: CareService, moment: datetime) -> bool:
    """Tell whether a care service is on call at a moment, by its rota."""
    return any(shift.contains(moment) for shift in service.shifts)


def next_start(shifts: Iterable[Interval], moment: datetime) -> datetime | None:
    """Give the first moment, not before `moment`, that lies in a shift; None without one."""
    return min((max(moment, one.start) for one in shifts if one.end > moment), default=None)


def spans(service: CareService, place: Location, day: date) -> Sequence[Interval]:
    """Give when a care service is open on a local day by its hours, by start; shifts left out.

    A span that the clock skips when it is put forward is left out.
    """
    clock = ZoneInfo(place.zone)
    found = []
    for opens_min, closes_min in sorted(_minutes(service, place.department, day)):
        start = wall_clock_utc(day, opens_min, clock)
        end = wall_clock_utc(day, closes_min, clock)
        if start < end:
            found.append(Interval(start=start, end=end))
    return found


def _by_clock(service: CareService, place: Location, moment: datetime) -> datetime | None:
    today = moment.astimezone(ZoneInfo(place.zone)).date()
    last = max((one.day for one in service.exceptions), default=today)
    if service.hours == () and last < today:
        return None
    for ahead in range(max((last - today).days, 0) + _AFTER):
        found = next_start(spans(service, place, today + timedelta(days=ahead)), moment)
        if found is not None:
            return found
    return None


def _minutes(service: CareService, department: str, day: date) -> Iterable[tuple[int, int]]:
    """Give the spans of a local day in minutes after midnight."""
    exceptions = [one for one in service.exceptions if one.day == day]
    if exceptions:
        return _pairs(one for one in exceptions if one.closes_min)
    weekday = day.weekday()
    if service.holidays is not Holidays.OPEN and day in holidays.of(day.year, department):
        if service.holidays is Holidays.CLOSED:
            return ()
        weekday = _SUNDAY
    if service.hours is None:
        return _WHOLE
    return _pairs(one for one in service.hours if one.weekday == weekday)


def _pairs(hours: Iterable[OpeningHours | OpeningException]) -> Iterable[tuple[int, int]]:
    return [(one.opens_min, one.closes_min) for one in hours]
