"""The interpreter: the plain reading of a protocol, kept as the oracle of the compiled engine.

Pure: no clock, no input or output, no randomness. The rules it keeps (each is tested):
unknown is never false; scores are intervals; the most severe fired rule wins and order has
no meaning; one more answer never lowers `assured` nor worsens `worst`; a refused answer
never lowers anything; a default never narrows the interval.

A rule holds only where the gate of its protocol holds too: outside of its population a
protocol is silent, and while the population is unknown its rules are possible, never assured.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from triage.acuity import Acuity, is_more_severe, most_severe
from triage.assessment import (
    Assessment,
    Assumption,
    GateResult,
    Observation,
    ProtocolReference,
    Question,
)
from triage.expression import Expression, Value, evaluate, undetermined
from triage.finding import Finding, ObserverContext
from triage.oracle_trace import Evaluated, Verdict, advice, cards, trace
from triage.protocol import MAX_ITEM_SUFFIX, Input, ParsedRule, Protocol
from triage.scoring import ScoreResult, score

SEMANTICS: Final = 2
"""Version of the rules above; an assessment says by which it was made."""


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
    speaking = tuple(entry.protocol for entry in evaluations if entry.gate.state != "unmet")
    assured = _assured(evaluations)
    assumptions = _assumptions(speaking, recorded, values)
    assumed = assured
    if assumptions:
        filled = values | {entry.input: entry.value for entry in assumptions}
        assumed = _assured(tuple(_evaluate(entry, filled, unanswerable) for entry in chosen))
    declared = (entry.file.default_acuity for entry in speaking if entry.file.kind == "complaint")
    default = most_severe(observation.default_acuity, *declared)
    proposed = most_severe(assured, default)
    needs_physician = _physician_required(evaluations)
    decided = _Decided(
        proposed=proposed,
        firm=_firm(evaluations, assured, observation),
        fits=not needs_physician,
        context=observation.context,
    )
    question = _next_question(evaluations, decided)
    return Assessment(
        assured=assured,
        worst=_worst(evaluations),
        proposed=proposed,
        assumed=assumed,
        default_acuity=default,
        closed=question is None,
        physician_required=needs_physician,
        next_question=question,
        protocols=tuple(_reference(protocol) for protocol in chosen),
        trace=trace(evaluations, assumptions),
        advice=advice(evaluations),
        safety_net=tuple(p.file.safety_net for p in speaking if p.file.safety_net is not None),
        needs=tuple(n for p in speaking for n in p.file.needs if proposed in n.acuity),
        cards=cards(evaluations),
        semantics=SEMANTICS,
    )


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What a question would have to change to matter, and who can answer it.

    `firm` is the proposed level without the defaults of protocols whose gate is unknown.
    """

    proposed: Acuity | None
    firm: Acuity | None
    fits: bool
    context: ObserverContext


def _firm(
    evaluations: tuple[Evaluated, ...], assured: Acuity | None, observation: Observation
) -> Acuity | None:
    """Give the proposed level as far as no gate can lower it."""
    declared = (
        entry.protocol.file.default_acuity
        for entry in evaluations
        if entry.protocol.file.kind == "complaint" and entry.gate.state == "met"
    )
    return most_severe(assured, observation.default_acuity, *declared)


def _evaluate(
    protocol: Protocol, values: Mapping[str, Value], unanswerable: frozenset[str]
) -> Evaluated:
    """Evaluate one protocol: its gate, its scores, its rules; nothing where it is silent."""
    truth = evaluate(protocol.gate, values)
    blockers = undetermined(protocol.gate, values)
    gate = GateResult(
        protocol=protocol.file.id,
        state="unknown" if truth is None else ("met" if truth else "unmet"),
        why=protocol.file.population.why,
        open_inputs=_in_file_order(protocol, blockers - unanswerable),
        unanswerable=_in_file_order(protocol, blockers & unanswerable),
    )
    if truth is False:
        return Evaluated(protocol=protocol, gate=gate, pending=frozenset(), scores=(), verdicts=())
    results = tuple(score(parsed, values) for parsed in protocol.scores)
    known = dict(values)
    for result in results:
        known[result.score] = result.total()
        known[result.score + MAX_ITEM_SUFFIX] = result.max_item()
    pending = frozenset(
        entry.input.key
        for entry in protocol.inputs
        if entry.applies is not None and evaluate(entry.applies, values) is None
    )
    verdicts = tuple(
        _verdict(protocol, parsed, known, results, unanswerable) for parsed in protocol.rules
    )
    return Evaluated(
        protocol=protocol, gate=gate, pending=pending, scores=results, verdicts=verdicts
    )


def _verdict(
    protocol: Protocol,
    parsed: ParsedRule,
    values: Mapping[str, Value],
    scores: tuple[ScoreResult, ...],
    unanswerable: frozenset[str],
) -> Verdict:
    """Evaluate one rule and find which inputs keep it unknown."""
    blockers = _blockers(parsed.effective, values, scores)
    own = _blockers(parsed.when, values, scores)
    return Verdict(
        protocol=protocol,
        parsed=parsed,
        truth=evaluate(parsed.effective, values),
        open_inputs=_in_file_order(protocol, blockers - unanswerable),
        own_open=_in_file_order(protocol, own - unanswerable),
        unanswerable=_in_file_order(protocol, blockers & unanswerable),
    )


def _blockers(
    tree: Expression, values: Mapping[str, Value], scores: tuple[ScoreResult, ...]
) -> frozenset[str]:
    """Give the inputs that keep a condition unknown.

    A score in the condition stands for the inputs of its open items, so a rule on a score
    waits for every open one of them before refusals let it fire.
    """
    keys: set[str] = set()
    for name in undetermined(tree, values):
        source = next((s for s in scores if name in {s.score, s.score + MAX_ITEM_SUFFIX}), None)
        keys |= {name} if source is None else source.open_inputs()
    return frozenset(keys)


def _in_file_order(protocol: Protocol, keys: AbstractSet[str]) -> tuple[str, ...]:
    """Sort inputs as the file asks them."""
    return tuple(entry.key for entry in protocol.file.inputs if entry.key in keys)


def _assured(evaluations: tuple[Evaluated, ...]) -> Acuity | None:
    """Give the most severe level that fired."""
    return most_severe(*(v.counts_as for e in evaluations for v in e.verdicts if v.fires))


def _worst(evaluations: tuple[Evaluated, ...]) -> Acuity | None:
    """Give the most severe level of any rule that is not excluded."""
    return most_severe(
        *(v.parsed.rule.acuity for e in evaluations for v in e.verdicts if v.truth is not False)
    )


def _physician_required(evaluations: tuple[Evaluated, ...]) -> bool:
    """Tell whether no pathway is known to be made for this patient.

    Scores are no pathway, and a protocol for everyone says nothing about fit. A complaint
    without a protocol of its own needs only the general one.
    """
    general = (
        entry.gate.state
        for entry in evaluations
        if entry.protocol.file.kind == "general" and not entry.protocol.file.population.everyone
    )
    complaint = [e.gate.state for e in evaluations if e.protocol.file.kind == "complaint"]
    return "met" not in general or (bool(complaint) and "met" not in complaint)


def _next_question(evaluations: tuple[Evaluated, ...], decided: _Decided) -> Question | None:
    """Give the obtainable open input that matters most, or None when no one matters.

    Rules that could raise the proposed level are served worst first; the gates come after U0, since
    whom we speak of matters for everything but a dispatch at once. Ties go to the protocol,
    then the rule, that stands first.
    """
    candidates: list[tuple[tuple[Acuity, int], Question]] = []
    for evaluation in evaluations:
        gate = evaluation.gate
        found = _first_obtainable(evaluation, gate.open_inputs, decided.context)
        if found is not None and _gate_matters(evaluation, decided):
            candidates.append((("U0", 1), _question(found, gate.protocol, "population", "U1")))
        for verdict in evaluation.verdicts:
            level = verdict.parsed.rule.acuity
            if verdict.truth is not None or not is_more_severe(level, decided.proposed):
                continue
            found = _first_obtainable(evaluation, verdict.own_open, decided.context)
            if found is not None:
                rule = verdict.parsed.rule.id
                entry = _question(found, evaluation.protocol.file.id, rule, level)
                candidates.append(((level, 0), entry))
    best = min(candidates, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None else None


def _gate_matters(evaluation: Evaluated, decided: _Decided) -> bool:
    """Tell whether knowing the population could still change anything.

    It could while a rule may raise the level, while no pathway is known to fit, or while the
    default of the protocol holds the proposed level up.
    """
    file = evaluation.protocol.file
    could_raise = any(
        v.truth is not False and is_more_severe(v.parsed.rule.acuity, decided.proposed)
        for v in evaluation.verdicts
    )
    could_fit = not decided.fits and file.kind != "score"
    default = file.default_acuity if file.kind == "complaint" else None
    holds_up = default is not None and is_more_severe(default, decided.firm)
    return could_raise or could_fit or holds_up


def _first_obtainable(
    evaluation: Evaluated, keys: tuple[str, ...], context: ObserverContext
) -> Input | None:
    """Give the first input that somebody here can answer, first among those known to apply."""
    entries = (evaluation.protocol.input(key) for key in keys)
    found = [e for e in entries if e is not None and context.can_obtain(e)]
    found.sort(key=lambda entry: entry.key in evaluation.pending)
    return found[0] if found else None


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
    protocols: tuple[Protocol, ...], recorded: Mapping[str, Finding], values: Mapping[str, Value]
) -> tuple[Assumption, ...]:
    """List the defaults of inputs that are open and may apply."""
    return tuple(
        Assumption(protocol=protocol.file.id, input=entry.input.key, value=entry.input.default)
        for protocol in protocols
        for entry in protocol.inputs
        if entry.input.default is not None
        and entry.input.key not in recorded
        and (entry.applies is None or evaluate(entry.applies, values) is not False)
    )


def _reference(protocol: Protocol) -> ProtocolReference:
    """Pin the protocol."""
    file = protocol.file
    return ProtocolReference(
        id=file.id, version=file.version, digest=protocol.digest, status=protocol.status
    )
