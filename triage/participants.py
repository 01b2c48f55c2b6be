"""Organisations that take part in a case and so may see it."""

from typing import Final
from uuid import UUID

from kernel.database import Tx


async def add(tx: Tx, case_id: UUID, organisation_id: UUID, territory_id: UUID) -> None:
    """Let an organisation see a case; adding it again changes nothing.

    Args:
        tx: The transaction of the write that makes it take part.
        case_id: The case.
        organisation_id: Who takes part.
        territory_id: The case's territory.
    """
    await tx.execute(INSERT_PARTICIPANT, case_id, organisation_id, territory_id)


async def of_case(tx: Tx, case_id: UUID) -> tuple[UUID, ...]:
    """List the organisations that take part in a case, first added first.

    Args:
        tx: The transaction.
        case_id: The case.
    """
    rows = await tx.fetch(SELECT_PARTICIPANTS, case_id)
    return tuple(row["organisation_id"] for row in rows)


INSERT_PARTICIPANT: Final = """
insert into triage.participant (case_id, organisation_id, territory_id)
values ($1, $2, $3)
on conflict on constraint participant_once do nothing
"""
SELECT_PARTICIPANTS: Final = """
select organisation_id from triage.participant where case_id = $1
order by added_at, organisation_id
"""
