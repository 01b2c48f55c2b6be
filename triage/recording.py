"""Recording answers: findings go in, the pure engine runs, the assessment is stored with them.

What is stored suffices to run the same evaluation again years later: the findings, the
circumstances, and the digests of the protocol files.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from events import catalogue, outbox
from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from triage import cases, participants, recogniser
from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.finding import LAY_CALLER, Finding, ObserverContext
from triage.library import Library
from triage.model import Case
from triage.protocol import Answer, Observer, Unanswerable

Source: TypeAlias = Observer | Literal["recogniser", "record"]
_MOST: Final = 200


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

    findings: tuple[Finding, ...] = ()
    observer: Observer = "caller"
    context: ObserverContext = LAY_CALLER
    complaint: Code | None = None


class RecordedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it stands in the case."""

    input: str
    value: Answer | None
    unanswerable: Unanswerable | None
    observer: Source
    recorded_by: UUID
    recorded_at: datetime


class RecordedAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation as it was stored."""

    id: UUID
    case_id: UUID
    assessed_at: datetime
    result: Assessment


async def record(
    tx: Tx, actor: Actor, evaluator: Evaluator, case_id: UUID, command: RecordFindings
) -> RecordedAssessment:
    """Write answers down and evaluate the case again.

    Args:
        tx: The transaction.
        actor: Who writes.
        evaluator: The protocols.
        case_id: Which case.
        command: The answers.

    Returns:
        The new assessment.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_closed`.
        Invalid: `finding_refused` with `path`, `reason` and what is allowed;
            `complaint_unknown`; `finding_twice`.
    """
    require(actor, "finding.record")
    check(evaluator.library, command.findings)
    case = await cases.locked(tx, actor, case_id)
    if command.complaint is not None and command.complaint != case.complaint:
        case = await _change_complaint(tx, actor, case, command.complaint)
    await write(tx, actor, case, command.findings, command.observer)
    await audit.record(
        tx, actor, "finding.record", "case", case_id, case_id=case_id,
        territory_id=case.territory_id,
    )  # fmt: skip
    return await evaluate(tx, actor, evaluator, case, command.context)


def check(library: Library, findings: Sequence[Finding]) -> None:
    """Refuse findings that no input accepts.

    Args:
        library: Declares the inputs.
        findings: As they came in.

    Raises:
        Invalid: `finding_refused`, `finding_twice`, `too_many_findings`.
    """
    if len(findings) > _MOST:
        code = "too_many_findings"
        raise errors.Invalid(code, "At most 200 findings at a time.")
    for index, finding in enumerate(findings):
        for refused in library.refusals([finding]):
            code = "finding_refused"
            raise errors.Invalid(
                code,
                "An answer is not acceptable.",
                path=f"$.findings[{index}]",
                input=refused.input,
                reason=refused.reason,
                allowed=refused.allowed,
            )
    if len({finding.input for finding in findings}) != len(findings):
        code = "finding_twice"
        raise errors.Invalid(code, "An input is answered twice.")


async def write(
    tx: Tx, actor: Actor, case: Case, findings: Sequence[Finding], observer: Source
) -> None:
    """Write findings beside those they replace, and keep age and sex of the case in step.

    Args:
        tx: The transaction, holding the case's lock.
        actor: Who writes.
        case: The case.
        findings: Checked before.
        observer: Who observed them.
    """
    if not findings:
        return
    await tx.execute(SUPERSEDE, case.id, [finding.input for finding in findings])
    await tx.executemany(
        INSERT_FINDING,
        [
            (
                ids.uuid7(),
                case.id,
                case.territory_id,
                finding.input,
                None if finding.value is None else msgspec.json.encode(finding.value).decode(),
                finding.unanswerable,
                observer,
                actor.id,
            )
            for finding in findings
        ],
    )
    known = {finding.input: finding.value for finding in findings}
    age, sex = known.get("age_y"), known.get("sex")
    if age is not None or sex is not None:
        await tx.execute(KEEP_IN_STEP, case.id, age, sex)


async def evaluate(
    tx: Tx, actor: Actor, evaluator: Evaluator, case: Case, context: ObserverContext
) -> RecordedAssessment:
    """Evaluate what is recorded of a case, store it, tell it.

    Args:
        tx: The transaction, holding the case's lock.
        actor: Who asked.
        evaluator: The protocols.
        case: The case.
        context: Who can look.

    Returns:
        The assessment as stored.
    """
    recorded = await current(tx, case.id)
    findings = tuple(
        Finding(input=one.input, value=one.value, unanswerable=one.unanswerable) for one in recorded
    )
    observation = Observation(context=context, default_acuity=case.default_acuity)
    chosen = evaluator.library.choose(case.complaint, allow_draft=evaluator.allow_draft)
    result = assess(chosen, findings, observation)
    assessment_id = ids.uuid7()
    assessed_at: datetime = await tx.fetchval(
        INSERT_ASSESSMENT,
        assessment_id,
        case.id,
        case.territory_id,
        actor.id,
        msgspec.json.encode(findings).decode(),
        msgspec.json.encode(observation).decode(),
        [reference.digest for reference in result.protocols],
        msgspec.json.encode(result).decode(),
    )
    await tx.execute(
        SET_ASSESSMENT,
        case.id,
        assessment_id,
        result.assured,
        result.worst,
        result.proposed,
        result.closed,
        result.physician_required,
    )
    await _tell(tx, actor, case, assessment_id, result)
    return RecordedAssessment(
        id=assessment_id, case_id=case.id, assessed_at=assessed_at, result=result
    )


async def _tell(tx: Tx, actor: Actor, case: Case, assessment_id: UUID, result: Assessment) -> None:
    """Append the event; it names the protocol made for the complaint, or the general one."""
    named = min(
        result.protocols, key=lambda one: one.id in {"general-adult", "news2"}, default=None
    )
    await outbox.append(
        tx,
        actor,
        catalogue.AssessmentRecorded(
            assessment_id=assessment_id,
            protocol="none" if named is None else named.id,
            digest="none" if named is None else named.digest,
            acuity_assured=result.assured,
            acuity_worst=result.worst,
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


async def current(tx: Tx, case_id: UUID) -> tuple[RecordedFinding, ...]:
    """List the findings that stand, by input.

    Args:
        tx: The transaction.
        case_id: The case.
    """
    rows = await tx.fetch(SELECT_FINDINGS, case_id)
    return tuple(
        RecordedFinding(
            input=row["input"],
            value=None if row["value"] is None else _ANSWER.decode(row["value"]),
            unanswerable=row["unanswerable"],
            observer=row["observer"],
            recorded_by=row["recorded_by"],
            recorded_at=row["recorded_at"],
        )
        for row in rows
    )


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
    return RecordedAssessment(
        id=assessment_id,
        case_id=row["case_id"],
        assessed_at=row["assessed_at"],
        result=_RESULT.decode(row["result"]),
    )


_ANSWER: Final = msgspec.json.Decoder(bool | float | str)
_RESULT: Final = msgspec.json.Decoder(Assessment)

SUPERSEDE: Final = """
update triage.finding set superseded_at = kernel.regul_now()
where case_id = $1 and input = any ($2::text[]) and superseded_at is null
"""
INSERT_FINDING: Final = """
insert into triage.finding
    (id, case_id, territory_id, input, value, unanswerable, observer, recorded_by)
values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8)
"""
KEEP_IN_STEP: Final = """
update triage.case_file
set age_years = coalesce($2::double precision, age_years), sex = coalesce($3::text, sex)
where id = $1
"""
SET_COMPLAINT: Final = """
update triage.case_file
set complaint = $2, default_acuity = least(default_acuity, $3::text)
where id = $1
"""
SELECT_FINDINGS: Final = """
select input, value, unanswerable, observer, recorded_by, recorded_at
from triage.finding
where case_id = $1 and superseded_at is null
order by input
"""
INSERT_ASSESSMENT: Final = """
insert into triage.assessment
    (id, case_id, territory_id, actor_id, findings, observation, digests, result)
values ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8::jsonb)
returning assessed_at
"""
SET_ASSESSMENT: Final = """
update triage.case_file
set assessment_id = $2, acuity_assured = $3, acuity_worst = $4, acuity_proposed = $5,
    interval_closed = $6, physician_required = $7,
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
select case_id, assessed_at, result from triage.assessment where id = $1
"""
