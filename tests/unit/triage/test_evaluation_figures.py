"""The arithmetic of the evaluation, against examples worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.evaluation import (
    NAMES,
    NO_LEVEL,
    area,
    counts,
    figures,
    five_level,
    measured,
    specificity_at,
    trade_off,
)

LABELS = [1, 1, 2, 2, 3, 3, 4, 5]
LEVELS = [1, 2, 2, 3, 3, 2, 4, NO_LEVEL]


def of(labels: list[int], levels: list[int]) -> dict[str, float]:
    return {name: float(value) for name, value in figures(counts(labels, levels)).items()}


def test_the_levels_map_to_five() -> None:
    assert [five_level(u) for u in ("U0", "U1", "U2", "U3", "U4", "U5")] == [1, 2, 3, 4, 5, 5]
    assert five_level(None) == NO_LEVEL


def test_figures_of_eight_cases_worked_by_hand() -> None:
    got = of(LABELS, LEVELS)
    assert got["exact"] == 4 / 8
    assert got["under"] == 3 / 8
    assert got["over"] == 1 / 8
    assert got["sensitivity_1_2"] == 3 / 4
    assert got["specificity_1_2"] == 3 / 4
    assert got["missed_1_2"] == 0
    assert got["without_level"] == 1 / 8
    # Squared differences add up to 3; by chance (8 * 69 + 8 * 72 - 2 * 21 * 22) / 8 = 25.5.
    assert got["kappa_quadratic"] == pytest.approx(1 - 3 / 25.5)


def test_kappa_of_a_known_table() -> None:
    """Cohen 1968 in its simplest form: two levels one apart, 45 and 35 of 100 agreed."""
    labels = [1] * 60 + [2] * 40
    levels = [1] * 45 + [2] * 15 + [1] * 5 + [2] * 35
    # With two categories weights change nothing: (0.80 - 0.50) / (1 - 0.50).
    assert of(labels, levels)["kappa_quadratic"] == pytest.approx(0.6)


def test_perfect_agreement() -> None:
    got = of([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert (got["exact"], got["kappa_quadratic"], got["under"], got["over"]) == (1, 1, 0, 0)


def test_no_level_is_under_triage_even_of_the_mildest_label_and_missed_of_a_severe_one() -> None:
    got = of([5, 2], [NO_LEVEL, NO_LEVEL])
    assert (got["exact"], got["under"], got["over"]) == (0, 1, 0)
    assert (got["sensitivity_1_2"], got["missed_1_2"], got["without_level"]) == (0, 1, 1)


def test_a_severe_case_at_three_is_not_found_but_not_missed() -> None:
    got = of([2, 2, 1], [3, 4, 5])
    assert got["sensitivity_1_2"] == 0
    assert got["missed_1_2"] == pytest.approx(2 / 3)


def test_a_share_of_nobody_is_not_a_number() -> None:
    assert math.isnan(of([3, 4], [3, 4])["sensitivity_1_2"])
    found = measured(counts([3, 4], [3, 4]), samples=10, seed=1)
    assert math.isnan(found["missed_1_2"].value)
    assert math.isnan(found["missed_1_2"].low)


def test_equal_seeds_give_equal_intervals_and_other_seeds_others() -> None:
    table = counts(LABELS * 10, LEVELS * 10)
    assert measured(table, samples=300, seed=7) == measured(table, samples=300, seed=7)
    assert measured(table, samples=300, seed=7) != measured(table, samples=300, seed=8)


def test_the_interval_holds_the_figure_and_is_as_wide_as_a_binomial_share() -> None:
    labels = [1] * 200 + [3] * 200
    levels = [2] * 180 + [3] * 20 + [3] * 200
    got = measured(counts(labels, levels), samples=4000, seed=1)["sensitivity_1_2"]
    spread = 1.96 * math.sqrt(0.9 * 0.1 / 200)
    assert got.value == 0.9
    assert got.low == pytest.approx(0.9 - spread, abs=0.01)
    assert got.high == pytest.approx(0.9 + spread, abs=0.01)


def test_more_samples_than_one_batch_are_all_drawn() -> None:
    found = measured(counts(LABELS, LEVELS), samples=2001, seed=1)
    assert set(found) == set(NAMES)


@pytest.mark.parametrize(("labels", "levels"), [([6], [1]), ([1], [7]), ([0], [1]), ([1, 2], [1])])
def test_impossible_levels_are_refused(labels: list[int], levels: list[int]) -> None:
    with pytest.raises(ValueError, match="level"):
        counts(labels, levels)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no cases"):
        measured(counts([], []), samples=1, seed=1)


def test_trade_off_of_four_cases() -> None:
    curve = trade_off([1, 2, 3, 4], [0.9, 0.4, 0.6, 0.1])
    assert curve == [(0.5, 1.0), (0.5, 0.5), (1.0, 0.5), (1.0, 0.0)]
    # Of the four pairs of a severe and another case three are in the right order.
    assert area(curve) == pytest.approx(0.75)
    assert specificity_at(curve, 0.5) == 1.0
    assert specificity_at(curve, 0.51) == 0.5
    assert specificity_at([(0.5, 1.0)], 0.9) is None


def test_a_trade_off_needs_both_kinds_of_case() -> None:
    assert trade_off([1, 2], [1, 2]) == []
    assert trade_off([3, 4], [1, 2]) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=40))
def test_shares_add_up(pairs: list[tuple[int, int]]) -> None:
    labels, levels = [one for one, _ in pairs], [other for _, other in pairs]
    got = of(labels, levels)
    assert got["exact"] + got["under"] + got["over"] == pytest.approx(1)
    assert got["without_level"] <= got["under"]
    kappa = got["kappa_quadratic"]
    assert math.isnan(kappa) or kappa <= 1
    if not math.isnan(got["sensitivity_1_2"]):
        assert got["sensitivity_1_2"] + got["missed_1_2"] <= 1 + 1e-12
    assert np.isfinite(got["under"])
