"""What the API answers, as far as `replay`, `demo` and their kin read it: thin structs of our own.

They are written from the outside on purpose: a field that a room renames breaks these commands,
as it would break a partner.
"""

from datetime import datetime
from uuid import UUID

import msgspec


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that was made: its id."""

    id: UUID


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case: where it stands and who answers for the patient."""

    id: UUID
    state: str
    acuity_proposed: str | None = None
    acuity_worst: str | None = None
    responsible_actor_id: UUID | None = None
    responsible_organisation_id: UUID | None = None

    @property
    def responsible(self) -> tuple[UUID, ...]:
        """Give whoever is responsible; the product promises exactly one."""
        both = (self.responsible_actor_id, self.responsible_organisation_id)
        return tuple(one for one in both if one is not None)


class CaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a case that the reader may see."""

    id: UUID
    case: Case
    dispositions: list[Made]
    proposed_priority: str


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """One place of an offer."""

    care_service_id: UUID
    kind: str
    slot_id: UUID | None = None
    late_s: int = 0
    reasons: "list[Told]" = []


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A reason."""

    code: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Ranked places."""

    id: UUID
    places: list[Offered]
    considered: int = 0
    refused_total: int = 0
    binding_constraint: Told | None = None


class NextBest(msgspec.Struct, frozen=True, kw_only=True):
    """What a refusal because of a lost place carries."""

    next_best: Offered | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A claim for a short time."""

    id: UUID
    slot_id: UUID
    until: datetime


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed meeting."""

    id: UUID
    case_id: UUID
    slot_id: UUID
    seat: int
    state: str
    handoff_id: UUID | None = None


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """A request without fixed time."""

    id: UUID
    case_id: UUID
    state: str
    due_at: datetime
    handoff_id: UUID | None = None


class WaitingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A need without a place."""

    id: UUID
    case_id: UUID
    owner_id: UUID
    deadline: datetime
    constraint: str


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is owed."""

    id: UUID
    reason: str
    state: str
    owner_id: UUID
    case_id: UUID | None = None
    call_id: UUID | None = None


class Callbacks(msgspec.Struct, frozen=True, kw_only=True):
    """A page of calls owed."""

    callbacks: list[Callback]


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """A lease of responsibility."""

    id: UUID
    state: str
    case_id: UUID
    subject_id: UUID
    care_service_id: UUID
    owner: str
    acknowledgement_required: bool
    escalated_to_role: str | None = None


class Handoffs(msgspec.Struct, frozen=True, kw_only=True):
    """A page of handoffs."""

    handoffs: list[Handoff]
    after: UUID | None = None


class CareService(msgspec.Struct, frozen=True, kw_only=True):
    """An offer of care."""

    id: UUID
    service: str
    organisation_id: UUID
    schedules: list[UUID]


class CareServices(msgspec.Struct, frozen=True, kw_only=True):
    """A page of care services."""

    care_services: list[CareService]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A slot with its seats counted."""

    id: UUID
    key: str
    free: int
    taken: int
    displaced: int


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """A page of slots."""

    slots: list[Slot]


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication did."""

    sequence: int
    slots: int
    added: int
    withdrawn: int
    displaced: int


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What withdrawing a slot did."""

    slot_id: UUID
    displaced: int


class WaitingEntries(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the waiting list."""

    items: list[WaitingEntry]


class QueuedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case at its place in the queue."""

    case: Case
    rank: int


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """The cases of a stream that wait for a decision."""

    cases: list[QueuedCase]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is worth asking next."""

    input: str


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """What triage says: the level that is assured, the worst still possible."""

    assured: str | None
    worst: str | None
    next_question: Question | None = None


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation as it was stored."""

    id: UUID
    result: Interval
