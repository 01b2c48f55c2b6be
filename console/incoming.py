"""Patients on their way to a clinic: today's appointments and the referrals still running."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from console import people, relais, views
from console.catalogue import ZONE, Words
from events import handoffs
from events.model import UNANSWERED, Handoff, State
from kernel.database import Tx
from kernel.edge import Edge
from routing import appointments, incoming, referrals
from routing.model import Appointment, Referral

_ORGANISATIONS: Final = 5
"""Most organisations whose patients stand on one page."""
_PATIENTS: Final = 40
_LIST: Final = 100


class _Coming(msgspec.Struct, frozen=True, kw_only=True):
    """One patient with everything the page says of them."""

    case_id: UUID
    subject: Appointment | Referral
    handed: Handoff | None
    person: people.Person


async def today(edge: Edge, words: Words) -> tuple[views.Incoming, ...]:
    """Read who is on the way to the actor's organisations today.

    Args:
        edge: Of the request.
        words: The reader's.

    Returns:
        What has to be answered first, then by start.
    """
    day = datetime.now(UTC).astimezone(ZONE).date()

    async def read(tx: Tx) -> list[_Coming]:
        subjects: list[Appointment | Referral] = []
        for organisation in edge.actor.organisation_ids[:_ORGANISATIONS]:
            booked = await incoming.page(tx, edge.actor, organisation, day, limit=_PATIENTS)
            subjects += [
                await appointments.get(tx, edge.actor, one.id, edge.keys) for one in booked
            ]
        subjects += await _referred(tx, edge)
        return [await _gather(tx, edge, words, one) for one in subjects[:_PATIENTS]]

    found = await edge.run(read)
    shown = [_view(edge, one) for one in found]
    return tuple(sorted(shown, key=lambda one: (not one.answerable, one.acuity or "U9")))


async def _referred(tx: Tx, edge: Edge) -> Sequence[Referral]:
    """Read the referrals that wait for an answer or were accepted in the last hours."""
    found: list[Referral] = []
    for state in (*sorted(UNANSWERED), State.ACCEPTED, State.ARRIVED):
        for one in await handoffs.page(tx, edge.actor, state, None, _LIST):
            ours = one.to_organisation_id in edge.actor.organisation_ids
            if one.subject_kind == "referral" and ours and len(found) < _PATIENTS:
                found.append(await referrals.get(tx, edge.actor, one.subject_id, edge.keys))
    return found


async def _gather(tx: Tx, edge: Edge, words: Words, subject: Appointment | Referral) -> _Coming:
    return _Coming(
        case_id=subject.case_id,
        subject=subject,
        handed=await handoffs.of_subject(tx, subject.id),
        person=await people.read(tx, edge, subject.case_id, words),
    )


def _view(edge: Edge, one: _Coming) -> views.Incoming:
    handed = one.handed
    booked = isinstance(one.subject, Appointment)
    return views.Incoming(
        id=one.subject.id if handed is None else handed.id,
        kind="appointment" if booked else "referral",
        starts_at=one.subject.starts_at if isinstance(one.subject, Appointment) else None,
        complaint=one.person.complaint,
        patient=one.person.line,
        phone=one.person.phone,
        note=one.subject.instructions or "",
        state=one.subject.state.value,
        handoff="" if handed is None else handed.state.value,
        answerable=handed is not None
        and relais.answerable(edge.actor, handed)
        and handed.acknowledgement_required,
        acuity=one.subject.acuity,
        due_at=None if handed is None else handed.due_at,
    )
