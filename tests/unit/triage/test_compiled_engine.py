"""The compiled engine says what the interpreter says, word for word, on every shipped protocol."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage import library, oracle
from triage.assessment import Observation
from triage.compiler import compile_protocol
from triage.engine import assess
from triage.expression import Compare, Constant, Interval, Name, evaluate, undetermined, walk
from triage.finding import LAY_CALLER, PROFESSIONAL, Finding, ObserverContext
from triage.generated import compare_sides
from triage.program import programs
from triage.protocol import Answer, Input, Protocol, Unanswerable, decode

LIBRARY = library.load()
COMPLAINTS = [None, *sorted({c for p in LIBRARY.protocols for c in p.file.complaints})]
CONTEXTS = (LAY_CALLER, PROFESSIONAL, ObserverContext(devices=("oximeter",)))
REASONS: tuple[Unanswerable, ...] = ("caller_cannot_know", "not_obtainable_here", "refused")


def edges(protocols: Iterable[Protocol]) -> dict[str, list[float]]:
    """Give the numbers that conditions and bands compare each input with."""
    found: dict[str, list[float]] = {}
    for protocol in protocols:
        trees = [protocol.gate, *(parsed.when for parsed in protocol.rules)]
        trees += [e.applies for e in protocol.inputs if e.applies is not None]
        for parsed in protocol.scores:
            for item in parsed.items:
                trees += [t for t in (item.when, item.points_if) if t is not None]
                for upper, _ in item.item.bands[:-1]:
                    found.setdefault(item.item.input or "", []).append(upper)
        for node in (node for tree in trees for node in walk(tree)):
            if isinstance(node, Compare):
                for side, other in ((node.left, node.right), (node.right, node.left)):
                    value = other.value if isinstance(other, Constant) else None
                    if isinstance(side, Name) and isinstance(value, float):
                        found.setdefault(side.name, []).append(value)
    return found


EDGES = edges(LIBRARY.protocols)


def answer(dice: random.Random, entry: Input) -> Answer:
    if entry.type == "bool":
        return dice.random() < 0.4
    if entry.type == "choice":
        return dice.choice(entry.choices)
    low, high = entry.range or (0.0, 100.0)
    known = [edge for edge in EDGES.get(entry.key, []) if low <= edge <= high]
    if known and dice.random() < 0.7:
        near = dice.choice(known) + dice.choice([-1.0, -0.1, 0.0, 0.1, 1.0])
        return min(max(near, low), high)
    return round(dice.uniform(low, high), 1)


def draw(dice: random.Random, protocols: Iterable[Protocol], share: float) -> list[Finding]:
    found: dict[str, Finding] = {}
    for protocol in protocols:
        for entry in protocol.file.inputs:
            if entry.key in found or dice.random() > share:
                continue
            if dice.random() < 0.15:
                found[entry.key] = Finding(input=entry.key, unanswerable=dice.choice(REASONS))
            else:
                found[entry.key] = Finding(input=entry.key, value=answer(dice, entry))
    if dice.random() < 0.5:
        found["age_y"] = Finding(
            input="age_y", value=dice.choice([0.1, 1.5, 4.0, 12.0, 16.0, 60.0])
        )
    return list(found.values())


def same(protocols: tuple[Protocol, ...], findings: list[Finding], seen: Observation) -> None:
    assert assess(protocols, findings, seen) == oracle.assess(protocols, findings, seen)


@pytest.mark.parametrize("protocol", LIBRARY.protocols, ids=lambda p: p.file.id)
def test_each_protocol_alone_says_what_the_interpreter_says(protocol: Protocol) -> None:
    dice = random.Random(7)
    for share in (0.0, 0.2, 0.5, 0.8, 1.0):
        for _ in range(40):
            seen = Observation(context=dice.choice(CONTEXTS))
            same((protocol,), draw(dice, (protocol,), share), seen)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COMPLAINTS), st.randoms(use_true_random=False), st.floats(0.0, 1.0))
def test_combined_protocols_say_what_the_interpreter_says(
    complaint: str | None, dice: random.Random, share: float
) -> None:
    chosen = LIBRARY.choose(complaint, allow_draft=True)
    seen = Observation(
        context=dice.choice(CONTEXTS), default_acuity=dice.choice([None, "U0", "U2", "U3"])
    )
    same(chosen, draw(dice, chosen, share), seen)


NUMBERS = st.one_of(st.none(), st.integers(-2, 2).map(float))
SIDES = st.one_of(NUMBERS, st.tuples(st.integers(-2, 2), st.integers(0, 2)))


@given(SIDES, SIDES, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_two_sides_compare_as_in_the_interpreter(left: object, right: object, op: str) -> None:
    values: dict[str, object] = {}
    sides: list[tuple[object, object, int] | None] = []
    blockers = 0
    for name, side, bit in (("a", left, 1), ("b", right, 2)):
        if isinstance(side, tuple):
            values[name] = Interval(float(side[0]), float(side[0] + side[1]))
            sides.append((side[0], side[0] + side[1], bit))
        else:
            values[name] = side
            sides.append(None if side is None else (side, side, 0))
            blockers |= bit if side is None else 0
    tree = Compare(Name("a"), op, Name("b"))  # type: ignore[arg-type]
    truth = evaluate(tree, values)  # type: ignore[arg-type]
    found = compare_sides(sides[0], op, sides[1], blockers)  # type: ignore[arg-type]
    if truth is None:
        names = undetermined(tree, values)  # type: ignore[arg-type]
        assert found == ("a" in names) + 2 * ("b" in names)
    else:
        assert found == -int(truth)


def test_a_protocol_is_compiled_once_and_equal_files_give_equal_source() -> None:
    protocol = LIBRARY.protocols[0]
    assert programs([protocol])[0] is programs((protocol,))[0]
    again = decode(library.PROTOCOLS_DIRECTORY.joinpath(f"{protocol.file.id}.toml").read_bytes())
    assert compile_protocol(again).source == compile_protocol(protocol).source


def test_nothing_of_a_file_reaches_the_source_but_numbers_and_quoted_choices() -> None:
    raw = (library.PROTOCOLS_DIRECTORY / "news2.toml").read_text("utf-8")
    evil = "');import os;('"
    twisted = raw.replace('"A", ', f'"{evil}", "A", ', 1).replace(
        "A = 0", f'"{evil}" = 1, A = 0', 1
    )
    source = compile_protocol(decode(twisted.encode())).source
    compile(source, "twisted", "exec")
    assert repr(evil) in source
    assert evil not in source.replace(repr(evil), "")
