"""Every kind of event: one tagged struct each, in the past tense, ids and codes only.

Fields are only ever added, with a default. No field may hold a name, a phone number, an address
or free text: `events.outbox` refuses an event whose fields don't fit these types. What an event
is about (`aggregate_id`), the case, the territory and the organisations concerned travel beside
it, in the record of the feed. A field named `case_id` or `..._case_id` leaves Régul only as the
recipient's pseudonym.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from events.case_events import (
    AcuityLowered,
    AssessmentRecorded,
    CallbackDue,
    CallEnded,
    CallReceived,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseQualified,
    DeathConfirmed,
    DeathReported,
    DeathReversed,
    DispositionDecided,
)
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
from events.offer_events import (
    AbsenceChanged,
    AvailabilityPublished,
    CapacityChanged,
    ConsentChanged,
    PlacesChanged,
    SlotDisplaced,
    SourceLimitChanged,
    TrustContested,
)
from events.place_events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentEvent,
    AppointmentFulfilled,
    AppointmentMissed,
    AppointmentPending,
    AppointmentRescheduled,
    HoldDisplaced,
    HoldLapsed,
    HoldPlaced,
    HoldReleased,
    ReferralEvent,
    ReferralSent,
    ReferralUpdated,
    WaitingEntered,
    WaitingEscalated,
    WaitingEvent,
    WaitingPlaced,
)

__all__ = (
    "AbsenceChanged",
    "Acuity",
    "AcuityLowered",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentConfirmed",
    "AppointmentEvent",
    "AppointmentFulfilled",
    "AppointmentMissed",
    "AppointmentPending",
    "AppointmentRescheduled",
    "AssessmentRecorded",
    "AvailabilityPublished",
    "CallEnded",
    "CallReceived",
    "CallbackDue",
    "CapacityChanged",
    "CaseClosed",
    "CaseMerged",
    "CaseOpened",
    "CaseQualified",
    "ConsentChanged",
    "DeathConfirmed",
    "DeathReported",
    "DeathReversed",
    "DispositionDecided",
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
    "HoldDisplaced",
    "HoldLapsed",
    "HoldPlaced",
    "HoldReleased",
    "PlacesChanged",
    "ReferralEvent",
    "ReferralSent",
    "ReferralUpdated",
    "SlotDisplaced",
    "SourceLimitChanged",
    "TrustContested",
    "WaitingEntered",
    "WaitingEscalated",
    "WaitingEvent",
    "WaitingPlaced",
    "kind_of",
    "validate",
)

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
