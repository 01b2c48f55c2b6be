"""What the interpreter finds of each rule, and how it is written down."""

from typing import Final

import msgspec

from triage.acuity import Acuity
from triage.assessment import (
    Assumption,
    FiredRule,
    GateResult,
    HeldRule,
    PossibleRule,
    ProtocolScore,
    Trace,
)
from triage.expression import Truth
from triage.protocol import Advice, Card, ParsedRule, Protocol, Rule, Text
from triage.scoring import ScoreResult

_NO_REASON: Final = Text(fr="Réponse impossible à obtenir", en="The answer cannot be obtained")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One rule evaluated with its gate: its truth, and the inputs that keep it unknown.

    `own_open` are the open ones of its own condition, the gate left aside.
    """

    protocol: Protocol
    parsed: ParsedRule
    truth: Truth
    open_inputs: tuple[str, ...]
    own_open: tuple[str, ...]
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


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol evaluated over the findings; `pending` inputs apply only perhaps."""

    protocol: Protocol
    gate: GateResult
    pending: frozenset[str]
    scores: tuple[ScoreResult, ...]
    verdicts: tuple[Verdict, ...]


def advice(evaluations: tuple[Evaluated, ...]) -> tuple[Advice, ...]:
    """Give the words that fired rules name, those of the most severe rules first."""
    named = (
        entry
        for protocol, rule in _fired_rules(evaluations)
        for entry in protocol.file.advice
        if entry.id in rule.advice
    )
    return tuple(dict.fromkeys(named))


def cards(evaluations: tuple[Evaluated, ...]) -> tuple[Card, ...]:
    """Give the cards that fired rules name, those of the most severe rules first."""
    named = (
        card
        for protocol, rule in _fired_rules(evaluations)
        for key in rule.cards
        for card in protocol.cards
        if card.id == key
    )
    return tuple(dict.fromkeys(named))


def _fired_rules(evaluations: tuple[Evaluated, ...]) -> list[tuple[Protocol, Rule]]:
    """Give the rules that fired with their protocols, the most severe first."""
    fired = [(e.protocol, v.parsed.rule) for e in evaluations for v in e.verdicts if v.fires]
    return sorted(fired, key=lambda pair: pair[1].acuity)


def trace(evaluations: tuple[Evaluated, ...], assumptions: tuple[Assumption, ...]) -> Trace:
    """Write down everything the result rests on, most severe first."""
    pairs = [(e, v) for e in evaluations for v in e.verdicts]
    pairs.sort(key=lambda pair: pair[1].parsed.rule.acuity)
    drafts = (e.protocol.file.id for e in evaluations if e.protocol.status == "draft")
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


def _fired(evaluation: Evaluated, verdict: Verdict) -> FiredRule:
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
    )


def _held(verdict: Verdict) -> HeldRule:
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


def _possible(verdict: Verdict) -> PossibleRule:
    """Write down a rule that open inputs keep possible."""
    rule = verdict.parsed.rule
    return PossibleRule(
        protocol=verdict.protocol.file.id,
        rule=rule.id,
        acuity=rule.acuity,
        open_inputs=verdict.open_inputs,
    )
