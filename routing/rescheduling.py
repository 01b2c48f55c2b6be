"""Moving an appointment: the new place is taken and the former one given back in one transaction.

Whoever looks sees the former appointment live, or the new one: never both, never neither. What
refuses the new place leaves the former as it was. A place that somebody has still to confirm is
not moved to: a sure place would be given up for an unsure one.
"""

from typing import Final
from uuid import UUID

import msgspec

from events import catalogue, outbox
from kernel import errors
from kernel.actor import Actor, require
from kernel.crypto import KeyRing
from kernel.database import Tx
from kernel.inputs import Code, Text
from routing import appointments, holds
from routing.model import Appointment, AppointmentState, OfferKind

RESCHEDULED: Final = "rescheduled"
"""Reason under which the former appointment ends."""


class Reschedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move an appointment to a held place.

    Attributes:
        hold_id: A live hold, for the same disposition.
        reason: Why it is moved.
        instructions: What the receiver must know; that of the former one when left out.
    """

    hold_id: UUID
    reason: Code
    instructions: Text | None = None


async def reschedule(
    tx: Tx, actor: Actor, appointment_id: UUID, command: Reschedule, keys: KeyRing
) -> Appointment:
    """Move an appointment; its former seat is free in the same transaction.

    Args:
        tx: The transaction.
        actor: The centre's staff.
        appointment_id: The one that is still to come.
        command: Where to, and why.
        keys: Opens and seals the instructions.

    Returns:
        The new appointment. The former one is cancelled as `rescheduled`.

    Raises:
        Missing: `appointment_missing`, `hold_missing`.
        Forbidden: `action_not_allowed`, `physician_only`.
        Expired: `hold_expired`.
        Conflict: `other_disposition`: the hold is for another need; `place_unconfirmed`: an extra
            place or a mirrored diary; `appointment_state`, and what `appointments.book` refuses.
    """
    require(actor, "appointment.book")
    former = await appointments.get(tx, actor, appointment_id, keys)
    hold = await holds.get(tx, command.hold_id)
    if hold.disposition_id != former.disposition_id:
        code = "other_disposition"
        raise errors.Conflict(code, "This place is held for another need.")
    await appointments.cancel(tx, actor, former.id, appointments.Cancel(reason=RESCHEDULED))
    wanted = appointments.Book(
        hold_id=hold.id, instructions=command.instructions or former.instructions
    )
    moved = await appointments.book(tx, actor, wanted, keys)
    if moved.state is AppointmentState.PENDING or moved.kind is OfferKind.OVERBOOK:
        code = "place_unconfirmed"
        raise errors.Conflict(code, "Somebody has still to confirm this place.")
    await _tell(tx, actor, moved, former.slot_id, command.reason)
    await appointments.record(tx, actor, "appointment.book", moved, detail=command.reason)
    return moved


async def _tell(
    tx: Tx, actor: Actor, moved: Appointment, former_slot_id: UUID, reason: str
) -> None:
    await outbox.append(
        tx,
        actor,
        catalogue.AppointmentRescheduled(
            slot_id=moved.slot_id,
            care_service_id=moved.care_service_id,
            starts_at=moved.starts_at,
            seat=moved.seat,
            acuity=moved.acuity,
            modality=moved.modality,
            reason=reason,
            handoff_id=moved.handoff_id,
            former_slot_id=former_slot_id,
        ),
        aggregate_id=moved.id,
        territory_id=moved.territory_id,
        case_id=moved.case_id,
        organisation_ids=(moved.organisation_id,),
    )
