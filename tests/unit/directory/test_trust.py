"""Trust of a publisher: learned from what it did, fading, recovering; used as a probability."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from directory.trust import NEWCOMER, Outcome, Standing, acceptance, learn

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)
BAD = [one for one in Outcome if one is not Outcome.ACCEPTED]


def after(*outcomes: Outcome, apart: timedelta = timedelta()) -> Standing:
    known = Standing()
    for number, outcome in enumerate(outcomes):
        known = learn(known, outcome, NOW + number * apart)
    return known


@given(st.lists(st.sampled_from(Outcome), max_size=60), st.integers(0, 400))
def test_acceptance_is_a_probability_and_counts_are_exact(
    outcomes: list[Outcome], later: int
) -> None:
    known = after(*outcomes)
    assert 0 < acceptance(known, NOW + later * DAY) < 1
    assert known.asked == len(outcomes)
    assert known.refused == outcomes.count(Outcome.REFUSED)


@given(st.lists(st.sampled_from(Outcome), max_size=60), st.sampled_from(BAD))
def test_a_good_outcome_never_lowers_and_a_bad_one_never_raises(
    outcomes: list[Outcome], bad: Outcome
) -> None:
    known = after(*outcomes)
    raised = acceptance(learn(known, Outcome.ACCEPTED, NOW), NOW)
    lowered = acceptance(learn(known, bad, NOW), NOW)
    assert lowered < raised
    assert lowered < acceptance(after(*outcomes, Outcome.ACCEPTED), NOW)


def test_refusal_silence_and_a_slot_taken_away_lower_it_alike() -> None:
    figures = {acceptance(after(*[bad] * 5), NOW) for bad in BAD}
    assert len(figures) == 1
    assert figures.pop() < NEWCOMER


def test_it_recovers_by_accepting() -> None:
    known = after(*[Outcome.REFUSED] * 20)
    low = acceptance(known, NOW)
    assert low < 0.4
    for _ in range(40):
        known = learn(known, Outcome.ACCEPTED, NOW)
    assert acceptance(known, NOW) > 0.8
    assert (known.refused, known.accepted) == (20, 40)


def test_it_recovers_with_time_towards_a_newcomers() -> None:
    known = after(*[Outcome.REFUSED] * 20)
    seen = [acceptance(known, NOW + days * DAY) for days in (0, 45, 90, 365)]
    assert seen == sorted(seen)
    assert NEWCOMER - seen[-1] < 0.01
    assert seen[-1] < NEWCOMER


def test_a_clock_that_goes_back_changes_no_weight() -> None:
    known = after(Outcome.ACCEPTED, Outcome.REFUSED)
    assert learn(known, Outcome.ACCEPTED, NOW - DAY).as_of == known.as_of
    assert acceptance(known, NOW - DAY) == acceptance(known, NOW)
