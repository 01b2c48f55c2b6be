"""Numbers as positions: what conditions cannot tell apart stands on one rung."""

from pathlib import Path

import pytest

from triage.expression import names
from triage.ladder import Ladder, comparisons, ladders, trees
from triage.protocol import decode

KINDS = decode((Path(__file__).parent / "protocols_planted" / "every-kind.toml").read_bytes())
RAW = (Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml").read_bytes()
LADDERS = ladders(decode(RAW))


def test_every_constant_and_both_ends_of_the_range_are_rungs() -> None:
    assert LADDERS["age_y"] == Ladder(marks=(0.0, 16.0, 125.0), room=1, low=0, high=4)
    assert LADDERS["hours_since_last_pain"].marks == (0.0, 12.0, 72.0, 8760.0)
    assert set(LADDERS) == {"age_y", "minutes_lasting", "hours_since_last_pain"}


def test_a_rung_and_its_number_belong_together() -> None:
    ladder = LADDERS["hours_since_last_pain"]
    assert [ladder.position(mark) for mark in ladder.marks] == [0, 2, 4, 6]
    assert [ladder.number(place) for place in (0, 2, 4, 6)] == list(ladder.marks)
    assert 0.0 < ladder.number(1) < 12.0 < ladder.number(3) < 72.0 < ladder.number(5) < 8760.0


def test_numbers_between_two_rungs_are_round_where_they_can_be() -> None:
    ladder = Ladder(marks=(36.0, 36.1, 40.0, 4000.0), room=1, low=0, high=6)
    assert ladder.number(1) == 36.05
    assert ladder.number(3) == 38.0
    assert ladder.number(5) == 2000.0


def test_normal_ranges_bands_and_conditional_directions_give_rungs() -> None:
    raw = RAW.replace(
        b'worse = "up"\n',
        b'worse = "conditional"\nworse_if = [{ when = "age_y > 70", worse = "away", '
        b"normal = [3, 5] }]\n",
        1,
    )
    protocol = decode(raw)
    found = ladders(protocol)
    assert {3.0, 5.0} <= set(found["minutes_lasting"].marks)
    assert 70.0 in found["age_y"].marks
    assert any("age_y" in names(tree) for tree in trees(protocol))
    assert (
        len(list(comparisons(protocol))) == len(list(comparisons(protocol, directions=False))) + 1
    )


def test_inputs_that_are_compared_share_their_rungs_with_room_for_each() -> None:
    raw = RAW.replace(b"minutes_lasting >= 10", b"minutes_lasting >= age_y")
    found = ladders(decode(raw))
    pair = found["age_y"], found["minutes_lasting"]
    assert pair[0].marks == pair[1].marks == (0.0, 16.0, 125.0, 100000.0)
    assert [ladder.room for ladder in pair] == [2, 2]
    assert [(ladder.low, ladder.high) for ladder in pair] == [(0, 6), (0, 9)]
    first, second = (pair[0].number(place) for place in (1, 2))
    assert 0.0 < first < second < 16.0
    assert found["hours_since_last_pain"].room == 1


@pytest.mark.parametrize("mark", [1.0, 13.0])
def test_a_number_that_is_no_rung_has_no_position(mark: float) -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        LADDERS["age_y"].position(mark)


def test_numbers_of_shared_gaps_stay_in_their_own_part_of_the_gap() -> None:
    shared = Ladder(marks=(0.0, 12.0, 13.0), room=2, low=0, high=6)
    assert [shared.number(place) for place in range(7)] == [0.0, 3.0, 10.0, 12.0, 12.2, 12.8, 13.0]
    three = Ladder(marks=(0.0, 30.0), room=3, low=0, high=4)
    assert 0.0 < three.number(1) < 10.0 < three.number(2) < 20.0 < three.number(3) < 30.0


def test_a_gap_too_narrow_for_round_numbers_keeps_its_middle() -> None:
    narrow = Ladder(marks=(1.0, 1.00021), room=1, low=0, high=2)
    assert narrow.number(1) == pytest.approx(1.000105, abs=1e-9)
    assert Ladder(marks=(0.0, 90000.0), room=1, low=0, high=2).number(1) == 45000.0
    assert Ladder(marks=(0.0, 9000.0), room=1, low=0, high=2).number(1) == 4000.0


def test_bands_of_scores_are_rungs_and_infinity_is_none() -> None:
    kinds = ladders(KINDS)
    assert kinds["spo2"].marks == (0.0, 80.0, 85.0, 90.0, 92.0, 100.0)
    assert kinds["weight_kg"].marks == (0.0, 30.0, 50.0, 400.0)
    assert kinds["minutes"].marks == (0.0, 5.0, 10.0, 20.0, 100.0, 1000.0)
    assert kinds["age_y"].marks == (0.0, 10.0, 80.0, 125.0)
    assert kinds["hr"].marks == kinds["hr_limit"].marks
    assert (kinds["hr"].low, kinds["hr"].high) == (0, 3 * (len(kinds["hr"].marks) - 1))
    limit = kinds["hr_limit"]
    assert limit.number(limit.low) == 100.0
    assert limit.number(limit.high) == 200.0
    assert {40.0, 50.0, 51.0, 90.0, 100.0, 130.0, 200.0, 300.0} <= set(limit.marks)


def test_conditions_of_items_inputs_rules_and_the_gate_are_all_read() -> None:
    mentioned = [names(tree) for tree in trees(KINDS)]
    for key in ("age_y", "weight_kg", "pain", "minutes", "hr_limit", "points", "responds"):
        assert any(key in found for found in mentioned)
    assert len(mentioned) == 1 + 4 + 2 + 6  # the gate, rules, inputs, items


def test_a_number_without_a_range_reaches_from_its_first_to_its_last_rung() -> None:
    found = ladders(decode(RAW.replace(b"range = [0, 100000]\n", b"", 1)))["minutes_lasting"]
    assert found == Ladder(marks=(0.0, 1.0, 10.0), room=1, low=0, high=4)
