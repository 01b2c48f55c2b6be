"""Recording answers: findings go in, the pure engine runs, the assessment is stored with them.

What is stored suffices to run the same evaluation again years later: the findings, those left
out, the circumstances, the digests of the protocol files, and the levels in force after it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from triage import cases, entitlement, findings, participants, recalls, recogniser
from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.finding import LAY_CALLER, Finding, ObserverContext
from triage.findings import GivenFinding
from triage.library import Library
from triage.model import Case
from triage.plausibility import ToConfirm, still_doubtful
from triage.protocol import Observer
from triage.standing import Levels, Standing, stand


class Evaluator(msgspec.Struct, frozen=True, kw_only=True):
    """The protocols of this process; drafts run only where `allow_draft` says so."""

    library: Library
    allow_draft: bool = False


class RecordFindings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers to write down.

    Attributes:
        findings: At most 200, one per input; a finding that stands already is replaced.
        observer: Who observed them.
        context: Who can still look, with which devices; decides the next question.
        complaint: The complaint, when it turned out to be another one.
    """

    findings: tuple[GivenFinding, ...] = ()
    observer: Observer = "caller"
    context: ObserverContext = LAY_CALLER
    complaint: Code | None = None


class RecordedAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation as it was stored.

    Attributes:
        result: What the answers give.
        standing: The levels in force after it; a milder one waits in `standing.lower`.
        expired: Inputs whose answers were too old to count: ask again.
        to_confirm: Odd values that do not count before they are confirmed.
    """

    id: UUID
    case_id: UUID
    assessed_at: datetime
    result: Assessment
    standing: Standing
    expired: tuple[str, ...] = ()
    to_confirm: tuple[ToConfirm, ...] = ()


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    """What went into an evaluation, and what was too old to go in."""

    observation: Observation
    fresh: tuple[Finding, ...]
    aged: tuple[Finding, ...]


async def record(
    tx: Tx, actor: Actor, evaluator: Evaluator, case_id: UUID, command: RecordFindings
) -> RecordedAssessment:
    """Write answers down and evaluate the case again.

    A level never falls by it: a milder one waits for a confirmation (`confirmations`).

    Args:
        tx: The transaction.
        actor: Who writes.
        evaluator: The protocols.
        case_id: Which case.
        command: The answers.

    Returns:
        The new assessment; `to_confirm` names odd values that were set aside.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_closed`.
        Invalid: `finding_refused` with `path`, `value`, `reason` and what is allowed;
            `complaint_unknown`; `finding_twice`.
    """
    require(actor, "finding.record")
    findings.check(evaluator.library, command.findings)
    case = await cases.locked(tx, actor, case_id)
    if command.complaint is not None and command.complaint != case.complaint:
        case = await _change_complaint(tx, actor, case, command.complaint)
    sifted = findings.sift(command.findings, await findings.current(tx, case_id))
    await findings.write(
        tx, actor, case, sifted.counting, observer=command.observer, library=evaluator.library
    )
    await audit.record(
        tx, actor, "finding.record", "case", case_id, case_id=case_id,
        territory_id=case.territory_id,
    )  # fmt: skip
    waiting = await _doubtful(tx, case, [one.input for one in command.findings])
    return await evaluate(
        tx, actor, evaluator, case, command.context, to_confirm=(*waiting, *sifted.to_confirm)
    )


async def _doubtful(tx: Tx, case: Case, answered: Sequence[str]) -> tuple[ToConfirm, ...]:
    """Give the odd values of the assessment before that still wait to be confirmed."""
    if case.assessment_id is None:
        return ()
    text = await tx.fetchval(SELECT_TO_CONFIRM, case.assessment_id)
    return still_doubtful(_TO_CONFIRM.decode(text), answered)


async def evaluate(
    tx: Tx,
    actor: Actor,
    evaluator: Evaluator,
    case: Case,
    context: ObserverContext,
    *,
    to_confirm: tuple[ToConfirm, ...] = (),
) -> RecordedAssessment:
    """Evaluate what is recorded of a case, store it, put its levels in force, tell it.

    Answers that are too old count as not given.

    Args:
        tx: The transaction, holding the case's lock.
        actor: Who asked.
        evaluator: The protocols.
        case: The case, read after the lock.
        context: Who can look.
        to_confirm: Odd values that were set aside.

    Returns:
        The assessment as stored.
    """
    recorded = await findings.current(tx, case.id)
    observation = Observation(context=context, default_acuity=case.default_acuity)
    fresh = tuple(one.finding() for one in recorded if not one.expired)
    aged = tuple(one.finding() for one in recorded if one.expired)
    chosen = evaluator.library.choose(case.complaint, allow_draft=evaluator.allow_draft)
    result = assess(chosen, fresh, observation)
    whole = assess(chosen, (*fresh, *aged), observation) if aged else result
    standing = stand(
        Levels(assured=case.acuity_assured, proposed=case.acuity_proposed),
        Levels(assured=result.assured, proposed=result.proposed),
        Levels(assured=whole.assured, proposed=whole.proposed),
        result.worst,
    )
    stored_as = RecordedAssessment(
        id=ids.uuid7(),
        case_id=case.id,
        assessed_at=case.opened_at,  # until the row gives its own
        result=result,
        standing=standing,
        expired=tuple(one.input for one in aged),
        to_confirm=to_confirm,
    )
    given = _Given(observation=observation, fresh=fresh, aged=aged)
    done = await _store(tx, actor, case, stored_as, given)
    await _put_in_force(tx, case, done)
    await recalls.keep(tx, case.id)
    made_for = frozenset(one.file.id for one in chosen if one.file.kind == "complaint")
    await _tell(tx, actor, case, done, made_for)
    return done


async def _store(
    tx: Tx,
    actor: Actor,
    case: Case,
    made: RecordedAssessment,
    given: _Given,
) -> RecordedAssessment:
    """Write the row; the time comes from the database's clock."""
    encode = msgspec.json.encode
    assessed_at: datetime = await tx.fetchval(
        INSERT_ASSESSMENT,
        made.id,
        case.id,
        case.territory_id,
        actor.id,
        encode(given.fresh).decode(),
        encode(given.observation).decode(),
        [reference.digest for reference in made.result.protocols],
        encode(made.result).decode(),
        encode(given.aged).decode(),
        encode(made.to_confirm).decode(),
        encode(made.standing).decode(),
    )
    return msgspec.structs.replace(made, assessed_at=assessed_at)


async def _put_in_force(tx: Tx, case: Case, made: RecordedAssessment) -> None:
    """Write the levels in force to the case, and what waits for a confirmation beside them."""
    standing, lower = made.standing, made.standing.lower
    reasons = entitlement.physician_reasons(
        unmatched=made.result.physician_required or _physician_takes(case.complaint),
        calls_96h=case.calls_96h,
    )
    await tx.execute(
        SET_ASSESSMENT,
        case.id,
        made.id,
        standing.assured,
        standing.worst,
        standing.proposed,
        made.result.closed,
        bool(reasons),
        list(reasons),
        None if lower is None else made.id,
        None if lower is None else lower.assured,
        None if lower is None else lower.proposed,
    )


async def _tell(
    tx: Tx, actor: Actor, case: Case, made: RecordedAssessment, made_for: frozenset[str]
) -> None:
    """Append the event; it names the protocol made for the complaint, or the general one."""
    silent = {one.protocol for one in made.result.trace.gates if one.state == "unmet"}
    speaking = [one for one in made.result.protocols if one.id not in silent]
    named = min(speaking, key=lambda one: one.id not in made_for, default=None)
    await outbox.append(
        tx,
        actor,
        catalogue.AssessmentRecorded(
            assessment_id=made.id,
            protocol="none" if named is None else named.id,
            digest="none" if named is None else named.digest,
            acuity_assured=made.standing.assured,
            acuity_worst=made.standing.worst,
            lower_waits=made.standing.lower is not None,
        ),
        aggregate_id=case.id,
        territory_id=case.territory_id,
        case_id=case.id,
        organisation_ids=await participants.of_case(tx, case.id),
    )


async def _change_complaint(tx: Tx, actor: Actor, case: Case, code: str) -> Case:
    """Correct the complaint; the default it brings only ever rises."""
    known = recogniser.shipped().complaint(code)
    if known is None:
        reason = "complaint_unknown"
        raise errors.Invalid(reason, "No such complaint code.", path="$.complaint")
    await tx.execute(SET_COMPLAINT, case.id, code, known.default_acuity)
    return await cases.get(tx, actor, case.id)


def _physician_takes(complaint: str | None) -> bool:
    """Tell whether no protocol fits the complaint, so that a physician takes the call."""
    known = None if complaint is None else recogniser.shipped().complaint(complaint)
    return known is not None and known.physician


async def latest(tx: Tx, actor: Actor, case_id: UUID) -> RecordedAssessment:
    """Read the last assessment of a case; the read is audited.

    Args:
        tx: The transaction.
        actor: Who reads.
        case_id: Which case.

    Raises:
        Missing: `case_missing`, `assessment_missing`.
    """
    require(actor, "case.read")
    case = await cases.get(tx, actor, case_id)
    await audit.record(
        tx, actor, "case.read", "assessment", case.assessment_id, case_id=case_id,
        territory_id=case.territory_id,
    )  # fmt: skip
    if case.assessment_id is None:
        code = "assessment_missing"
        raise errors.Missing(code, "This case was never assessed.")
    return await stored(tx, case.assessment_id)


async def stored(tx: Tx, assessment_id: UUID) -> RecordedAssessment:
    """Read a stored assessment.

    Args:
        tx: The transaction.
        assessment_id: Which.

    Raises:
        Missing: `assessment_missing`.
    """
    row = await tx.fetchrow(SELECT_ASSESSMENT, assessment_id)
    if row is None:
        code = "assessment_missing"
        raise errors.Missing(code, "No such assessment.")
    return _recorded(assessment_id, row)


def _recorded(assessment_id: UUID, row: asyncpg.Record) -> RecordedAssessment:
    """Build an assessment from its row; an old one put its own levels in force."""
    result = _RESULT.decode(row["result"])
    standing = (
        Standing(assured=result.assured, worst=result.worst, proposed=result.proposed)
        if row["standing"] is None
        else _STANDING.decode(row["standing"])
    )
    return RecordedAssessment(
        id=assessment_id,
        case_id=row["case_id"],
        assessed_at=row["assessed_at"],
        result=result,
        standing=standing,
        expired=tuple(one.input for one in _FINDINGS.decode(row["expired"])),
        to_confirm=_TO_CONFIRM.decode(row["to_confirm"]),
    )


_RESULT: Final = msgspec.json.Decoder(Assessment)
_STANDING: Final = msgspec.json.Decoder(Standing)
_FINDINGS: Final = msgspec.json.Decoder(tuple[Finding, ...])
_TO_CONFIRM: Final = msgspec.json.Decoder(tuple[ToConfirm, ...])

SET_COMPLAINT: Final = """
update triage.case_file
set complaint = $2, default_acuity = least(default_acuity, $3::text)
where id = $1
"""
INSERT_ASSESSMENT: Final = """
insert into triage.assessment
    (id, case_id, territory_id, actor_id, findings, observation, digests, result, expired,
    to_confirm, standing)
values ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11::jsonb)
returning assessed_at
"""
SET_ASSESSMENT: Final = """
update triage.case_file
set assessment_id = $2, acuity_assured = $3, acuity_worst = $4, acuity_proposed = $5,
    interval_closed = $6, physician_required = $7, physician_reasons = $8,
    lower_assessment_id = $9, lower_assured = $10, lower_proposed = $11,
    lower_since = case when $9::uuid is null then null
        else coalesce(lower_since, kernel.regul_now()) end,
    -- A decided case that becomes vital is owed a physician again.
    decided_at = case when $5 <= 'U1' and $5 < coalesce(acuity_proposed, 'U9') then null
        else decided_at end,
    awaiting_since = case
        when $5 <= 'U1' and $5 < coalesce(acuity_proposed, 'U9') and decided_at is not null
            and priority <> 'NR' then kernel.regul_now()
        else awaiting_since end
where id = $1
"""
SELECT_ASSESSMENT: Final = """
select case_id, assessed_at, result, expired, to_confirm, standing
from triage.assessment where id = $1
"""
SELECT_TO_CONFIRM: Final = """
select to_confirm from triage.assessment where id = $1
"""
