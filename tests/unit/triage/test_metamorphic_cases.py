"""Seeded pairs of patients: nothing is broken, and a planted fault is seen."""

from pathlib import Path

import pytest

from triage import library, metamorphic
from triage.metamorphic import RELATIONS, Generator, broken, judged, sabotaged
from triage.proof_answers import Row
from triage.protocol import Protocol, decode

PROTOCOLS = [
    decode(path.read_bytes()) for path in sorted(library.PROTOCOLS_DIRECTORY.glob("*.toml"))
]
TRAP = decode((Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml").read_bytes())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.file.id)
def test_no_pair_of_patients_breaks_a_relation(protocol: Protocol) -> None:
    tried = metamorphic.run(protocol, 100, seed=2)
    assert tried.violations == ()
    assert {"opened", "taken_back"} <= tried.by_relation.keys()


@pytest.mark.nightly
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.file.id)
def test_no_pair_of_a_hundred_thousand_breaks_a_relation(protocol: Protocol) -> None:
    print(f"seed 20261123, {protocol.file.id}")
    assert metamorphic.run(protocol, 100_000, seed=20261123).violations == ()


def test_an_engine_that_takes_no_answer_for_a_reassuring_one_is_seen() -> None:
    tried = metamorphic.run(TRAP, 300, seed=1, judge=sabotaged)
    assert {"given_up", "taken_back"} & {entry.relation for entry in tried.violations}
    lines = list(metamorphic.lines(TRAP, tried))
    assert "violations" in lines[0]
    assert lines[1].strip().startswith("case")


def test_a_red_flag_that_hides_a_graver_rule_is_seen() -> None:
    tried = metamorphic.run(TRAP, 2000, seed=1)
    assert {(v.relation, v.input) for v in tried.violations} == {("red_flag", "pain_now")}


def test_a_worse_measurement_that_ranks_lower_is_seen() -> None:
    raw = (Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml").read_bytes()
    faulty = decode(raw.replace(b"minutes_lasting >= 10", b"minutes_lasting <= 10"))
    tried = metamorphic.run(faulty, 2000, seed=1)
    assert ("worsened", "minutes_lasting") in {(v.relation, v.input) for v in tried.violations}


def test_equal_seeds_draw_equal_pairs_and_others_do_not() -> None:
    pairs = [[Generator(TRAP, seed).pair(relation) for relation in RELATIONS] for seed in (1, 1, 2)]
    assert pairs[0] == pairs[1]
    assert pairs[0] != pairs[2]


def test_each_relation_forbids_what_it_says() -> None:
    def at(**answers: bool | float) -> Row:
        return Row(answers={"age_y": 40.0, "pregnant": False, **answers})

    low = judged(TRAP, at(pain_now=False, hours_since_last_pain=100.0))
    high = judged(TRAP, at(pain_now=True, minutes_lasting=30.0))
    unsure = judged(TRAP, at())
    assert broken("opened", low, high)
    assert broken("opened", high, low)
    assert not broken("opened", high, unsure)
    assert broken("given_up", high, low)
    assert broken("given_up", low, unsure)
    assert not broken("given_up", unsure, unsure)
    assert broken("taken_back", high, low)
    assert not broken("taken_back", low, high)
    assert broken("red_flag", high, low)
    assert not broken("red_flag", low, high)


@pytest.mark.parametrize("protocol_id", ["news2", "bedside-pews", "labour"])
def test_conditional_listed_and_outward_directions_are_drawn(protocol_id: str) -> None:
    protocol = next(p for p in PROTOCOLS if p.file.id == protocol_id)
    declared = {e.key for e in protocol.file.inputs if e.worse != "none" and e.type != "bool"}
    generator = Generator(protocol, 4)
    drawn = {
        pair[0] for pair in (generator.pair("worsened") for _ in range(400)) if pair is not None
    }
    assert drawn <= declared
    assert len(drawn) >= len(declared) - 1
