"""Assessments a second: the engine on all shipped protocols, against a plain if-chain of NEWS2.

The if-chain is what people write by hand: it knows no unknown, no reasons and no interval. It is
the floor that an engine with all of these is compared with, on the same complete findings.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

from server import report
from server.cli import version
from triage import engine, library
from triage.assessment import Observation
from triage.finding import Finding

SIZE = 400


def draw(dice: random.Random, known: library.Library, share: float) -> list[Finding]:
    """Draw the findings of one patient: each input answered with a given chance."""
    found: dict[str, Finding] = {}
    for protocol in known.protocols:
        for entry in protocol.file.inputs:
            if entry.key in found or dice.random() > share:
                continue
            value: bool | float | str
            if entry.type == "bool":
                value = dice.random() < 0.2
            elif entry.type == "choice":
                value = dice.choice(entry.choices)
            else:
                low, high = entry.range or (0.0, 100.0)
                value = round(dice.uniform(low, high), 1)
            found[entry.key] = Finding(input=entry.key, value=value)
    return list(found.values())


def by_hand(values: dict[str, object]) -> str:
    """Score NEWS2 as a plain chain of comparisons: nothing missing, no reasons."""
    points = 0
    for key, bands in (
        ("rr", ((8, 3), (11, 1), (20, 0), (24, 2), (999, 3))),
        ("spo2", ((91, 3), (93, 2), (95, 1), (999, 0))),
        ("sbp", ((90, 3), (100, 2), (110, 1), (219, 0), (999, 3))),
        ("hr", ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (999, 3))),
        ("temp_c", ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (999, 2))),
    ):
        value = values.get(key, 0)
        for upper, worth in bands:
            if isinstance(value, int | float) and value <= upper:
                points += worth
                break
    points += 0 if values.get("acvpu") == "A" else 3
    return "U1" if points >= 7 else "U2" if points >= 5 else "U4"


def rate(run: Callable[[], None], count: int) -> float:
    """Give how many a second one pass makes."""
    began = time.perf_counter()
    run()
    return count / (time.perf_counter() - began)


def measure(seed: int, runs: int) -> list[report.Figure]:
    """Measure in turns and give the figures."""
    dice = random.Random(seed)
    known = library.load()
    chosen = known.choose("chest-pain", allow_draft=True)
    partial = [draw(dice, known, 0.5) for _ in range(SIZE)]
    complete = [draw(dice, known, 1.0) for _ in range(SIZE)]
    plain = [{one.input: one.value for one in findings} for findings in complete]

    def assess(cases: Sequence[list[Finding]]) -> None:
        for findings in cases:
            engine.assess(chosen, findings, Observation())

    rates: dict[str, list[float]] = {"partial": [], "complete": [], "by_hand": []}
    for _ in range(runs):
        rates["partial"].append(rate(lambda: assess(partial), SIZE))
        rates["complete"].append(rate(lambda: assess(complete), SIZE))
        rates["by_hand"].append(rate(lambda: [by_hand(one) for one in plain] and None, SIZE))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return [
        report.Figure(
            name=f"assessments_{name}",
            value=round(middle[name], 1),
            unit="1/s",
            low=round(min(rates[name]), 1),
            high=round(max(rates[name]), 1),
            against={"if_chain_news2": middle[name] / middle["by_hand"]},
        )
        for name in ("partial", "complete")
    ]


def main(arguments: list[str]) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="regul bench triage", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(arguments)
    figures = measure(options.seed, options.runs)
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
    return 0
