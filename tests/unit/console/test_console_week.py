"""A short form becomes a week of slots without putting a booked patient out."""

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from console import views, week
from console.catalogue import Words
from directory.model import Modality, ScheduleId, SlotId, SlotKind, Visibility
from directory.publication import PublishedSlot, check
from directory.store import SlotView

PARIS = ZoneInfo("Europe/Paris")
MONDAY = date(2026, 11, 23)


def a_plan(**changes: object) -> week.Plan:
    form = views.PublishForm(**changes)  # type: ignore[arg-type]
    plan, wrong = week.read(form)
    assert plan is not None, wrong
    return plan


def stored(slot: PublishedSlot, *, taken: int = 0) -> SlotView:
    return SlotView(
        id=SlotId(UUID(int=hash(slot.key) & (2**128 - 1))),
        schedule_id=ScheduleId(UUID(int=1)),
        key=slot.key,
        kind=slot.kind,
        modality=Modality.OFFICE,
        visibility=Visibility.PUBLIC,
        starts_at=slot.start,
        ends_at=slot.end,
        capacity=slot.capacity,
        free=slot.capacity - taken,
        taken=taken,
        displaced=0,
    )


def test_five_evenings_of_quarter_hours_are_forty_slots() -> None:
    made = week.expand(a_plan(), MONDAY, PARIS)
    assert len(made) == 40
    assert made[0].start == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    assert {slot.end - slot.start for slot in made} == {timedelta(minutes=15)}


def test_extra_places_are_overbooking_by_agreement() -> None:
    made = week.expand(a_plan(extra="2"), MONDAY, PARIS)
    extra = [slot for slot in made if slot.kind is SlotKind.OVERBOOK]
    assert len(extra) == 5
    assert {slot.capacity for slot in extra} == {2}


def test_a_range_holds_its_patients() -> None:
    (made,) = week.expand(a_plan(days=(5,), how="range", number="6"), MONDAY, PARIS)
    assert (made.kind, made.capacity) == (SlotKind.RANGE, 6)
    assert made.end - made.start == timedelta(hours=2)


def test_each_wrong_field_is_named() -> None:
    plan, wrong = week.read(
        views.PublishForm(days=(), start="soir", end="16h", number="0", extra="x")
    )
    assert plan is None
    assert wrong == {
        "days": "days_missing",
        "from": "time_unreadable",
        "number": "number_unreadable",
        "extra": "extra_unreadable",
    }


def test_an_end_before_its_start_is_refused() -> None:
    _, wrong = week.read(views.PublishForm(start="19h30", end="17:00"))
    assert wrong == {"to": "time_order"}


def test_a_booked_patient_is_never_put_out_by_a_form() -> None:
    morning = week.expand(a_plan(days=(0,), start="09:00", end="10:00"), MONDAY, PARIS)
    evening = week.expand(a_plan(days=(0,), number="20"), MONDAY, PARIS)
    now = [stored(one) for one in morning] + [
        stored(one, taken=int(at == 0)) for at, one in enumerate(evening)
    ]
    planned = week.expand(a_plan(days=(0,), number="15"), MONDAY, PARIS)
    merged = week.merged(now, planned)
    keys = {slot.key for slot in merged}
    assert evening[0].key in keys
    assert {slot.key for slot in morning} <= keys
    assert evening[1].key not in keys
    slots = [slot for slot in merged if slot.kind is SlotKind.SLOT]
    assert all(one.end <= two.start for one, two in itertools.pairwise(slots))


@given(
    start=st.integers(min_value=0, max_value=22 * 60),
    length=st.integers(min_value=1, max_value=600),
    number=st.integers(min_value=1, max_value=120),
    extra=st.integers(min_value=0, max_value=20),
    day=st.sampled_from([date(2026, 3, 23), date(2026, 10, 19), MONDAY]),
)
def test_every_plan_is_a_publication_the_directory_accepts(
    start: int, length: int, number: int, extra: int, day: date
) -> None:
    end = min(24 * 60, start + length)
    plan = week.Plan(
        days=(0, 3, 6), start_min=start, end_min=end, kind=SlotKind.SLOT, number=number, extra=extra
    )
    slots = week.expand(plan, day, PARIS)
    check(week.window(day, PARIS), slots)
    assert slots == week.expand(plan, day, PARIS)


def test_the_grid_shows_each_slot_once() -> None:
    slots = [stored(one) for one in week.expand(a_plan(extra="1"), MONDAY, PARIS)]
    days, hours = week.grid(slots, MONDAY, MONDAY, PARIS, Words())
    shown = [slot for day in days for hour in day.hours for slot in hour]
    assert len(shown) == len(slots)
    assert hours == tuple(range(8, 20))
    assert [day.today for day in days] == [True] + [False] * 6
