"""Handoffs: who is asked to take a patient, what they answered, who answers for them until then.

Each transition is one statement whose WHERE holds the states of `model.transitions`; what was
committed first wins, the other gets a Conflict. Delivery (a system received it) and acceptance
(a named human took over) are never merged.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final
from uuid import UUID

from events import catalogue, model, outbox, store
from events.model import Command, Handoff, HandoffRequest, Shelf, State
from kernel import audit, errors
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
        State.COMPLETED: catalogue.HandoffCompleted,
        State.CANCELLED: catalogue.HandoffCancelled,
    }
)
MOST: Final = 200
_ANSWERED_FOR_S: Final = 2 * 3600
"""How long an answer stays on the board, in seconds."""
"""Longest page of a list."""


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
    await _announce(tx, actor, handoff, catalogue.HandoffRequested)
    if state is State.DELIVERED:
        await _announce(tx, actor, handoff, catalogue.HandoffDelivered)
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
    handoff = await _visible(tx, handoff_id)
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
    return None if handoff is None else await _moved(tx, actor, handoff, "handoff.deliver")


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


async def complete(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff:
    """Note that the patient arrived; called by the use case that settles the appointment.

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
    handoff = await _visible(tx, handoff_id)
    require(actor, "handoff.answer", organisation_id=handoff.to_organisation_id)
    if actor.role in {Role.PARTNER, Role.SYSTEM} and not person:
        code = "person_not_named"
        raise errors.Invalid(code, "A system must name the human who answered.", path="person")
    moved = await store.move(tx, actor, handoff_id, command, person=person, reason=reason)
    if moved is None:
        raise await _refused(tx, handoff_id, command)
    return await _moved(tx, actor, moved, "handoff.answer", reason=reason)


async def _settle(
    tx: Tx, actor: Actor, handoff_id: UUID, command: Command, reason: str | None
) -> Handoff:
    moved = await store.move(tx, actor, handoff_id, command, reason=reason)
    if moved is None:
        raise await _refused(tx, handoff_id, command)
    return await _moved(tx, actor, moved, "handoff.settle", reason=reason)


async def sweep(tx: Tx, actor: Actor, limit: int = MOST) -> int:
    """Let the clock act: silence becomes overdue, and the overdue goes to the one on duty.

    Args:
        tx: A transaction of the system; repeating it changes nothing.
        actor: The system.
        limit: Most handoffs a step.

    Returns:
        How many transitions were made.
    """
    late = await store.expire(tx, limit)
    for handoff in late:
        await _moved(tx, actor, handoff, "handoff.escalate")
    raised = await store.escalate(tx, limit)
    for handoff in raised:
        await _moved(tx, actor, handoff, "handoff.escalate", level=1)
    return len(late) + len(raised)


async def _moved(
    tx: Tx,
    actor: Actor,
    handoff: Handoff,
    action: str,
    *,
    reason: str | None = None,
    level: int | None = None,
) -> Handoff:
    await _announce(tx, actor, handoff, _EVENTS[handoff.state], reason=reason, level=level)
    await _record(tx, actor, handoff, action, handoff.state)
    return handoff


async def _announce(
    tx: Tx,
    actor: Actor,
    handoff: Handoff,
    kind: type[catalogue.HandoffEvent],
    *,
    reason: str | None = None,
    level: int | None = None,
) -> None:
    concerned = (handoff.to_organisation_id, handoff.from_organisation_id)
    await outbox.append(
        tx,
        actor,
        kind(
            subject_kind=handoff.subject_kind,
            subject_id=handoff.subject_id,
            care_service_id=handoff.care_service_id,
            acuity=handoff.acuity,
            acknowledgement_required=handoff.acknowledgement_required,
            owner=handoff.owner.value,
            due_at=handoff.due_at,
            reason=reason,
            level=level,
            role=handoff.escalated_to_role,
        ),
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


async def _visible(tx: Tx, handoff_id: UUID) -> Handoff:
    handoff = await store.find(tx, handoff_id)
    if handoff is None:
        code = "handoff_missing"
        raise errors.Missing(code, "No such handoff.")
    return handoff


async def _refused(tx: Tx, handoff_id: UUID, command: Command) -> errors.Conflict:
    handoff = await _visible(tx, handoff_id)
    return errors.Conflict(
        "handoff_state",
        "The handoff's state does not allow this.",
        state=handoff.state.value,
        command=command.value,
    )
