"""Re-calls: each waiting case has one callback owed, due by its level; the overdue are told.

The deadline is a row written with the change that moves it; whether it has passed is decided by
whoever reads, with the database's clock. The worker only tells it, once.
"""

from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from events import catalogue, outbox
from kernel import audit, ids
from kernel.actor import Actor
from kernel.database import Tx
from triage import entitlement
from triage.acuity import Acuity, most_severe
from triage.model import SAID

RECALLS_FILE: Final = Path(__file__).with_name("recalls.toml")


class _Unknown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Minutes while no level is in force, or one that may still turn out vital."""

    vital_possible: int
    no_level: int


class RecallTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The centre's file: minutes by level."""

    minutes: dict[Acuity, int]
    unknown: _Unknown


@cache
def recall_table() -> RecallTable:
    """Read the centre's file, once a process."""
    return msgspec.toml.decode(RECALLS_FILE.read_bytes(), type=RecallTable)


def minutes(level: Acuity | None, *, vital_possible: bool) -> int:
    """Give after how many minutes a waiting patient is to be called.

    Args:
        level: The most severe of what is in force and what a human said with the priority.
        vital_possible: U0 or U1 is neither assured nor excluded and can still be asked about.
    """
    table = recall_table()
    known = table.unknown.no_level if level is None else table.minutes[level]
    return min(known, table.unknown.vital_possible) if vital_possible else known


async def keep(tx: Tx, case_id: UUID, *, from_now: bool = False) -> None:
    """Bring the call that a case is owed in step with it: moved, made, or withdrawn.

    A case waits until somebody entitled decides, unless it needs no regulation (NR). The deadline
    runs from when somebody last heard how the patient is.

    Args:
        tx: The transaction of the change, holding the case's lock.
        case_id: Which case.
        from_now: The deadline runs from now: an attempt was given up.
    """
    row = await tx.fetchrow(SELECT_WAITING, case_id)
    if row is None:
        await tx.execute(WITHDRAW, case_id)
        return
    said = None if row["priority"] is None else SAID.get(row["priority"])
    level = most_severe(row["acuity_assured"], row["acuity_proposed"], said)
    vital = entitlement.vital_possible(
        row["acuity_assured"], row["acuity_worst"], closed=row["interval_closed"]
    )
    within = minutes(level, vital_possible=vital)
    await tx.execute(KEEP, ids.uuid7(), case_id, within, from_now)


async def tell_overdue(tx: Tx, actor: Actor, limit: int = 200) -> int:
    """Tell re-calls whose time has passed, once each; repeating it changes nothing.

    Args:
        tx: A transaction of the system.
        actor: The system.
        limit: Most a step.

    Returns:
        How many were told.
    """
    rows = await tx.fetch(TELL_OVERDUE, limit)
    for row in rows:
        await outbox.append(
            tx,
            actor,
            catalogue.CallbackDue(due_at=row["due_at"], reason="recall"),
            aggregate_id=row["id"],
            territory_id=row["territory_id"],
            case_id=row["case_id"],
        )
        await audit.record(
            tx,
            actor,
            "callback.schedule",
            "callback",
            row["id"],
            case_id=row["case_id"],
            territory_id=row["territory_id"],
            detail="recall overdue",
        )
    return len(rows)


SELECT_WAITING: Final = """
select priority, acuity_assured, acuity_worst, acuity_proposed, interval_closed
from triage.case_file
where id = $1 and closed_at is null and decided_at is null and priority is distinct from 'NR'
  and responsible_organisation_id is null
"""
WITHDRAW: Final = """
update triage.callback set state = 'withdrawn'
where case_id = $1 and reason = 'recall' and state = 'due'
"""
KEEP: Final = """
insert into triage.callback (id, territory_id, case_id, reason, due_at, owner_id)
select $1, c.territory_id, c.id, 'recall',
       case when $4 then kernel.regul_now() else c.heard_at end + make_interval(mins => $3),
       c.responsible_actor_id
from triage.case_file c where c.id = $2
on conflict (case_id) where reason = 'recall' and state = 'due'
do update set due_at = excluded.due_at, owner_id = excluded.owner_id,
    -- A deadline that moved may be missed, and told, once more.
    told_at = case when excluded.due_at = callback.due_at then callback.told_at end
"""
TELL_OVERDUE: Final = """
update triage.callback set told_at = kernel.regul_now()
where id in (
    select k.id from triage.callback k
    where k.reason = 'recall' and k.state = 'due' and k.told_at is null
      and k.due_at <= kernel.regul_now()
    order by k.due_at limit $1 for update skip locked)
returning id, territory_id, case_id, due_at
"""
