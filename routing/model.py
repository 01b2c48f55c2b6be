"""Routing's nouns and the states they may take; no clock, no database, no rule of a place.

Times are aware UTC datetimes. A state table lists every allowed change; a pair that is not in it
is a conflict, and the WHERE clause of the one statement that makes the change says the same.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from triage.acuity import Acuity

HOLDS_PER_ACTOR: Final = 10
"""Live holds one actor may keep at a time; the same number stands in `hold_allowance_limit`."""

REVIEW_WITHIN_S: Final[Mapping[Acuity, int]] = MappingProxyType(
    {"U0": 60, "U1": 300, "U2": 900, "U3": 3600, "U4": 14_400, "U5": 28_800}
)
"""Seconds after which a waiting entry escalates when nothing shorter is said, by acuity."""


class OfferKind(StrEnum):
    """How a place is taken: at a fixed time, or by a referral without one."""

    SLOT = "slot"
    RANGE = "range"
    OVERBOOK = "overbook"
    REFERRAL = "referral"


class HoldState(StrEnum):
    """What was done with a hold; that it lapsed is a matter of time alone, see `until`."""

    HELD = "held"
    BOOKED = "booked"
    RELEASED = "released"


class AppointmentState(StrEnum):
    """State of an appointment; `pending` while its publisher has still to confirm it."""

    PENDING = "pending"
    BOOKED = "booked"
    FULFILLED = "fulfilled"
    NOSHOW = "noshow"
    CANCELLED = "cancelled"


class ReferralState(StrEnum):
    """State of a referral."""

    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class WaitingState(StrEnum):
    """State of a need for which no place was found."""

    WAITING = "waiting"
    PLACED = "placed"
    CLOSED = "closed"


class AppointmentVerb(StrEnum):
    """What may happen to an appointment."""

    CONFIRM = "confirm"
    FULFIL = "fulfil"
    MISS = "miss"
    CANCEL = "cancel"


class ReferralVerb(StrEnum):
    """What may happen to a referral."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    COMPLETE = "complete"
    CANCEL = "cancel"


APPOINTMENT_TRANSITIONS: Final[
    Mapping[tuple[AppointmentState, AppointmentVerb], AppointmentState]
] = MappingProxyType(
    {
        (AppointmentState.PENDING, AppointmentVerb.CONFIRM): AppointmentState.BOOKED,
        (AppointmentState.PENDING, AppointmentVerb.CANCEL): AppointmentState.CANCELLED,
        (AppointmentState.BOOKED, AppointmentVerb.CANCEL): AppointmentState.CANCELLED,
        (AppointmentState.BOOKED, AppointmentVerb.FULFIL): AppointmentState.FULFILLED,
        (AppointmentState.BOOKED, AppointmentVerb.MISS): AppointmentState.NOSHOW,
    }
)
"""Every allowed change of an appointment. A settled or cancelled one never changes again."""

REFERRAL_TRANSITIONS: Final[Mapping[tuple[ReferralState, ReferralVerb], ReferralState]] = (
    MappingProxyType(
        {
            (ReferralState.SENT, ReferralVerb.ACCEPT): ReferralState.ACCEPTED,
            (ReferralState.SENT, ReferralVerb.REFUSE): ReferralState.REFUSED,
            (ReferralState.SENT, ReferralVerb.CANCEL): ReferralState.CANCELLED,
            (ReferralState.ACCEPTED, ReferralVerb.COMPLETE): ReferralState.COMPLETED,
            (ReferralState.ACCEPTED, ReferralVerb.CANCEL): ReferralState.CANCELLED,
        }
    )
)
"""Every allowed change of a referral."""


def before(verb: AppointmentVerb) -> tuple[str, ...]:
    """Give the states from which a verb may change an appointment, as SQL parameters.

    Args:
        verb: What is to happen.

    Returns:
        Sorted state names.
    """
    return tuple(sorted(state for state, done in APPOINTMENT_TRANSITIONS if done is verb))


def referral_before(verb: ReferralVerb) -> tuple[str, ...]:
    """Give the states from which a verb may change a referral, as SQL parameters.

    Args:
        verb: What is to happen.

    Returns:
        Sorted state names.
    """
    return tuple(sorted(state for state, done in REFERRAL_TRANSITIONS if done is verb))


Value: TypeAlias = str | int | list[str]
"""What a reason is about. The suffix of its name says the unit: `_s`, `_m`, `_at`, `_codes`."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a place is offered or refused, as a code of `reasons.toml` with its values."""

    code: str
    values: dict[str, Value] = {}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One place of an offer.

    Attributes:
        rank: 1 is the best.
        slot_id: None for a referral, which has no fixed time.
        starts_at: Start of the slot; for a referral the moment it is open.
        free: Free seats when the snapshot was taken; the claim decides, not this number.
        travel_s: Estimated journey in seconds; None when the patient's place is unknown.
        road_m: Estimated road metres; None when the patient's place is unknown.
        agreement: The receiver must agree first (overbooking, mirrored diary, referral).
        late_s: Seconds after the disposition's due time; 0 when in time.
        zone: IANA zone in which the place reads its clock.
        as_of: When its diary was last told; None for a referral.
        marked: Its diary is older than its source should be.
        acceptance: Probability that it takes the patient, learned; None = nothing is known yet.
        asked: How many patients that figure rests on.
        reasons: What speaks for it, most telling first.
    """

    rank: int
    care_service_id: UUID
    organisation_id: UUID
    location_id: UUID
    name: str
    kind: OfferKind
    modality: str
    starts_at: datetime
    ends_at: datetime | None = None
    slot_id: UUID | None = None
    free: int = 1
    travel_s: int | None = None
    road_m: int | None = None
    agreement: bool = False
    late_s: int = 0
    zone: str
    as_of: datetime | None = None
    marked: bool = False
    acceptance: float | None = None
    asked: int = 0
    reasons: tuple[Reason, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A place that can't take the need: the first binding reason, and what would admit it.

    Attributes:
        changes: The nearest changes; all of them together admit it, usually it is one.
        distance_m: Great-circle metres; None when unknown.
        zone: IANA zone in which the place reads its clock.
    """

    care_service_id: UUID
    name: str
    reason: Reason
    changes: tuple[Reason, ...]
    distance_m: int | None = None
    zone: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a need: the best places, and why the near others are not among them.

    Attributes:
        seed: Breaks equals; the same snapshot, need and seed give the same places.
        snapshot_version: Version of the directory snapshot that was searched.
        considered: Care services that offer the kind of care asked for.
        refused_total: How many of them were refused; `refused` explains the nearest.
        places: At most the number asked for, best first, one per care service.
        spare: Further slots in order; what a loser is offered next.
        widened_m: Great-circle radius that was searched in the end; None = no limit.
    """

    id: UUID
    disposition_id: UUID
    case_id: UUID
    territory_id: UUID
    asked_at: datetime
    acuity: Acuity
    seed: int
    snapshot_version: int
    considered: int
    refused_total: int
    places: tuple[Place, ...]
    spare: tuple[Place, ...] = ()
    refused: tuple[Refused, ...] = ()
    widened_m: int | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A time-limited exclusive claim on one seat.

    Attributes:
        id: Also the claim that stands in the seat.
        until: Moment from which the seat counts as free again.
        extended: The one extension was used (WCAG 2.2, success criterion 2.2.1).
    """

    id: UUID
    slot_id: UUID
    seat: int
    actor_id: UUID
    disposition_id: UUID
    case_id: UUID
    territory_id: UUID
    care_service_id: UUID
    acuity: Acuity
    state: HoldState
    until: datetime
    extended: bool
    offer_id: UUID | None = None


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed meeting, or one that its publisher still has to confirm.

    Attributes:
        id: The appointment.
        claim: The hold it came from; stands in the seat.
        instructions: Free text for the receiver, opened for this reader; None when there is none.
    """

    id: UUID
    claim: UUID
    case_id: UUID
    disposition_id: UUID
    territory_id: UUID
    organisation_id: UUID
    care_service_id: UUID
    location_id: UUID
    slot_id: UUID
    seat: int
    kind: OfferKind
    modality: str
    acuity: Acuity
    state: AppointmentState
    starts_at: datetime
    ends_at: datetime
    booked_by: UUID
    booked_at: datetime
    handoff_id: UUID | None
    cancel_reason: str | None = None
    instructions: str | None = None


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """A request without fixed time to one care service.

    Attributes:
        due_at: When the receiver must have answered; then the handoff escalates.
        instructions: Free text for the receiver, opened for this reader.
    """

    id: UUID
    case_id: UUID
    disposition_id: UUID
    territory_id: UUID
    organisation_id: UUID
    care_service_id: UUID
    acuity: Acuity
    service: str
    state: ReferralState
    sent_by: UUID
    sent_at: datetime
    due_at: datetime | None
    handoff_id: UUID | None
    instructions: str | None = None


class WaitingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A need without a place: who looks after it, until when, and what stands in the way.

    Attributes:
        owner_id: The actor responsible for finding a place.
        deadline: When it escalates if still waiting.
        constraint: Reason code that binds, e.g. `opens_after_deadline`.
        escalated_at: When it did escalate; None before.
    """

    id: UUID
    case_id: UUID
    disposition_id: UUID
    territory_id: UUID
    owner_id: UUID
    service: str
    acuity: Acuity
    state: WaitingState
    constraint: str
    entered_at: datetime
    deadline: datetime
    escalated_at: datetime | None = None
