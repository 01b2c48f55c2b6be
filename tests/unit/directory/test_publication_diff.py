"""The difference of a publication: applying it gives what was published, and nothing else moves."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from directory import publication
from directory.model import Interval, Modality, ScheduleId, Slot, SlotId, SlotKind, Visibility
from directory.publication import PublishedSlot

START = datetime(2026, 11, 23, tzinfo=UTC)
NOW = START + timedelta(hours=6)
WINDOW = Interval(start=START, end=START + timedelta(days=1))


@st.composite
def published(draw: st.DrawFn) -> PublishedSlot:
    start = START + timedelta(hours=draw(st.integers(0, 20)))
    kind = draw(st.sampled_from([SlotKind.SLOT, SlotKind.RANGE]))
    return PublishedSlot(
        key=draw(st.sampled_from("abc")),
        start=start,
        end=start + timedelta(hours=draw(st.integers(1, 2))),
        kind=kind,
        modality=draw(st.sampled_from([Modality.OFFICE, Modality.TELECONSULTATION])),
        visibility=draw(st.sampled_from(Visibility)),
        capacity=1 if kind is SlotKind.SLOT else draw(st.integers(1, 3)),
    )


WEEKS = st.lists(published(), max_size=8, unique_by=lambda slot: (slot.key, slot.start))


def stored(slots: list[PublishedSlot]) -> list[Slot]:
    return [
        Slot(
            id=SlotId(UUID(int=number + 1)),
            schedule_id=ScheduleId(UUID(int=99)),
            **msgspec.structs.asdict(slot),
        )
        for number, slot in enumerate(slots)
    ]


def as_published(slot: Slot) -> PublishedSlot:
    values = msgspec.structs.asdict(slot)
    return PublishedSlot(**{name: values[name] for name in PublishedSlot.__struct_fields__})


@given(WEEKS, WEEKS)
def test_applying_the_difference_gives_what_was_published(
    before: list[PublishedSlot], after: list[PublishedSlot]
) -> None:
    kept = stored(before)
    diff = publication.diff(kept, after, NOW)
    resized = {one.id: one for one in diff.resized}
    live = [
        msgspec.structs.replace(
            as_published(slot), visibility=resized[slot.id].visibility,
            capacity=resized[slot.id].capacity,
        )
        if slot.id in resized
        else as_published(slot)
        for slot in kept
        if slot.id not in diff.withdrawn and slot.end > NOW
    ]  # fmt: skip
    expected = [slot for slot in after if slot.end > NOW]
    assert sorted([*live, *diff.added], key=repr) == sorted(expected, key=repr)


@given(WEEKS)
def test_publishing_what_is_stored_changes_nothing(week: list[PublishedSlot]) -> None:
    diff = publication.diff(stored(week), week, NOW)
    assert diff == publication.Diff(added=(), resized=(), withdrawn=())


@given(WEEKS, WEEKS)
def test_what_has_ended_is_left_alone(
    before: list[PublishedSlot], after: list[PublishedSlot]
) -> None:
    kept = stored(before)
    over = {slot.id for slot in kept if slot.end <= NOW}
    diff = publication.diff(kept, after, NOW)
    assert not over & {*diff.withdrawn, *(one.id for one in diff.resized)}
    assert all(slot.end > NOW for slot in diff.added)


@given(WEEKS, st.randoms(use_true_random=False))
def test_order_does_not_change_what_a_publication_says(
    week: list[PublishedSlot], rng: random.Random
) -> None:
    shuffled = list(week)
    rng.shuffle(shuffled)
    assert publication.digest(WINDOW, week) == publication.digest(WINDOW, shuffled)


@given(WEEKS, WEEKS)
def test_different_publications_have_different_digests(
    one: list[PublishedSlot], other: list[PublishedSlot]
) -> None:
    same = sorted(one, key=repr) == sorted(other, key=repr)
    assert (publication.digest(WINDOW, one) == publication.digest(WINDOW, other)) == same


@given(WEEKS)
def test_a_sound_publication_is_accepted(week: list[PublishedSlot]) -> None:
    publication.check(Interval(start=START, end=START + timedelta(days=2)), week)
