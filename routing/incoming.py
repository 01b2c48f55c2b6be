"""What comes to an organisation: its appointments of a day, as its own screen shows them."""

from datetime import date
from typing import Final
from uuid import UUID

from kernel import audit
from kernel.actor import Actor, require
from kernel.database import Tx
from routing import appointments
from routing.model import Appointment


async def page(
    tx: Tx,
    actor: Actor,
    organisation_id: UUID,
    day: date,
    *,
    after: UUID | None = None,
    limit: int = 200,
) -> tuple[Appointment, ...]:
    """List what comes to an organisation on a day of its own calendar, without free text.

    Args:
        tx: The transaction.
        actor: Who reads.
        organisation_id: Whose appointments.
        day: Calendar day at the location of each appointment.
        after: Id of the last one of the page before.
        limit: At most 200.

    Returns:
        By start, then id.
    """
    require(actor, "appointment.read", organisation_id=organisation_id)
    rows = await tx.fetch(SELECT_PAGE, organisation_id, day, after, limit)
    await audit.record(
        tx, actor, "appointment.read", "appointment", organisation_id, detail=f"list {len(rows)}"
    )
    return tuple(appointments.from_row(row) for row in rows)


SELECT_PAGE: Final = """
select a.id, a.claim, a.case_id, a.disposition_id, a.territory_id, a.organisation_id,
    a.care_service_id, a.location_id, a.slot_id, a.seat, a.kind, a.modality, a.acuity, a.state,
    a.starts_at, a.ends_at, a.booked_by, a.booked_at, a.handoff_id, a.cancel_reason
from routing.appointment a join directory.location l on l.id = a.location_id
where a.organisation_id = $1
  and a.starts_at >= $2::date - interval '1 day' and a.starts_at < $2::date + interval '2 days'
  and (a.starts_at at time zone l.zone)::date = $2::date
  and ($3::uuid is null or (a.starts_at, a.id) > (
      select b.starts_at, b.id from routing.appointment b where b.id = $3))
order by a.starts_at, a.id limit $4
"""
