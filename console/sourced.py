"""Diaries that an editor keeps: who keeps them, what it said, and what a human saw there."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from console import forms, places, views
from kernel.actor import Actor, may
from kernel.database import Tx
from routing import mirrored, source_answers
from routing.model import Appointment, Hold, Offer
from routing.placements import Placements
from routing.source_answers import RecordAnswer

LOST: Final = frozenset({source_answers.REFUSED, source_answers.SILENT})
"""Why an editor's place was lost."""


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A place whose editor said no, or nothing in time, and what to try instead.

    Attributes:
        reason: `source_refused` or `source_silent`.
        slot_id: The slot that is gone.
        best: The slot to try next; None when the offer has none left.
    """

    reason: str
    slot_id: UUID
    best: UUID | None


async def owners(tx: Tx, offer: Offer | None, held: Hold | None) -> Mapping[UUID, str]:
    """Name who keeps the diaries of what is shown, where it is not we.

    Args:
        tx: The transaction.
        offer: The places shown.
        held: The place held.
    """
    choices = () if offer is None else (*offer.places, *offer.spare)
    wanted = [one.slot_id for one in choices if one.slot_id is not None]
    return await mirrored.owners(tx, [*wanted, *([] if held is None else [held.slot_id])])


async def sources(tx: Tx, actor: Actor, found: Placements) -> Mapping[UUID, views.Source]:
    """Show how far editors are with the appointments of a case, by appointment.

    Args:
        tx: The transaction.
        actor: Who reads.
        found: What was arranged.
    """
    told = await mirrored.of_appointments(tx, [one.id for one in found.appointments])
    writes = may(actor, "appointment.book")
    return {key: places.source(one, writes=writes) for key, one in told.items()}


async def lost(tx: Tx, appointments: Sequence[Appointment], offer: Offer | None) -> Lost | None:
    """Find the place that an editor just did not give, for the need that is searched now.

    Args:
        tx: The transaction.
        appointments: Of the case, newest first.
        offer: The places shown; a search made after the loss knows of it already.
    """
    if offer is None:
        return None
    mine = (one for one in appointments if one.disposition_id == offer.disposition_id)
    last = next(mine, None)
    if last is None or last.cancel_reason is None or offer.asked_at > last.booked_at:
        return None
    if last.cancel_reason not in LOST:
        return None
    best = await source_answers.next_best(tx, last)
    return Lost(
        reason=last.cancel_reason,
        slot_id=last.slot_id,
        best=None if best is None else best.slot_id,
    )


def answer(form: forms.Form) -> RecordAnswer:
    """Read what a human saw at an editor.

    Args:
        form: As sent.

    Raises:
        Malformed: `form_unreadable`.
    """
    fields = {"answer": form.text("answer"), "reference": form.optional("reference")}
    try:
        return msgspec.convert(fields, RecordAnswer)
    except msgspec.ValidationError:
        raise forms.unreadable() from None
