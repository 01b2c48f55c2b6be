"""What a report of beds may say after the one before it: causes, the flag, ages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import capacity
from directory.capacity import CapacityKind, Cause, Figure
from directory.consent import Freshness
from kernel import errors

COUNTS = st.integers(0, 40)
REPORTS = st.lists(st.tuples(COUNTS, COUNTS, st.booleans(), st.sampled_from(Cause)), max_size=30)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def figure(total: int, occupied: int, *, over: bool = False) -> Figure:
    return Figure(total=total, occupied=occupied, over=over)


@given(REPORTS)
def test_occupied_never_exceeds_total_without_the_flag_and_causes_fit_whatever_is_reported(
    reports: list[tuple[int, int, bool, Cause]],
) -> None:
    held: Figure | None = None
    for total, occupied, over, cause in reports:
        before = held
        try:
            held = capacity.report(held, figure(total, occupied, over=over), cause)
        except errors.Invalid:
            continue
        assert held.over == (held.occupied > held.total)
        assert held.free == max(0, held.total - held.occupied)
        if before is not None and cause is Cause.ADMISSION:
            assert held.total == before.total
            assert held.free <= before.free
        if before is not None and cause is Cause.DISCHARGE:
            assert held.free >= before.free


def test_free_goes_down_and_up_again() -> None:
    first = capacity.report(None, figure(12, 9), Cause.CENSUS)
    fuller = capacity.report(first, figure(12, 10), Cause.ADMISSION)
    emptier = capacity.report(fuller, figure(12, 7), Cause.DISCHARGE)
    assert [one.free for one in (first, fuller, emptier)] == [3, 2, 5]


@pytest.mark.parametrize(
    ("said", "cause", "code"),
    [
        (figure(12, 13), Cause.CENSUS, "capacity_over_unsaid"),
        (figure(12, 8), Cause.ADMISSION, "capacity_cause_contradicts"),
        (figure(13, 10), Cause.ADMISSION, "capacity_cause_contradicts"),
        (figure(12, 10), Cause.DISCHARGE, "capacity_cause_contradicts"),
        (figure(12, 9), Cause.OPENING, "capacity_cause_contradicts"),
        (figure(13, 9), Cause.CLOSING, "capacity_cause_contradicts"),
    ],
)
def test_figures_that_contradict_their_cause_are_refused(
    said: Figure, cause: Cause, code: str
) -> None:
    with pytest.raises(errors.Invalid) as refused:
        capacity.report(figure(12, 9), said, cause)
    assert refused.value.code == code


def test_more_patients_than_places_is_kept_only_as_a_flag_that_is_true() -> None:
    assert capacity.report(None, figure(12, 14, over=True), Cause.CENSUS).over
    assert not capacity.report(None, figure(12, 9, over=True), Cause.CENSUS).over


@given(st.integers(0, 200_000))
def test_a_figure_is_marked_then_no_longer_used(age_s: int) -> None:
    got = capacity.freshness(NOW - timedelta(seconds=age_s), NOW, 3600, 86_400)
    wanted = Freshness.FRESH if age_s < 3600 else Freshness.MARKED
    assert got is (Freshness.OUTDATED if age_s >= 86_400 else wanted)


def test_every_kind_has_its_labels() -> None:
    assert set(capacity.labels()) == set(CapacityKind)
