"""Opening hours with holidays, exceptions and shifts, on the clock of the place."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import holidays, hours
from directory.model import (
    CareService,
    CareServiceId,
    Holidays,
    Intake,
    Interval,
    Location,
    LocationId,
    OpeningException,
    OpeningHours,
    OrganisationId,
)

PLACE = Location(
    id=LocationId(UUID(int=3)), organisation_id=OrganisationId(UUID(int=2)), name="Amiens",
    lon=2.3, lat=49.9, zone="Europe/Paris", commune="80021", postcode="80000", department="80",
    territory_id=UUID(int=9),
)  # fmt: skip
SHOP = CareService(
    id=CareServiceId(UUID(int=1)), organisation_id=OrganisationId(UUID(int=2)),
    location_id=LocationId(UUID(int=3)), name="a pharmacy", service="pharmacy",
    intake=Intake.REFERRAL,
    hours=tuple(OpeningHours(weekday=day, opens_min=540, closes_min=1140) for day in range(6)),
)  # fmt: skip
PLACES = st.sampled_from(
    [
        PLACE,
        msgspec.structs.replace(PLACE, zone="America/Cayenne", department="973"),
        msgspec.structs.replace(PLACE, zone="Indian/Reunion", department="974"),
        msgspec.structs.replace(PLACE, zone="Europe/Paris", department="67"),
        msgspec.structs.replace(PLACE, zone="America/Miquelon", department="975"),
    ]
)
# Around a change of the clock, Christmas and Easter as often as anywhere.
DAYS = st.sampled_from(
    [date(2026, 3, 28), date(2026, 10, 24), date(2026, 12, 24), date(2027, 3, 26)]
) | st.dates(date(2020, 1, 1), date(2040, 1, 1))


@st.composite
def openings(draw: st.DrawFn) -> tuple[CareService, Location, datetime]:
    place = draw(PLACES)
    day = draw(DAYS)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
        minutes=draw(st.integers(0, 3 * 1440))
    )
    spans = st.tuples(st.integers(0, 1439), st.integers(1, 600)).map(
        lambda one: (one[0], min(1440, one[0] + one[1]))
    )
    weekly = st.lists(st.tuples(st.integers(0, 6), spans), max_size=5).map(
        lambda many: tuple(
            OpeningHours(weekday=weekday, opens_min=start, closes_min=end)
            for weekday, (start, end) in many
        )
    )
    exceptions = draw(st.dictionaries(st.integers(0, 20), st.none() | spans, max_size=4))
    shifts = draw(st.lists(st.integers(0, 10 * 1440), max_size=3))
    service = msgspec.structs.replace(
        SHOP,
        hours=draw(st.none() | weekly),
        holidays=draw(st.sampled_from(Holidays)),
        exceptions=tuple(
            OpeningException(
                day=day + timedelta(days=after),
                opens_min=span[0] if span else 0,
                closes_min=span[1] if span else 0,
            )
            for after, span in sorted(exceptions.items())
        ),
        shifts=tuple(
            Interval(
                start=moment + timedelta(minutes=start - 600),
                end=moment + timedelta(minutes=start),
            )
            for start in sorted(shifts)
        ),
    )
    return service, place, moment


def open_by_the_wall(service: CareService, place: Location, moment: datetime) -> bool:
    """Say the rule again, asking the clock on the wall instead of turning hours into UTC."""
    if any(shift.contains(moment) for shift in service.shifts):
        return True
    wall = moment.astimezone(ZoneInfo(place.zone))
    minute = wall.hour * 60 + wall.minute
    today = [one for one in service.exceptions if one.day == wall.date()]
    if today:
        return any(one.opens_min <= minute < one.closes_min for one in today)
    weekday = wall.weekday()
    if wall.date() in holidays.of(wall.year, place.department):
        if service.holidays is Holidays.CLOSED:
            return False
        weekday = 6 if service.holidays is Holidays.AS_SUNDAY else weekday
    return service.hours is None or any(
        one.weekday == weekday and one.opens_min <= minute < one.closes_min for one in service.hours
    )


def on_a_plain_day(place: Location, moment: datetime) -> bool:
    """Tell whether no clock is changed within a day: then wall and elapsed minutes agree."""
    zone = ZoneInfo(place.zone)
    around = (moment - timedelta(days=1), moment, moment + timedelta(days=1))
    return len({one.astimezone(zone).utcoffset() for one in around}) == 1


@given(openings())
def test_the_next_opening_is_open_and_comes_after_no_other(
    case: tuple[CareService, Location, datetime],
) -> None:
    service, place, moment = case
    found = hours.next_opening(service, place, moment)
    if found is None:
        assert service.hours is not None
        assert not any(one.end > moment for one in service.shifts)
        return
    assert found >= moment
    assert hours.is_open(service, place, found)
    if on_a_plain_day(place, found):
        assert open_by_the_wall(service, place, found)
    for share in range(8):
        before = moment + (found - moment) * share / 8
        if before < found and on_a_plain_day(place, before):
            assert not open_by_the_wall(service, place, before)


@given(openings())
def test_a_day_has_the_hours_of_its_exception_whatever_its_weekday_or_holiday(
    case: tuple[CareService, Location, datetime],
) -> None:
    service, place, _ = case
    for one in service.exceptions:
        found = hours.spans(service, place, one.day)
        assert len(found) <= (1 if one.closes_min else 0)
        for span in found:
            assert span.start.astimezone(ZoneInfo(place.zone)).date() == one.day


@pytest.mark.parametrize(
    ("rule", "opens"),
    [
        (Holidays.OPEN, "2026-05-01T07:00"),
        (Holidays.CLOSED, "2026-05-02T07:00"),
        (Holidays.AS_SUNDAY, "2026-05-02T07:00"),
    ],
)
def test_labour_day_by_the_rule_for_holidays(rule: Holidays, opens: str) -> None:
    shop = msgspec.structs.replace(SHOP, holidays=rule)
    found = hours.next_opening(shop, PLACE, datetime(2026, 5, 1, tzinfo=UTC))
    assert found is not None
    assert found.isoformat().startswith(opens)


def test_a_closed_day_beats_the_week_and_a_past_one_counts_no_more() -> None:
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    closed = tuple(OpeningException(day=date(2026, 11, 23 + day)) for day in range(3))
    shop = msgspec.structs.replace(SHOP, exceptions=closed)
    assert hours.next_opening(shop, PLACE, monday) == datetime(2026, 11, 26, 8, tzinfo=UTC)
    later = datetime(2026, 11, 30, tzinfo=UTC)
    assert hours.next_opening(shop, PLACE, later) == datetime(2026, 11, 30, 8, tzinfo=UTC)


def test_a_service_on_call_is_open_at_night_and_on_a_closed_day() -> None:
    night = Interval(
        start=datetime(2026, 5, 1, 18, tzinfo=UTC), end=datetime(2026, 5, 2, 6, tzinfo=UTC)
    )
    shop = msgspec.structs.replace(SHOP, holidays=Holidays.CLOSED, shifts=(night,))
    at_three = datetime(2026, 5, 2, 1, tzinfo=UTC)
    assert hours.is_open(shop, PLACE, at_three)
    assert not hours.is_open(shop, PLACE, datetime(2026, 5, 1, 10, tzinfo=UTC))
    assert not hours.is_open(shop, PLACE, night.end)


@pytest.mark.parametrize(
    ("department", "count", "more"),
    [
        ("80", 11, None),
        ("67", 13, date(2026, 12, 26)),
        ("972", 12, date(2026, 5, 22)),
        ("974", 12, date(2026, 12, 20)),
        ("NJ", 0, None),
    ],
)
def test_public_holidays_of_a_department(department: str, count: int, more: date | None) -> None:
    found = holidays.of(2026, department)
    assert len(found) == count
    assert more is None or more in found


def test_movable_holidays_of_2026() -> None:
    moved = {date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)}
    assert moved <= holidays.of(2026, "80")
