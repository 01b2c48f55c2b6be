"""The waiting list: a need without a place has an owner, a deadline and the reason it waits.

Never a dead end: an entry ends by a place, by being closed with its reason, or it escalates.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, database, errors, identity, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code, UtcTime, utc
from routing import offers, progress
from routing.model import REVIEW_WITHIN_S, WaitingEntry
from triage import callbacks, cases, dispositions
from triage.model import Disposition

database.refuses("waiting_entry_one_per_disposition", errors.Conflict, "already_waiting")


class Enter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put a need on the waiting list.

    Attributes:
        disposition_id: What has no place.
        constraint: Reason code that binds; that of the last offer when left out.
        deadline: When it escalates; by acuity and due time when left out, never later than that.
        owner_id: Who looks after it; who asks when left out.
    """

    disposition_id: UUID
    constraint: Code | None = None
    deadline: UtcTime | None = None
    owner_id: UUID | None = None


async def enter(tx: Tx, actor: Actor, command: Enter) -> WaitingEntry:
    """Put a need for which nothing fits on the waiting list.

    Args:
        tx: The transaction.
        actor: Who asks.
        command: What waits, why, until when, for whom.

    Returns:
        The entry; its owner is responsible for the patient.

    Raises:
        Missing: The disposition is unknown here.
        Conflict: `already_waiting`, `case_closed`.
        Invalid: `owner_unknown`: the owner named is nobody of the centre who could look after it.
    """
    require(actor, "waiting.enter")
    wanted = await dispositions.get(tx, actor, command.disposition_id)
    progress.refuse_closed(await cases.get(tx, actor, wanted.case_id))
    owner_id = command.owner_id
    if owner_id is not None and not await identity.is_staff(tx, owner_id, wanted.territory_id):
        code = "owner_unknown"
        raise errors.Invalid(code, "The owner is nobody of this centre.", path="$.owner_id")
    asked = None if command.deadline is None else utc(command.deadline, "$.deadline")
    entry = await _insert(
        tx,
        wanted,
        owner_id=owner_id or actor.id,
        constraint=command.constraint or await offers.binding_constraint(tx, wanted.id),
        deadline=asked,
    )
    await _announce(tx, actor, entry)
    return entry


async def owe_place(
    tx: Tx, actor: Actor, disposition_id: UUID, *, owner_id: UUID, constraint: str
) -> WaitingEntry | None:
    """Enter a need whose place was lost: refused, withdrawn or called off by the receiver.

    Args:
        tx: A transaction of the system.
        actor: The system.
        disposition_id: What has no place any more.
        owner_id: Who had placed it, and looks after it again.
        constraint: Reason code.

    Returns:
        The entry, or None: the disposition waits already, another receiver has the patient, or
        the case was closed; then the patient is owed a call back, as nobody works on it.
    """
    wanted = await dispositions.get(tx, actor, disposition_id)
    if await tx.fetchval(SELECT_HAS_PLACE, disposition_id):
        return None
    if (await cases.get(tx, actor, wanted.case_id)).state == "closed":
        owed = callbacks.ScheduleCallback(reason="no_place", case_id=wanted.case_id)
        await callbacks.schedule(tx, actor, owed)
        return None
    entry = await _insert(tx, wanted, owner_id=owner_id, constraint=constraint, deadline=None)
    await progress.advance(tx, actor, entry.case_id, "decided")
    await _announce(tx, actor, entry)
    return entry


async def another_has_patient(tx: Tx, subject_id: UUID) -> bool:
    """Tell whether another receiver of the same disposition has taken the patient.

    Args:
        tx: The transaction.
        subject_id: The appointment or referral that is silent or called off.
    """
    taken: bool = await tx.fetchval(SELECT_ANOTHER, subject_id)
    return taken


async def placed(
    tx: Tx, actor: Actor, disposition_id: UUID, care_service_id: UUID, slot_id: UUID | None = None
) -> None:
    """Note that a waiting need has its place; does nothing when it was not waiting.

    Args:
        tx: The transaction of the appointment or referral.
        actor: Who placed it.
        disposition_id: What was placed.
        care_service_id: Where.
        slot_id: On which slot, for an appointment.
    """
    row = await tx.fetchrow(SET_PLACED, disposition_id)
    if row is None:
        return
    entry = _entry(row)
    event = catalogue.WaitingPlaced(
        service=entry.service,
        acuity=entry.acuity,
        due_at=entry.deadline,
        constraint=entry.constraint,
        care_service_id=care_service_id,
        slot_id=slot_id,
    )
    await _append(tx, actor, entry, event)


async def get(tx: Tx, actor: Actor, entry_id: UUID) -> WaitingEntry:
    """Read one entry.

    Args:
        tx: The transaction.
        actor: Who reads.
        entry_id: Which.

    Raises:
        Missing: `waiting_entry_missing`.
    """
    require(actor, "waiting.read")
    row = await tx.fetchrow(SELECT_ENTRY, entry_id)
    if row is None:
        code = "waiting_entry_missing"
        raise errors.Missing(code, "No such waiting entry.")
    entry = _entry(row)
    await _record(tx, actor, "waiting.read", entry)
    return entry


async def page(
    tx: Tx, actor: Actor, state: str, after: UUID | None, limit: int
) -> tuple[WaitingEntry, ...]:
    """List the waiting list of the actor's territory, most urgent and soonest due first.

    Args:
        tx: The transaction.
        actor: Who reads.
        state: `waiting`, `placed` or `closed`.
        after: Id of the last one of the page before.
        limit: At most 200.
    """
    require(actor, "waiting.read")
    rows = await tx.fetch(SELECT_PAGE, state, after, limit)
    await audit.record(tx, actor, "waiting.read", "waiting_entry", detail=f"list {len(rows)}")
    return tuple(_entry(row) for row in rows)


async def escalate(tx: Tx, actor: Actor, limit: int = 200) -> int:
    """Escalate what waits past its deadline, once each; repeating it changes nothing.

    Args:
        tx: A transaction of the system.
        actor: The system.
        limit: Most entries a step.

    Returns:
        How many escalated.
    """
    rows = await tx.fetch(ESCALATE, limit)
    for row in rows:
        entry = _entry(row)
        await _append(tx, actor, entry, _event(entry, catalogue.WaitingEscalated))
        await _record(tx, actor, "waiting.escalate", entry)
    return len(rows)


async def close_of_case(tx: Tx, case_id: UUID) -> None:
    """Take a closed case off the list.

    Args:
        tx: A transaction of the system.
        case_id: The case that was closed; whoever closed it gave the outcome.
    """
    await tx.execute(CLOSE_OF_CASE, case_id)


async def _insert(
    tx: Tx,
    wanted: Disposition,
    *,
    owner_id: UUID,
    constraint: str,
    deadline: datetime | None,
) -> WaitingEntry:
    row = await tx.fetchrow(
        INSERT_ENTRY,
        ids.uuid7(),
        wanted.territory_id,
        wanted.case_id,
        wanted.id,
        wanted.service or "none",
        wanted.acuity,
        owner_id,
        constraint,
        deadline,
        wanted.due_at,
        timedelta(seconds=REVIEW_WITHIN_S[wanted.acuity]),
    )
    return _entry(row)


async def _announce(tx: Tx, actor: Actor, entry: WaitingEntry) -> None:
    await cases.hand_to(tx, actor, entry.case_id, actor_id=entry.owner_id)
    await _append(tx, actor, entry, _event(entry, catalogue.WaitingEntered))
    await _record(tx, actor, "waiting.enter", entry)


def _event(entry: WaitingEntry, kind: type[catalogue.WaitingEvent]) -> catalogue.WaitingEvent:
    return kind(
        service=entry.service,
        acuity=entry.acuity,
        due_at=entry.deadline,
        constraint=entry.constraint,
    )


async def _append(tx: Tx, actor: Actor, entry: WaitingEntry, event: catalogue.WaitingEvent) -> None:
    await outbox.append(
        tx,
        actor,
        event,
        aggregate_id=entry.id,
        territory_id=entry.territory_id,
        case_id=entry.case_id,
    )


async def _record(tx: Tx, actor: Actor, action: str, entry: WaitingEntry) -> None:
    await audit.record(
        tx,
        actor,
        action,
        "waiting_entry",
        entry.id,
        case_id=entry.case_id,
        territory_id=entry.territory_id,
        detail=entry.constraint,
    )


def _entry(row: asyncpg.Record) -> WaitingEntry:
    fields = dict(row)
    fields["constraint"] = fields.pop("binding_constraint")
    return msgspec.convert(fields, WaitingEntry)


INSERT_ENTRY: Final = """
with instant as materialized (select kernel.regul_now() as at)
insert into routing.waiting_entry (id, territory_id, case_id, disposition_id, service, acuity,
    owner_id, binding_constraint, entered_at, deadline)
select $1, $2, $3, $4, $5, $6, $7, $8, i.at,
    least($9::timestamptz, i.at + $11::interval,
        case when $10::timestamptz > i.at then $10::timestamptz end)
from instant i
returning id, case_id, disposition_id, territory_id, owner_id, service, acuity, state,
    binding_constraint, entered_at, deadline, escalated_at
"""
SELECT_ENTRY: Final = """
select id, case_id, disposition_id, territory_id, owner_id, service, acuity, state,
    binding_constraint, entered_at, deadline, escalated_at
from routing.waiting_entry where id = $1
"""
SELECT_HAS_PLACE: Final = """
select exists (select from routing.waiting_entry where disposition_id = $1 and state = 'waiting')
    or exists (select from routing.appointment
        where disposition_id = $1 and state in ('pending', 'booked', 'fulfilled'))
    or exists (select from routing.referral
        where disposition_id = $1 and state in ('accepted', 'completed'))
"""
SELECT_ANOTHER: Final = """
with about as (
    select disposition_id from routing.referral where id = $1
    union all
    select disposition_id from routing.appointment where id = $1)
select exists (
    select from routing.referral r join about using (disposition_id)
    where r.id <> $1 and r.state in ('accepted', 'completed'))
"""
SELECT_PAGE: Final = """
select w.id, w.case_id, w.disposition_id, w.territory_id, w.owner_id, w.service, w.acuity, w.state,
    w.binding_constraint, w.entered_at, w.deadline, w.escalated_at
from routing.waiting_entry w
where w.state = $1
  and ($2::uuid is null or (w.acuity, w.deadline, w.id) > (
      select b.acuity, b.deadline, b.id from routing.waiting_entry b where b.id = $2))
order by w.acuity, w.deadline, w.id limit $3
"""
SET_PLACED: Final = """
update routing.waiting_entry set state = 'placed', settled_at = kernel.regul_now()
where disposition_id = $1 and state = 'waiting'
returning id, case_id, disposition_id, territory_id, owner_id, service, acuity, state,
    binding_constraint, entered_at, deadline, escalated_at
"""
ESCALATE: Final = """
update routing.waiting_entry w set escalated_at = kernel.regul_now()
where w.id in (
    select l.id from routing.waiting_entry l
    where l.state = 'waiting' and l.escalated_at is null and l.deadline <= kernel.regul_now()
    order by l.deadline limit $1 for update skip locked)
returning w.id, w.case_id, w.disposition_id, w.territory_id, w.owner_id, w.service, w.acuity,
    w.state, w.binding_constraint, w.entered_at, w.deadline, w.escalated_at
"""
CLOSE_OF_CASE: Final = """
update routing.waiting_entry set state = 'closed', settled_at = kernel.regul_now()
where case_id = $1 and state = 'waiting'
"""
