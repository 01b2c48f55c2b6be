"""Confirmations: a human puts in force that answers say less than before; both levels are kept."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from events import catalogue, outbox
from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from triage import cases, entitlement, participants, qualification, recalls
from triage.acuity import Acuity
from triage.model import Case, LowerLevel


class ConfirmAcuity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The milder levels of an assessment shall count.

    Attributes:
        assessment_id: The case's last assessment, as it was shown to the one who confirms.
        reason: Code; always needed.
    """

    assessment_id: UUID
    reason: Code | None = None


class AcuityConfirmation(msgspec.Struct, frozen=True, kw_only=True):
    """Who lowered what was in force, from which levels to which, and why."""

    id: UUID
    case_id: UUID
    assessment_id: UUID
    from_assured: Acuity | None
    from_proposed: Acuity | None
    to_assured: Acuity | None
    to_proposed: Acuity | None
    reason: str
    confirmed_by: UUID
    confirmed_role: str
    confirmed_at: datetime


async def confirm(
    tx: Tx, actor: Actor, case_id: UUID, command: ConfirmAcuity
) -> AcuityConfirmation:
    """Put in force the milder levels that wait.

    Args:
        tx: The transaction.
        actor: Who confirms; a physician where U0-U2 is in force.
        case_id: Which case.
        command: Which assessment, and why.

    Returns:
        The confirmation with both levels.

    Raises:
        Missing: `case_missing`.
        Forbidden: `physician_only`.
        Conflict: `case_closed`; `assessment_outdated`: another one came since, with its id as
            `assessment_id`; `nothing_to_confirm`: nothing milder waits, or somebody confirmed it;
            `answers_too_old`: some have expired since: ask them again first.
        Invalid: `reason_missing`.
    """
    require(actor, "acuity.confirm")
    case = await cases.locked(tx, actor, case_id)
    if case.assessment_id != command.assessment_id:
        code = "assessment_outdated"
        raise errors.Conflict(
            code, "The case was assessed again.", assessment_id=str(case.assessment_id)
        )
    if case.lower is None:
        code = "nothing_to_confirm"
        raise errors.Conflict(code, "No milder level waits for a confirmation.")
    if await tx.fetchval(SELECT_EXPIRED_SINCE, case_id, command.assessment_id):
        code = "answers_too_old"
        raise errors.Conflict(code, "Answers of this assessment are too old by now.")
    refusal = entitlement.confirmation_refusal(
        actor.role, case, has_reason=command.reason is not None
    )
    if refusal is not None:
        raise qualification.refused(refusal)
    confirmed = await _insert(tx, actor, case, case.lower, command.reason or "")
    await tx.execute(SET_LOWER, case_id, command.assessment_id)
    await recalls.keep(tx, case_id)
    await _tell(tx, actor, case, confirmed)
    return confirmed


async def _insert(
    tx: Tx, actor: Actor, case: Case, lower: LowerLevel, reason: str
) -> AcuityConfirmation:
    """Write the row that keeps both levels."""
    row = await tx.fetchrow(
        INSERT_CONFIRMATION,
        ids.uuid7(),
        case.id,
        case.territory_id,
        lower.assessment_id,
        case.acuity_assured,
        case.acuity_proposed,
        lower.assured,
        lower.proposed,
        reason,
        actor.id,
        actor.role.value,
    )
    return AcuityConfirmation(**dict(row))


async def _tell(tx: Tx, actor: Actor, case: Case, confirmed: AcuityConfirmation) -> None:
    """Append the event and the audit row."""
    await outbox.append(
        tx,
        actor,
        catalogue.AcuityLowered(
            assessment_id=confirmed.assessment_id,
            from_assured=confirmed.from_assured,
            from_proposed=confirmed.from_proposed,
            to_assured=confirmed.to_assured,
            to_proposed=confirmed.to_proposed,
            reason=confirmed.reason,
        ),
        aggregate_id=case.id,
        territory_id=case.territory_id,
        case_id=case.id,
        organisation_ids=await participants.of_case(tx, case.id),
    )
    before = confirmed.from_proposed or "none"
    await audit.record(
        tx, actor, "acuity.confirm", "case", case.id, case_id=case.id,
        territory_id=case.territory_id,
        detail=f"{before} to {confirmed.to_proposed or 'none'} {confirmed.reason}",
    )  # fmt: skip


async def get(tx: Tx, confirmation_id: UUID) -> AcuityConfirmation:
    """Read a confirmation of a case that the actor may see.

    Args:
        tx: The transaction.
        confirmation_id: Which.

    Raises:
        Missing: `confirmation_missing`.
    """
    row = await tx.fetchrow(SELECT_CONFIRMATION, confirmation_id)
    if row is None:
        code = "confirmation_missing"
        raise errors.Missing(code, "No such confirmation.")
    return AcuityConfirmation(**dict(row))


async def of_case(tx: Tx, case_id: UUID) -> tuple[AcuityConfirmation, ...]:
    """List the confirmations of a case, first first.

    Args:
        tx: The transaction; the caller writes the audit row.
        case_id: Which case.
    """
    rows = await tx.fetch(SELECT_CONFIRMATIONS_OF_CASE, case_id)
    return tuple(AcuityConfirmation(**dict(row)) for row in rows)


INSERT_CONFIRMATION: Final = """
insert into triage.acuity_confirmation (id, case_id, territory_id, assessment_id, from_assured,
    from_proposed, to_assured, to_proposed, reason, confirmed_by, confirmed_role)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
returning id, case_id, assessment_id, from_assured, from_proposed, to_assured, to_proposed,
    reason, confirmed_by, confirmed_role, confirmed_at
"""
SET_LOWER: Final = """
update triage.case_file c
set acuity_assured = c.lower_assured, acuity_proposed = c.lower_proposed,
    -- The worst is again what the assessment said, and never milder than what is assured.
    acuity_worst = least(a.result ->> 'worst', c.lower_assured),
    lower_assessment_id = null, lower_assured = null, lower_proposed = null, lower_since = null
from triage.assessment a
where c.id = $1 and c.lower_assessment_id = $2 and a.id = $2
"""
SELECT_EXPIRED_SINCE: Final = """
select exists (select from triage.finding f join triage.assessment a on a.id = $2
    where f.case_id = $1 and f.superseded_at is null
      and f.valid_until > a.assessed_at and f.valid_until <= kernel.regul_now())
"""
SELECT_CONFIRMATION: Final = """
select id, case_id, assessment_id, from_assured, from_proposed, to_assured, to_proposed,
       reason, confirmed_by, confirmed_role, confirmed_at
from triage.acuity_confirmation where id = $1
"""
SELECT_CONFIRMATIONS_OF_CASE: Final = """
select id, case_id, assessment_id, from_assured, from_proposed, to_assured, to_proposed,
       reason, confirmed_by, confirmed_role, confirmed_at
from triage.acuity_confirmation where case_id = $1 order by id
"""
