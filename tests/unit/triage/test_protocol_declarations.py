"""What a file must declare, and boundary tests that would notice a wrong engine."""

import re
from pathlib import Path
from typing import Any

import pytest

from triage import boundaries, declarations, library
from triage.direct_reading import DirectReading
from triage.protocol import decode

TRAP = (Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml").read_bytes()
NEWS2 = (library.PROTOCOLS_DIRECTORY / "news2.toml").read_bytes()


def test_a_complete_file_declares_everything() -> None:
    assert list(declarations.problems(decode(TRAP))) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'unit = "min"', b'unit = "minutes"', "no unit of ours"),
        (b'worse = "true"', b'worse = "up"', "cannot be worse up"),
        (b'worse = "up"', b'worse = "away"', "away needs the normal range"),
        (b'worse = "up"', b'worse = "away"\nnormal = [5, 200000]', "inside of the range"),
        (b'worse = "up"', b'worse = "conditional"', "conditional needs worse_if"),
        (b'unit = "min"', b'unit = "/min"', "no device"),
        (b'ask = { fr = "Enceinte', b'by = []\nask = { fr = "Enceinte', "nobody can answer"),
        (b'en = "Any pain"', b'en = " "', "rules.any.why: needed in fr and en"),
        (b'fr = "Douleur qui revient"', b'fr = ""', "safety_net.worsening_signs"),
        (b"[[inputs]]", b'[[citations]]\nid = "x"\ntext = "X"\n[[inputs]]', "supports nothing"),
    ],
)
def test_a_missing_declaration_is_named(old: bytes, new: bytes, problem: str) -> None:
    assert old in TRAP
    found = list(declarations.problems(decode(TRAP.replace(old, new, 1))))
    assert any(problem in text for text in found), found


def test_a_score_cites_its_table_and_a_file_brings_four_tests() -> None:
    few = TRAP[: TRAP.rindex(b"[[tests]]")]
    assert any("at least 4" in text for text in declarations.problems(decode(few)))
    head, _, table = NEWS2.partition(b"[[scores]]")
    uncited = head + b"[[scores]]" + re.sub(rb"cites = .*\n", b"", table, count=1)
    assert any("every score cites" in text for text in declarations.problems(decode(uncited)))


@pytest.mark.parametrize("raw", [TRAP, NEWS2], ids=["planted", "news2"])
def test_every_edge_is_tried_at_just_below_and_just_above(raw: bytes) -> None:
    found = boundaries.run(decode(raw), raw)
    assert found.problems == ()
    assert found.biting == found.edges > 0
    assert found.values >= 6 * found.edges


@pytest.mark.parametrize(
    ("raw", "old", "new"),
    [
        (TRAP, b"minutes_lasting >= 10", b"minutes_lasting > 10"),
        (TRAP, b"hours_since_last_pain <= 12", b"hours_since_last_pain < 12"),
        (TRAP, b"age_y >= 16", b"age_y > 16"),
        (NEWS2, b"news2 >= 7", b"news2 >= 8"),
        (NEWS2, b"[20, 0]", b"[21, 0]"),
    ],
)
def test_an_edge_that_the_engine_and_the_table_put_elsewhere_is_noticed(
    raw: bytes, old: bytes, new: bytes
) -> None:
    assert old in raw
    found = boundaries.run(decode(raw), raw.replace(old, new, 1))
    assert found.problems


def test_the_direct_reading_knows_groups_maps_and_inputs_that_do_not_apply() -> None:
    reading = DirectReading(TRAP)
    base: dict[str, Any] = {"age_y": 40.0, "pregnant": False, "minutes_lasting": 99.0}
    gone = reading.read(base | {"pain_now": False, "hours_since_last_pain": 13.0})
    assert (gone.level, gone.fired) == ("U4", frozenset({"any"}))
    there = reading.read(base | {"pain_now": True, "hours_since_last_pain": 1.0})
    assert (there.level, there.fired) == ("U1", frozenset({"ongoing", "any"}))
    child = reading.read(base | {"pain_now": True, "age_y": 3.0, "hours_since_last_pain": 1.0})
    assert (child.level, child.fired) == (None, frozenset())
