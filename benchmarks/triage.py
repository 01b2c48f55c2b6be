"""Triage a second: intervals, explained decisions, batches, and other rule engines beside ours.

Every figure is the median of interleaved repeats, in processor time of one core, so that what else
runs here disturbs little. The shared table (NEWS2, 20 red flags, a tree of 40 tests;
`_triage_table`) is written as a protocol and decided by our compiler, with its reasons; and by
zen-engine (three compiled expressions; all in one expression; a decision graph), rule-engine and
business-rules, which give none. All answers must be equal, and the compiled interval must be the
interpreter's; anything else breaks an invariant (exit 1). `--sabotage` plants a wrong rule.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from benchmarks import _triage_peers, _triage_table
from benchmarks._triage_table import FIELDS, Answer
from server import report
from server.cli import version
from triage import batch, engine, library, oracle
from triage.assessment import Observation
from triage.complete import Decision, decider
from triage.finding import Finding
from triage.protocol import Protocol, decode

CASES = 300
ROWS = 100_000
SECONDS = 0.1
PARTIAL = 0.5


class Load(msgspec.Struct, frozen=True):
    """Something measured: what is done to each of its things, and how many cases one holds."""

    name: str
    act: Callable[[Any], object]
    things: Sequence[Any]
    each: int = 1


def draw(dice: random.Random, protocols: Sequence[Protocol], share: float) -> list[Finding]:
    """Draw the findings of an adult man: each input answered with a given chance."""
    found = {
        "age_y": Finding(input="age_y", value=float(dice.randint(16, 90))),
        "sex": Finding(input="sex", value="M"),
    }
    for entry in (entry for protocol in protocols for entry in protocol.file.inputs):
        if entry.key in found or dice.random() > share:
            continue
        value: bool | float | str = dice.random() < 0.2
        if entry.type == "choice":
            value = dice.choice(entry.choices)
        elif entry.type == "number":
            low, high = entry.range or (0.0, 100.0)
            value = round(dice.uniform(low, high), 1)
        found[entry.key] = Finding(input=entry.key, value=value)
    return list(found.values())


def seconds_each(load: Load) -> float:
    """Give the time of one case, over passes that last at least a tenth of a second."""
    done, began = 0, time.thread_time()
    act = load.act
    while (took := time.thread_time() - began) < SECONDS:
        for thing in load.things:
            act(thing)
        done += len(load.things) * load.each
    return took / done


def ours(found: Decision) -> Answer:
    """Read our decision as every engine's answer."""
    rules = [one.rule for one in found.fired]
    flags = tuple(int(name[4:]) for name in rules if name.startswith("flag"))
    leaf = next((int(name[4:]) for name in rules if name.startswith("leaf")), -1)
    return Answer(found.scores[0], flags, leaf)


def table_loads(seed: int, *, sabotage: bool) -> tuple[list[Load], list[str], int]:
    """Give the loads on the shared table, the peers that are absent, and the wrong answers."""
    rules = _triage_table.table(7)
    cases = _triage_table.cases(CASES, seed)
    want = [_triage_table.reference(rules, case) for case in cases]
    protocol = decode(_triage_table.protocol(rules, sabotage=sabotage))
    compiled = decider(protocol)
    rows = [tuple(case[name] for name in FIELDS) for case in cases]
    texts = [msgspec.json.encode(case) for case in cases]
    wrong = sum(ours(compiled.decide(row)) != one for row, one in zip(rows, want, strict=True))
    many = _triage_table.cases(ROWS // 20, seed + 1)
    columns = {
        name: batch.of_numbers(np.tile(np.array([float(case[name]) for case in many]), 20))
        for name in FIELDS
    }
    levels = batch.levels(protocol, columns, ROWS)
    wrong += sum(
        levels.level(row) != compiled.decide([case[name] for name in FIELDS]).assured
        for row, case in enumerate(many)
    )
    found, absent = _triage_peers.peers(rules, cases)
    for peer in found:
        answers = [peer.answer(peer.decide(case)) for case in peer.cases]
        wrong += sum(got != one for got, one in zip(answers, want, strict=True))
    loads = [
        Load("table.explained", compiled.decide, rows),
        Load("table.json", compiled.answer, texts),
        Load("table.batch", lambda it: batch.levels(protocol, it, ROWS), [columns], ROWS),
        *(Load(f"peer.{peer.name}", peer.decide, peer.cases) for peer in found),
    ]
    return loads, absent, wrong


def case_loads(seed: int) -> tuple[list[Load], int]:
    """Give the loads on shipped protocols, and how often compiler and interpreter differ."""
    dice = random.Random(seed)
    known, seen = library.load(), Observation()
    chosen = known.choose("chest-pain", allow_draft=True)
    alone = tuple(one for one in chosen if one.file.id == "chest-pain-phone")
    partial = [draw(dice, alone, PARTIAL) for _ in range(CASES)]
    whole = [draw(dice, chosen, PARTIAL) for _ in range(CASES)]
    wrong = sum(
        engine.assess(group, one, seen) != oracle.assess(group, one, seen)
        for group, many in ((alone, partial), (chosen, whole))
        for one in many[:50]
    )
    loads = [
        Load("chest_pain.interval", lambda it: engine.evaluate(alone, it, seen), partial),
        Load("chest_pain.interpreter", lambda it: oracle.assess(alone, it, seen), partial[:20]),
        Load("case.interval", lambda it: engine.evaluate(chosen, it, seen), whole),
        Load("case.assessment", lambda it: engine.assess(chosen, it, seen), whole),
        Load("case.interpreter", lambda it: oracle.assess(chosen, it, seen), whole[:20]),
    ]
    return loads, wrong


def measure(seed: int, runs: int, *, sabotage: bool) -> tuple[list[report.Figure], int]:
    """Measure in turns; give the figures and how many answers were wrong."""
    on_table, absent, wrong = table_loads(seed, sabotage=sabotage)
    on_cases, differing = case_loads(seed)
    wrong += differing
    times: dict[str, list[float]] = {}
    for _ in range(runs):
        for load in (*on_cases, *on_table):
            times.setdefault(load.name, []).append(seconds_each(load))
    middle = {name: statistics.median(many) for name, many in times.items()}
    explained = middle["table.explained"]
    beside = {
        name.removeprefix("peer."): round(middle[name] / explained, 1)
        for name in middle
        if name.startswith("peer.")
    }
    figures = [
        _micro("chest_pain.interval", times, "<= 15", "chest_pain.interpreter"),
        _micro("case.interval", times, None, "case.interpreter"),
        _micro("case.assessment", times, None, "case.interpreter"),
        _rate("table.explained", times, ">= 500000", beside),
    ]
    if "zen_expressions" in beside:
        times_zen = beside["zen_expressions"]
        figures.append(report.against_goal("table.times_zen_expressions", times_zen, "x", ">= 15"))
    figures += [
        _micro("table.json", times, "<= 8", None),
        _rate("table.batch", times, ">= 3000000", {}),
        *(_rate(name, times, None, {}) for name in times if name.startswith("peer.")),
        *(report.Figure(name=f"peer.{name}", value="not installed") for name in absent),
        report.against_goal("answers_wrong", wrong, "answers", "== 0"),
    ]
    return figures, wrong


def _micro(
    name: str, times: dict[str, list[float]], goal: str | None, peer: str | None
) -> report.Figure:
    """Give a time in microseconds."""
    values = [value * 1e6 for value in times[name]]
    middle = round(statistics.median(values), 2)
    return report.Figure(
        name=name,
        value=middle,
        unit="µs",
        low=round(min(values), 2),
        high=round(max(values), 2),
        goal=msgspec.UNSET if goal is None else goal,
        met=msgspec.UNSET if goal is None else report.met(middle, goal),
        against={} if peer is None else {peer: statistics.median(times[peer]) * 1e6 / middle},
    )


def _rate(
    name: str, times: dict[str, list[float]], goal: str | None, beside: dict[str, float]
) -> report.Figure:
    """Give decisions a second on one core."""
    values = [1 / value for value in times[name]]
    middle = round(statistics.median(values))
    return report.Figure(
        name=name,
        value=middle,
        unit="1/s",
        low=round(min(values)),
        high=round(max(values)),
        goal=msgspec.UNSET if goal is None else goal,
        met=msgspec.UNSET if goal is None else report.met(middle, goal),
        against=beside,
    )


def main(arguments: list[str]) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="regul bench triage", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args(arguments)
    figures, wrong = measure(options.seed, options.runs, sabotage=options.sabotage)
    for figure in figures:
        if figure.value == "not installed":
            sys.stderr.write(f"{figure.name} is not installed: install the development lock.\n")
    report.show(
        report.Report(
            name="bench triage",
            version=version(),
            machine=report.machine(),
            seed=options.seed,
            runs=options.runs,
            figures=figures,
        ),
        json=options.json,
    )
    return 1 if wrong else 0
