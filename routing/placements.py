"""What stands in for a case: its live holds, appointments, referrals and waiting entries."""

from typing import Final, TypeVar
from uuid import UUID

import msgspec

from kernel import audit
from kernel.actor import Actor, require
from kernel.database import Tx
from routing.model import Appointment, Hold, Referral, WaitingEntry

T = TypeVar("T")


class Placements(msgspec.Struct, frozen=True, kw_only=True):
    """Everything routing did for a case, newest first, without free text.

    Attributes:
        holds: Live ones only.
        displaced: Holds whose time has not passed, on places their publisher has withdrawn.
        appointments: In every state.
        referrals: In every state.
        waiting: In every state.
    """

    holds: tuple[Hold, ...]
    appointments: tuple[Appointment, ...]
    referrals: tuple[Referral, ...]
    waiting: tuple[WaitingEntry, ...]
    displaced: tuple[Hold, ...] = ()


async def of_case(tx: Tx, actor: Actor, case_id: UUID) -> Placements:
    """Read what was done for a case, as far as the actor may see it.

    Args:
        tx: The transaction.
        actor: Who reads.
        case_id: The case.
    """
    require(actor, "appointment.read")
    await audit.record(tx, actor, "appointment.read", "case", case_id, case_id=case_id)
    return Placements(
        holds=await _read(tx, SELECT_HOLDS, case_id, Hold),
        appointments=await _read(tx, SELECT_APPOINTMENTS, case_id, Appointment),
        referrals=await _read(tx, SELECT_REFERRALS, case_id, Referral),
        waiting=await _read(tx, SELECT_WAITING, case_id, WaitingEntry),
        displaced=await _read(tx, SELECT_DISPLACED, case_id, Hold),
    )


async def _read(tx: Tx, query: str, case_id: UUID, kind: type[T]) -> tuple[T, ...]:
    return tuple(msgspec.convert(dict(row), kind) for row in await tx.fetch(query, case_id))


SELECT_HOLDS: Final = """
select id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
    acuity, state, until, extended, offer_id
from routing.hold
where case_id = $1 and state = 'held' and until > kernel.regul_now()
  and exists (select from directory.seat s where s.claim = hold.id and s.state = 'held')
order by id desc
"""
SELECT_DISPLACED: Final = """
select id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
    acuity, state, until, extended, offer_id
from routing.hold
where case_id = $1 and state = 'held' and until > kernel.regul_now()
  and exists (select from directory.seat s where s.claim = hold.id and s.state = 'displaced')
order by id desc
"""
SELECT_APPOINTMENTS: Final = """
select id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
from routing.appointment where case_id = $1 order by id desc
"""
SELECT_REFERRALS: Final = """
select id, case_id, disposition_id, territory_id, organisation_id, care_service_id, service,
    acuity, state, sent_by, sent_at, due_at, handoff_id
from routing.referral where case_id = $1 order by id desc
"""
SELECT_WAITING: Final = """
select id, case_id, disposition_id, territory_id, owner_id, service, acuity, state,
    binding_constraint as "constraint", entered_at, deadline, escalated_at
from routing.waiting_entry where case_id = $1 order by id desc
"""
