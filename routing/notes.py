"""The hand-over note: what a receiver must know, in the order of SBAR, fetched with its own rights.

On top stand the four things that are asked first: the number to call back, the main complaint, why
this receiver, and by when to answer. Nothing of it is ever in an event: who is told of a handoff
reads its note here, and the read is audited.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from events import handoffs
from events.fact import Acuity
from events.model import Handoff
from kernel import errors
from kernel.actor import Actor, require
from kernel.crypto import KeyRing
from kernel.database import Tx
from routing import appointments, referrals
from routing.model import Appointment, Referral
from triage import dossier, recogniser
from triage.dossier import CaseView
from triage.library import Library
from triage.model import Disposition, Place
from triage.people import Identity
from triage.protocol import Text


class NoteHead(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on top.

    Attributes:
        call_back: Number to call back, E.164; None when unknown.
        complaint: Code of the main complaint.
        complaint_label: Its name.
        complaint_words: The caller's own words.
        service: Code of the care asked for.
        decision: What was decided, such as `ORIENT`.
        reason: Code of why, where a reason was given.
        acuity: Level decided.
        answer_by: When silence becomes overdue; None where no answer is owed.
    """

    call_back: str | None
    complaint: str | None
    complaint_label: Text | None
    complaint_words: str | None
    service: str | None
    decision: str | None
    reason: str | None
    acuity: Acuity
    answer_by: datetime | None


class NoteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the call: the question, and the value or why there is none."""

    input: str
    ask: Text | None
    value: bool | float | str | None
    unanswerable: str | None
    observer: str
    recorded_at: datetime


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """S: what happens now.

    Attributes:
        heard_at: When somebody last heard how the patient is.
        present: Signs that are there, and measures.
        absent: Signs that were denied.
        unknown: What nobody could say.
    """

    heard_at: datetime
    present: tuple[NoteAnswer, ...]
    absent: tuple[NoteAnswer, ...]
    unknown: tuple[NoteAnswer, ...]


class Background(msgspec.Struct, frozen=True, kw_only=True):
    """B: who, and where.

    Attributes:
        calls_96h: Calls about this patient in 96 hours, this one included.
    """

    patient: Identity | None
    age_years: float | None
    sex: str | None
    place: Place | None
    address: str | None
    calls_96h: int


class NoteAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """A: the levels in force, and what they rest on.

    Attributes:
        assured: The level that is certain.
        worst: The worst that is not excluded.
        proposed: What triage proposes.
        why: Sentences of the rules that fired, the most urgent first.
        care_level: R1-R4, set by the physician.
    """

    assured: Acuity | None
    worst: Acuity | None
    proposed: Acuity | None
    why: tuple[Text, ...]
    care_level: str | None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """R: what is asked of the receiver.

    Attributes:
        due_at: By when the patient is to be seen.
        starts_at: Of the appointment.
        skills: Codes of what the receiver must be able to do.
        modality: Code, such as `office`.
        instructions: What the sender wrote for the receiver.
        worsening_signs: What the patient was told to watch for.
        call_back: When to call again, as it was said.
    """

    due_at: datetime | None
    starts_at: datetime | None
    skills: tuple[str, ...]
    modality: str | None
    instructions: str | None
    worsening_signs: str | None
    call_back: str | None


class HandoffNote(msgspec.Struct, frozen=True, kw_only=True):
    """The whole note, top first."""

    handoff_id: UUID
    case_id: UUID
    head: NoteHead
    situation: Situation
    background: Background
    assessment: NoteAssessment
    recommendation: Recommendation


async def read(
    tx: Tx, actor: Actor, handoff_id: UUID, keys: KeyRing, library: Library
) -> HandoffNote:
    """Read the note of a handoff.

    Args:
        tx: The transaction; its row policies decide whether the actor may see the case.
        actor: The receiver, or the centre's staff; a receiver's read is a delivery receipt.
        handoff_id: Which.
        keys: Opens what is sealed.
        library: Wording of questions and rules.

    Raises:
        Missing: `handoff_missing`; `case_missing`: the reader takes part no longer.
        Expired: `key_shredded`.
    """
    require(actor, "handoff.read")
    handed = await handoffs.get(tx, actor, handoff_id)
    subject: Appointment | Referral
    if handed.subject_kind == "appointment":
        subject = await appointments.get(tx, actor, handed.subject_id, keys)
    else:
        subject = await referrals.get(tx, actor, handed.subject_id, keys)
    file = await dossier.view(tx, actor, handed.case_id, keys)
    decided = next((one for one in file.dispositions if one.id == subject.disposition_id), None)
    if decided is None:
        code = "disposition_missing"
        raise errors.Missing(code, "No such disposition.")
    return compose(handed, subject, file, decided, library)


def compose(
    handed: Handoff,
    subject: Appointment | Referral,
    file: CaseView,
    decided: Disposition,
    library: Library,
) -> HandoffNote:
    """Put a note together from what was read; pure.

    Args:
        handed: The handoff.
        subject: Its appointment or referral, with the instructions.
        file: The case.
        decided: What was decided.
        library: Wording of questions and rules.
    """
    case = file.case
    return HandoffNote(
        handoff_id=handed.id,
        case_id=case.id,
        head=_head(handed, file, decided),
        situation=_situation(file, library),
        background=Background(
            patient=file.patient,
            age_years=case.age_years,
            sex=case.sex,
            place=case.place,
            address=file.address,
            calls_96h=case.calls_96h,
        ),
        assessment=NoteAssessment(
            assured=case.acuity_assured,
            worst=case.acuity_worst,
            proposed=case.acuity_proposed,
            why=_why(file),
            care_level=case.care_level,
        ),
        recommendation=Recommendation(
            due_at=decided.due_at,
            starts_at=subject.starts_at if isinstance(subject, Appointment) else None,
            skills=decided.skills,
            modality=decided.modality,
            instructions=subject.instructions,
            worsening_signs=decided.worsening_signs,
            call_back=decided.call_back,
        ),
    )


def _head(handed: Handoff, file: CaseView, decided: Disposition) -> NoteHead:
    numbers = [one.phone for one in file.callers]
    numbers.append(None if file.patient is None else file.patient.phone)
    code = file.case.complaint
    known = recogniser.shipped().complaint(code) if code else None
    return NoteHead(
        call_back=next((one for one in numbers if one), None),
        complaint=code,
        complaint_label=None if known is None else known.label,
        complaint_words=file.complaint_text,
        service=decided.service,
        decision=decided.kind,
        reason=decided.reason,
        acuity=handed.acuity,
        answer_by=handed.due_at,
    )


def _situation(file: CaseView, library: Library) -> Situation:
    answers = [
        NoteAnswer(
            input=one.input,
            ask=None if (asked := library.input(one.input)) is None else asked.ask,
            value=one.value,
            unanswerable=one.unanswerable,
            observer=one.observer,
            recorded_at=one.recorded_at,
        )
        for one in file.findings
        if not one.expired and one.observer != "record"
    ]
    return Situation(
        heard_at=file.case.heard_at,
        present=tuple(one for one in answers if one.value is not None and one.value is not False),
        absent=tuple(one for one in answers if one.value is False),
        unknown=tuple(one for one in answers if one.unanswerable is not None),
    )


def _why(file: CaseView) -> tuple[Text, ...]:
    if file.assessment is None:
        return ()
    fired = sorted(file.assessment.result.trace.fired, key=lambda one: one.acuity)
    return tuple(one.why for one in fired)
