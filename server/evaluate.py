"""`regul protocols evaluate`: what the protocols propose beside what experts said.

Enters the recorded fields of each case, reads the words of its complaint, asks nothing and scores
the proposed level. Labels are compared, never entered. Missed goals are figures that say so; exit
2 is for a file that cannot be evaluated.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from server import cli
from server.refusal import Refusal
from server.report import Figure, Report, machine, met, show
from triage import baselines, evaluation, library, reader
from triage.acuity import SCALE
from triage.assessment import Assessment
from triage.evaluation import Measured
from triage.labelled import VITALS, Facts, LabelledCase, UnreadableCase, read
from triage.proposing import propose
from triage.protocol import ProtocolError

GOALS: Final = {
    "kappa_quadratic": ">= 0.63",
    "under": "<= 0.10",
    "over": "<= 0.33",
    "sensitivity_1_2": ">= 0.87",
    "specificity_1_2": ">= 0.80",
    "missed_1_2": "<= 0.04",
}
"""Goals over all cases with vital signs."""
MASKED_OVER: Final = "<= 0.45"
CURVE: Final = (0.80, 0.85, 0.87, 0.90, 0.92, 0.95)
"""Sensitivities at which the regression's best specificity is told."""
URGENCY: Final = {"em": 1, "ne": 2, "sc": 3}
FOLDS: Final = 10


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled case with what was proposed for it."""

    case: LabelledCase
    assessment: Assessment
    complaint: str


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    cases: Path
    directory: Path
    mask: Literal["vitals"] | None
    by_complaint: bool
    seed: int
    bootstrap: int
    baselines: bool = True


def main(arguments: list[str]) -> int:
    """Evaluate the protocols on a file of labelled cases.

    Args:
        arguments: See `--help`.

    Returns:
        0; goals that are not met are told in the report.

    Raises:
        Refusal: The file or a protocol cannot be read.
    """
    parser = _parser()
    parsed = parser.parse_args(arguments)
    options = Options(
        cases=parsed.cases,
        directory=parsed.directory,
        mask=parsed.mask,
        by_complaint=parsed.by_complaint,
        seed=parsed.seed,
        bootstrap=parsed.bootstrap,
        baselines=not parsed.no_baselines,
    )
    show(evaluate(options), json=parsed.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul protocols evaluate", description=__doc__)
    parser.add_argument("--cases", type=Path, required=True, help="labelled cases, JSON lines")
    parser.add_argument("--mask", choices=["vitals"], help="enter vital signs as unobtainable")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--by-complaint", action="store_true", help="add errors by complaint")
    parser.add_argument("--no-baselines", action="store_true", help="the protocols alone")
    parser.add_argument("--seed", type=int, default=1, help="of samples and folds (1)")
    parser.add_argument("--bootstrap", type=int, default=2000, help="bootstrap samples (2000)")
    parser.add_argument("--directory", type=Path, default=library.PROTOCOLS_DIRECTORY)
    return parser


def evaluate(options: Options) -> Report:
    """Score a file.

    Args:
        options: What to evaluate and how.

    Returns:
        The report; levels where the labels are levels, urgencies where they are urgencies.

    Raises:
        Refusal: The file or a protocol cannot be read, is empty, or mixes two kinds of label.
    """
    if options.bootstrap < 1:
        raise Refusal("--bootstrap takes a number from 1 on.")
    cases = load(options.cases)
    try:
        protocols = library.load(options.directory)
    except ProtocolError as error:
        raise Refusal(f"A protocol is refused: {error}.") from error
    scored = score(protocols, cases, mask_vitals=options.mask is not None)
    if all(one.label.gold.ktas is not None for one in cases):
        found = list(_levels(protocols, scored, options))
    elif all(one.label.gold.urgency is not None for one in cases):
        found = list(_urgencies(scored, options))
    else:
        raise Refusal("Some cases have a level, others an urgency: evaluate them apart.")
    return Report(
        name="evaluate",
        version=cli.version(),
        machine=machine(),
        figures=found,
        seed=options.seed,
        runs=options.bootstrap,
    )


def load(path: Path) -> list[LabelledCase]:
    """Read the labelled cases of a file.

    Args:
        path: One JSON object a line.

    Raises:
        Refusal: It can't be read, has a broken line, or no case.
    """
    try:
        with path.open("rb") as lines:
            cases = list(read(lines))
    except OSError as error:
        raise Refusal(f"Cannot read {path}: {error.strerror}.") from None
    except UnreadableCase as error:
        raise Refusal(f"Cannot read {path}: {error}.") from None
    if not cases:
        raise Refusal(f"No case in {path}.")
    return cases


def score(
    protocols: library.Library, cases: Sequence[LabelledCase], *, mask_vitals: bool
) -> list[Scored]:
    """Propose a level for each case; only its facts are looked at.

    Args:
        protocols: What to evaluate.
        cases: Labelled.
        mask_vitals: Enter vital signs as not obtainable here.
    """
    reading = reader.shipped()
    return [
        Scored(
            case=case,
            assessment=propose(protocols, reading, case.facts, mask_vitals=mask_vitals),
            complaint=_complaint(reading, case.facts),
        )
        for case in cases
    ]


def _complaint(reading: reader.Reader, facts: Facts) -> str:
    """Give the code of the complaint as it was read, or `none`."""
    return reading.read(facts.complaint_text or facts.text).recognition.complaint or "none"


def _levels(protocols: library.Library, scored: list[Scored], options: Options) -> Iterator[Figure]:
    """Give the figures of cases labelled with levels."""
    labels = [one.case.label.gold.ktas or 0 for one in scored]
    levels = [evaluation.five_level(one.assessment.proposed) for one in scored]
    yield Figure(name="cases", value=len(scored), unit="cases")
    goals = _goals(protocols, scored, options)
    yield from _figures("", labels, levels, options, goals)
    sites = sorted({one.case.facts.site for one in scored if one.case.facts.site is not None})
    for site in sites:
        kept = [i for i, one in enumerate(scored) if one.case.facts.site == site]
        part = [labels[i] for i in kept], [levels[i] for i in kept]
        yield from _figures(f".site{site}", *part, options, {})
    if options.baselines:
        yield from _baselines(protocols, scored, labels, options)
    yield from _engine_curve(labels, [one.assessment for one in scored])
    if options.by_complaint:
        yield from _by_complaint(scored, labels, levels)


def _goals(protocols: library.Library, scored: list[Scored], options: Options) -> dict[str, str]:
    """Give the goals; masked cases must reach the sensitivity that they have unmasked."""
    if options.mask is None:
        return GOALS
    plain = score(protocols, [one.case for one in scored], mask_vitals=False)
    labels = [one.case.label.gold.ktas or 0 for one in plain]
    levels = [evaluation.five_level(one.assessment.proposed) for one in plain]
    found = evaluation.figures(evaluation.counts(labels, levels))
    return {"sensitivity_1_2": f">= {found['sensitivity_1_2']:.4f}", "over": MASKED_OVER}


def _figures(
    suffix: str,
    labels: Sequence[int],
    levels: Sequence[int],
    options: Options,
    goals: dict[str, str],
) -> Iterator[Figure]:
    """Give the named figures of one set of predictions."""
    table = evaluation.counts(labels, levels)
    found = evaluation.measured(table, samples=options.bootstrap, seed=options.seed)
    for name, value in found.items():
        if not math.isnan(value.value):
            yield _figure(name + suffix, value, goals.get(name))


def _figure(name: str, found: Measured, goal: str | None) -> Figure:
    value = round(found.value, 4)
    shown = Figure(
        name=name,
        value=value,
        unit="kappa" if name.startswith("kappa") else "share",
        low=round(found.low, 4),
        high=round(found.high, 4),
    )
    if goal is None:
        return shown
    return msgspec.structs.replace(shown, goal=goal, met=met(value, goal))


def _baselines(
    protocols: library.Library, scored: list[Scored], labels: list[int], options: Options
) -> Iterator[Figure]:
    """Give the same figures for the nurse, the simple rules and the regression."""
    facts = [masked(one.case.facts) if options.mask else one.case.facts for one in scored]
    nurse = [one.case.label.reference.nurse_ktas for one in scored]
    if all(level is not None for level in nurse):
        yield from _figures(".nurse", labels, [level or 0 for level in nurse], options, {})
    news2 = protocols.get("news2")
    if news2 is not None:
        rule = [baselines.news2_level(news2, one) for one in facts]
        yield from _figures(".news2", labels, rule, options, {})
    zone = [baselines.danger_zone_level(one) for one in facts]
    yield from _figures(".danger_zone", labels, zone, options, {})
    if len(facts) >= FOLDS:
        fitted = baselines.logistic(facts, labels, folds=FOLDS, seed=options.seed)
        yield from _figures(".logistic", labels, fitted.levels, options, {})
        yield from _logistic_curve(labels, fitted)


def _logistic_curve(labels: list[int], fitted: baselines.Regression) -> Iterator[Figure]:
    """Give the regression's best specificity at the sensitivities of `CURVE`, out of fold."""
    curve = evaluation.trade_off(labels, fitted.danger)
    if curve:
        yield Figure(name="area.logistic", value=round(evaluation.area(curve), 4), unit="share")
    for wanted in CURVE:
        found = evaluation.specificity_at(curve, wanted)
        if found is not None:
            name = f"curve.logistic.sensitivity_{wanted:.2f}.specificity"
            yield Figure(name=name, value=round(found, 4), unit="share")


def _engine_curve(labels: list[int], assessed: list[Assessment]) -> Iterator[Figure]:
    """Give sensitivity and specificity when the alarm is moved along the scale.

    The level from which a case counts as severe is moved from U0 to U4.
    """
    danger = [-float(evaluation.five_level(one.proposed)) for one in assessed]
    curve = evaluation.trade_off(labels, danger)
    if not curve:
        return
    yield Figure(name="area.engine", value=round(evaluation.area(curve), 4), unit="share")
    for limit, (sensitivity, specificity) in zip(sorted(set(danger), reverse=True), curve,
                                                 strict=True):  # fmt: skip
        if limit == -evaluation.NO_LEVEL:
            continue
        name = f"curve.engine.{SCALE[int(-limit) - 1]}"
        yield Figure(name=f"{name}.sensitivity", value=round(sensitivity, 4), unit="share")
        yield Figure(name=f"{name}.specificity", value=round(specificity, 4), unit="share")


def _by_complaint(scored: list[Scored], labels: list[int], levels: list[int]) -> Iterator[Figure]:
    """Give, for each recognised complaint, its cases and the kinds of error."""
    rows: dict[str, Counter[str]] = {}
    for one, label, level in zip(scored, labels, levels, strict=True):
        row = rows.setdefault(one.complaint, Counter())
        row["cases"] += 1
        row["severe"] += label <= evaluation.SEVERE
        row["not_found"] += label <= evaluation.SEVERE < level
        row["false_alarm"] += level <= evaluation.SEVERE < label
        row["under"] += level > label
        row["over"] += level < label
    for complaint, row in sorted(rows.items(), key=lambda pair: (-pair[1]["cases"], pair[0])):
        for name, value in row.items():
            yield Figure(name=f"complaint.{complaint}.{name}", value=value, unit="cases")


def _urgencies(scored: list[Scored], options: Options) -> Iterator[Figure]:
    """Give the figures of cases labelled with an urgency of three."""
    labels = [URGENCY[one.case.label.gold.urgency or "sc"] for one in scored]
    levels = [_urgency(one) for one in scored]
    yield Figure(name="cases", value=len(scored), unit="cases")
    missed = sum(label == 1 != level for label, level in zip(labels, levels, strict=True))
    yield Figure(
        name="emergencies_missed", value=missed, unit="cases", goal="== 0", met=missed == 0
    )
    for one, label, level in zip(scored, labels, levels, strict=True):
        if label == 1 != level:
            yield Figure(name=f"missed.{one.case.facts.id}", value=one.complaint)
    # An emergency alone is the severe one: it stands at 2, the others at 4 and 5.
    spread = {1: 2, 2: 4, 3: 5, evaluation.NO_LEVEL: evaluation.NO_LEVEL}
    table = [spread[label] for label in labels], [spread[level] for level in levels]
    renamed = {"sensitivity_1_2": "sensitivity_em", "specificity_1_2": "specificity_em"}
    for figure in _figures("", *table, options, {}):
        if figure.name not in {"missed_1_2", "kappa_quadratic"}:
            yield msgspec.structs.replace(figure, name=renamed.get(figure.name, figure.name))


def _urgency(one: Scored) -> int:
    """Give the urgency of a proposed level: U0-U2 emergency, U3-U4 not, U5 self-care."""
    proposed = one.assessment.proposed
    if proposed is None:
        return evaluation.NO_LEVEL
    if proposed <= "U2":
        return URGENCY["em"]
    return URGENCY["sc"] if proposed == "U5" else URGENCY["ne"]


def masked(facts: Facts) -> Facts:
    """Give the facts without vital signs.

    Args:
        facts: What was recorded.
    """
    return msgspec.structs.replace(facts, **dict.fromkeys(VITALS))
