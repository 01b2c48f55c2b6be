"""The nouns of the room as frozen structs, and the state table of a case."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from triage.acuity import Acuity

State: TypeAlias = Literal[
    "taken",
    "qualified",
    "awaiting_physician",
    "decided",
    "engaged",
    "on_scene",
    "report_received",
    "oriented",
    "arrived",
    "closed",
]
Channel: TypeAlias = Literal["phone", "web", "sms", "partner", "remote_monitoring", "walk_in"]
CallOutcome: TypeAlias = Literal[
    "case", "existing_case", "information", "error", "malicious", "no_answer"
]
Priority: TypeAlias = Literal["P0", "P1", "P2", "P3", "NR"]
Stream: TypeAlias = Literal["AMU", "SNP", "PSY", "NEONAT"]
SAID: Final[Mapping[Priority, Acuity]] = MappingProxyType({"P0": "U0", "P1": "U1"})
"""The level a human asserts with a priority: upward is always free."""
CareLevel: TypeAlias = Literal["R1", "R2", "R3", "R4"]
Kind: TypeAlias = Literal["CONSEIL", "PMT", "INTER", "ORIENT", "PASPLUS"]
Sex: TypeAlias = Literal["F", "M", "other"]
OwedReason: TypeAlias = Literal[
    "hang_up", "deferred", "follow_up", "missed_appointment", "no_place"
]
CallbackReason: TypeAlias = OwedReason | Literal["recall"]
CallbackState: TypeAlias = Literal["due", "done", "abandoned", "withdrawn"]
PhysicianReason: TypeAlias = Literal["not_assessed", "no_matching_protocol", "third_call"]
AttemptOutcome: TypeAlias = Literal["reached", "no_answer", "refused", "wrong_number", "abandoned"]

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        "taken": frozenset({"qualified", "awaiting_physician", "decided", "engaged", "closed"}),
        "qualified": frozenset({"awaiting_physician", "decided", "engaged", "closed"}),
        "awaiting_physician": frozenset({"qualified", "decided", "engaged", "closed"}),
        "decided": frozenset({"awaiting_physician", "engaged", "oriented", "arrived", "closed"}),
        "engaged": frozenset({"decided", "on_scene", "oriented", "arrived", "closed"}),
        "on_scene": frozenset({"report_received", "oriented", "arrived", "closed"}),
        "report_received": frozenset({"decided", "engaged", "oriented", "arrived", "closed"}),
        "oriented": frozenset({"decided", "engaged", "arrived", "closed"}),
        "arrived": frozenset({"decided", "engaged", "oriented", "closed"}),
        "closed": frozenset(),
    }
)
"""State -> states that may follow. A case that has been decided may be decided again."""


def sources(target: State) -> tuple[State, ...]:
    """Give the states from which a case may move to another.

    Args:
        target: Where it shall go.

    Returns:
        The states, in the order of the table.
    """
    return tuple(state for state, following in TRANSITIONS.items() if target in following)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the patient is: commune code, WGS84 degrees."""

    lon: float
    lat: float
    insee: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One contact; times in UTC."""

    id: UUID
    territory_id: UUID
    channel: Channel
    received_by: UUID
    received_at: datetime
    ended_at: datetime | None
    outcome: CallOutcome | None
    case_id: UUID | None
    incident_id: UUID | None


class LowerLevel(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers say since they say less than what is in force; waits for a human.

    Attributes:
        assessment_id: Which assessment says so; a confirmation names it.
        since: Since when something milder waits, UTC.
    """

    assessment_id: UUID
    assured: Acuity | None
    proposed: Acuity | None
    since: datetime


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The file of one patient's need, without identity, contact and free text.

    Attributes:
        acuity_assured: In force, as `acuity_worst` and `acuity_proposed`: never milder than it
            was unless somebody confirmed it.
        lower: The milder levels that wait for a confirmation; None when nothing waits.
        physician_reasons: Why a physician is required; empty when none is.
        heard_at: When somebody last heard how the patient is.
        recall_due_at: When to ask again, while the case waits; None when it does not.
        recall_overdue: That time has passed, by the database's clock.
        calls_96h: Calls about this patient or from this number in 96 hours, this one included.
        previous_case_id: The case that the call before was about.
        responsible_actor_id: Who answers for the patient now; or else
        responsible_organisation_id: exactly one of both is set.
        awaiting_since: Since when a physician is owed.
        decided_at: When somebody entitled to it first decided; a reflex dispatch does not count.
        key_id: Key of everything sealed in this case.
    """

    id: UUID
    territory_id: UUID
    incident_id: UUID | None
    key_id: UUID
    opened_by: UUID
    opened_at: datetime
    state: State
    complaint: str | None
    sex: Sex | None
    age_years: float | None
    place: Place | None
    default_acuity: Acuity | None
    assessment_id: UUID | None
    acuity_assured: Acuity | None
    acuity_worst: Acuity | None
    acuity_proposed: Acuity | None
    interval_closed: bool
    physician_required: bool
    priority: Priority | None
    stream: Stream | None
    qualified_at: datetime | None
    awaiting_since: datetime | None
    taken_by: UUID | None
    decided_at: datetime | None
    care_level: CareLevel | None
    responsible_actor_id: UUID | None
    responsible_organisation_id: UUID | None
    closed_at: datetime | None
    close_outcome: str | None
    heard_at: datetime
    lower: LowerLevel | None = None
    physician_reasons: tuple[PhysicianReason, ...] = ()
    recall_due_at: datetime | None = None
    recall_overdue: bool = False
    calls_96h: int = 1
    previous_case_id: UUID | None = None


class Disposition(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be done, by when; both levels are kept when they differ.

    Attributes:
        acuity: The level decided.
        acuity_proposed: What triage proposed then.
        service: Service code of the directory; none for advice.
        due_at: By when the patient is to be seen, UTC; none at U5.
        worsening_signs: What was said to watch for; only in answers to those who may read it.
        call_back: When to call back, as it was said.
        read_back: Whether the caller repeated it correctly.
    """

    id: UUID
    case_id: UUID
    territory_id: UUID
    kind: Kind
    acuity: Acuity
    acuity_proposed: Acuity | None
    reason: str | None
    reflex: bool
    service: str | None
    skills: tuple[str, ...]
    modality: str | None
    care_level: CareLevel | None
    due_at: datetime | None
    decided_by: UUID
    decided_role: str
    decided_at: datetime
    read_back: bool | None
    worsening_signs: str | None = None
    call_back: str | None = None


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A call owed: by whom, from when, how often it was tried."""

    id: UUID
    territory_id: UUID
    case_id: UUID | None
    call_id: UUID | None
    reason: CallbackReason
    due_at: datetime
    state: CallbackState
    attempts: int
    last_outcome: AttemptOutcome | None
    last_attempt_at: datetime | None
    owner_id: UUID
