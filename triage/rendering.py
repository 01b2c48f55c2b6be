"""The trace of an evaluation, written from its bits when somebody wants to read it."""

from collections.abc import Iterator
from typing import Final

from triage.acuity import Acuity, most_severe
from triage.assessment import (
    Assessment,
    Assumption,
    FiredRule,
    GateResult,
    HeldRule,
    PossibleRule,
    ProtocolScore,
    Trace,
)
from triage.expression import evaluate
from triage.finding import LAY_CALLER
from triage.generated import Part as Points
from triage.program import LEVELS, NO_LEVEL, fired
from triage.protocol import Advice, Answer, Card, Text
from triage.reading import Evaluation, Reading, read
from triage.scoring import Contribution, ScoreResult

SEMANTICS: Final = 2
"""Version of the engine's rules; an assessment says by which it was made."""

_NO_REASON: Final = Text(fr="Réponse impossible à obtenir", en="The answer cannot be obtained")


def render(evaluation: Evaluation) -> Assessment:
    """Write down everything an evaluation rests on.

    Args:
        evaluation: From `engine.evaluate`.

    Returns:
        The assessment, equal to what the interpreter says.
    """
    readings = evaluation.readings
    speaking = [one for one in readings if one.gate >= 0]
    files = [one.program.protocol.file for one in speaking]
    assumptions = tuple(_assumptions(speaking, evaluation.values))
    proposed = evaluation.proposed
    noted = _noted(speaking)
    return Assessment(
        assured=evaluation.assured,
        worst=evaluation.worst,
        proposed=proposed,
        assumed=_assumed(evaluation, assumptions),
        default_acuity=evaluation.default_acuity,
        closed=evaluation.closed,
        physician_required=evaluation.physician_required,
        next_question=evaluation.next_question,
        protocols=tuple(one.program.reference for one in readings),
        trace=_trace(readings, noted, assumptions),
        advice=_advice(noted),
        safety_net=tuple(file.safety_net for file in files if file.safety_net is not None),
        needs=tuple(need for file in files for need in file.needs if proposed in need.acuity),
        cards=_cards(noted),
        semantics=SEMANTICS,
    )


class _Noted:
    """What is written of each rule that is not excluded, by the rank of its level."""

    def __init__(self) -> None:
        self.fired: list[list[tuple[Reading, int, FiredRule]]] = [[] for _ in range(NO_LEVEL)]
        self.held: list[list[HeldRule]] = [[] for _ in range(NO_LEVEL)]
        self.possible: list[list[PossibleRule]] = [[] for _ in range(NO_LEVEL)]


def _noted(speaking: list[Reading]) -> _Noted:
    """Write down every rule that is not excluded."""
    noted = _Noted()
    for one in speaking:
        program = one.program
        still_open = program.every & ~one.unanswerable
        for index, doubt in enumerate(one.own):
            if doubt < 0:
                continue
            rank = program.ranks[index]
            whole = one.gate | doubt
            if not whole:
                noted.fired[rank].append((one, index, program.surely[index]))
            elif whole & still_open:
                noted.possible[rank].append(_possible(one, index, whole & still_open))
            elif program.fire[index]:
                missing = program.inputs(whole & program.every)
                guess = fired(program.protocol, program.rules[index], missing)
                noted.fired[rank].append((one, index, guess))
            else:
                noted.held[rank].append(_held(one, index, whole & program.every))
    return noted


def _possible(one: Reading, index: int, bits: int) -> PossibleRule:
    """Write down a rule that open inputs keep possible."""
    rule = one.program.rules[index].rule
    return PossibleRule(
        protocol=one.program.protocol.file.id,
        rule=rule.id,
        acuity=rule.acuity,
        open_inputs=one.program.inputs(bits),
    )


def _held(one: Reading, index: int, bits: int) -> HeldRule:
    """Write down a held rule."""
    rule = one.program.rules[index].rule
    return HeldRule(
        protocol=one.program.protocol.file.id,
        rule=rule.id,
        acuity=rule.acuity,
        why=rule.why,
        cites=rule.cites,
        reason=rule.hold_reason or _NO_REASON,
        unanswerable=one.program.inputs(bits),
    )


def _trace(
    readings: tuple[Reading, ...], noted: _Noted, assumptions: tuple[Assumption, ...]
) -> Trace:
    """Put the trace together, most severe first."""
    possible = tuple(entry for rank in noted.possible for entry in rank)
    pinned = (one.program.reference for one in readings)
    return Trace(
        fired=tuple(entry for rank in noted.fired for _, _, entry in rank),
        held=tuple(entry for rank in noted.held for entry in rank),
        possible=possible,
        gates=tuple(_gate(one) for one in readings),
        scores=tuple(score for one in readings if one.gate >= 0 for score in _scores(one)),
        assumptions=assumptions,
        open_inputs=tuple(dict.fromkeys(key for entry in possible for key in entry.open_inputs)),
        draft_protocols=tuple(one.id for one in pinned if one.status == "draft"),
    )


def _gate(one: Reading) -> GateResult:
    """Write down whom a protocol is for."""
    program = one.program
    if one.gate <= 0:
        return program.unmet if one.gate else program.met
    return GateResult(
        protocol=program.met.protocol,
        state="unknown",
        why=program.met.why,
        open_inputs=program.inputs(one.gate & ~one.unanswerable),
        unanswerable=program.inputs(one.gate & one.unanswerable),
    )


def _scores(one: Reading) -> Iterator[ProtocolScore]:
    """Write down the scores of one protocol."""
    program = one.program
    for parsed, parts, points in zip(
        program.protocol.scores, program.parts, one.scores, strict=True
    ):
        result = ScoreResult(
            score=parsed.score.id,
            low=sum(part[0] for part in points),
            high=sum(part[1] for part in points),
            max_item_low=max((part[0] for part in points), default=0),
            max_item_high=max((part[1] for part in points), default=0),
            contributions=tuple(
                Contribution(
                    item=part.item,
                    low=found[0],
                    high=found[1],
                    inputs=part.mentioned if found[0] == found[1] else _sorted(one, found),
                )
                for part, found in zip(parts, points, strict=True)
            ),
        )
        yield ProtocolScore(protocol=program.protocol.file.id, result=result)


def _sorted(one: Reading, points: Points) -> tuple[str, ...]:
    """Give the inputs that keep points open, by name."""
    return tuple(sorted(one.program.inputs(points[2] & one.program.every)))


def _advice(noted: _Noted) -> tuple[Advice, ...]:
    """Give the words that fired rules name, those of the most severe rules first."""
    named = (
        entry
        for rank in noted.fired
        for one, index, _ in rank
        if (wanted := one.program.rules[index].rule.advice)
        for entry in one.program.protocol.file.advice
        if entry.id in wanted
    )
    return tuple(dict.fromkeys(named))


def _cards(noted: _Noted) -> tuple[Card, ...]:
    """Give the cards that fired rules name, those of the most severe rules first."""
    named = (
        card
        for rank in noted.fired
        for one, index, _ in rank
        for key in one.program.rules[index].rule.cards
        for card in one.program.protocol.cards
        if card.id == key
    )
    return tuple(dict.fromkeys(named))


def _assumptions(speaking: list[Reading], values: dict[str, Answer | None]) -> Iterator[Assumption]:
    """List the defaults of inputs that are open and may apply."""
    for one in speaking:
        protocol = one.program.protocol
        for entry in protocol.inputs:
            default = entry.input.default
            if default is None or entry.input.key in values:
                continue
            if entry.applies is None or evaluate(entry.applies, values) is not False:
                yield Assumption(protocol=protocol.file.id, input=entry.input.key, value=default)


def _assumed(evaluation: Evaluation, assumptions: tuple[Assumption, ...]) -> Acuity | None:
    """Give what would be assured if the assumptions were true."""
    if not assumptions:
        return evaluation.assured
    added = {entry.input: entry.value for entry in assumptions}
    filled = evaluation.values | added
    refused = [key for key, value in evaluation.values.items() if value is None]
    levels: list[Acuity | None] = []
    for one in evaluation.readings:
        again = one
        if not added.keys().isdisjoint(one.program.keys):
            again = read(one.program, filled.get, refused, LAY_CALLER)
        levels.append(LEVELS[again.assured])
    return most_severe(*levels)
