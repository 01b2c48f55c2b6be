"""What one evaluation says: the interval of levels, the next question and the trace."""

from typing import Literal, TypeAlias

import msgspec

from triage.acuity import Acuity
from triage.finding import LAY_CALLER, ObserverContext
from triage.protocol import Advice, Answer, Card, Need, SafetyNet, Status, Text
from triage.scoring import ScoreResult


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of an evaluation: who can look, and the default of the complaint.

    `default_acuity` is what the complaint has without any protocol; protocols add their own.
    """

    context: ObserverContext = LAY_CALLER
    default_acuity: Acuity | None = None


class ProtocolReference(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly which file was evaluated: the digest is the sha256 of its bytes."""

    id: str
    version: str
    digest: str
    status: Status


class FiredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that holds, or that fired because only unanswerable inputs keep it unknown.

    `acuity` is the level it counts as: a U0 rule that fired on unanswerable inputs counts as
    U1. `unanswerable` names those of its condition and of its protocol's gate.
    """

    protocol: str
    rule: str
    acuity: Acuity
    why: Text
    cites: tuple[str, ...]
    means: tuple[str, ...]
    unanswerable: tuple[str, ...] = ()


class HeldRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that only unanswerable inputs keep unknown and that waits: not excluded."""

    protocol: str
    rule: str
    acuity: Acuity
    why: Text
    cites: tuple[str, ...]
    reason: Text
    unanswerable: tuple[str, ...]


class PossibleRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that open inputs still keep possible."""

    protocol: str
    rule: str
    acuity: Acuity
    open_inputs: tuple[str, ...]


GateState: TypeAlias = Literal["met", "unmet", "unknown"]


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the population of a protocol covers the patient, and what keeps it unknown.

    Where it is unmet, the protocol is silent: no rule, score or assumption of it is listed.
    """

    protocol: str
    state: GateState
    why: Text
    open_inputs: tuple[str, ...]
    unanswerable: tuple[str, ...]


class ProtocolScore(msgspec.Struct, frozen=True, kw_only=True):
    """A score of one protocol."""

    protocol: str
    result: ScoreResult


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """A default of an open input; it narrows nothing and is shown for what it is."""

    protocol: str
    input: str
    value: Answer


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The open input worth asking next, and the rule for whose sake."""

    input: str
    protocol: str
    rule: str
    acuity: Acuity
    ask: Text
    type: Literal["number", "bool", "choice"]
    unit: str | None
    range: tuple[float, float] | None
    choices: tuple[str, ...]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the result rests on."""

    fired: tuple[FiredRule, ...]
    held: tuple[HeldRule, ...]
    possible: tuple[PossibleRule, ...]
    gates: tuple[GateResult, ...]
    scores: tuple[ProtocolScore, ...]
    assumptions: tuple[Assumption, ...]
    open_inputs: tuple[str, ...]
    draft_protocols: tuple[str, ...]


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation of the findings of a case against pinned protocols.

    Attributes:
        assured: The level that is certain, or None while nothing has fired; never U5 for
            want of answers.
        worst: The worst level that is not excluded, or None when no rule is left.
        proposed: `assured`, but never below `default_acuity` (the more severe of both).
        default_acuity: The most severe of the complaint's default and of the defaults of those
            complaint protocols whose gate is not known to exclude the patient.
        assumed: What `assured` would be if the defaults shown as assumptions were true.
        closed: No obtainable open input can still matter.
        physician_required: No general protocol is known to cover the patient (one for
            everyone says nothing about that), or the complaint has protocols and none of them is.
        protocols: What was evaluated, those that stayed silent included.
        advice: Words of the fired rules; `cards` their instructions to read out.
        semantics: Version of the engine's rules; 1 let protocols alarm outside of their gate.
    """

    assured: Acuity | None
    worst: Acuity | None
    proposed: Acuity | None
    assumed: Acuity | None
    default_acuity: Acuity | None
    closed: bool
    physician_required: bool
    next_question: Question | None
    protocols: tuple[ProtocolReference, ...]
    trace: Trace
    advice: tuple[Advice, ...]
    safety_net: tuple[SafetyNet, ...]
    needs: tuple[Need, ...]
    cards: tuple[Card, ...] = ()
    semantics: int = 1
