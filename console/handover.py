"""The hand-over note on a screen: what is asked first on top, then the order of SBAR."""

from datetime import datetime
from uuid import UUID

import msgspec

from console import people, traced
from console.catalogue import Words
from console.reader import Reader
from events import handoffs
from events.model import Command, sources
from kernel.actor import may
from kernel.database import Tx
from routing import notes
from routing.notes import HandoffNote, NoteAnswer


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the call and its answer, in words."""

    ask: str
    text: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """The note in the reader's words; empty texts are left out."""

    handoff_id: UUID
    phone: str
    complaint: str
    quote: str
    why_here: str
    reason: str
    acuity: str
    answer_by: datetime | None
    heard_at: datetime
    present: tuple[Answered, ...]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]
    patient: str
    birth_date: str
    place: str
    address: str
    calls: int
    assured: str | None
    worst: str | None
    why: tuple[str, ...]
    due_at: datetime | None
    starts_at: datetime | None
    instructions: str
    signs: str
    call_back: str


async def read(who: Reader, handoff_id: UUID) -> Note:
    """Read a note; a receiver who opens it has seen the handoff.

    Args:
        who: The reader.
        handoff_id: Which.

    Raises:
        Missing: `handoff_missing`, `case_missing`.
    """
    edge = who.edge

    async def act(tx: Tx) -> HandoffNote:
        found = await notes.read(tx, edge.actor, handoff_id, edge.keys, who.library)
        handed = await handoffs.visible(tx, handoff_id)
        seen = sources(Command.SEE, acknowledgement_required=handed.acknowledgement_required)
        ours = handed.to_organisation_id in edge.actor.organisation_ids
        if ours and handed.state in seen and may(edge.actor, "handoff.answer"):
            await handoffs.see(tx, edge.actor, handoff_id)
        return found

    return view(await edge.run(act), who)


def view(found: HandoffNote, who: Reader) -> Note:
    """Put a note into the reader's words.

    Args:
        found: As read.
        who: The reader.
    """
    words, head, back = who.words, found.head, found.background
    known = (people.name(back.patient), words.age(back.age_years), _sex(back.sex, words))
    label = head.complaint_label
    why = [words.code("kind", head.decision)] if head.decision else []
    why += [people.service(head.service, words)] if head.service else []
    return Note(
        handoff_id=found.handoff_id,
        phone=head.call_back or "",
        complaint=(head.complaint or "") if label is None else traced.told(label, words),
        quote=head.complaint_words or "",
        why_here=" · ".join(why),
        reason="" if head.reason is None else words.code("reason", head.reason),
        acuity=head.acuity,
        answer_by=head.answer_by,
        heard_at=found.situation.heard_at,
        present=tuple(_answered(one, who) for one in found.situation.present),
        absent=tuple(_asked(one, words) for one in found.situation.absent),
        unknown=tuple(_asked(one, words) for one in found.situation.unknown),
        patient=", ".join(part for part in known if part),
        birth_date=str((back.patient and back.patient.birth_date) or ""),
        place=people.place_name(back.place),
        address=back.address or "",
        calls=back.calls_96h,
        assured=found.assessment.assured,
        worst=found.assessment.worst,
        why=tuple(traced.told(one, words) for one in found.assessment.why),
        due_at=found.recommendation.due_at,
        starts_at=found.recommendation.starts_at,
        instructions=found.recommendation.instructions or "",
        signs=found.recommendation.worsening_signs or "",
        call_back=found.recommendation.call_back or "",
    )


def _sex(sex: str | None, words: Words) -> str:
    return words.code("sex", sex) if sex else ""


def _asked(one: NoteAnswer, words: Words) -> str:
    return one.input if one.ask is None else traced.told(one.ask, words)


def _answered(one: NoteAnswer, who: Reader) -> Answered:
    entry = who.library.input(one.input)
    value = "" if one.value is None else traced.answer(entry, one.value, who.words)
    return Answered(ask=_asked(one, who.words), text=value)
