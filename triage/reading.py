"""Running one compiled protocol over the findings: the interval it leaves, as ranks and bits."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from triage.acuity import Acuity
from triage.assessment import Question
from triage.finding import ObserverContext
from triage.program import NO_LEVEL, Program
from triage.protocol import Answer


class Reading(msgspec.Struct, frozen=True):
    """One program run over the findings; ranks of levels, bits of inputs.

    Attributes:
        program: What ran.
        row: The answers in asking order; empty when the gate excludes the patient.
        unanswerable: Inputs that cannot be answered.
        gate: The gate in doubt form.
        own: The rules' own conditions in doubt form.
        scores: The parts of each score.
        assured: Rank of the most severe level that fired.
        worst: Rank of the most severe level not excluded.
        asking: The most severe rule that an obtainable input can still settle, or -1.
    """

    program: Program
    row: list[Any]
    unanswerable: int
    gate: int
    own: tuple[int, ...]
    scores: tuple[tuple[tuple[int, int, int], ...], ...]
    assured: int
    worst: int
    asking: int


class Evaluation(msgspec.Struct, frozen=True):
    """The interval of a case and its next question, from which `rendering` writes the trace.

    Attributes are those of `Assessment` of the same name.
    """

    assured: Acuity | None
    worst: Acuity | None
    proposed: Acuity | None
    default_acuity: Acuity | None
    closed: bool
    physician_required: bool
    next_question: Question | None
    readings: tuple[Reading, ...]
    values: dict[str, Answer | None]


def read(
    program: Program,
    answer: Callable[[str], Answer | None],
    refused: Iterable[str],
    context: ObserverContext,
) -> Reading:
    """Run one program.

    Args:
        program: The program; where its gate excludes the patient nothing else runs.
        answer: Gives the answer to an input, None where there is none.
        refused: The inputs that cannot be answered.
        context: Who can look.
    """
    compiled = program.compiled
    gate = compiled.gate([*map(answer, compiled.gate_keys)])
    if gate < 0:
        return Reading(program, [], 0, gate, (), (), NO_LEVEL, NO_LEVEL, -1)
    row = [*map(answer, program.keys)]
    own, scores = compiled.rules(row)
    unanswerable = 0
    bits = program.bits
    for key in refused:
        unanswerable |= bits.get(key, 0)
    still_open = program.every & ~unanswerable
    obtainable = program.obtainable_by(context) & still_open
    ranks, fire = program.ranks, program.fire
    assured = worst = NO_LEVEL
    asking = -1
    for index, doubt in enumerate(own):
        if doubt < 0:
            continue
        rank = ranks[index]
        if rank >= assured:
            break
        worst = min(worst, rank)
        whole = gate | doubt
        if not whole:
            assured = rank
            break
        if not whole & still_open:
            if fire[index]:
                assured = rank or 1
        elif asking < 0 and doubt & obtainable:
            asking = index
    return Reading(program, row, unanswerable, gate, own, scores, assured, worst, asking)
