"""Rules of intervals, wall clocks, consent and seat states."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import consent, model
from directory.consent import Audience
from directory.model import Interval, Visibility, wall_clock_utc
from directory.seat_states import SEAT_TRANSITIONS, SeatState, SeatVerb, effective

PARIS = ZoneInfo("Europe/Paris")
MOMENTS = st.integers(0, 20 * 365 * 24 * 60).map(
    lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
SPANS = st.timedeltas(timedelta(minutes=1), timedelta(days=2))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start = draw(MOMENTS)
    return Interval(start=start, end=start + draw(SPANS))


@given(intervals(), intervals(), MOMENTS)
def test_overlap_is_symmetric_and_means_a_shared_moment(
    one: Interval, other: Interval, moment: datetime
) -> None:
    assert one.overlaps(other) == other.overlaps(one)
    if one.contains(moment) and other.contains(moment):
        assert one.overlaps(other)
    later = max(one.start, other.start)
    assert one.overlaps(other) == (one.contains(later) and other.contains(later))


@given(intervals(), SPANS)
def test_intervals_that_touch_do_not_overlap(one: Interval, span: timedelta) -> None:
    following = Interval(start=one.end, end=one.end + span)
    assert not one.overlaps(following)
    assert not one.contains(one.end)
    assert one.contains(one.start)


@given(intervals())
def test_an_interval_is_within_itself_and_longer_ones(one: Interval) -> None:
    longer = Interval(start=one.start - timedelta(seconds=1), end=one.end)
    assert one.within(one)
    assert one.within(longer)
    assert not longer.within(one)


@given(MOMENTS)
def test_empty_and_naive_intervals_are_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Interval(start=moment, end=moment)
    with pytest.raises(ValueError, match="UTC"):
        Interval(start=moment.replace(tzinfo=None), end=moment)


@given(st.dates(date(2020, 1, 1), date(2039, 12, 31)), st.integers(6 * 60, 24 * 60))
def test_a_daytime_wall_clock_reads_the_same_on_every_day_of_the_year(
    day: date, minutes: int
) -> None:
    local = wall_clock_utc(day, minutes, PARIS).astimezone(PARIS)
    expected = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
    assert local.replace(tzinfo=None) == expected


@pytest.mark.parametrize(
    ("day", "minutes", "utc"),
    [
        (date(2026, 3, 29), 9 * 60, "2026-03-29T07:00"),
        (date(2026, 3, 28), 9 * 60, "2026-03-28T08:00"),
        (date(2026, 3, 29), 2 * 60 + 30, "2026-03-29T01:30"),
        (date(2026, 10, 25), 2 * 60 + 30, "2026-10-25T00:30"),
        (date(2026, 10, 25), 9 * 60, "2026-10-25T08:00"),
        (date(2026, 10, 24), 24 * 60, "2026-10-24T22:00"),
    ],
)
def test_wall_clocks_on_the_days_of_a_clock_change(day: date, minutes: int, utc: str) -> None:
    assert wall_clock_utc(day, minutes, PARIS).isoformat().startswith(utc)


def test_new_york_afternoon_of_the_day_the_clock_goes_forward() -> None:
    york = ZoneInfo("America/New_York")
    found = [wall_clock_utc(date(2026, 3, 8), hour * 60, york).hour for hour in (13, 18)]
    assert found == [17, 22]


def test_seat_states_that_hold_a_patient_never_become_free_by_withdrawal() -> None:
    for state in (SeatState.HELD, SeatState.BOOKED):
        assert SEAT_TRANSITIONS[state, SeatVerb.WITHDRAW] is SeatState.DISPLACED
    assert (SeatState.DISPLACED, SeatVerb.CLAIM) not in SEAT_TRANSITIONS
    assert (SeatState.BOOKED, SeatVerb.CLAIM) not in SEAT_TRANSITIONS
    assert (SeatState.DISPLACED, SeatVerb.BOOK) not in SEAT_TRANSITIONS


@given(MOMENTS, st.timedeltas(timedelta(seconds=-100), timedelta(seconds=100)))
def test_an_expired_hold_counts_as_free_from_its_last_instant(
    now: datetime, left: timedelta
) -> None:
    found = effective(SeatState.HELD, now + left, now)
    assert found is (SeatState.HELD if left > timedelta() else SeatState.FREE)
    assert effective(SeatState.BOOKED, None, now) is SeatState.BOOKED


@given(
    st.builds(
        model.Schedule,
        id=st.just(model.ScheduleId(UUID(int=1))),
        care_service_id=st.just(model.CareServiceId(UUID(int=2))),
        paused=st.booleans(),
        release_before_s=st.none() | st.integers(0, 200_000),
    ),
    st.sampled_from(Visibility),
    st.sampled_from(Audience),
    MOMENTS,
    st.timedeltas(timedelta(days=-1), timedelta(days=3)),
)
def test_nothing_that_consent_forbids_is_shown(
    schedule: model.Schedule,
    visibility: Visibility,
    audience: Audience,
    now: datetime,
    ahead: timedelta,
) -> None:
    shown = consent.shows(schedule, visibility, now + ahead, audience, now)
    release = schedule.release_before_s
    if audience is Audience.PUBLISHER:
        assert shown
    elif shown:
        assert not schedule.paused
        assert visibility in consent.SHOWN_TO[audience]
        assert ahead > timedelta()
        assert release is None or ahead <= timedelta(seconds=release)
