"""Cases with a decided disposition, written as triage would have left them."""

from typing import Any
from uuid import UUID

import msgspec

from kernel import ids
from kernel.actor import Actor
from kernel.crypto import KeyRing
from kernel.database import Database

DUE_MINUTES = {"U0": 0, "U1": 0, "U2": 120, "U3": 720, "U4": 2880, "U5": None}


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A disposition and its case."""

    id: UUID
    case_id: UUID


async def decide(
    database: Database,
    admin: Any,
    keys: KeyRing,
    actor: Actor,
    *,
    acuity: str,
    service: str,
) -> Decided:
    """Write a case of an adult in the middle of Amiens, for which a place is wanted."""
    assert actor.territory_id is not None
    made = Decided(id=ids.uuid7(), case_id=ids.uuid7())
    key = await keys.create(database, actor.territory_id)
    await admin.execute(
        "insert into triage.case_file (id, territory_id, key_id, opened_by, state, age_years,"
        " insee, lon, lat, decided_at, responsible_actor_id)"
        " values ($1, $2, $3, $4, 'decided', 40, '80021', 2.2957, 49.8941, now(), $4)",
        made.case_id,
        actor.territory_id,
        key.id,
        actor.id,
    )
    await admin.execute(
        "insert into triage.disposition (id, case_id, territory_id, kind, acuity, service,"
        " due_at, decided_by, decided_role)"
        " values ($1, $2, $3, 'INTER', $4, $5, now() + make_interval(mins => $6), $7, 'physician')",
        made.id,
        made.case_id,
        actor.territory_id,
        acuity,
        service,
        DUE_MINUTES[acuity],
        actor.id,
    )
    return made


async def responsible(admin: Any, case_id: UUID) -> UUID:
    """Give the one actor or organisation that answers for a case."""
    found: UUID = await admin.fetchval(
        "select coalesce(responsible_actor_id, responsible_organisation_id)"
        " from triage.case_file where id = $1",
        case_id,
    )
    return found


async def state(admin: Any, case_id: UUID) -> str:
    """Give a case's state."""
    found: str = await admin.fetchval("select state from triage.case_file where id = $1", case_id)
    return found
