"""The whole file of a case: opened from what was said, read with every part that is sealed."""

from typing import Annotated, Final
from uuid import UUID

import msgspec

from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.crypto import DataKey, KeyRing, unseal
from kernel.database import Tx
from kernel.inputs import Code, Text
from triage import (
    callbacks,
    calls,
    cases,
    confirmations,
    deaths,
    dispositions,
    entitlement,
    findings,
    people,
    reader,
    recogniser,
    recording,
    repeats,
)
from triage.cases import Opening, PlaceGiven
from triage.confirmations import AcuityConfirmation
from triage.deaths import DeathReport
from triage.finding import LAY_CALLER, Finding, ObserverContext
from triage.findings import RecordedFinding
from triage.model import Call, Callback, Case, Disposition, Priority, Sex
from triage.people import CallerGiven, Identity
from triage.recording import Evaluator, RecordedAssessment

Age = Annotated[float, msgspec.Meta(ge=0, le=125)]


class OpenCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new case; everything may still be unknown.

    Attributes:
        call_id: The call it comes from.
        incident_id: The incident it belongs to.
        complaint: Its code; recognised from the text when left out.
        complaint_text: The caller's own words.
        age_years: Years, a fraction for infants.
        sex: At birth.
        place: Where the patient is.
        patient: Who it is.
        context: Who can look, with which devices.
    """

    call_id: UUID | None = None
    incident_id: UUID | None = None
    complaint: Code | None = None
    complaint_text: Text | None = None
    age_years: Age | None = None
    sex: Sex | None = None
    place: PlaceGiven | None = None
    patient: Identity | None = None
    context: ObserverContext = LAY_CALLER


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A case with everything the reader may see.

    Attributes:
        confirmations: Milder levels that were put in force, first first.
        proposed_priority: What the centre's table gives for the level in force.
        deaths: What was reported, confirmed by a physician, taken back.
    """

    id: UUID
    case: Case
    complaint_text: str | None
    address: str | None
    patient: Identity | None
    callers: tuple[CallerGiven, ...]
    findings: tuple[RecordedFinding, ...]
    assessment: RecordedAssessment | None
    dispositions: tuple[Disposition, ...]
    callbacks: tuple[Callback, ...]
    calls: tuple[Call, ...]
    confirmations: tuple[AcuityConfirmation, ...]
    proposed_priority: Priority
    deaths: tuple[DeathReport, ...] = ()


async def open_case(
    tx: Tx, actor: Actor, evaluator: Evaluator, command: OpenCase, *, keys: KeyRing, key: DataKey
) -> Case:
    """Open a case: the words are read, their signs recorded, the engine runs.

    A repeated call begins at the level of the one before (`repeats`).

    Args:
        tx: The transaction.
        actor: Who opens it; responsible from then on.
        evaluator: The protocols.
        command: What is known.
        keys: Makes look-up tokens.
        key: The case's data key, committed before.

    Returns:
        The case with its first assessment.

    Raises:
        Missing: `call_missing`, `incident_missing`.
        Conflict: `call_of_another_case`.
        Invalid: `complaint_unknown`.
    """
    require(actor, "case.open")
    read = reader.shipped().read(command.complaint_text)
    heard = read.recognition
    default, complaint = heard.default_acuity, command.complaint or heard.complaint
    if command.complaint is not None:
        known = recogniser.shipped().complaint(command.complaint)
        if known is None:
            code = "complaint_unknown"
            raise errors.Invalid(code, "No such complaint code.", path="$.complaint")
        default = min(default or known.default_acuity, known.default_acuity)
    if command.incident_id is not None:
        await calls.get_incident(tx, command.incident_id)
    opening = Opening(
        call_id=command.call_id,
        incident_id=command.incident_id,
        complaint=complaint,
        complaint_text=command.complaint_text,
        default_acuity=default,
        sex=command.sex,
        age_years=command.age_years,
        place=command.place,
    )
    case = await cases.insert(tx, actor, opening, key)
    if command.call_id is not None:
        await calls.join(tx, command.call_id, case.id)
    if command.patient is not None:
        await people.write_patient(tx, keys, key, case, command.patient)
    await repeats.carry(tx, case)
    library = evaluator.library
    asked_for = tuple(one for one in read.alarming if library.input(one.input) is not None)
    await findings.write(tx, actor, case, asked_for, observer="recogniser", library=library)
    await findings.write(tx, actor, case, _told(command), observer="record", library=library)
    case = await cases.get(tx, actor, case.id)
    await recording.evaluate(tx, actor, evaluator, case, command.context)
    return await cases.get(tx, actor, case.id)


def _told(command: OpenCase) -> tuple[Finding, ...]:
    """Give age and sex as findings, as far as they were said."""
    said: tuple[tuple[str, float | str | None], ...] = (
        ("age_y", command.age_years),
        ("sex", command.sex),
    )
    return tuple(Finding(input=key, value=value) for key, value in said if value is not None)


async def view(tx: Tx, actor: Actor, case_id: UUID, keys: KeyRing) -> CaseView:
    """Read the whole file; the read is audited before the answer leaves.

    Args:
        tx: The transaction.
        actor: Who reads.
        case_id: Which case.
        keys: Opens what is sealed.

    Returns:
        The file.

    Raises:
        Missing: `case_missing`.
        Expired: `key_shredded`.
    """
    require(actor, "case.read")
    case = await cases.get(tx, actor, case_id)
    await audit.record(
        tx, actor, "case.read", "case", case_id, case_id=case_id, territory_id=case.territory_id
    )
    key = await keys.open_key(tx, case.key_id)
    words = await tx.fetchrow(SELECT_WORDS, case_id)
    text, address = (None, None) if words is None else (words["complaint_text"], words["address"])
    return CaseView(
        id=case_id,
        case=case,
        complaint_text=None if text is None else unseal(key, cases.COMPLAINT_TEXT, case_id, text),
        address=None if address is None else unseal(key, cases.ADDRESS, case_id, address),
        patient=await people.read_patient(tx, key, case_id),
        callers=await people.read_callers(tx, keys, case_id),
        findings=await findings.current(tx, case_id),
        assessment=None
        if case.assessment_id is None
        else await recording.stored(tx, case.assessment_id),
        dispositions=await dispositions.of_case(tx, case_id, key),
        callbacks=await callbacks.of_case(tx, case_id),
        calls=await calls.of_case(tx, case_id),
        confirmations=await confirmations.of_case(tx, case_id),
        proposed_priority=entitlement.proposed_priority(case),
        deaths=await deaths.of_case(tx, case_id),
    )


SELECT_WORDS: Final = """
select complaint_text, address from triage.case_file where id = $1
"""
