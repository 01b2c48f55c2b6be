"""The report shape: one object, unique names, nothing that does not apply."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.report import Figure, Report, against_goal, as_json, as_table, met, percentile


def report(*figures: Figure) -> Report:
    return Report(name="replay", version="0.1.0", machine="m", seed=7, figures=list(figures))


def test_what_does_not_apply_is_left_out() -> None:
    written = json.loads(as_json(report(Figure(name="a", value=1))))

    assert written == {
        "name": "replay",
        "version": "0.1.0",
        "machine": "m",
        "seed": 7,
        "figures": [{"name": "a", "value": 1}],
    }


def test_json_is_one_line() -> None:
    assert as_json(report(Figure(name="a", value="b\nc"))).count(b"\n") == 1


def test_a_name_is_used_once() -> None:
    with pytest.raises(ValueError, match="twice: a"):
        report(Figure(name="a", value=1), Figure(name="a", value=2))


def test_a_missed_goal_says_so() -> None:
    written = json.loads(as_json(report(against_goal("p95", 30.0, "ms", "<= 25"))))

    assert written["figures"] == [
        {"name": "p95", "value": 30.0, "unit": "ms", "goal": "<= 25", "met": False}
    ]


@pytest.mark.parametrize(
    ("value", "goal", "expected"),
    [(25, "<= 25", True), (26, "<= 25", False), (0, "== 0", True), (1, ">= 1", True)],
)
def test_goals_compare(value: float, goal: str, *, expected: bool) -> None:
    assert met(value, goal) is expected


def test_a_goal_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="comparison"):
        met(1, "about 3")


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_covers_its_share_and_occurred(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


def test_the_table_shows_only_columns_that_are_used() -> None:
    text = as_table(report(Figure(name="cases", value=760, unit="cases")))

    assert "goal" not in text
    assert "cases  760    cases" in text
