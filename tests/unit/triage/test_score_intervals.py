"""A score is an interval: what each kind of item adds while answers are missing."""

import pytest

from triage.conditions import applicable
from triage.expression import Interval, Value, parse
from triage.format import Item, Score, Text
from triage.protocol import ParsedItem, ParsedScore
from triage.scoring import ScoreResult, score

TITLE = Text(fr="Score", en="Score")
BANDS = ((8.0, 3), (11.0, 1), (20.0, 0), (float("inf"), 2))


def item(  # one item as the decoder would parse it
    name: str,
    *,
    reads: str | None = None,
    bands: tuple[tuple[float, int], ...] = (),
    words: dict[str, int] | None = None,
    points_if: str | None = None,
    points: int = 0,
    when: str | None = None,
    applies: str | None = None,
    one_of: str | None = None,
) -> ParsedItem:
    written = Item(
        id=name,
        input=reads,
        bands=bands,
        map=words,
        points_if=points_if,
        points=points,
        when=when,
        one_of=one_of,
    )
    return ParsedItem(
        item=written,
        when=None if when is None else parse(when),
        applies=None if applies is None else parse(applies),
        points_if=None if points_if is None else applicable(parse(points_if), {}),
    )


def add(values: dict[str, Value], *items: ParsedItem) -> ScoreResult:
    written = Score(id="s", title=TITLE, items=tuple(entry.item for entry in items))
    return score(ParsedScore(score=written, items=items), values)


def ends(values: dict[str, Value], *items: ParsedItem) -> tuple[int, int]:
    result = add(values, *items)
    return result.low, result.high


@pytest.mark.parametrize(
    ("value", "points"),
    [(0.0, 3), (8.0, 3), (8.1, 1), (11.0, 1), (11.5, 0), (20.0, 0), (20.1, 2), (900.0, 2)],
)
def test_a_band_includes_its_upper_bound(value: float, points: int) -> None:
    assert ends({"rr": value}, item("a", reads="rr", bands=BANDS)) == (points, points)


def test_an_unanswered_band_or_map_may_bring_any_of_its_points() -> None:
    assert ends({}, item("a", reads="rr", bands=BANDS)) == (0, 3)
    words = {"A": 0, "V": 3, "P": -1}
    assert ends({}, item("a", reads="c", words=words)) == (-1, 3)
    assert ends({"c": "P"}, item("a", reads="c", words=words)) == (-1, -1)
    assert ends({"c": "V"}, item("a", reads="c", words=words)) == (3, 3)


def test_a_map_of_a_truth_reads_its_words() -> None:
    yes_no = item("a", reads="b", words={"true": 2, "false": 1})
    assert ends({"b": True}, yes_no) == (2, 2)
    assert ends({"b": False}, yes_no) == (1, 1)
    assert ends({}, yes_no) == (1, 2)


@pytest.mark.parametrize(("points", "missing"), [(2, (0, 2)), (-2, (-2, 0)), (0, (0, 0))])
def test_conditional_points_count_when_the_condition_holds(
    points: int, missing: tuple[int, int]
) -> None:
    entry = item("a", points_if="x", points=points)
    assert ends({"x": True}, entry) == (points, points)
    assert ends({"x": False}, entry) == (0, 0)
    assert ends({}, entry) == missing


def test_a_gated_item_counts_nothing_outside_of_its_gate_and_perhaps_while_unknown() -> None:
    entry = item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3)), when="x")
    assert ends({"x": True, "rr": 4.0}, entry) == (2, 2)
    assert ends({"x": False, "rr": 4.0}, entry) == (0, 0)
    assert ends({"rr": 4.0}, entry) == (0, 2)
    assert ends({"x": True}, entry) == (2, 3)
    assert ends({}, entry) == (0, 3)


def test_an_input_that_does_not_apply_counts_nothing() -> None:
    entry = item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3)), applies="y")
    assert ends({"y": True, "rr": 4.0}, entry) == (2, 2)
    assert ends({"y": False, "rr": 4.0}, entry) == (0, 0)
    assert ends({"y": False}, entry) == (0, 0)
    assert ends({"rr": 4.0}, entry) == (0, 2)
    gated = item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3)), applies="y", when="x")
    assert ends({"x": False}, gated) == (0, 0)
    assert ends({"x": True, "y": False}, gated) == (0, 0)


def group() -> tuple[ParsedItem, ParsedItem]:
    return (
        item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3)), when="x", one_of="g"),
        item("b", reads="hr", bands=((5.0, 5), (float("inf"), 7)), when="not x", one_of="g"),
    )


def test_of_a_group_one_item_counts_and_while_its_gate_is_unknown_the_hull() -> None:
    assert ends({"x": True, "rr": 4.0}, *group()) == (2, 2)
    assert ends({"x": False, "hr": 9.0}, *group()) == (7, 7)
    assert ends({"rr": 4.0, "hr": 4.0}, *group()) == (2, 5)
    assert ends({}, *group()) == (2, 7)


def test_parts_add_up_and_the_largest_is_known_between_bounds() -> None:
    result = add(
        {"rr": 4.0, "x": True},
        item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3))),
        item("b", points_if="x", points=1),
        item("c", points_if="y", points=4),
    )
    assert (result.score, result.low, result.high) == ("s", 3, 7)
    assert (result.max_item_low, result.max_item_high) == (2, 4)
    assert result.total() == Interval(3, 7)
    assert result.max_item() == Interval(2, 4)
    assert [(p.item, p.low, p.high) for p in result.contributions] == [
        ("a", 2, 2),
        ("b", 1, 1),
        ("c", 0, 4),
    ]


def test_an_empty_score_is_nothing() -> None:
    result = add({})
    assert (result.low, result.high, result.max_item_low, result.max_item_high) == (0, 0, 0, 0)


def test_a_group_counts_once() -> None:
    result = add({"x": True, "rr": 4.0}, *group())
    assert [part.item for part in result.contributions] == ["g"]


@pytest.mark.parametrize(
    ("values", "waits"),
    [
        ({}, {"rr", "hr", "x"}),
        ({"x": True}, {"rr"}),
        ({"x": False}, {"hr"}),
        ({"x": True, "rr": 4.0}, set()),
        ({"rr": 4.0}, {"x", "hr"}),
        ({"rr": 4.0, "hr": 4.0}, {"x"}),
    ],
)
def test_only_what_keeps_the_points_open_is_waited_for(
    values: dict[str, Value], waits: set[str]
) -> None:
    assert add(values, *group()).open_inputs() == waits


def test_what_a_gate_or_applicability_settles_is_not_waited_for() -> None:
    entry = item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3)), applies="y", when="x")
    assert add({"x": False}, entry).open_inputs() == set()
    assert add({"x": True}, entry).open_inputs() == {"rr", "y"}
    assert add({"y": True, "x": True}, entry).open_inputs() == {"rr"}
    assert add({"y": False}, entry).open_inputs() == set()
    assert add({}, entry).open_inputs() == {"rr", "x", "y"}
    test = item("b", points_if="z and x", points=2)
    assert add({}, test).open_inputs() == {"x", "z"}
    assert add({"z": True}, test).open_inputs() == {"x"}
    assert add({"z": False}, test).open_inputs() == set()


def test_an_item_that_cannot_change_the_points_is_settled_without_its_answer() -> None:
    flat = item("a", reads="rr", bands=((5.0, 2), (float("inf"), 2)))
    result = add({}, flat)
    assert (result.low, result.high) == (2, 2)
    assert result.open_inputs() == set()


def test_a_settled_part_names_what_it_was_computed_from() -> None:
    result = add(
        {"rr": 4.0, "x": True, "z": True},
        item("a", reads="rr", bands=((5.0, 2), (float("inf"), 3))),
        item("b", points_if="x and z", points=1),
        *group()[:1],
    )
    assert [part.inputs for part in result.contributions] == [("rr",), ("x", "z"), ("rr",)]
    waiting = add({}, item("b", points_if="x and z", points=1)).contributions[0]
    assert waiting.inputs == ("x", "z")
