"""All SQL on handoffs: each transition is one statement with the expected states in its WHERE."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import ladder, model
from events.model import Command, Handoff, HandoffRequest, Shelf, State
from kernel import ids
from kernel.actor import Actor
from kernel.database import Tx


async def insert(
    tx: Tx, actor: Actor, request: HandoffRequest, state: State, *, required: bool
) -> Handoff:
    """Write a new handoff.

    Args:
        tx: The transaction.
        actor: Who asks.
        request: What is handed over.
        state: The first state.
        required: Whether a named human must answer.

    Returns:
        The handoff.
    """
    delays = ladder.shipped()
    within = delays.answer_within_s[request.acuity]
    row = await tx.fetchrow(
        INSERT_HANDOFF,
        ids.uuid7(),
        request.territory_id,
        request.case_id,
        request.subject_kind,
        request.subject_id,
        request.from_organisation_id,
        request.to_organisation_id,
        request.care_service_id,
        request.acuity,
        required,
        state,
        model.owner(state, acknowledgement_required=required),
        actor.id,
        float(within if request.due_s is None else request.due_s),
        float(delays.deliver_within_s[request.acuity]),
        request.disposition_id,
    )
    return _handoff(row)


async def find(tx: Tx, handoff_id: UUID) -> Handoff | None:
    """Read one handoff.

    Args:
        tx: The transaction.
        handoff_id: Which.

    Returns:
        The handoff, or None when there is none that the actor may see.
    """
    row = await tx.fetchrow(SELECT_HANDOFF, handoff_id)
    return None if row is None else _handoff(row)


async def find_of_subject(tx: Tx, subject_id: UUID) -> Handoff | None:
    """Read the newest handoff of an appointment or referral.

    Args:
        tx: The transaction.
        subject_id: Appointment or referral.

    Returns:
        The handoff, or None.
    """
    row = await tx.fetchrow(SELECT_OF_SUBJECT, subject_id)
    return None if row is None else _handoff(row)


async def page(tx: Tx, state: State | None, after: UUID | None, limit: int) -> Sequence[Handoff]:
    """Read a page of handoffs that the actor may see.

    Args:
        tx: The transaction.
        state: Only these.
        after: Id of the last one of the page before.
        limit: Most rows.

    Returns:
        In order of ids, oldest first.
    """
    rows = await tx.fetch(SELECT_PAGE, None if state is None else state.value, after, limit)
    return [_handoff(row) for row in rows]


async def board(tx: Tx, answered_for_s: int, limit: int) -> Sequence[Shelf]:
    """Read the handoffs that the actor may see and that matter now, state by state.

    Args:
        tx: The transaction.
        answered_for_s: How long an answered one still matters, in seconds.
        limit: Most handoffs of a state.

    Returns:
        States with at least one; those who wait for an answer: most urgent first, then the
        nearest deadline; the answered: latest first.
    """
    rows = await tx.fetch(SELECT_BOARD, answered_for_s, limit)
    shelves: dict[str, tuple[int, list[Handoff]]] = {}
    for row in rows:
        fields = dict(row)
        total = fields.pop("of_state")
        shelves.setdefault(row["state"], (total, []))[1].append(msgspec.convert(fields, Handoff))
    return [
        Shelf(state=State(state), total=total, handoffs=tuple(found))
        for state, (total, found) in shelves.items()
    ]


async def running(tx: Tx, case_id: UUID) -> Sequence[Handoff]:
    """Read the handoffs of a case that have not ended.

    Args:
        tx: The transaction.
        case_id: The patient's case.

    Returns:
        Oldest first.
    """
    ends = sorted(one.value for one in model.END_STATES)
    rows = await tx.fetch(SELECT_RUNNING, case_id, ends)
    return await several(tx, [row["id"] for row in rows])


async def takes_part(tx: Tx, case_id: UUID, organisation_id: UUID) -> bool:
    """Tell whether an organisation has a handoff of a case that it neither refused nor lost.

    Args:
        tx: The transaction.
        case_id: The patient's case.
        organisation_id: The receiver.
    """
    found: bool = await tx.fetchval(SELECT_TAKES_PART, case_id, organisation_id)
    return found


async def undelivered(tx: Tx, organisation_ids: Sequence[UUID], limit: int) -> Sequence[UUID]:
    """Find handoffs that have not reached these organisations' systems.

    Args:
        tx: The transaction.
        organisation_ids: Receivers.
        limit: Most rows.

    Returns:
        Ids, oldest first.
    """
    rows = await tx.fetch(SELECT_UNDELIVERED, list(organisation_ids), limit)
    return [row["id"] for row in rows]


async def move(
    tx: Tx,
    actor: Actor,
    handoff_id: UUID,
    command: Command,
    *,
    person: str | None = None,
    reason: str | None = None,
) -> Handoff | None:
    """Make a transition if the state allows it.

    Args:
        tx: The transaction.
        actor: Who did it.
        handoff_id: Which.
        command: What happened.
        person: The human behind a partner's system.
        reason: Code of a refusal.

    Returns:
        The handoff after it, or None: its state (or its visibility) says no.
    """
    after = model.target(command)
    row = await tx.fetchrow(
        MOVE_HANDOFF,
        handoff_id,
        sorted(model.sources(command, acknowledgement_required=True)),
        sorted(model.sources(command, acknowledgement_required=False)),
        after,
        model.owner(after, acknowledgement_required=True),
        model.owner(after, acknowledgement_required=False),
        actor.id,
        person,
        reason if command is Command.REFUSE else None,
    )
    return None if row is None else _handoff(row)


async def several(tx: Tx, handoff_ids: Sequence[UUID]) -> Sequence[Handoff]:
    """Read handoffs by id.

    Args:
        tx: The transaction.
        handoff_ids: Which.

    Returns:
        Those that the actor may see, oldest first.
    """
    return [_handoff(row) for row in await tx.fetch(SELECT_SEVERAL, list(handoff_ids))]


def _handoff(row: asyncpg.Record) -> Handoff:
    return msgspec.convert(dict(row), Handoff)


INSERT_HANDOFF: Final = """
insert into events.handoff (id, territory_id, case_id, subject_kind, subject_id,
    from_organisation_id, to_organisation_id, care_service_id, acuity, acknowledgement_required,
    state, owner, requested_by, due_at, deliver_by, delivered_at, acceptance, disposition_id)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    case when $10 then t.at + make_interval(secs => $14::float8) end,
    case when $10 then t.at + make_interval(secs => $15::float8) end,
    case when not $10 then t.at end,
    case when not $10 then 'publication' end, $16
from (select kernel.regul_now() as at) t
returning id, territory_id, case_id, subject_kind, subject_id, from_organisation_id,
    to_organisation_id, care_service_id, acuity, acknowledgement_required, state, owner,
    requested_by, requested_at, due_at, delivered_at, seen_by, seen_at, seen_person, answered_by,
    answered_at, answered_person, refusal_reason, acceptance, escalated_to_role,
    escalated_to_actor_id, escalated_at, disposition_id, deliver_by, overdue_reason, level,
    next_step_at, taken_by, taken_at, arrived_at, ended_at
"""
SELECT_HANDOFF: Final = """
select id, territory_id, case_id, subject_kind, subject_id, from_organisation_id,
    to_organisation_id, care_service_id, acuity, acknowledgement_required, state, owner,
    requested_by, requested_at, due_at, delivered_at, seen_by, seen_at, seen_person, answered_by,
    answered_at, answered_person, refusal_reason, acceptance, escalated_to_role,
    escalated_to_actor_id, escalated_at, disposition_id, deliver_by, overdue_reason, level,
    next_step_at, taken_by, taken_at, arrived_at, ended_at
from events.handoff where id = $1
"""
SELECT_SEVERAL: Final = """
select id, territory_id, case_id, subject_kind, subject_id, from_organisation_id,
    to_organisation_id, care_service_id, acuity, acknowledgement_required, state, owner,
    requested_by, requested_at, due_at, delivered_at, seen_by, seen_at, seen_person, answered_by,
    answered_at, answered_person, refusal_reason, acceptance, escalated_to_role,
    escalated_to_actor_id, escalated_at, disposition_id, deliver_by, overdue_reason, level,
    next_step_at, taken_by, taken_at, arrived_at, ended_at
from events.handoff where id = any ($1::uuid[]) order by id
"""
SELECT_OF_SUBJECT: Final = """
select id, territory_id, case_id, subject_kind, subject_id, from_organisation_id,
    to_organisation_id, care_service_id, acuity, acknowledgement_required, state, owner,
    requested_by, requested_at, due_at, delivered_at, seen_by, seen_at, seen_person, answered_by,
    answered_at, answered_person, refusal_reason, acceptance, escalated_to_role,
    escalated_to_actor_id, escalated_at, disposition_id, deliver_by, overdue_reason, level,
    next_step_at, taken_by, taken_at, arrived_at, ended_at
from events.handoff where subject_id = $1 order by id desc limit 1
"""
SELECT_RUNNING: Final = """
select id from events.handoff where case_id = $1 and state <> all ($2::text[])
"""
SELECT_TAKES_PART: Final = """
select exists (select from events.handoff
    where case_id = $1 and to_organisation_id = $2 and state not in ('refused', 'cancelled'))
"""
SELECT_PAGE: Final = """
select id, territory_id, case_id, subject_kind, subject_id, from_organisation_id,
    to_organisation_id, care_service_id, acuity, acknowledgement_required, state, owner,
    requested_by, requested_at, due_at, delivered_at, seen_by, seen_at, seen_person, answered_by,
    answered_at, answered_person, refusal_reason, acceptance, escalated_to_role,
    escalated_to_actor_id, escalated_at, disposition_id, deliver_by, overdue_reason, level,
    next_step_at, taken_by, taken_at, arrived_at, ended_at
from events.handoff
where ($1::text is null or state = $1) and ($2::uuid is null or id > $2)
order by id limit $3
"""
SELECT_BOARD: Final = """
with pressing as (
    select h.id, count(*) over (partition by h.state) as of_state,
        row_number() over (
            partition by h.state
            order by case when h.answered_at is null then h.acuity end,
                case when h.answered_at is null then coalesce(h.due_at, h.requested_at) end,
                h.answered_at desc, h.id) as rank
    from events.handoff h
    where h.state in ('requested', 'delivered', 'seen', 'overdue', 'escalated', 'taken')
       or (h.state in ('accepted', 'refused')
           and h.answered_at > kernel.regul_now() - make_interval(secs => $1)))
select h.id, h.territory_id, h.case_id, h.subject_kind, h.subject_id, h.from_organisation_id,
    h.to_organisation_id, h.care_service_id, h.acuity, h.acknowledgement_required, h.state,
    h.owner, h.requested_by, h.requested_at, h.due_at, h.delivered_at, h.seen_by, h.seen_at,
    h.seen_person, h.answered_by, h.answered_at, h.answered_person, h.refusal_reason,
    h.acceptance, h.escalated_to_role, h.escalated_to_actor_id, h.escalated_at, h.disposition_id,
    h.deliver_by, h.overdue_reason, h.level, h.next_step_at, h.taken_by, h.taken_at,
    h.arrived_at, h.ended_at, p.of_state
from pressing p join events.handoff h on h.id = p.id
where p.rank <= $2
order by h.state, p.rank
"""
SELECT_UNDELIVERED: Final = """
select id from events.handoff
where to_organisation_id = any ($1::uuid[]) and state = 'requested'
order by id limit $2
"""
MOVE_HANDOFF: Final = """
update events.handoff
set state = $4,
    owner = case when acknowledgement_required then $5 else $6 end,
    delivered_at = case when $4 = 'delivered' then kernel.regul_now() else delivered_at end,
    seen_by = case when $4 = 'seen' then $7 else seen_by end,
    seen_at = case when $4 = 'seen' then kernel.regul_now() else seen_at end,
    seen_person = case when $4 = 'seen' then $8 else seen_person end,
    answered_by = case when $4 in ('accepted', 'refused') then $7 else answered_by end,
    answered_at = case when $4 in ('accepted', 'refused') then kernel.regul_now()
        else answered_at end,
    answered_person = case when $4 in ('accepted', 'refused') then $8 else answered_person end,
    refusal_reason = case when $4 = 'refused' then $9 else refusal_reason end,
    acceptance = case when $4 = 'accepted' then 'human' when $4 = 'refused' then null
        else acceptance end,
    arrived_at = case when $4 = 'arrived' then kernel.regul_now() else arrived_at end,
    next_step_at = case when $4 in ('accepted', 'refused', 'cancelled') then null
        else next_step_at end,
    ended_at = case when $4 in ('refused', 'completed', 'cancelled') then kernel.regul_now()
        else ended_at end
where id = $1
  and state = any (case when acknowledgement_required then $2::text[] else $3::text[] end)
returning id, territory_id, case_id, subject_kind, subject_id, from_organisation_id,
    to_organisation_id, care_service_id, acuity, acknowledgement_required, state, owner,
    requested_by, requested_at, due_at, delivered_at, seen_by, seen_at, seen_person, answered_by,
    answered_at, answered_person, refusal_reason, acceptance, escalated_to_role,
    escalated_to_actor_id, escalated_at, disposition_id, deliver_by, overdue_reason, level,
    next_step_at, taken_by, taken_at, arrived_at, ended_at
"""
