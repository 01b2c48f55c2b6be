"""The circuit that proofs are solved from says what the engine says, row by row."""

import random

import pytest

from triage import library
from triage.acuity import SCALE
from triage.assessment import Observation
from triage.circuit import FALSE, TRUE, Circuit, Lit
from triage.finding import PROFESSIONAL
from triage.ladder import Ladder
from triage.oracle import assess
from triage.proof_answers import Row, Sheet
from triage.proof_terms import Answered
from triage.proof_world import World
from triage.protocol import Protocol, decode
from triage.sampling import Sampler

PROTOCOLS = [
    decode(path.read_bytes()) for path in sorted(library.PROTOCOLS_DIRECTORY.glob("*.toml"))
]
ROWS = 24


def assignment(answers: dict[str, Answered], row: Row) -> dict[Lit, bool]:
    """Give the variables' values that describe a row."""
    values: dict[Lit, bool] = {}

    def put(literal: Lit, *, holds: bool) -> None:
        values[abs(literal)] = holds if literal > 0 else not holds

    for key, entry in answers.items():
        given = row.answers.get(key)
        put(entry.known, holds=given is not None)
        put(entry.unanswerable, holds=key in row.unanswerable)
        if isinstance(given, bool):
            put(entry.truth, holds=given)
        for word, literal in entry.words.items():
            put(literal, holds=word == given)
        if entry.ladder is not None and isinstance(given, float):
            position = stands_at(entry.ladder, given, peers(answers, entry.ladder, row))
            for index, literal in enumerate(entry.upto):
                put(literal, holds=position <= entry.ladder.low + index)
    return values


def peers(answers: dict[str, Answered], ladder: Ladder, row: Row) -> set[float]:
    """Give the numbers of the row whose inputs share a ladder."""
    keys = [k for k, e in answers.items() if e.ladder and e.ladder.marks == ladder.marks]
    return {n for n in map(row.answers.get, keys) if isinstance(n, float)}


def stands_at(ladder: Ladder, given: float, shared: set[float]) -> int:
    """Give the position of a number, in order among the numbers of the same gap."""
    place = next(i for i, mark in enumerate(ladder.marks) if given <= mark)
    if given == ladder.marks[place]:
        return place * (ladder.room + 1)
    low = ladder.marks[place - 1]
    below = {n for n in shared if low < n < given}
    return (place - 1) * (ladder.room + 1) + len(below) + 1


def free(sheet: Sheet) -> dict[str, Answered]:
    """Give inputs whose status are plain variables, to be set from outside."""
    return {
        key: entry.__class__(
            input=entry.input,
            known=sheet.circuit.variable(),
            unanswerable=sheet.circuit.variable(),
            truth=entry.truth,
            words=entry.words,
            ladder=entry.ladder,
            upto=entry.upto,
        )
        for key, entry in sheet.answered().items()
    }


def compare(protocol: Protocol, sheet: Sheet, world: World, row: Row) -> None:
    got = assess([protocol], row.findings(), Observation(context=PROFESSIONAL))
    values = assignment(dict(world.answers), row)

    asked = [*(world.assured(level) for level in SCALE), *(world.worst(level) for level in SCALE)]
    asked += [world.gate.true, world.gate.false]
    asked += [lit for o in world.outcomes for lit in (o.fires, o.guessed, o.truth.waits)]
    truths = sheet.circuit.truths(asked, values)

    def holds(literal: Lit) -> bool:
        return truths[abs(literal)] == (literal > 0)

    told = {True: "met", False: "unknown"}[holds(world.gate.true)]
    assert got.trace.gates[0].state == ("unmet" if holds(world.gate.false) else told)
    assert {entry.rule for entry in got.trace.fired} == {
        o.rule.id for o in world.outcomes if holds(o.fires)
    }
    assert {entry.rule for entry in got.trace.held} == {
        o.rule.id for o in world.outcomes if holds(o.guessed) and not holds(o.fires)
    }
    assert {entry.rule for entry in got.trace.possible} == {
        o.rule.id for o in world.outcomes if holds(o.truth.waits)
    }
    for level in SCALE:
        assert holds(world.assured(level)) == (got.assured is not None and got.assured <= level)
        assert holds(world.worst(level)) == (got.worst is not None and got.worst <= level)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.file.id)
def test_the_circuit_and_the_engine_agree_on_seeded_rows(protocol: Protocol) -> None:
    sheet = Sheet(protocol)
    world = sheet.world(free(sheet))
    sampler = Sampler(protocol, 3)
    shares = [(1.0, 0.0), (0.8, 0.2), (0.6, 0.2), (0.3, 0.5)]
    for turn in range(ROWS):
        answered, unanswerable = shares[turn % len(shares)]
        row = sampler.row(answered=answered, unanswerable=unanswerable, calm=0.7 * (turn % 3 > 0))
        compare(protocol, sheet, world, row)


def test_a_row_read_back_from_a_solution_is_the_row_that_was_asked_for() -> None:
    protocol = PROTOCOLS[0]
    sampler = Sampler(protocol, 5)
    for _ in range(10):
        sheet = Sheet(protocol)
        answers = free(sheet)
        row = sampler.row(answered=0.6, unanswerable=0.2, calm=0.5)
        again = sheet.row(answers, assignment(answers, row))
        assert again.answers.keys() == row.answers.keys()
        assert again.unanswerable == row.unanswerable
        compare(protocol, sheet, sheet.world(answers), again)


def brute(circuit: Circuit, target: Lit, variables: list[Lit]) -> bool:
    return any(
        circuit.holds(target, {v: bool(mask >> i & 1) for i, v in enumerate(variables)})
        for mask in range(2 ** len(variables))
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_solver_agrees_with_trying_everything(seed: int) -> None:
    draw = random.Random(seed)
    circuit = Circuit()
    variables = [circuit.variable() for _ in range(6)]
    pool: list[Lit] = [TRUE, FALSE, *variables]
    for _ in range(12):
        some = [draw.choice(pool) * draw.choice((1, -1)) for _ in range(3)]
        weighted = [(lit, draw.randint(-3, 3)) for lit in some]
        pool.append(
            draw.choice(
                [
                    circuit.both(some),
                    circuit.either(some),
                    circuit.same(some[0], some[1]),
                    circuit.at_least(weighted, draw.randint(-2, 3)),
                ]
            )
        )
    target = circuit.both([pool[-1], -pool[-2], pool[-3]])
    found = circuit.solve(target, seconds=5)
    assert (found.verdict == "possible") == brute(circuit, target, variables)
    if found.verdict == "possible" and abs(target) != TRUE:
        assert circuit.holds(target, found.values)


def test_a_weighted_sum_counts_negated_and_constant_literals() -> None:
    circuit = Circuit()
    x, y = circuit.variable(), circuit.variable()
    literal = circuit.at_least([(x, 2), (-y, 3), (TRUE, 1), (FALSE, 9), (x, -1)], 4)
    for a in (False, True):
        for b in (False, True):
            total = 2 * a + 3 * (not b) + 1 - a
            assert circuit.holds(literal, {x: a, y: b}) == (total >= 4)


WEIGHTS = (3, -2, 5, 1)


@pytest.mark.parametrize("total", range(-3, 11))
def test_a_sum_reaches_exactly_the_totals_that_its_weights_can_make(total: int) -> None:
    circuit = Circuit()
    terms = [(circuit.variable(), weight) for weight in WEIGHTS]
    least, more = (circuit.at_least(terms, bound) for bound in (total, total + 1))
    found = circuit.solve(circuit.both([least, -more]), seconds=5)
    totals = {
        sum(weight for place, weight in enumerate(WEIGHTS) if mask >> place & 1)
        for mask in range(2 ** len(WEIGHTS))
    }
    assert (found.verdict == "possible") == (total in totals)
    if found.verdict == "possible":
        assert sum(weight for lit, weight in terms if found.values.get(lit)) == total


def test_constants_fold_and_equal_gates_are_one() -> None:
    circuit = Circuit()
    x, y = circuit.variable(), circuit.variable()
    assert circuit.both([]) == circuit.both([TRUE]) == TRUE
    assert circuit.either([]) == circuit.both([x, FALSE]) == circuit.both([x, -x]) == FALSE
    assert circuit.both([x, TRUE, x]) == x
    assert circuit.both([x, y]) == circuit.both([y, x])
    assert circuit.at_least([(x, 1)], 0) == TRUE
    assert circuit.at_least([(x, 1), (y, -1)], 2) == FALSE
    assert circuit.at_least([(x, 1), (y, 1)], 1) == circuit.at_least([(y, 1), (x, 1)], 1)
    assert not circuit.holds(x, {})
    assert circuit.holds(-x, {})
    assert circuit.holds(TRUE, {})
    assert circuit.solve(FALSE, seconds=1).verdict == "impossible"
    assert circuit.solve(TRUE, seconds=1).verdict == "possible"
    assert circuit.same(x, x) == TRUE
    circuit.require(TRUE)
    assert circuit.needed(x) == []


def test_requirements_that_touch_the_target_bind_and_others_are_left_out() -> None:
    circuit = Circuit()
    x, y, z = (circuit.variable() for _ in range(3))
    circuit.require(circuit.either([-x, y]))
    circuit.require(z)
    assert circuit.solve(circuit.both([x, -y]), seconds=5).verdict == "impossible"
    assert len(circuit.needed(x)) == 1


def test_the_fewest_weights_are_found() -> None:
    circuit = Circuit()
    x, y = circuit.variable(), circuit.variable()
    found = circuit.solve(circuit.either([x, y]), seconds=5, few=[(x, 2), (y, 1)])
    assert (found.values[x], found.values[y]) == (False, True)


def test_no_time_is_unknown_never_proved() -> None:
    circuit = Circuit()
    variables = [circuit.variable() for _ in range(40)]
    odd = [circuit.at_least([(v, 1) for v in variables], k) for k in range(1, 40)]
    parity = circuit.either(
        circuit.both([low, -high]) for low, high in zip(odd[::2], odd[1::2], strict=False)
    )
    assert circuit.solve(parity, seconds=0.0).verdict == "unknown"
