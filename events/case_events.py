"""The kinds of event that tell of calls and cases; part of the catalogue."""

from typing import ClassVar
from uuid import UUID

from events.fact import Acuity, Event
from kernel.inputs import Code, UtcTime


class CallReceived(Event, frozen=True, kw_only=True, tag="call.received"):
    """A contact began."""

    AGGREGATE: ClassVar[str] = "call"
    channel: Code = "phone"


class CallEnded(Event, frozen=True, kw_only=True, tag="call.ended"):
    """A contact ended as one of the ends of the glossary."""

    AGGREGATE: ClassVar[str] = "call"
    outcome: Code


class CallbackDue(Event, frozen=True, kw_only=True, tag="callback.due"):
    """A call is owed from this time on."""

    AGGREGATE: ClassVar[str] = "callback"
    due_at: UtcTime
    reason: Code


class CaseOpened(Event, frozen=True, kw_only=True, tag="case.opened"):
    """A patient's case was opened."""

    AGGREGATE: ClassVar[str] = "case"
    complaint: Code | None = None
    call_id: UUID | None = None


class CaseQualified(Event, frozen=True, kw_only=True, tag="case.qualified"):
    """A human set priority and stream."""

    AGGREGATE: ClassVar[str] = "case"
    priority: Code
    stream: Code
    acuity: Acuity | None = None


class CaseClosed(Event, frozen=True, kw_only=True, tag="case.closed"):
    """A case ended."""

    AGGREGATE: ClassVar[str] = "case"
    outcome: Code


class CaseMerged(Event, frozen=True, kw_only=True, tag="case.merged"):
    """A case turned out to be another one."""

    AGGREGATE: ClassVar[str] = "case"
    into_case_id: UUID


class DeathReported(Event, frozen=True, kw_only=True, tag="death.reported"):
    """Somebody said that the patient died; nothing follows from it but a physician's task."""

    AGGREGATE: ClassVar[str] = "case"
    report_id: UUID
    source: Code


class DeathConfirmed(Event, frozen=True, kw_only=True, tag="death.confirmed"):
    """A named physician confirmed it; the case is closed."""

    AGGREGATE: ClassVar[str] = "case"
    report_id: UUID


class DeathReversed(Event, frozen=True, kw_only=True, tag="death.reversed"):
    """A named physician took it back; what had been closed is open again."""

    AGGREGATE: ClassVar[str] = "case"
    report_id: UUID
    reason: Code


class AssessmentRecorded(Event, frozen=True, kw_only=True, tag="assessment.recorded"):
    """The engine evaluated the findings of a case; the levels are those in force after it.

    Attributes:
        lower_waits: The answers say less than what is in force; a human is to confirm it.
    """

    AGGREGATE: ClassVar[str] = "case"
    assessment_id: UUID
    protocol: Code
    digest: Code
    acuity_assured: Acuity | None = None
    acuity_worst: Acuity | None = None
    lower_waits: bool = False


class AcuityLowered(Event, frozen=True, kw_only=True, tag="acuity.lowered"):
    """A human confirmed a milder level; both are kept."""

    AGGREGATE: ClassVar[str] = "case"
    assessment_id: UUID
    from_assured: Acuity | None = None
    from_proposed: Acuity | None = None
    to_assured: Acuity | None = None
    to_proposed: Acuity | None = None
    reason: Code


class DispositionDecided(Event, frozen=True, kw_only=True, tag="disposition.decided"):
    """Somebody entitled to it decided what shall be done."""

    AGGREGATE: ClassVar[str] = "disposition"
    decision: Code
    acuity: Acuity
    service: Code | None = None
    due_at: UtcTime | None = None
