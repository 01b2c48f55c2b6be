"""Recurring sessions: the clock of the place is followed through every change of clocks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from directory.model import Interval
from directory.publication import PublishedSlot
from directory.recurrence import Absence, Recurring, expand
from kernel import errors

PARIS = ZoneInfo("Europe/Paris")
ZONES = [
    "Europe/Paris",
    "Europe/London",
    "America/Guadeloupe",
    "America/Martinique",
    "America/Cayenne",
    "America/Miquelon",
    "America/New_York",
    "Indian/Reunion",
    "Indian/Mayotte",
    "Indian/Kerguelen",
    "Pacific/Noumea",
    "Pacific/Tahiti",
    "Pacific/Marquesas",
    "Pacific/Gambier",
    "Pacific/Wallis",
]


def at(*parts: int) -> datetime:
    """Give a time as the clock of a place shows it, which has no offset."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def week(first: str = "2026-03-23", days: int = 7, zone: ZoneInfo = PARIS) -> Interval:
    start = datetime.fromisoformat(first).replace(tzinfo=zone)
    return Interval(
        start=start.astimezone(UTC),
        end=(start.replace(tzinfo=None) + timedelta(days=days))
        .replace(tzinfo=zone)
        .astimezone(UTC),
    )


def local_of(slot: PublishedSlot, zone: ZoneInfo = PARIS) -> str:
    return slot.start.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize("zone", ZONES)
def test_no_slot_is_shifted_doubled_or_lost_at_any_change_of_clocks(zone: str) -> None:
    clock = ZoneInfo(zone)
    for window in around_changes(clock):
        first = window.start.astimezone(clock).replace(tzinfo=None, hour=0, minute=0)
        session = Recurring(key="all", first=first, minutes=60, places=24, rule="FREQ=DAILY")
        slots = expand([session], [], window, clock)
        shown = [slot.key.partition("@")[2] for slot in slots]
        assert shown == [local_of(slot, clock) for slot in slots]
        assert set(shown) == full_hours(window, clock)
        assert len(set(shown)) == len(shown)
        assert all(one.end <= two.start for one, two in pairwise(slots))
        assert all(slot.end - slot.start == timedelta(hours=1) for slot in slots)


def around_changes(clock: ZoneInfo) -> list[Interval]:
    """Give four days around each change of clocks of 2020-2040, and a week of each year."""
    start, day = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=1)
    days = [start + i * day for i in range(21 * 366)]
    offsets = [moment.astimezone(clock).utcoffset() for moment in days]
    changed = [days[i] for i in range(1, len(days)) if offsets[i] != offsets[i - 1]]
    if str(clock) in {"Europe/Paris", "Europe/London"}:
        assert len(changed) == 42
    windows = [Interval(start=moment - 2 * day, end=moment + 2 * day) for moment in changed]
    return windows + [
        Interval(start=moment, end=moment + 7 * day)
        for moment in (datetime(year, 7, 1, tzinfo=UTC) for year in range(2020, 2041))
    ]


def full_hours(window: Interval, clock: ZoneInfo) -> set[str]:
    """Walk through real time and write down every full hour that the clock shows."""
    quarter = timedelta(minutes=15)
    moments = (window.start + i * quarter for i in range((window.end - window.start) // quarter))
    return {
        f"{local:%Y-%m-%dT%H:%M}"
        for local in (moment.astimezone(clock) for moment in moments)
        if local.minute == 0
    }


def test_an_afternoon_in_new_york_on_the_day_the_clocks_change() -> None:
    zone = ZoneInfo("America/New_York")
    session = Recurring(key="pm", first=at(2026, 3, 8, 13), minutes=300)
    (slot,) = expand([session], [], week("2026-03-08", 1, zone), zone)
    assert slot.start == datetime(2026, 3, 8, 17, tzinfo=UTC)
    assert slot.end == datetime(2026, 3, 8, 22, tzinfo=UTC)


def test_nine_o_clock_stays_nine_o_clock_when_summer_time_begins() -> None:
    session = Recurring(
        key="s", first=at(2026, 3, 27, 9), minutes=20, places=3, rule="FREQ=DAILY;COUNT=4"
    )
    slots = expand([session], [], week(), PARIS)
    assert [local_of(one) for one in slots if one.key.endswith("T09:00")] == [
        "2026-03-27T09:00",
        "2026-03-28T09:00",
        "2026-03-29T09:00",
    ]
    assert [one.start.hour for one in slots if one.key.endswith("T09:00")] == [8, 8, 7]


def test_a_local_time_that_never_comes_has_no_slot_and_one_that_comes_twice_has_one() -> None:
    spring = Recurring(key="n", first=at(2026, 3, 29, 1), minutes=30, places=6)
    assert [local_of(one) for one in expand([spring], [], week(), PARIS)] == [
        "2026-03-29T01:00",
        "2026-03-29T01:30",
        "2026-03-29T03:00",
        "2026-03-29T03:30",
    ]
    autumn = Recurring(key="n", first=at(2026, 10, 25, 2), minutes=60, places=2)
    slots = expand([autumn], [], week("2026-10-25", 1), PARIS)
    assert [one.start.hour for one in slots] == [0, 2]


def test_exceptions_and_absences_take_days_out() -> None:
    session = Recurring(
        key="s", first=at(2026, 3, 2, 9), minutes=30,
        rule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", but_on=frozenset({date(2026, 3, 24)}),
    )  # fmt: skip
    away = Absence(since=date(2026, 3, 26), until=date(2026, 3, 27))
    assert [local_of(one)[:10] for one in expand([session], [away], week(), PARIS)] == [
        "2026-03-23",
        "2026-03-25",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=HOURLY;INTERVAL=1",
        "FREQ=WEEKLY;BYHOUR=1,2,3",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=99999999999",
        "FREQ=DAILY;UNTIL=never",
        "FREQ=DAILY;UNTIL=20260401T000000Z;COUNT=",
        "BYDAY=MO",
        "",
        "DTSTART:20260101T000000\nRRULE:FREQ=DAILY",
    ],
)
def test_a_rule_outside_of_the_subset_is_refused(rule: str) -> None:
    session = Recurring(key="s", first=at(2026, 3, 2, 9), minutes=30, rule=rule)
    with pytest.raises(errors.Invalid) as refused:
        expand([session], [], week(), PARIS)
    assert refused.value.code == "recurrence_rule"


def test_sessions_over_midnight_too_far_or_too_many_are_refused() -> None:
    night = Recurring(key="s", first=at(2026, 3, 23, 22), minutes=60, places=3)
    old = Recurring(key="s", first=at(2010, 3, 23, 9), minutes=60, rule="FREQ=DAILY")
    many = Recurring(key="s", first=at(2026, 1, 1), minutes=1, places=1440, rule="FREQ=DAILY")
    never = Recurring(key="s", first=at(9999, 12, 31, 23), minutes=60, places=2)
    for session, code in (
        (never, "recurrence_too_far"),
        (night, "recurrence_too_long"),
        (old, "recurrence_too_far"),
        (many, "publication_too_large"),
    ):
        with pytest.raises(errors.Invalid) as refused:
            expand([session], [], week(days=14), PARIS)
        assert refused.value.code == code


def test_the_last_slot_may_end_at_midnight() -> None:
    session = Recurring(key="s", first=at(2026, 3, 23, 23), minutes=30, places=2)
    assert len(expand([session], [], week(), PARIS)) == 2


@given(
    start=some.datetimes(min_value=at(2024, 6, 1), max_value=at(2026, 3, 1)),
    minutes=some.integers(5, 60),
    rule=some.sampled_from(
        ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,SA,SU", "FREQ=MONTHLY;BYMONTHDAY=1,29", None]
    ),
    zone=some.sampled_from(ZONES),
)
def test_windows_side_by_side_give_what_one_window_gives(
    start: datetime, minutes: int, rule: str | None, zone: str
) -> None:
    clock = ZoneInfo(zone)
    first = start.replace(hour=start.hour % 22, minute=0, second=0, microsecond=0)
    session = Recurring(key="s", first=first, minutes=minutes, rule=rule)
    whole = week("2026-03-01", 60, clock)
    middle = whole.start + timedelta(days=29)
    parts = [Interval(start=whole.start, end=middle), Interval(start=middle, end=whole.end)]
    assert expand([session], [], whole, clock) == tuple(
        slot for part in parts for slot in expand([session], [], part, clock)
    )
