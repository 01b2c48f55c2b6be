"""What follows when the source of a mirrored diary answers, does not, or a human answers for it.

A yes in time confirms the appointment and hands the patient over. A no, or no yes in time, calls it
off: whoever booked owes the patient another place, with the next best at hand (`next_best`). A yes
that comes after that changes nothing here and is cancelled at the source.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from directory import standings
from directory.trust import Outcome
from events import catalogue
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from routing import appointments, mirrored, offers, outcomes, waiting
from routing.mirrored import Errand, SourceBooking, SourceState
from routing.model import Appointment, AppointmentVerb, Place, before

REFUSED: Final = "source_refused"
"""Why a patient waits whose place its source does not have."""
SILENT: Final = "source_silent"
"""Why a patient waits whose source has not said yes in time."""


class RecordAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a human saw at a source that is booked by link.

    Attributes:
        answer: `confirmed`: it is booked there; `refused`: the place is gone; `undone`: nothing
            is booked there any more.
        reference: What the source calls the appointment; no name of a patient.
    """

    answer: Literal["confirmed", "refused", "undone"]
    reference: Code | None = None


class NextBest(msgspec.Struct, frozen=True, kw_only=True):
    """The place to try next, as a refusal's `next_best` names it."""

    rank: int
    slot_id: UUID | None
    care_service_id: UUID
    name: str
    kind: str
    modality: str
    starts_at: datetime
    ends_at: datetime | None
    travel_s: int | None


class AtSource(msgspec.Struct, frozen=True, kw_only=True):
    """How far the source is with an appointment, and what to try when it said no.

    Attributes:
        booking: As it stands.
        next_best: The best place of the offer that is still free, as refusals name it; only after
            a refusal or silence.
    """

    booking: SourceBooking
    next_best: NextBest | None = None


async def at_source(tx: Tx, actor: Actor, appointment_id: UUID) -> AtSource:
    """Read how far the source is with an appointment.

    Args:
        tx: The transaction.
        actor: Who reads.
        appointment_id: Which.

    Raises:
        Missing: `appointment_missing`; `source_booking_missing`: nobody had to be asked.
    """
    require(actor, "appointment.read")
    about = await appointments.known_one(tx, appointment_id)
    booking = await mirrored.known(tx, appointment_id)
    best = await next_best(tx, about)
    await appointments.record(tx, actor, "appointment.read", about, detail="source")
    return AtSource(booking=booking, next_best=None if best is None else _named(best))


async def next_best(tx: Tx, lost: Appointment) -> Place | None:
    """Give what to try next for a patient whose source said no, or nothing; else None.

    Args:
        tx: The transaction.
        lost: The appointment; of any state.
    """
    if lost.cancel_reason not in {REFUSED, SILENT}:
        return None
    return await offers.next_best(tx, None, lost.disposition_id, lost.slot_id)


def _named(best: Place) -> NextBest:
    return msgspec.convert(offers.public(best), NextBest)


async def said_yes(tx: Tx, errand: Errand, reference: str | None) -> Appointment | None:
    """Confirm an appointment: its source has it.

    Args:
        tx: A transaction of the system.
        errand: As taken.
        reference: What the source calls it.

    Returns:
        The appointment; None when the yes came late or is not wanted any more: it is undone there.
    """
    await tx.execute(LOCK_APPOINTMENT, errand.appointment_id)
    if not await mirrored.set_confirmed(tx, errand, reference):
        await mirrored.again(tx, errand, "source_late")
        return None
    confirmed = await _confirm(tx, actors.system(errand.territory_id), errand.appointment_id)
    if confirmed is not None:
        await standings.learn(tx, confirmed.organisation_id, confirmed.id, Outcome.ACCEPTED)
    return confirmed


async def said_no(tx: Tx, errand: Errand, outcome: str) -> Appointment | None:
    """Call an appointment off: its source does not have the place.

    Args:
        tx: A transaction of the system.
        errand: As taken.
        outcome: Code of the source's answer.

    Returns:
        The appointment; None when it was not wanted any more.
    """
    await tx.execute(LOCK_APPOINTMENT, errand.appointment_id)
    if not await mirrored.set_refused(tx, errand, outcome):
        await mirrored.again(tx, errand, outcome)
        return None
    gone = await _lose(tx, actors.system(errand.territory_id), errand.appointment_id, REFUSED)
    if gone is not None:
        await standings.learn(tx, gone.organisation_id, gone.id, Outcome.REFUSED)
    return gone


async def give_up(tx: Tx, actor: Actor, limit: int = 50) -> int:
    """Call off what no source has confirmed in time; repeating it changes nothing.

    Args:
        tx: A transaction of the system.
        actor: The system.
        limit: Most appointments a step.

    Returns:
        How many.
    """
    found = await mirrored.late(tx, limit)
    for appointment_id in found:
        gone = await _lose(tx, actor, appointment_id, SILENT)
        if gone is not None:
            await standings.learn(tx, gone.organisation_id, gone.id, Outcome.UNANSWERED)
    return len(found)


async def record(
    tx: Tx, actor: Actor, appointment_id: UUID, command: RecordAnswer
) -> SourceBooking:
    """Write down what a human saw at a source that is booked by link.

    Args:
        tx: The transaction.
        actor: The centre's staff.
        appointment_id: Which.
        command: What they saw.

    Returns:
        How far the source is now.

    Raises:
        Missing: `appointment_missing`, `source_booking_missing`.
        Conflict: `source_answers_itself`: a program asks this source; `source_answer_state`: it
            is settled, or its time has passed.
    """
    require(actor, "appointment.book")
    about = await appointments.known_one(tx, appointment_id)
    await tx.execute(LOCK_APPOINTMENT, appointment_id)
    state = SourceState(command.answer)
    if not await mirrored.set_by_hand(tx, appointment_id, actor.id, state, command.reference):
        stands = await mirrored.known(tx, appointment_id)
        if stands.channel == "api":
            raise errors.Conflict("source_answers_itself", "This source is asked by the service.")
        raise errors.Conflict(
            "source_answer_state", "What is known of the source does not allow this.",
            state=stands.state.value,
        )  # fmt: skip
    if state is SourceState.CONFIRMED:
        await _confirm(tx, actor, appointment_id)
    elif state is SourceState.REFUSED:
        await _lose(tx, actor, appointment_id, REFUSED)
    await appointments.record(tx, actor, "appointment.book", about, detail=f"source {state.value}")
    return await mirrored.known(tx, appointment_id)


async def _confirm(tx: Tx, actor: Actor, appointment_id: UUID) -> Appointment | None:
    """Confirm an appointment and hand the patient over in the name of who booked it."""
    row = await tx.fetchrow(outcomes.CONFIRM, appointment_id, before(AppointmentVerb.CONFIRM))
    if row is None:
        return None
    confirmed = appointments.from_row(row)
    sender = msgspec.structs.replace(actor, id=confirmed.booked_by)
    handed = await appointments.hand_over(tx, sender, confirmed)
    confirmed = msgspec.structs.replace(confirmed, handoff_id=handed.id)
    await appointments.tell(tx, actor, confirmed, catalogue.AppointmentConfirmed)
    return confirmed


async def _lose(tx: Tx, actor: Actor, appointment_id: UUID, reason: str) -> Appointment | None:
    """Call an appointment off; its place is gone where the source said so; another one is owed."""
    if reason == REFUSED:
        await mirrored.gone(tx, (await appointments.known_one(tx, appointment_id)).claim)
    gone = await appointments.call_off(tx, actor, appointment_id, reason)
    if gone is not None:
        await waiting.owe_place(
            tx, actor, gone.disposition_id, owner_id=gone.booked_by, constraint=reason
        )
    return gone


LOCK_APPOINTMENT: Final = """
select 1 from routing.appointment where id = $1 for update
"""
