"""Numbers as positions: what conditions cannot tell apart stands on one rung."""

from pathlib import Path

import pytest

from triage.expression import names
from triage.ladder import Ladder, comparisons, ladders, trees
from triage.protocol import decode

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
