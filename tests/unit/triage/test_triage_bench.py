"""The shared table of the benchmark: one meaning in our compiler and in every peer installed."""

import msgspec

from benchmarks import _triage_peers, _triage_table
from benchmarks import triage as bench
from triage.complete import decider
from triage.protocol import decode

TABLE = _triage_table.table(7)
CASES = _triage_table.cases(60, 5)


def wrong(*, sabotage: bool) -> int:
    decide = decider(decode(_triage_table.protocol(TABLE, sabotage=sabotage))).decide
    rows = [tuple(case[name] for name in _triage_table.FIELDS) for case in CASES]
    return sum(
        bench.ours(decide(row)) != _triage_table.reference(TABLE, case)
        for row, case in zip(rows, CASES, strict=True)
    )


def test_the_table_means_the_same_to_us_and_to_its_plain_reading() -> None:
    assert len(TABLE.flags) == 20
    assert len(TABLE.leaves) == 41
    assert wrong(sabotage=False) == 0


def test_a_planted_fault_is_found() -> None:
    leaf = decode(_triage_table.protocol(TABLE, sabotage=True))
    assert [rule.id for rule in leaf.file.rules if rule.when == "false"] == ["leaf0"]
    CASES.append(
        next(c for c in _triage_table.cases(5000, 9) if all(t.holds(c) for t in TABLE.leaves[0]))
    )
    assert wrong(sabotage=True) >= 1


def test_every_peer_installed_gives_the_same_answers() -> None:
    found, absent = _triage_peers.peers(TABLE, CASES)
    assert len(found) + len(absent) == 5
    for peer in found:
        answers = [peer.answer(peer.decide(case)) for case in peer.cases]
        assert answers == [_triage_table.reference(TABLE, case) for case in CASES], peer.name


def test_json_goes_in_and_comes_out() -> None:
    answer = decider(decode(_triage_table.protocol(TABLE))).answer
    found = msgspec.json.decode(answer(msgspec.json.encode(CASES[0])))
    assert found["scores"] == [_triage_table.reference(TABLE, CASES[0]).points]
    assert found["fired"][0]["why"]
