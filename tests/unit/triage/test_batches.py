"""Columns of cases have the levels that the engine gives each case."""

import random

import numpy as np
import pytest

from triage import batch, library
from triage.assessment import Observation
from triage.engine import evaluate
from triage.finding import PROFESSIONAL, Finding
from triage.program import RANK
from triage.protocol import Answer, Input, Protocol

LIBRARY = library.load()
SEEN = Observation(context=PROFESSIONAL)


def answer(dice: random.Random, entry: Input) -> Answer:
    if entry.type == "bool":
        return dice.random() < 0.35
    if entry.type == "choice":
        return dice.choice(entry.choices)
    low, high = entry.range or (0.0, 1.0)
    if entry.key == "age_y":
        return dice.choice([0.1, 3.0, 12.0, 16.0, 30.0, 70.0])
    return min(max(round(dice.uniform(low, high), dice.choice([0, 1])), low), high)


def check(protocol: Protocol, share: float, missing: batch.Missing, rows: int = 150) -> None:
    dice = random.Random(f"{protocol.file.id}{share}{missing}")
    inputs = protocol.file.inputs
    cases = [
        {e.key: answer(dice, e) if dice.random() < share else None for e in inputs}
        for _ in range(rows)
    ]
    columns = {e.key: batch.column(e, [case[e.key] for case in cases]) for e in inputs}
    if share == 0.0:
        columns = {}
    got = batch.levels(protocol, columns, rows, missing)
    for row, case in enumerate(cases):
        findings = [
            Finding(input=key, value=value, unanswerable="refused" if value is None else None)
            for key, value in case.items()
            if value is not None or missing == "unanswerable"
        ]
        want = evaluate([protocol], findings, SEEN)
        assert (got.assured[row], got.worst[row]) == (RANK[want.assured], RANK[want.worst])
        assert got.level(row) == want.assured


@pytest.mark.parametrize("missing", ["open", "unanswerable"])
@pytest.mark.parametrize("protocol", LIBRARY.protocols, ids=lambda p: p.file.id)
def test_every_row_has_the_levels_of_its_case(protocol: Protocol, missing: batch.Missing) -> None:
    for share in (0.0, 0.5, 0.85, 1.0):
        check(protocol, share, missing)


def test_a_column_without_a_gap_carries_no_mask() -> None:
    assert batch.of_numbers(np.array([1.0, 2.0])).missing is None
    gaps = batch.of_numbers(np.array([1.0, np.nan])).missing
    assert gaps is not None
    assert gaps.tolist() == [False, True]
