"""How an appointment ends: the patient came, or did not; and a mirrored diary's confirmation.

Who came is the receiver's; who was missed is called back by the centre (`reactions`).
"""

from typing import Final, Literal
from uuid import UUID

import msgspec

from events import catalogue, handoffs
from events.model import State
from kernel.actor import Actor, require
from kernel.database import Tx
from routing import appointments, progress
from routing.model import Appointment, AppointmentVerb, before
from triage import cases


class Settle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say whether the patient came."""

    outcome: Literal["fulfilled", "noshow"]


async def settle(tx: Tx, actor: Actor, appointment_id: UUID, command: Settle) -> Appointment:
    """Say whether the patient came.

    Args:
        tx: The transaction.
        actor: The receiver, or the centre's staff.
        appointment_id: Which.
        command: The outcome. Who was missed is called back: `reactions` sees to it.

    Returns:
        The appointment.

    Raises:
        Missing: `appointment_missing`.
        Conflict: `appointment_state`, or `appointment_not_begun` for a patient missed too early;
            `handoff_state` when nobody has accepted the patient.
    """
    require(actor, "appointment.settle")
    known = await appointments.known_one(tx, appointment_id)
    require(actor, "appointment.settle", organisation_id=known.organisation_id)
    came = command.outcome == "fulfilled"
    verb = AppointmentVerb.FULFIL if came else AppointmentVerb.MISS
    row = await tx.fetchrow(SETTLE, appointment_id, command.outcome, before(verb))
    if row is None:
        raise await appointments.refused(tx, appointment_id)
    settled = appointments.from_row(row)
    if came:
        await _arrive(tx, actor, settled)
        await appointments.tell(tx, actor, settled, catalogue.AppointmentFulfilled)
    else:
        await appointments.end_handoff(tx, actor, settled, "patient_missed")
        await appointments.tell(
            tx, actor, settled, catalogue.AppointmentMissed, reason="patient_missed"
        )
    await appointments.record(tx, actor, "appointment.settle", settled, detail=command.outcome)
    return settled


async def confirm(tx: Tx, actor: Actor, appointment_id: UUID) -> Appointment | None:
    """Note that the publisher of a mirrored diary confirmed; called when it accepts the handoff.

    Args:
        tx: A transaction of the system.
        actor: The system.
        appointment_id: Which.

    Returns:
        The appointment, or None when it was not pending.
    """
    row = await tx.fetchrow(CONFIRM, appointment_id, before(AppointmentVerb.CONFIRM))
    if row is None:
        return None
    confirmed = appointments.from_row(row)
    await appointments.tell(tx, actor, confirmed, catalogue.AppointmentConfirmed)
    return confirmed


async def _arrive(tx: Tx, actor: Actor, settled: Appointment) -> None:
    """Complete the handoff: whoever says at the receiver that the patient is there, accepts him."""
    handed = await handoffs.of_subject(tx, settled.id)
    if handed is not None:
        answered = handed.state is State.ACCEPTED or not handed.acknowledgement_required
        if not answered and handed.to_organisation_id in actor.organisation_ids:
            await handoffs.accept(tx, actor, handed.id)
        await handoffs.complete(tx, actor, handed.id)
    await progress.advance(tx, actor, settled.case_id, "arrived")
    await cases.hand_to(tx, actor, settled.case_id, organisation_id=settled.organisation_id)


SETTLE: Final = """
update routing.appointment set state = $2, settled_at = kernel.regul_now()
where id = $1 and state = any ($3::text[])
  and ($2 <> 'noshow' or starts_at <= kernel.regul_now())
returning id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
"""
CONFIRM: Final = """
update routing.appointment set state = 'booked'
where id = $1 and state = any ($2::text[])
returning id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
"""
