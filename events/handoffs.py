"""Handoffs: who is asked to take a patient, what they answered, who answers for them until then.

Each transition is one statement whose WHERE holds the states of `model.transitions`; what was
committed first wins, the other gets a Conflict. Delivery (a system received it) and acceptance
(a named human took over) are never merged.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from events import catalogue, model, outbox, store
from events.model import Command, Handoff, HandoffRequest, Shelf, State
from kernel import audit, database, errors
from kernel.actor import Actor, Role, require
from kernel.database import Tx

_EVENTS: Final[Mapping[State, type[catalogue.HandoffEvent]]] = MappingProxyType(
    {
        State.REQUESTED: catalogue.HandoffRequested,
        State.DELIVERED: catalogue.HandoffDelivered,
        State.SEEN: catalogue.HandoffSeen,
        State.ACCEPTED: catalogue.HandoffAccepted,
        State.REFUSED: catalogue.HandoffRefused,
        State.OVERDUE: catalogue.HandoffOverdue,
        State.ESCALATED: catalogue.HandoffEscalated,
        State.TAKEN: catalogue.HandoffTaken,
        State.ARRIVED: catalogue.HandoffArrived,
        State.COMPLETED: catalogue.HandoffCompleted,
        State.CANCELLED: catalogue.HandoffCancelled,
    }
)
_STEPS: Final = frozenset({State.ESCALATED, State.TAKEN})
MOST: Final = 200
"""Longest page of a list."""
_ANSWERED_FOR_S: Final = 2 * 3600
"""How long an answer stays on the board, in seconds."""

database.refuses("handoff_one_taker", errors.Conflict, "patient_taken_elsewhere")


async def request(tx: Tx, actor: Actor, command: HandoffRequest) -> Handoff:
    """Ask a receiver to take over; called by the use case that books or refers.

    Args:
        tx: The transaction of the appointment or referral.
        actor: Who asks; the calling use case has checked that they may.
        command: What is handed over, to whom.

    Returns:
        The handoff. A referral and U0-U2 always need an acknowledgement. Otherwise publishing the
        slot was the acceptance: the handoff begins as `delivered`, its owner is the receiver and
        `acceptance` says `publication`.
    """
    required = (
        command.acknowledgement_required
        or command.subject_kind == "referral"
        or command.acuity in model.ALWAYS_ANSWERED
    )
    state = model.first_state(acknowledgement_required=required)
    handoff = await store.insert(tx, actor, command, state, required=required)
    await _announce(tx, actor, handoff, _event(handoff, catalogue.HandoffRequested))
    if state is State.DELIVERED:
        delivered = _event(handoff, catalogue.HandoffDelivered)
        await _announce(tx, actor, handoff, delivered)
    await _record(tx, actor, handoff, "handoff.request", "request")
    return handoff


async def get(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff:
    """Read one handoff; read by its receiver, it counts as delivered.

    Args:
        tx: The transaction.
        actor: Who reads.
        handoff_id: Which.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
    """
    require(actor, "handoff.read")
    handoff = await visible(tx, handoff_id)
    await _record(tx, actor, handoff, "handoff.read", "")
    if handoff.to_organisation_id in actor.organisation_ids:
        return await deliver(tx, actor, handoff_id) or handoff
    return handoff


async def page(
    tx: Tx, actor: Actor, state: State | None, after: UUID | None, limit: int
) -> Sequence[Handoff]:
    """List handoffs the actor may see, oldest first.

    Args:
        tx: The transaction.
        actor: Who reads; handoffs to their organisations count as delivered by this.
        state: Only these.
        after: Id of the last one of the page before.
        limit: At most 200.

    Returns:
        The page.
    """
    require(actor, "handoff.read")
    await _deliver_shown(tx, actor)
    found = await store.page(tx, state, after, min(limit, MOST))
    await audit.record(tx, actor, "handoff.read", "handoff", detail=f"list {len(found)}")
    return found


async def board(tx: Tx, actor: Actor) -> Sequence[Shelf]:
    """Read what a handoff board shows: who must answer, most pressing first; who answered lately.

    However many there are, the most urgent are among those given.

    Args:
        tx: The transaction.
        actor: Who reads; handoffs to their organisations count as delivered by this.

    Returns:
        One shelf for each state that holds something; at most 200 handoffs each.
    """
    require(actor, "handoff.read")
    await _deliver_shown(tx, actor)
    found = await store.board(tx, _ANSWERED_FOR_S, MOST)
    count = sum(len(shelf.handoffs) for shelf in found)
    await audit.record(tx, actor, "handoff.read", "handoff", detail=f"board {count}")
    return found


async def _deliver_shown(tx: Tx, actor: Actor) -> None:
    if actor.organisation_ids:
        for handoff_id in await store.undelivered(tx, actor.organisation_ids, MOST):
            await deliver(tx, actor, handoff_id)


async def deliver(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff | None:
    """Note the delivery receipt: the message reached the receiver's system.

    Args:
        tx: The transaction.
        actor: The receiver's actor, or the system.
        handoff_id: Which.

    Returns:
        The handoff, or None when it was delivered before or is past that.
    """
    handoff = await store.move(tx, actor, handoff_id, Command.DELIVER)
    return None if handoff is None else await moved(tx, actor, handoff, "handoff.deliver")


async def see(tx: Tx, actor: Actor, handoff_id: UUID, *, person: str | None = None) -> Handoff:
    """Note that a named human looked at it; the deadline goes on.

    Args:
        tx: The transaction.
        actor: Who looked.
        handoff_id: Which.
        person: The human behind a partner's system, by that system's identifier.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`.
        Invalid: `person_not_named`.
    """
    return await _answer(tx, actor, handoff_id, Command.SEE, person=person)


async def accept(tx: Tx, actor: Actor, handoff_id: UUID, *, person: str | None = None) -> Handoff:
    """Take responsibility; a late acceptance still takes over.

    Args:
        tx: The transaction.
        actor: Who accepts.
        handoff_id: Which.
        person: The human behind a partner's system, by that system's identifier.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`: answered, ended or called off before.
        Invalid: `person_not_named`.
    """
    return await _answer(tx, actor, handoff_id, Command.ACCEPT, person=person)


async def refuse(
    tx: Tx, actor: Actor, handoff_id: UUID, reason: str, *, person: str | None = None
) -> Handoff:
    """Refuse with a reason; the sender keeps the patient and routing is told.

    Args:
        tx: The transaction.
        actor: Who refuses.
        handoff_id: Which.
        reason: Code.
        person: The human behind a partner's system, by that system's identifier.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`.
        Invalid: `person_not_named`.
    """
    return await _answer(tx, actor, handoff_id, Command.REFUSE, person=person, reason=reason)


async def arrive(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff:
    """Note that the patient is there.

    Args:
        tx: The transaction.
        actor: The receiver, or the centre's staff for them.
        handoff_id: Which.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`: nobody has accepted, or it ended.
    """
    require(actor, "handoff.settle")
    known = await visible(tx, handoff_id)
    require(actor, "handoff.settle", organisation_id=known.to_organisation_id)
    return await _settle(tx, actor, handoff_id, Command.ARRIVE, None)


async def complete(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff:
    """Note that the receiver has seen to the patient; called by what settles the appointment.

    Args:
        tx: The transaction.
        actor: Who settles; the calling use case has checked that they may.
        handoff_id: Which.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`: nobody has accepted.
    """
    return await _settle(tx, actor, handoff_id, Command.COMPLETE, None)


async def cancel(tx: Tx, actor: Actor, handoff_id: UUID, reason: str = "called_off") -> Handoff:
    """Call a handoff off; called by the use case that cancels the appointment or referral.

    Args:
        tx: The transaction.
        actor: Who cancels; the calling use case has checked that they may.
        handoff_id: Which.
        reason: Code.

    Returns:
        The handoff.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`: it ended before.
    """
    return await _settle(tx, actor, handoff_id, Command.CANCEL, reason)


async def of_subject(tx: Tx, subject_id: UUID) -> Handoff | None:
    """Find the newest handoff of an appointment or referral.

    Args:
        tx: The transaction.
        subject_id: Appointment or referral.

    Returns:
        The handoff, or None.
    """
    return await store.find_of_subject(tx, subject_id)


async def running(tx: Tx, case_id: UUID) -> Sequence[Handoff]:
    """List the handoffs of a case that have not ended, oldest first."""
    return await store.running(tx, case_id)


async def takes_part(tx: Tx, case_id: UUID, organisation_id: UUID) -> bool:
    """Tell whether an organisation is still asked for a patient, or took them.

    Args:
        tx: A transaction of the system.
        case_id: The patient's case.
        organisation_id: The receiver.
    """
    return await store.takes_part(tx, case_id, organisation_id)


async def _answer(
    tx: Tx,
    actor: Actor,
    handoff_id: UUID,
    command: Command,
    *,
    person: str | None,
    reason: str | None = None,
) -> Handoff:
    require(actor, "handoff.answer")
    handoff = await visible(tx, handoff_id)
    require(actor, "handoff.answer", organisation_id=handoff.to_organisation_id)
    if actor.role in {Role.PARTNER, Role.SYSTEM} and not person:
        code = "person_not_named"
        raise errors.Invalid(code, "A system must name the human who answered.", path="person")
    after = await store.move(tx, actor, handoff_id, command, person=person, reason=reason)
    if after is None:
        raise await refused(tx, handoff_id, command)
    return await moved(tx, actor, after, "handoff.answer", reason=reason)


async def _settle(
    tx: Tx, actor: Actor, handoff_id: UUID, command: Command, reason: str | None
) -> Handoff:
    after = await store.move(tx, actor, handoff_id, command, reason=reason)
    if after is None:
        raise await refused(tx, handoff_id, command)
    return await moved(tx, actor, after, "handoff.settle", reason=reason)


async def moved(
    tx: Tx,
    actor: Actor,
    handoff: Handoff,
    action: str,
    *,
    reason: str | None = None,
    to: UUID | None = None,
    role: str | None = None,
    channels: tuple[str, ...] = (),
) -> Handoff:
    """Tell and record a transition that was made.

    Args:
        tx: The transaction of the transition.
        actor: Who made it.
        handoff: After it.
        action: Key of the permission table, for the audit.
        reason: Code.
        to: Actor on duty who was told, or took it.
        role: Role that was told.
        channels: How.

    Returns:
        The handoff.
    """
    level = handoff.level if handoff.state in _STEPS else None
    kind = _EVENTS[handoff.state]
    event = _event(handoff, kind, reason)
    event = msgspec.structs.replace(event, level=level, role=role, actor_id=to, channels=channels)
    await _announce(tx, actor, handoff, event)
    await _record(tx, actor, handoff, action, handoff.state)
    return handoff


def _event(
    handoff: Handoff, kind: type[catalogue.HandoffEvent], reason: str | None = None
) -> catalogue.HandoffEvent:
    return kind(
        subject_kind=handoff.subject_kind,
        subject_id=handoff.subject_id,
        care_service_id=handoff.care_service_id,
        acuity=handoff.acuity,
        acknowledgement_required=handoff.acknowledgement_required,
        owner=handoff.owner.value,
        due_at=handoff.due_at,
        reason=reason,
    )


async def _announce(tx: Tx, actor: Actor, handoff: Handoff, event: catalogue.HandoffEvent) -> None:
    concerned = (handoff.to_organisation_id, handoff.from_organisation_id)
    await outbox.append(
        tx,
        actor,
        event,
        aggregate_id=handoff.id,
        territory_id=handoff.territory_id,
        case_id=handoff.case_id,
        organisation_ids=[one for one in concerned if one is not None],
    )


async def _record(tx: Tx, actor: Actor, handoff: Handoff, action: str, detail: str) -> None:
    await audit.record(
        tx,
        actor,
        action,
        "handoff",
        handoff.id,
        case_id=handoff.case_id,
        territory_id=handoff.territory_id,
        detail=detail,
    )


async def visible(tx: Tx, handoff_id: UUID) -> Handoff:
    """Read a handoff that must be there for the actor.

    Args:
        tx: The transaction; its row policies decide.
        handoff_id: Which.

    Raises:
        Missing: `handoff_missing`.
    """
    handoff = await store.find(tx, handoff_id)
    if handoff is None:
        code = "handoff_missing"
        raise errors.Missing(code, "No such handoff.")
    return handoff


async def refused(tx: Tx, handoff_id: UUID, command: Command) -> errors.Conflict:
    """Say why a handoff can't change as asked.

    Args:
        tx: The transaction.
        handoff_id: Which.
        command: What was asked.

    Returns:
        The refusal to raise.
    """
    handoff = await visible(tx, handoff_id)
    return errors.Conflict(
        "handoff_state",
        "The handoff's state does not allow this.",
        state=handoff.state.value,
        command=command.value,
    )
