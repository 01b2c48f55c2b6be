"""The kinds of event that tell what becomes of a handoff; part of the catalogue."""

from typing import ClassVar, Literal
from uuid import UUID

from events.fact import Acuity, Event
from kernel.inputs import Code, Small, UtcTime


class HandoffEvent(Event, frozen=True, kw_only=True):
    """What each handoff event says.

    Attributes:
        subject_kind: `appointment` or `referral`.
        subject_id: Which one.
        care_service_id: Who receives the patient.
        acuity: Urgency of the disposition.
        acknowledgement_required: False where publishing the slot was the acceptance.
        due_at: When silence becomes overdue.
        owner: Who answers for the patient now: sender, receiver or duty.
        reason: Code of a refusal or a cancellation.
        level: Step of the escalation.
        role: Role on duty to whom it escalated; `centre` is every member of the staff.
        actor_id: Actor on duty to whom it escalated, or who took it.
        channels: How a step of the escalation is told: `console`, `feed`, `phone`.
    """

    AGGREGATE: ClassVar[str] = "handoff"
    subject_kind: Literal["appointment", "referral"]
    subject_id: UUID
    care_service_id: UUID
    acuity: Acuity
    acknowledgement_required: bool
    owner: Literal["sender", "receiver", "duty"]
    due_at: UtcTime | None = None
    reason: Code | None = None
    level: Small | None = None
    role: Code | None = None
    actor_id: UUID | None = None
    channels: tuple[Code, ...] = ()


class HandoffRequested(HandoffEvent, frozen=True, kw_only=True, tag="handoff.requested"):
    """Somebody is asked to take responsibility."""


class HandoffDelivered(HandoffEvent, frozen=True, kw_only=True, tag="handoff.delivered"):
    """The message reached the receiver's system; nobody has answered."""


class HandoffSeen(HandoffEvent, frozen=True, kw_only=True, tag="handoff.seen"):
    """A named human looked at it."""


class HandoffAccepted(HandoffEvent, frozen=True, kw_only=True, tag="handoff.accepted"):
    """A named human took responsibility."""


class HandoffRefused(HandoffEvent, frozen=True, kw_only=True, tag="handoff.refused"):
    """A named human refused, with a reason."""


class HandoffOverdue(HandoffEvent, frozen=True, kw_only=True, tag="handoff.overdue"):
    """Nobody answered in time."""


class HandoffEscalated(HandoffEvent, frozen=True, kw_only=True, tag="handoff.escalated"):
    """A step of the ladder: somebody on duty was told; repeated until one takes it."""


class HandoffTaken(HandoffEvent, frozen=True, kw_only=True, tag="handoff.taken"):
    """A named human on duty took it in hand."""


class HandoffArrived(HandoffEvent, frozen=True, kw_only=True, tag="handoff.arrived"):
    """The patient is there."""


class HandoffCompleted(HandoffEvent, frozen=True, kw_only=True, tag="handoff.completed"):
    """The receiver ended it: the patient was seen."""


class HandoffCancelled(HandoffEvent, frozen=True, kw_only=True, tag="handoff.cancelled"):
    """No longer needed."""
