"""Deaths: what is reported closes nothing; what a named physician confirms does, reversibly.

A report may be wrong, about another patient, or too early: it only puts the case before a
physician, and everything that runs goes on. A confirmation closes the case; taken back, the case is
open again, before a physician, and the physician who took it back answers for the patient.
"""

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from events.fact import Event
from kernel import audit, database, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from triage import cases, participants, recalls
from triage.model import Case

Source: TypeAlias = Literal["caller", "team_on_scene", "receiver", "registry", "other"]
DECEASED: Final = "deceased"
"""How a case is closed by a confirmation, and by nothing else."""

database.refuses("death_report_one_open", errors.Conflict, "death_reported_already")


class ReportDeath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who said so."""

    source: Source


class ReverseDeath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the confirmation, or the report, is taken back: a code such as `other_patient`."""

    reason: Code


class DeathReport(msgspec.Struct, frozen=True, kw_only=True):
    """A reported death, and what became of it; times in UTC."""

    id: UUID
    case_id: UUID
    territory_id: UUID
    source: Source
    reported_by: UUID
    reported_at: datetime
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    reversed_by: UUID | None
    reversed_at: datetime | None
    reversal_reason: str | None


async def report(tx: Tx, actor: Actor, case_id: UUID, command: ReportDeath) -> DeathReport:
    """Note that somebody said the patient died; only a physician's task follows.

    Args:
        tx: The transaction.
        actor: Who writes it down.
        case_id: Which case.
        command: Who said so.

    Raises:
        Missing: `case_missing`.
        Conflict: `death_reported_already`, `case_closed`.
    """
    require(actor, "death.report")
    case = await cases.locked(tx, actor, case_id)
    row = await tx.fetchrow(
        INSERT_REPORT, ids.uuid7(), case_id, case.territory_id, command.source, actor.id
    )
    told = _report(row)
    await tx.execute(OWE_PHYSICIAN, case_id)
    event = catalogue.DeathReported(report_id=told.id, source=told.source)
    await _tell(tx, actor, case, event, "death.report")
    return told


async def confirm(tx: Tx, actor: Actor, report_id: UUID) -> DeathReport:
    """Confirm a reported death as a physician: the case is closed.

    Args:
        tx: The transaction.
        actor: A physician, by name.
        report_id: Which report.

    Raises:
        Missing: `death_report_missing`.
        Forbidden: `action_not_allowed`: not a physician.
        Conflict: `death_report_settled`, `case_closed`.
    """
    require(actor, "death.confirm")
    case = await cases.locked(tx, actor, (await get(tx, report_id)).case_id)
    row = await tx.fetchrow(CONFIRM, report_id, actor.id)
    if row is None:
        raise _settled()
    await tx.execute(CLOSE_DECEASED, case.id, DECEASED)
    await recalls.keep(tx, case.id)
    await _tell(tx, actor, case, catalogue.DeathConfirmed(report_id=report_id), "death.confirm")
    await _append(tx, actor, case, catalogue.CaseClosed(outcome=DECEASED))
    return _report(row)


async def reverse(tx: Tx, actor: Actor, report_id: UUID, command: ReverseDeath) -> DeathReport:
    """Take a report or its confirmation back: a closed case is open again, before a physician.

    Args:
        tx: The transaction.
        actor: A physician, who answers for the patient from now on if the case was closed.
        report_id: Which report.
        command: Why.

    Raises:
        Missing: `death_report_missing`.
        Forbidden: `action_not_allowed`: not a physician.
        Conflict: `death_report_settled`: taken back before.
    """
    require(actor, "death.confirm")
    known = await get(tx, report_id)
    await tx.fetchval(cases.LOCK_CASE, known.case_id)
    row = await tx.fetchrow(REVERSE, report_id, actor.id, command.reason)
    if row is None:
        raise _settled()
    case = await cases.get(tx, actor, known.case_id)
    if case.state == "closed" and case.close_outcome == DECEASED:
        await tx.execute(REOPEN, case.id, actor.id)
        await recalls.keep(tx, case.id, from_now=True)
    event = catalogue.DeathReversed(report_id=report_id, reason=command.reason)
    await _tell(tx, actor, case, event, "death.reverse")
    return _report(row)


async def get(tx: Tx, report_id: UUID) -> DeathReport:
    """Read one report that the actor may see.

    Args:
        tx: The transaction.
        report_id: Which.

    Raises:
        Missing: `death_report_missing`.
    """
    row = await tx.fetchrow(SELECT_REPORT, report_id)
    if row is None:
        code = "death_report_missing"
        raise errors.Missing(code, "No such report.")
    return _report(row)


async def of_case(tx: Tx, case_id: UUID) -> tuple[DeathReport, ...]:
    """List the reports of a case, the first first.

    Args:
        tx: The transaction.
        case_id: The case.
    """
    return tuple(_report(row) for row in await tx.fetch(SELECT_REPORTS, case_id))


def _report(row: asyncpg.Record) -> DeathReport:
    return msgspec.convert(dict(row), DeathReport)


def _settled() -> errors.Conflict:
    return errors.Conflict("death_report_settled", "This was confirmed or taken back before.")


async def _tell(tx: Tx, actor: Actor, case: Case, event: Event, action: str) -> None:
    await _append(tx, actor, case, event)
    await audit.record(
        tx, actor, action, "case", case.id, case_id=case.id, territory_id=case.territory_id
    )


async def _append(tx: Tx, actor: Actor, case: Case, event: Event) -> None:
    await outbox.append(
        tx,
        actor,
        event,
        aggregate_id=case.id,
        territory_id=case.territory_id,
        case_id=case.id,
        organisation_ids=await participants.of_case(tx, case.id),
    )


INSERT_REPORT: Final = """
insert into triage.death_report (id, case_id, territory_id, source, reported_by)
values ($1, $2, $3, $4, $5)
returning id, case_id, territory_id, source, reported_by, reported_at, confirmed_by, confirmed_at,
    reversed_by, reversed_at, reversal_reason
"""
OWE_PHYSICIAN: Final = """
update triage.case_file
set decided_at = null, awaiting_since = kernel.regul_now()
where id = $1 and priority <> 'NR' and (awaiting_since is null or decided_at is not null)
"""
CONFIRM: Final = """
update triage.death_report set confirmed_by = $2, confirmed_at = kernel.regul_now()
where id = $1 and confirmed_at is null and reversed_at is null
returning id, case_id, territory_id, source, reported_by, reported_at, confirmed_by, confirmed_at,
    reversed_by, reversed_at, reversal_reason
"""
CLOSE_DECEASED: Final = """
update triage.case_file
set state = 'closed', closed_at = kernel.regul_now(), close_outcome = $2
where id = $1 and state <> 'closed'
"""
REVERSE: Final = """
update triage.death_report
set reversed_by = $2, reversed_at = kernel.regul_now(), reversal_reason = $3
where id = $1 and reversed_at is null
returning id, case_id, territory_id, source, reported_by, reported_at, confirmed_by, confirmed_at,
    reversed_by, reversed_at, reversal_reason
"""
REOPEN: Final = """
update triage.case_file
set state = case when priority is null then 'taken' when priority = 'NR' then 'qualified'
        else 'awaiting_physician' end,
    awaiting_since = case when priority is null or priority = 'NR' then null
        else kernel.regul_now() end,
    closed_at = null, close_outcome = null, decided_at = null, taken_by = $2,
    taken_at = kernel.regul_now(), responsible_actor_id = $2, responsible_organisation_id = null
where id = $1 and state = 'closed'
"""
SELECT_REPORT: Final = """
select id, case_id, territory_id, source, reported_by, reported_at, confirmed_by, confirmed_at,
    reversed_by, reversed_at, reversal_reason
from triage.death_report where id = $1
"""
SELECT_REPORTS: Final = """
select id, case_id, territory_id, source, reported_by, reported_at, confirmed_by, confirmed_at,
    reversed_by, reversed_at, reversal_reason
from triage.death_report where case_id = $1 order by id
"""
