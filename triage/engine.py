"""The triage engine: findings and protocols in, an interval of levels and its reasons out.

Protocols run compiled (`compiler`); what they must say is what the plain interpreter
(`oracle`) says, word for word. Pure: no clock, no input or output, no randomness.
"""

from collections.abc import Iterable, Sequence

import msgspec

from triage.assessment import Assessment, Observation, Question
from triage.finding import Finding, ObserverContext
from triage.program import LEVELS, NO_LEVEL, RANK, programs
from triage.protocol import Answer, Protocol
from triage.reading import Evaluation, Reading, read
from triage.rendering import render

__all__ = ["Evaluation", "assess", "evaluate", "render"]


def assess(
    protocols: Iterable[Protocol], findings: Iterable[Finding], observation: Observation
) -> Assessment:
    """Evaluate findings against protocols and combine them by the most severe level.

    Args:
        protocols: The protocols to combine; an input key means the same in all of them.
        findings: At most one finding per input, already checked by `finding.refusal`; those
            that no protocol asks for are ignored.
        observation: Who can look, and the default acuity of the complaint.

    Returns:
        The interval, the next question and the trace; equal arguments give equal results.
    """
    return render(evaluate(tuple(protocols), findings, observation))


def evaluate(
    protocols: Sequence[Protocol], findings: Iterable[Finding], observation: Observation
) -> Evaluation:
    """Evaluate findings as `assess` does, without writing the trace yet.

    Args:
        protocols: The protocols to combine.
        findings: As for `assess`.
        observation: As for `assess`.

    Returns:
        The interval and the next question.
    """
    values: dict[str, Answer | None] = {entry.input: entry.value for entry in findings}
    refused = [key for key, value in values.items() if value is None]
    context = observation.context
    readings = tuple(
        [read(program, values.get, refused, context) for program in programs(protocols)]
    )
    assured = worst = NO_LEVEL
    firm = default = RANK[observation.default_acuity]
    for one in readings:
        if one.gate >= 0:
            assured = min(assured, one.assured)
            worst = min(worst, one.worst)
            default = min(default, one.program.default)
            if not one.gate:
                firm = min(firm, one.program.default)
    proposed = min(assured, default)
    needs_physician = physician_required(readings)
    decided = _Decided(proposed, min(assured, firm), not needs_physician, context)
    question = _next_question(readings, decided)
    return Evaluation(
        LEVELS[assured],
        LEVELS[worst],
        LEVELS[proposed],
        LEVELS[default],
        question is None,
        needs_physician,
        question,
        readings,
        values,
    )


def physician_required(readings: Iterable[Reading]) -> bool:
    """Tell whether no pathway is known to be made for this patient.

    Scores are no pathway, and a protocol for everyone says nothing about fit. A complaint
    without a protocol of its own needs only the general one.

    Args:
        readings: Every protocol chosen.
    """
    general = complaint = has_complaint = False
    for one in readings:
        file = one.program.protocol.file
        if file.kind == "general":
            general |= one.gate == 0 and not file.population.everyone
        elif file.kind == "complaint":
            has_complaint = True
            complaint |= one.gate == 0
    return not general or (has_complaint and not complaint)


class _Decided(msgspec.Struct, frozen=True):
    """What a question would have to change to matter, and who can answer it; see `oracle`."""

    proposed: int
    firm: int
    fits: bool
    context: ObserverContext


def _next_question(readings: tuple[Reading, ...], decided: _Decided) -> Question | None:
    """Give the obtainable open input that matters most: U0, then gates, then by level."""
    best: tuple[int, int] = (NO_LEVEL, 0)
    chosen: tuple[Reading, int, int] | None = None
    for one in readings:
        program = one.program
        if one.gate > 0 and best > (0, 1) and _gate_matters(one, decided):
            bits = one.gate & program.obtainable_by(decided.context) & ~one.unanswerable
            if bits:
                best, chosen = (0, 1), (one, bits, -1)
        if one.asking >= 0:
            rank = program.ranks[one.asking]
            if rank < decided.proposed and (rank, 0) < best:
                obtainable = program.obtainable_by(decided.context) & ~one.unanswerable
                best, chosen = (rank, 0), (one, one.own[one.asking] & obtainable, one.asking)
    if chosen is None:
        return None
    reading, bits, rule = chosen
    return reading.program.question(bits, rule, reading.row)


def _gate_matters(one: Reading, decided: _Decided) -> bool:
    """Tell whether knowing the population could still change anything; see `oracle`."""
    could_fit = not decided.fits and one.program.protocol.file.kind != "score"
    return one.worst < decided.proposed or could_fit or one.program.default < decided.firm
