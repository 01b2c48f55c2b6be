"""Every kind of event: one tagged struct each, in the past tense, ids and codes only.

Fields are only ever added, with a default. No field may hold a name, a phone number, an address
or free text: `events.outbox` refuses an event whose fields don't fit these types. What an event
is about (`aggregate_id`), the case, the territory and the organisations concerned travel beside
it, in the record of the feed. A field named `case_id` or `..._case_id` leaves Régul only as the
recipient's pseudonym.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, TypeAlias
from uuid import UUID

import msgspec

from events.fact import Acuity, Event, kind_of, validate
from events.lease_events import (
    HandoffAccepted,
    HandoffArrived,
    HandoffCancelled,
    HandoffCompleted,
    HandoffDelivered,
    HandoffEscalated,
    HandoffEvent,
    HandoffOverdue,
    HandoffRefused,
    HandoffRequested,
    HandoffSeen,
    HandoffTaken,
)
from kernel.inputs import Code, Small, UtcTime

__all__ = (
    "Acuity",
    "Event",
    "HandoffAccepted",
    "HandoffArrived",
    "HandoffCancelled",
    "HandoffCompleted",
    "HandoffDelivered",
    "HandoffEscalated",
    "HandoffEvent",
    "HandoffOverdue",
    "HandoffRefused",
    "HandoffRequested",
    "HandoffSeen",
    "HandoffTaken",
    "kind_of",
    "validate",
)

Seat = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


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


class AvailabilityPublished(Event, frozen=True, kw_only=True, tag="availability.published"):
    """A clinic published a window of a schedule."""

    AGGREGATE: ClassVar[str] = "schedule"
    care_service_id: UUID
    sequence: int
    starts_at: UtcTime
    ends_at: UtcTime
    added: Small = 0
    withdrawn: Small = 0
    displaced: Small = 0


class ConsentChanged(Event, frozen=True, kw_only=True, tag="consent.changed"):
    """The publisher of a schedule agreed to something else; fields left out are no limit."""

    AGGREGATE: ClassVar[str] = "schedule"
    care_service_id: UUID
    paused: bool
    quota_per_day: Small | None = None
    release_before_s: Annotated[int, msgspec.Meta(ge=0)] | None = None
    release_min: Small | None = None


class AbsenceChanged(Event, frozen=True, kw_only=True, tag="absence.changed"):
    """A diary is not to be had for some days, or is again when `ended`."""

    AGGREGATE: ClassVar[str] = "schedule"
    care_service_id: UUID
    starts_at: UtcTime
    ends_at: UtcTime
    ended: bool = False


class CapacityChanged(Event, frozen=True, kw_only=True, tag="capacity.changed"):
    """A care service reported its beds or emergency places.

    Attributes:
        capacity: What is counted.
        over: More patients than places, said by the owner itself.
    """

    AGGREGATE: ClassVar[str] = "care_service"
    capacity: Code
    total: Small
    occupied: Small
    over: bool = False
    cause: Code
    sequence: int


class PlacesChanged(Event, frozen=True, kw_only=True, tag="places.changed"):
    """Care services of an organisation are new, or described otherwise."""

    AGGREGATE: ClassVar[str] = "organisation"
    care_service_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=200)]


class SourceLimitChanged(Event, frozen=True, kw_only=True, tag="limit.changed"):
    """What a source tells may be older, or less old, than before; no figures = the common limit."""

    AGGREGATE: ClassVar[str] = "source_limit"
    source: Code
    marked_after_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    refused_after_s: Annotated[int, msgspec.Meta(ge=1)] | None = None


class TrustContested(Event, frozen=True, kw_only=True, tag="trust.contested"):
    """A publisher does not agree with the figure that is shown for it."""

    AGGREGATE: ClassVar[str] = "trust_contest"
    reason: Code


class SlotDisplaced(Event, frozen=True, kw_only=True, tag="slot.displaced"):
    """A slot went away while somebody held it or was booked on it."""

    AGGREGATE: ClassVar[str] = "slot"
    care_service_id: UUID
    claims: tuple[UUID, ...] = ()
    reason: Code = "withdrawn"


class HoldPlaced(Event, frozen=True, kw_only=True, tag="hold.placed"):
    """A seat was claimed for a limited time."""

    AGGREGATE: ClassVar[str] = "hold"
    slot_id: UUID
    seat: Seat
    care_service_id: UUID
    expires_at: UtcTime


class HoldReleased(Event, frozen=True, kw_only=True, tag="hold.released"):
    """A hold was given back."""

    AGGREGATE: ClassVar[str] = "hold"
    slot_id: UUID
    care_service_id: UUID


class HoldLapsed(Event, frozen=True, kw_only=True, tag="hold.lapsed"):
    """A hold's time passed."""

    AGGREGATE: ClassVar[str] = "hold"
    slot_id: UUID
    care_service_id: UUID


class HoldDisplaced(Event, frozen=True, kw_only=True, tag="hold.displaced"):
    """The publisher withdrew the slot of a live hold."""

    AGGREGATE: ClassVar[str] = "hold"
    slot_id: UUID
    care_service_id: UUID
    reason: Code = "withdrawn"


class AppointmentEvent(Event, frozen=True, kw_only=True):
    """What each appointment event says: the place, and the handoff that tells its receiver."""

    AGGREGATE: ClassVar[str] = "appointment"
    slot_id: UUID
    care_service_id: UUID
    starts_at: UtcTime
    seat: Seat | None = None
    acuity: Acuity | None = None
    modality: Code | None = None
    reason: Code | None = None
    handoff_id: UUID | None = None


class AppointmentBooked(AppointmentEvent, frozen=True, kw_only=True, tag="appointment.booked"):
    """A hold was turned into an appointment."""


class AppointmentPending(AppointmentEvent, frozen=True, kw_only=True, tag="appointment.pending"):
    """A mirrored source has not confirmed yet."""


class AppointmentConfirmed(
    AppointmentEvent, frozen=True, kw_only=True, tag="appointment.confirmed"
):
    """The mirrored source confirmed."""


class AppointmentCancelled(
    AppointmentEvent, frozen=True, kw_only=True, tag="appointment.cancelled"
):
    """Called off, by either side."""


class AppointmentRescheduled(
    AppointmentEvent, frozen=True, kw_only=True, tag="appointment.rescheduled"
):
    """Moved to the slot named here."""

    former_slot_id: UUID


class AppointmentFulfilled(
    AppointmentEvent, frozen=True, kw_only=True, tag="appointment.fulfilled"
):
    """The patient came."""


class AppointmentMissed(AppointmentEvent, frozen=True, kw_only=True, tag="appointment.missed"):
    """The patient did not come."""


class ReferralEvent(Event, frozen=True, kw_only=True):
    """What each referral event says.

    Attributes:
        care_service_id: To whom.
        service: Code of the service asked for.
        state: State after the event.
        acuity: Of the disposition.
        handoff_id: The handoff that asks for the answer.
    """

    AGGREGATE: ClassVar[str] = "referral"
    care_service_id: UUID | None = None
    service: Code | None = None
    state: Code
    acuity: Acuity | None = None
    handoff_id: UUID | None = None


class ReferralSent(ReferralEvent, frozen=True, kw_only=True, tag="referral.sent"):
    """A request without fixed time left for its receiver."""


class ReferralUpdated(ReferralEvent, frozen=True, kw_only=True, tag="referral.updated"):
    """A referral moved to another state."""


class WaitingEvent(Event, frozen=True, kw_only=True):
    """What each waiting-list event says.

    Attributes:
        service: Code of the service waited for.
        acuity: Urgency.
        due_at: By when a place is needed.
        constraint: Code of the constraint that leaves no place.
    """

    AGGREGATE: ClassVar[str] = "waiting_entry"
    service: Code | None = None
    acuity: Acuity | None = None
    due_at: UtcTime | None = None
    constraint: Code | None = None


class WaitingEntered(WaitingEvent, frozen=True, kw_only=True, tag="waiting.entered"):
    """No place was found; somebody owns the wait."""


class WaitingPlaced(WaitingEvent, frozen=True, kw_only=True, tag="waiting.placed"):
    """A place was found."""

    care_service_id: UUID | None = None
    slot_id: UUID | None = None


class WaitingEscalated(WaitingEvent, frozen=True, kw_only=True, tag="waiting.escalated"):
    """The deadline came without a place."""


AnyEvent: TypeAlias = (
    CallReceived | CallEnded | CallbackDue
    | CaseOpened | CaseQualified | CaseClosed | CaseMerged
    | DeathReported | DeathConfirmed | DeathReversed
    | AssessmentRecorded | AcuityLowered | DispositionDecided
    | AvailabilityPublished | ConsentChanged | AbsenceChanged | SourceLimitChanged
    | PlacesChanged | CapacityChanged | TrustContested | SlotDisplaced
    | HoldPlaced | HoldReleased | HoldLapsed | HoldDisplaced
    | AppointmentBooked | AppointmentPending | AppointmentConfirmed | AppointmentCancelled
    | AppointmentRescheduled | AppointmentFulfilled | AppointmentMissed
    | ReferralSent | ReferralUpdated
    | HandoffRequested | HandoffDelivered | HandoffSeen | HandoffAccepted | HandoffRefused
    | HandoffOverdue | HandoffEscalated | HandoffTaken | HandoffArrived
    | HandoffCompleted | HandoffCancelled
    | WaitingEntered | WaitingPlaced | WaitingEscalated
)  # fmt: skip
"""Any event; msgspec tells the kinds apart by the tag `kind`."""


KINDS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {kind_of(one): one for one in AnyEvent.__args__}
)
"""Kind -> struct."""


def decode(payload: bytes | str) -> AnyEvent:
    """Read an event from JSON.

    Args:
        payload: JSON with the tag `kind`.

    Returns:
        The event; unknown fields of a later version are ignored.

    Raises:
        ValidationError: msgspec's: no known kind, or a field that doesn't fit.
    """
    return _DECODER.decode(payload)


_DECODER: Final[msgspec.json.Decoder[AnyEvent]] = msgspec.json.Decoder(AnyEvent)
