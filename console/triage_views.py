"""What the templates show of an assessment: levels, questions, answers, reasons, the whole trace.

Filled by `assessed` and `traced`; frozen values, already in the reader's words.
"""

from typing import Literal
from uuid import UUID

import msgspec

from console.views import Choice


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """An input that can still be answered."""

    input: str
    protocol: str
    ask: str
    kind: Literal["number", "bool", "choice"]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Choice, ...] = ()
    acuity: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answered or unanswerable input.

    Attributes:
        again: The question, to correct the answer.
        expired: The answer is too old.
    """

    input: str
    ask: str
    text: str
    unanswerable: bool = False
    again: Question | None = None
    expired: bool = False


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that fired or is held, with its sources."""

    acuity: str
    why: str
    rule: str
    sources: tuple[str, ...] = ()
    held: bool = False


class Possible(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that open questions keep possible, and these questions."""

    acuity: str
    why: str
    rule: str
    asks: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one item adds to a score: at least, at most."""

    label: str
    points: str
    open: bool = False


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """A score with what each item adds; `total` is one number, or an interval while open."""

    title: str
    total: str
    parts: tuple[Part, ...]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the levels rest on.

    Attributes:
        fired: Rules that hold.
        held: Rules that could not be excluded.
        possible: Rules that open questions keep possible.
        assumed: Questions with the answer assumed; nothing rests on it.
        gates: Why a protocol does not, or not yet, cover the patient.
    """

    fired: tuple[Reason, ...] = ()
    held: tuple[Reason, ...] = ()
    possible: tuple[Possible, ...] = ()
    scores: tuple[ScoreLine, ...] = ()
    assumed: tuple[Answer, ...] = ()
    gates: tuple[str, ...] = ()
    open_inputs: tuple[str, ...] = ()


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A life-saving instruction to read out, step by step."""

    title: str
    steps: tuple[str, ...]


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """An odd value that counts once it is confirmed."""

    input: str
    ask: str
    value: str
    text: str
    usual: str


class Lower(msgspec.Struct, frozen=True, kw_only=True):
    """A milder level that waits for a confirmation.

    Attributes:
        standing: The level in force; None is "none".
        said: What the answers say.
        allowed: This reader may confirm it.
        repeated: It comes from the call before, not from a corrected answer.
    """

    assessment_id: UUID
    standing: str | None
    said: str | None
    allowed: bool
    repeated: bool = False


class Triage(msgspec.Struct, frozen=True, kw_only=True):
    """The live evaluation of a case; its levels are those in force.

    Attributes:
        sure: Levels that are assured, for the scale.
        maybe: Levels that are not excluded above it.
        protocols: Title, version and status of what was evaluated.
        physician: Why a physician is required, as codes.
        expired: Answers that are too old, to be asked again.
        odd: Values that are to be confirmed.
        problem_detail: What would be allowed instead of what was refused.
    """

    case_id: UUID
    assured: str | None = None
    worst: str | None = None
    proposed: str | None = None
    closed: bool = False
    physician_required: bool = False
    sure: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    question: Question | None = None
    others: tuple[Question, ...] = ()
    answers: tuple[Answer, ...] = ()
    reasons: tuple[Reason, ...] = ()
    protocols: tuple[str, ...] = ()
    draft: bool = False
    advice: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    editable: bool = True
    physician: tuple[str, ...] = ()
    lower: Lower | None = None
    expired: tuple[Question, ...] = ()
    odd: tuple[Odd, ...] = ()
    trace: Trace = Trace()
    problem_detail: str = ""
