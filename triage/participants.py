"""Organisations that take part in a case and so may see it, until their part ends.

Who refused, or was called off before taking the patient, reads the file no longer. Who took the
patient keeps it: what they did is their record too.
"""

from typing import Final
from uuid import UUID

from kernel.database import Tx


async def add(tx: Tx, case_id: UUID, organisation_id: UUID, territory_id: UUID) -> None:
    """Let an organisation see a case, also one whose part had ended.

    Args:
        tx: The transaction of the write that makes it take part.
        case_id: The case.
        organisation_id: Who takes part.
        territory_id: The case's territory.
    """
    await tx.execute(UPSERT_PARTICIPANT, case_id, organisation_id, territory_id)


async def lock(tx: Tx, case_id: UUID, organisation_id: UUID) -> bool:
    """Keep an organisation's part as it is until the commit.

    Args:
        tx: The transaction.
        case_id: The case.
        organisation_id: Who takes part.

    Returns:
        Whether it takes part now.
    """
    return await tx.fetchval(LOCK_PARTICIPANT, case_id, organisation_id) is not None


async def leave(tx: Tx, case_id: UUID, organisation_id: UUID) -> None:
    """End an organisation's part.

    Args:
        tx: The transaction that has locked it and seen that it asks and answers nothing more.
        case_id: The case.
        organisation_id: Who leaves.
    """
    await tx.execute(LEAVE, case_id, organisation_id)


async def of_case(tx: Tx, case_id: UUID) -> tuple[UUID, ...]:
    """List the organisations that take part in a case now, first added first.

    Args:
        tx: The transaction.
        case_id: The case.
    """
    rows = await tx.fetch(SELECT_PARTICIPANTS, case_id)
    return tuple(row["organisation_id"] for row in rows)


UPSERT_PARTICIPANT: Final = """
insert into triage.participant (case_id, organisation_id, territory_id)
values ($1, $2, $3)
on conflict on constraint participant_once do update set left_at = null
"""
LOCK_PARTICIPANT: Final = """
select organisation_id from triage.participant
where case_id = $1 and organisation_id = $2 and left_at is null
for update
"""
LEAVE: Final = """
update triage.participant set left_at = kernel.regul_now()
where case_id = $1 and organisation_id = $2 and left_at is null
"""
SELECT_PARTICIPANTS: Final = """
select organisation_id from triage.participant where case_id = $1 and left_at is null
order by added_at, organisation_id
"""
