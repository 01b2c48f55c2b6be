"""Complete cases decided in one pass say what the interpreter says of the same answers."""

import random

import msgspec
import pytest

from triage import library, oracle
from triage.assessment import Observation
from triage.complete import Decider, IncompleteError, decider
from triage.expression import evaluate
from triage.finding import PROFESSIONAL, Finding
from triage.protocol import Answer, Input, Protocol, decode

LIBRARY = library.load()
DECIDERS: dict[str, Decider] = {}


def compiled_for(protocol: Protocol) -> Decider:
    if protocol.digest not in DECIDERS:
        DECIDERS[protocol.digest] = decider(protocol)
    return DECIDERS[protocol.digest]


def answer(dice: random.Random, entry: Input) -> Answer:
    if entry.type == "bool":
        return dice.random() < 0.3
    if entry.type == "choice":
        return dice.choice(entry.choices)
    low, high = entry.range or (0.0, 1.0)
    return min(max(round(dice.uniform(low, high), dice.choice([0, 1])), low), high)


def case(dice: random.Random, protocol: Protocol) -> dict[str, Answer]:
    values = {entry.key: answer(dice, entry) for entry in protocol.file.inputs}
    if "age_y" in values:
        values["age_y"] = dice.choice([0.1, 3.0, 12.0, 16.0, 30.0, 70.0])
    if "age_mo" in values:
        values["age_mo"] = dice.choice([1.0, 5.0, 20.0])
    return values


def check(protocol: Protocol, values: dict[str, Answer]) -> int:
    findings = [Finding(input=key, value=value) for key, value in values.items()]
    want = oracle.assess([protocol], findings, Observation(context=PROFESSIONAL))
    compiled = compiled_for(protocol)
    got = compiled.decide([values.get(entry.key) for entry in protocol.file.inputs])
    assert got.assured == want.assured
    assert tuple(got.fired) == want.trace.fired
    for total, points, score in zip(got.scores, got.points, want.trace.scores, strict=False):
        assert (total, total) == (score.result.low, score.result.high)
        assert points == tuple(part.low for part in score.result.contributions)
    assert compiled.answer(msgspec.json.encode(values)) == msgspec.json.encode(got)
    return len(got.fired)


@pytest.mark.parametrize("protocol", LIBRARY.protocols, ids=lambda p: p.file.id)
def test_a_complete_case_is_decided_as_the_interpreter_decides(protocol: Protocol) -> None:
    dice = random.Random(11)
    assert sum(check(protocol, case(dice, protocol)) for _ in range(60)) > 0


@pytest.mark.parametrize("protocol", LIBRARY.protocols, ids=lambda p: p.file.id)
def test_one_missing_answer_that_applies_decides_nothing(protocol: Protocol) -> None:
    dice = random.Random(3)
    decide = compiled_for(protocol).decide
    for entry in protocol.inputs:
        values = case(dice, protocol)
        del values[entry.input.key]
        row = [values.get(one.key) for one in protocol.file.inputs]
        if entry.applies is None or evaluate(entry.applies, values):
            with pytest.raises(IncompleteError):
                decide(row)
        elif evaluate(entry.applies, values) is False:
            check(protocol, values)


def leaves(depth: int, path: str = "") -> list[str]:
    """Give the paths of a tree that tests n0 at the root and another input at each node."""
    if depth == 0:
        return [path.removeprefix(" and ")]
    test = f"n{depth} >= 5" if depth % 2 else f"b{depth}"
    other = f"n{depth} < 5" if depth % 2 else f"not b{depth}"
    return leaves(depth - 1, f"{path} and {test}") + leaves(depth - 1, f"{path} and {other}")


def test_a_decision_tree_is_walked_once_and_fires_one_leaf() -> None:
    text = 'fr = "x", en = "x"'
    head = f"""schema = 1
id = "tree"
version = "1"
kind = "score"
status = "draft"
licence = "x"
title = {{ {text} }}
citations = [{{ id = "x", text = "x" }}]
tests = []
[population]
when = "true"
everyone = true
why = {{ {text} }}
"""
    for depth in range(1, 6):
        head += f'[[inputs]]\nask = {{ {text} }}\nkey = "{"n" if depth % 2 else "b"}{depth}"\n'
        head += 'type = "number"\nrange = [0, 10]\n' if depth % 2 else 'type = "bool"\n'
    for number, path in enumerate(leaves(5)):
        head += f'[[rules]]\nid = "leaf{number}"\nwhen = "{path}"\nacuity = "U{number % 6}"\n'
        head += f'why = {{ {text} }}\ncites = ["x"]\nwhen_unanswerable = "fire"\n'
    protocol = decode(head.encode())
    source = decider(protocol).source
    assert source.count("v0 >= 5.0") == 16
    assert source.count("v4 >= 5.0") == 1
    dice = random.Random(5)
    assert {check(protocol, case(dice, protocol)) for _ in range(200)} == {1}
