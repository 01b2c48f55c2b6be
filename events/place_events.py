"""The kinds of event that tell who gets which place, and who waits; part of the catalogue."""

from typing import Annotated, ClassVar
from uuid import UUID

import msgspec

from events.fact import Acuity, Event
from kernel.inputs import Code, UtcTime

Seat = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


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
