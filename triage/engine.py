"""The interpreted triage engine: findings and protocols in, an interval of levels out.

Pure: no clock, no input or output, no randomness. The rules it keeps (each is tested):
unknown is never false; scores are intervals; the most severe fired rule wins and order has
no meaning; one more answer never lowers `assured` nor worsens `worst`; a refused answer
never lowers anything; a default never narrows the interval.

The gate of a protocol silences no alarm: outside of its population a rule at U0-U3 still
raises the level, a rule at U4-U5 does not count as reassurance, and the result says that a
physician is required.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from triage.acuity import Acuity, is_more_severe, most_severe
from triage.assessment import (
    Assessment,
    Assumption,
    FiredRule,
    GateResult,
    HeldRule,
    Observation,
    PossibleRule,
    ProtocolReference,
    ProtocolScore,
    Question,
    Trace,
)
from triage.expression import Truth, Value, evaluate, kleene_and, undetermined
from triage.finding import Finding, ObserverContext
from triage.protocol import MAX_ITEM_SUFFIX, Input, ParsedRule, Protocol, Text
from triage.scoring import ScoreResult, score

_REASSURING: Final[frozenset[Acuity]] = frozenset({"U4", "U5"})
"""Levels that only count inside of the population of their protocol."""

_NO_REASON: Final = Text(fr="Réponse impossible à obtenir", en="The answer cannot be obtained")


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One rule evaluated: its truth, and the inputs that keep it unknown."""

    protocol: Protocol
    parsed: ParsedRule
    truth: Truth
    open_inputs: tuple[str, ...]
    unanswerable: tuple[str, ...]

    @property
    def fires(self) -> bool:
        """Tell whether the rule counts towards the assured level."""
        if self.truth is None:
            return self.parsed.rule.when_unanswerable == "fire" and not self.open_inputs
        return self.truth

    @property
    def counts_as(self) -> Acuity:
        """Give the level a firing counts as: a guess never dispatches by itself."""
        level = self.parsed.rule.acuity
        return "U1" if level == "U0" and self.truth is None else level


class _Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol evaluated over the findings."""

    protocol: Protocol
    gate: GateResult
    scores: tuple[ScoreResult, ...]
    verdicts: tuple[_Verdict, ...]


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
    chosen = tuple(protocols)
    recorded = {entry.input: entry for entry in findings}
    values: dict[str, Value] = {key: entry.value for key, entry in recorded.items()}
    unanswerable = frozenset(key for key, entry in recorded.items() if entry.value is None)
    evaluations = tuple(_evaluate(protocol, values, unanswerable) for protocol in chosen)
    assured = _assured(evaluations)
    question, matters = _next_question(evaluations, assured, observation.context)
    assumptions = _assumptions(chosen, recorded)
    assumed = assured
    if assumptions:
        filled = values | {entry.input: entry.value for entry in assumptions}
        assumed = _assured(tuple(_evaluate(entry, filled, unanswerable) for entry in chosen))
    declared = (entry.file.default_acuity for entry in chosen if entry.file.kind == "complaint")
    default = most_severe(observation.default_acuity, *declared)
    fired = [v for e in evaluations for v in e.verdicts if v.fires]
    proposed = most_severe(assured, default)
    return Assessment(
        assured=assured,
        worst=_worst(evaluations),
        proposed=proposed,
        assumed=assumed,
        default_acuity=default,
        closed=not matters,
        physician_required=_physician_required(evaluations),
        next_question=question,
        protocols=tuple(_reference(protocol) for protocol in chosen),
        trace=_trace(evaluations, assumptions),
        advice=tuple(
            entry
            for verdict in fired
            for entry in verdict.protocol.file.advice
            if entry.id in verdict.parsed.rule.advice
        ),
        safety_net=tuple(p.file.safety_net for p in chosen if p.file.safety_net is not None),
        needs=tuple(n for p in chosen for n in p.file.needs if proposed in n.acuity),
    )


def _evaluate(
    protocol: Protocol, values: Mapping[str, Value], unanswerable: frozenset[str]
) -> _Evaluation:
    """Evaluate one protocol: its gate, its scores, its rules."""
    truth = evaluate(protocol.gate, values)
    blockers = undetermined(protocol.gate, values)
    gate = GateResult(
        protocol=protocol.file.id,
        state="unknown" if truth is None else ("met" if truth else "unmet"),
        why=protocol.file.population.why,
        open_inputs=_in_file_order(protocol, blockers - unanswerable),
        unanswerable=_in_file_order(protocol, blockers & unanswerable),
    )
    results = tuple(score(parsed, values) for parsed in protocol.scores)
    known = dict(values)
    for result in results:
        known[result.score] = result.total()
        known[result.score + MAX_ITEM_SUFFIX] = result.max_item()
    verdicts = tuple(
        _verdict(protocol, parsed, known, results, unanswerable) for parsed in protocol.rules
    )
    return _Evaluation(protocol=protocol, gate=gate, scores=results, verdicts=verdicts)


def _verdict(
    protocol: Protocol,
    parsed: ParsedRule,
    values: Mapping[str, Value],
    scores: tuple[ScoreResult, ...],
    unanswerable: frozenset[str],
) -> _Verdict:
    """Evaluate one rule and find which inputs keep it unknown.

    A score in the condition stands for the inputs of its open items, so a rule on a score
    waits for every open one of them before refusals let it fire.
    """
    truth = evaluate(parsed.when, values)
    blockers = undetermined(parsed.when, values)
    if parsed.rule.acuity in _REASSURING:
        gate = evaluate(protocol.gate, values)
        whole = kleene_and([truth, gate])
        if whole is None:
            blockers |= undetermined(protocol.gate, values)
        truth = whole
    if truth is not None:
        blockers = frozenset()
    keys: set[str] = set()
    for name in blockers:
        source = next((s for s in scores if name in {s.score, s.score + MAX_ITEM_SUFFIX}), None)
        keys |= {name} if source is None else source.open_inputs()
    return _Verdict(
        protocol=protocol,
        parsed=parsed,
        truth=truth,
        open_inputs=_in_file_order(protocol, keys - unanswerable),
        unanswerable=_in_file_order(protocol, keys & unanswerable),
    )


def _in_file_order(protocol: Protocol, keys: AbstractSet[str]) -> tuple[str, ...]:
    """Sort inputs as the file asks them."""
    return tuple(entry.key for entry in protocol.file.inputs if entry.key in keys)


def _assured(evaluations: tuple[_Evaluation, ...]) -> Acuity | None:
    """Give the most severe level that fired."""
    return most_severe(*(v.counts_as for e in evaluations for v in e.verdicts if v.fires))


def _worst(evaluations: tuple[_Evaluation, ...]) -> Acuity | None:
    """Give the most severe level of any rule that is not excluded."""
    return most_severe(
        *(v.parsed.rule.acuity for e in evaluations for v in e.verdicts if v.truth is not False)
    )


def _physician_required(evaluations: tuple[_Evaluation, ...]) -> bool:
    """Tell whether no pathway is known to be made for this patient.

    Scores alone are no pathway. One general or complaint protocol whose gate is not met is
    enough to require the physician: it was chosen for this patient and does not fit.
    """
    states = [e.gate.state for e in evaluations if e.protocol.file.kind != "score"]
    return not states or any(state != "met" for state in states)


def _next_question(
    evaluations: tuple[_Evaluation, ...], assured: Acuity | None, context: ObserverContext
) -> tuple[Question | None, bool]:
    """Give the obtainable open input that matters most, and whether one exists.

    Rules that could raise the level are served worst first; the gates come after U0, since
    whom we speak of matters for everything but a dispatch at once.
    """
    candidates: list[tuple[tuple[Acuity, int], Question]] = []
    for evaluation in evaluations:
        gate = evaluation.gate
        found = _first_obtainable(evaluation.protocol, gate.open_inputs, context)
        if found is not None:
            candidates.append((("U0", 1), _question(found, gate.protocol, "population", "U1")))
        for verdict in evaluation.verdicts:
            level = verdict.parsed.rule.acuity
            if verdict.truth is not None or not is_more_severe(level, assured):
                continue
            found = _first_obtainable(evaluation.protocol, verdict.open_inputs, context)
            if found is not None:
                rule = verdict.parsed.rule.id
                entry = _question(found, evaluation.protocol.file.id, rule, level)
                candidates.append(((level, 0), entry))
    best = min(candidates, key=lambda pair: pair[0], default=None)
    return (best[1], True) if best is not None else (None, False)


def _first_obtainable(
    protocol: Protocol, keys: tuple[str, ...], context: ObserverContext
) -> Input | None:
    """Give the first of the inputs that somebody here can answer."""
    entries = (protocol.input(key) for key in keys)
    return next((e for e in entries if e is not None and context.can_obtain(e)), None)


def _question(entry: Input, protocol: str, rule: str, acuity: Acuity) -> Question:
    """Build the question for an input."""
    return Question(
        input=entry.key,
        protocol=protocol,
        rule=rule,
        acuity=acuity,
        ask=entry.ask,
        type=entry.type,
        unit=entry.unit,
        range=entry.range,
        choices=entry.choices,
    )


def _assumptions(
    protocols: tuple[Protocol, ...], recorded: Mapping[str, Finding]
) -> tuple[Assumption, ...]:
    """List the defaults of inputs that are open."""
    return tuple(
        Assumption(protocol=protocol.file.id, input=entry.key, value=entry.default)
        for protocol in protocols
        for entry in protocol.file.inputs
        if entry.default is not None and entry.key not in recorded
    )


def _reference(protocol: Protocol) -> ProtocolReference:
    """Pin the protocol."""
    file = protocol.file
    return ProtocolReference(
        id=file.id, version=file.version, digest=protocol.digest, status=file.status
    )


def _trace(evaluations: tuple[_Evaluation, ...], assumptions: tuple[Assumption, ...]) -> Trace:
    """Write down everything the result rests on, most severe first."""
    pairs = [(e, v) for e in evaluations for v in e.verdicts]
    pairs.sort(key=lambda pair: pair[1].parsed.rule.acuity)
    drafts = (e.protocol.file.id for e in evaluations if e.protocol.file.status == "draft")
    unsettled = [v for _, v in pairs if v.truth is None]
    return Trace(
        fired=tuple(_fired(e, v) for e, v in pairs if v.fires),
        held=tuple(_held(v) for v in unsettled if not v.open_inputs and not v.fires),
        possible=tuple(_possible(v) for v in unsettled if v.open_inputs),
        gates=tuple(e.gate for e in evaluations),
        scores=tuple(
            ProtocolScore(protocol=e.protocol.file.id, result=result)
            for e in evaluations
            for result in e.scores
        ),
        assumptions=assumptions,
        open_inputs=tuple(dict.fromkeys(key for v in unsettled for key in v.open_inputs)),
        draft_protocols=tuple(drafts),
    )


def _fired(evaluation: _Evaluation, verdict: _Verdict) -> FiredRule:
    """Write down a fired rule."""
    rule = verdict.parsed.rule
    return FiredRule(
        protocol=evaluation.protocol.file.id,
        rule=rule.id,
        acuity=verdict.counts_as,
        why=rule.why,
        cites=rule.cites,
        means=rule.means,
        unanswerable=verdict.unanswerable,
        outside_population=evaluation.gate.state != "met",
    )


def _held(verdict: _Verdict) -> HeldRule:
    """Write down a held rule."""
    rule = verdict.parsed.rule
    return HeldRule(
        protocol=verdict.protocol.file.id,
        rule=rule.id,
        acuity=rule.acuity,
        why=rule.why,
        cites=rule.cites,
        reason=rule.hold_reason or _NO_REASON,
        unanswerable=verdict.unanswerable,
    )


def _possible(verdict: _Verdict) -> PossibleRule:
    """Write down a rule that open inputs keep possible."""
    rule = verdict.parsed.rule
    return PossibleRule(
        protocol=verdict.protocol.file.id,
        rule=rule.id,
        acuity=rule.acuity,
        open_inputs=verdict.open_inputs,
    )
