"""What the room works with: stored events, handoffs and the table of a handoff's states; pure."""

import enum
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal
from uuid import UUID

import msgspec

from events.catalogue import Acuity, Event


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its place in the feed.

    Attributes:
        position: Gapless number in the feed of this epoch.
        epoch: Changes when the database was restored or promoted.
        event_id: Identity; consumers are idempotent by it.
        kind: Key of `catalogue.KINDS`.
        aggregate: What kind of thing it is about.
        aggregate_id: Which one.
        version: Gapless number within the aggregate.
        territory_id: Where.
        case_id: The patient's case.
        organisation_ids: Organisations that may learn of it.
        actor_id: Who did it.
        correlation_id: Joins one journey.
        occurred_at: Database clock, UTC.
        event: The fact.
    """

    position: int
    epoch: int
    event_id: UUID
    kind: str
    aggregate: str
    aggregate_id: UUID
    version: int
    territory_id: UUID
    case_id: UUID | None
    organisation_ids: tuple[UUID, ...]
    actor_id: UUID
    correlation_id: str
    occurred_at: datetime
    event: Event


class State(enum.StrEnum):
    """States of a handoff."""

    REQUESTED = "requested"
    DELIVERED = "delivered"
    SEEN = "seen"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    TAKEN = "taken"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Command(enum.StrEnum):
    """What can happen to a handoff."""

    DELIVER = "deliver"
    SEE = "see"
    ACCEPT = "accept"
    REFUSE = "refuse"
    EXPIRE = "expire"
    ESCALATE = "escalate"
    TAKE = "take"
    ARRIVE = "arrive"
    COMPLETE = "complete"
    CANCEL = "cancel"


class Owner(enum.StrEnum):
    """Who answers for the patient while a handoff is in a state."""

    SENDER = "sender"
    """The one who asked: nobody has taken over."""
    RECEIVER = "receiver"
    """The one who accepted, by name or by publishing the slot."""
    DUTY = "duty"
    """The one on duty whom the escalation named, or who took it in hand."""


END_STATES: Final = frozenset({State.REFUSED, State.COMPLETED, State.CANCELLED})
OPEN_STATES: Final = frozenset(State) - END_STATES

UNANSWERED: Final = (
    State.REQUESTED,
    State.DELIVERED,
    State.SEEN,
    State.OVERDUE,
    State.ESCALATED,
    State.TAKEN,
)
"""States in which the receiver may still accept or refuse."""

_ASKED: Final[Mapping[tuple[State, Command], State]] = {
    (State.REQUESTED, Command.DELIVER): State.DELIVERED,
    (State.REQUESTED, Command.SEE): State.SEEN,
    (State.DELIVERED, Command.SEE): State.SEEN,
    **{
        (state, Command.EXPIRE): State.OVERDUE
        for state in (State.REQUESTED, State.DELIVERED, State.SEEN, State.TAKEN)
    },
    # A step of the ladder that nobody takes is followed by the next.
    (State.OVERDUE, Command.ESCALATE): State.ESCALATED,
    (State.ESCALATED, Command.ESCALATE): State.ESCALATED,
    (State.OVERDUE, Command.TAKE): State.TAKEN,
    (State.ESCALATED, Command.TAKE): State.TAKEN,
    (State.ACCEPTED, Command.ARRIVE): State.ARRIVED,
    (State.ACCEPTED, Command.COMPLETE): State.COMPLETED,
    (State.ARRIVED, Command.COMPLETE): State.COMPLETED,
    **{
        (state, command): end
        for state in UNANSWERED
        for command, end in ((Command.ACCEPT, State.ACCEPTED), (Command.REFUSE, State.REFUSED))
    },
    **{(state, Command.CANCEL): State.CANCELLED for state in OPEN_STATES},
}
_PUBLISHED: Final[Mapping[tuple[State, Command], State]] = {
    (State.DELIVERED, Command.SEE): State.SEEN,
    **{
        (state, command): end
        for state in (State.DELIVERED, State.SEEN)
        for command, end in (
            (Command.ACCEPT, State.ACCEPTED),
            (Command.REFUSE, State.REFUSED),
            (Command.ARRIVE, State.ARRIVED),
            (Command.COMPLETE, State.COMPLETED),
            (Command.CANCEL, State.CANCELLED),
        )
    },
    (State.ACCEPTED, Command.ARRIVE): State.ARRIVED,
    (State.ACCEPTED, Command.COMPLETE): State.COMPLETED,
    (State.ACCEPTED, Command.CANCEL): State.CANCELLED,
    (State.ARRIVED, Command.COMPLETE): State.COMPLETED,
    (State.ARRIVED, Command.CANCEL): State.CANCELLED,
}


def transitions(*, acknowledgement_required: bool) -> Mapping[tuple[State, Command], State]:
    """Give the whole table of one of the two sorts of handoff.

    Args:
        acknowledgement_required: False where publishing the slot was the acceptance: such a
            handoff starts as delivered, never expires and may be completed without an answer.

    Returns:
        (state, command) -> next state; a pair that is not there is refused.
    """
    return MappingProxyType(_ASKED if acknowledgement_required else _PUBLISHED)


def sources(command: Command, *, acknowledgement_required: bool) -> frozenset[State]:
    """Give the states in which a command is allowed.

    Args:
        command: What shall happen.
        acknowledgement_required: Sort of the handoff.

    Returns:
        The states.
    """
    table = transitions(acknowledgement_required=acknowledgement_required)
    return frozenset(state for state, allowed in table if allowed is command)


def target(command: Command) -> State:
    """Give the state a command leads to; it is the same from everywhere.

    Args:
        command: What shall happen.

    Returns:
        The next state.
    """
    return next(after for (_, allowed), after in _ASKED.items() if allowed is command)


def first_state(*, acknowledgement_required: bool) -> State:
    """Give the state in which a handoff begins.

    Args:
        acknowledgement_required: Sort of the handoff.

    Returns:
        `requested`; `delivered` where the slot stands in the receiver's own published diary.
    """
    return State.REQUESTED if acknowledgement_required else State.DELIVERED


def owner(state: State, *, acknowledgement_required: bool, duty_named: bool = False) -> Owner:
    """Say who answers for the patient; there is one in every state.

    Args:
        state: Of the handoff.
        acknowledgement_required: Sort of the handoff.
        duty_named: An escalation named an actor on duty, or one took it in hand. A step that is
            told to a role only makes nobody responsible: the sender goes on until one takes it.

    Returns:
        The one owner.
    """
    if state in {State.ACCEPTED, State.ARRIVED, State.COMPLETED}:
        return Owner.RECEIVER
    if state in {State.OVERDUE, State.ESCALATED, State.TAKEN} and duty_named:
        return Owner.DUTY
    if state in {State.DELIVERED, State.SEEN} and not acknowledgement_required:
        return Owner.RECEIVER
    return Owner.SENDER


ALWAYS_ANSWERED: Final = frozenset({"U0", "U1", "U2"})
"""Acuities for which a human acknowledges even where the slot was published."""


class HandoffRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a handoff is made from.

    Attributes:
        case_id: The patient's case.
        territory_id: Where the case is.
        subject_kind: `appointment` or `referral`.
        subject_id: Which one.
        disposition_id: What was decided: of the receivers asked for it one takes the patient.
        from_organisation_id: Who sends; none when the centre does.
        to_organisation_id: Who is asked.
        care_service_id: Which of its care services.
        acuity: Urgency of the disposition.
        acknowledgement_required: False only for a published slot; U0-U2 are always answered.
        due_s: Seconds until silence is overdue; by acuity when left out.
    """

    case_id: UUID
    territory_id: UUID
    subject_kind: Literal["appointment", "referral"]
    subject_id: UUID
    to_organisation_id: UUID
    care_service_id: UUID
    acuity: Acuity
    acknowledgement_required: bool
    disposition_id: UUID | None = None
    from_organisation_id: UUID | None = None
    due_s: int | None = None


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """A lease on responsibility.

    Attributes:
        id: Identity.
        territory_id: Where.
        case_id: The patient's case.
        subject_kind: `appointment` or `referral`.
        subject_id: Which one.
        from_organisation_id: Sender; none when the centre.
        to_organisation_id: Receiver.
        care_service_id: The receiver's care service.
        acuity: Urgency.
        acknowledgement_required: Whether a named human must answer.
        state: Where it stands.
        owner: Who answers for the patient now.
        requested_by: Actor who asked.
        requested_at: When, UTC.
        due_at: When silence becomes overdue.
        delivered_at: When the message reached the receiver.
        seen_by: Named human who looked first.
        seen_at: When.
        seen_person: The human behind a partner's system, as that system names them.
        answered_by: Named human who accepted or refused.
        answered_at: When.
        answered_person: The human behind a partner's system, as that system names them.
        refusal_reason: Code.
        acceptance: `human`, or `publication` where the slot was published for booking.
        escalated_to_role: Role that the last step was told to.
        escalated_to_actor_id: The one on duty who answers for the patient.
        escalated_at: When the last step was told.
        disposition_id: What was decided for the patient.
        deliver_by: When a message that has not arrived is told to a human.
        overdue_reason: `silent`, `undelivered`, `let_go` (who had it in hand) or `by_hand`.
        level: Step of the escalation reached; 0 before the first.
        next_step_at: When the next step is due, while nobody has taken it.
        taken_by: The one on duty who has it in hand.
        taken_at: Since when.
        arrived_at: When the patient was there.
        ended_at: When it reached an end state.
    """

    id: UUID
    territory_id: UUID
    case_id: UUID
    subject_kind: Literal["appointment", "referral"]
    subject_id: UUID
    from_organisation_id: UUID | None
    to_organisation_id: UUID
    care_service_id: UUID
    acuity: Acuity
    acknowledgement_required: bool
    state: State
    owner: Owner
    requested_by: UUID
    requested_at: datetime
    due_at: datetime | None
    delivered_at: datetime | None
    seen_by: UUID | None
    seen_at: datetime | None
    seen_person: str | None
    answered_by: UUID | None
    answered_at: datetime | None
    answered_person: str | None
    refusal_reason: str | None
    acceptance: Literal["human", "publication"] | None
    escalated_to_role: str | None
    escalated_to_actor_id: UUID | None
    escalated_at: datetime | None
    disposition_id: UUID | None
    deliver_by: datetime | None
    overdue_reason: Literal["silent", "undelivered", "let_go", "by_hand"] | None
    level: int
    next_step_at: datetime | None
    taken_by: UUID | None
    taken_at: datetime | None
    arrived_at: datetime | None
    ended_at: datetime | None


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """The handoffs in one state that matter most now, and how many there are of it in all."""

    state: State
    total: int
    handoffs: tuple[Handoff, ...]
