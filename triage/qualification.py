"""Qualification: priority and stream by a human, the physician's queue, who takes a case."""

from typing import Final
from uuid import UUID

import msgspec

from events import catalogue, outbox
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from triage import cases, entitlement, participants, recalls
from triage.model import SAID, Case, Priority, Stream
from triage.working_order import WaitingCase, working_order

_LONGEST_QUEUE: Final = 1000


class Qualify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator sets; a milder priority than proposed needs a reason code."""

    priority: Priority
    stream: Stream
    reason: Code | None = None


class Take(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who has the case now, when it is taken over from somebody."""

    from_actor_id: UUID | None = None


class QueuedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case at its place in the queue."""

    case: Case
    rank: int
    not_qualified: bool
    sounds: bool


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """The cases of one stream that wait for a decision, in working order."""

    stream: Stream
    cases: tuple[QueuedCase, ...]


async def qualify(tx: Tx, actor: Actor, case_id: UUID, command: Qualify) -> Case:
    """Set priority and stream; the case enters the physician's queue, unless it is NR.

    Setting another stream keeps the place in the queue and every answer.

    Args:
        tx: The transaction.
        actor: Who sets them.
        case_id: Which case.
        command: Priority and stream.

    Returns:
        The case.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_closed`.
        Forbidden: `physician_only`: a milder priority at U0-U2.
        Invalid: `reason_missing`, `unregulated_not_listed`.
    """
    require(actor, "case.qualify")
    case = await cases.locked(tx, actor, case_id)
    refusal = entitlement.priority_refusal(
        actor.role, case, command.priority, has_reason=command.reason is not None
    )
    if refusal is not None:
        raise refused(refusal)
    await tx.execute(
        QUALIFY_CASE, case_id, command.priority, command.stream, command.reason, actor.id
    )
    await recalls.keep(tx, case_id)
    event = catalogue.CaseQualified(
        priority=command.priority, stream=command.stream, acuity=case.acuity_proposed
    )
    await outbox.append(
        tx,
        actor,
        event,
        aggregate_id=case_id,
        territory_id=case.territory_id,
        case_id=case_id,
        organisation_ids=await participants.of_case(tx, case_id),
    )
    await audit.record(
        tx, actor, "case.qualify", "case", case_id, case_id=case_id,
        detail=f"{command.priority} {command.stream} {command.reason or ''}".strip(),
    )  # fmt: skip
    return await cases.get(tx, actor, case_id)


def refused(refusal: entitlement.Refusal) -> errors.RegulError:
    """Turn a refusal of the rules into the error the edge shows.

    Args:
        refusal: From `entitlement`.
    """
    texts: dict[entitlement.Refusal, str] = {
        "physician_only": "Only a physician may decide this.",
        "not_delegated": "This kind of decision is not delegated to you.",
        "reason_missing": "A level below the proposed one needs a reason.",
        "safety_net_missing": "Say the worsening signs, when to call back, and read back.",
        "service_missing": "Say which service is needed.",
        "unregulated_not_listed": "This complaint is not in the list of those without regulation.",
        "dispatch_not_assured": "A reflex dispatch needs an assured U0 or the priority P0.",
    }
    family: type[errors.RegulError] = errors.Invalid
    if refusal in {"physician_only", "not_delegated"}:
        family = errors.Forbidden
    if refusal == "dispatch_not_assured":
        family = errors.Conflict
    return family(refusal, texts[refusal])


async def take(tx: Tx, actor: Actor, case_id: UUID, command: Take) -> Case:
    """Take a case, or take it over from a named colleague; the taker is responsible.

    Args:
        tx: The transaction.
        actor: Who takes it.
        case_id: Which.
        command: From whom, when somebody has it.

    Returns:
        The case; taking it again changes nothing.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_taken` with who has it, `case_closed`, or `case_handed_over`: an
            organisation is responsible.
    """
    require(actor, "case.take")
    taken = await tx.fetchval(TAKE_CASE, case_id, actor.id, command.from_actor_id)
    case = await cases.get(tx, actor, case_id)
    if taken is None:
        code, text = "case_taken", "A colleague has this case."
        if case.responsible_organisation_id is not None:
            code, text = "case_handed_over", "An organisation is responsible for this case."
        if case.state == "closed":
            code, text = "case_closed", "This case is closed."
        raise errors.Conflict(code, text, taken_by=str(case.taken_by))
    await recalls.keep(tx, case_id)
    await audit.record(tx, actor, "case.take", "case", case_id, case_id=case_id)
    return case


async def queue(tx: Tx, actor: Actor, stream: Stream) -> Queue:
    """Give the cases of a stream that wait for a decision, in working order.

    Args:
        tx: The transaction.
        actor: Who looks.
        stream: Which queue.

    Returns:
        At most 1000 cases, the first to be worked first.
    """
    require(actor, "queue.read")
    rows = await tx.fetch(SELECT_QUEUE, stream, _LONGEST_QUEUE)
    found = {row["id"]: cases.as_case(row) for row in rows}
    await audit.record(tx, actor, "queue.read", "queue", None, detail=stream)
    ranked = working_order(waiting(case) for case in found.values())
    return Queue(
        stream=stream,
        cases=tuple(
            QueuedCase(
                case=found[one.case_id],
                rank=one.rank,
                not_qualified=one.not_qualified,
                sounds=one.sounds,
            )
            for one in ranked
        ),
    )


def waiting(case: Case) -> WaitingCase:
    """Give what the working order needs of a case.

    Args:
        case: As it stands.
    """
    return WaitingCase(
        case_id=case.id,
        assured=case.acuity_assured,
        said=None if case.priority is None else SAID.get(case.priority),
        worst=case.acuity_worst,
        proposed=case.acuity_proposed,
        closed=case.interval_closed,
        opened_at=case.awaiting_since or case.opened_at,
    )


QUALIFY_CASE: Final = """
update triage.case_file
set priority = $2, stream = $3, priority_reason = $4, qualified_by = $5,
    qualified_at = kernel.regul_now(),
    state = case
        when state in ('taken', 'qualified', 'awaiting_physician') and $2 = 'NR' then 'qualified'
        when state in ('taken', 'qualified') then 'awaiting_physician'
        when state = 'decided' and $2 in ('P0', 'P1') then 'awaiting_physician'
        else state end,
    -- A case that was decided and is now vital is owed a physician again.
    decided_at = case when $2 in ('P0', 'P1') then null else decided_at end,
    awaiting_since = case when $2 = 'NR' then null
        else coalesce(awaiting_since, kernel.regul_now()) end
where id = $1
"""
TAKE_CASE: Final = """
update triage.case_file
set taken_by = $2, taken_at = kernel.regul_now(), responsible_actor_id = $2
where id = $1 and state <> 'closed' and responsible_organisation_id is null
  and (taken_by is null or taken_by = $2 or taken_by = $3)
returning id
"""
SELECT_QUEUE: Final = """
select id, territory_id, incident_id, key_id, opened_by, opened_at, state, complaint, sex,
       age_years, insee, lon, lat, default_acuity, assessment_id, acuity_assured, acuity_worst,
       acuity_proposed, interval_closed, physician_required, priority, stream, qualified_at,
       awaiting_since, taken_by, decided_at, care_level, responsible_actor_id,
       responsible_organisation_id, closed_at, close_outcome, heard_at, lower_assessment_id,
       lower_assured, lower_proposed, lower_since, physician_reasons, calls_96h, previous_case_id,
       recall.due_at as recall_due_at,
       coalesce(recall.due_at <= kernel.regul_now(), false) as recall_overdue
from triage.case_file c
left join lateral (
    select k.due_at from triage.callback k
    where k.case_id = c.id and k.reason = 'recall' and k.state = 'due') recall on true
where territory_id = (select kernel.current_territory()) and stream = $1
  and awaiting_since is not null and decided_at is null and closed_at is null
order by awaiting_since
limit $2
"""
