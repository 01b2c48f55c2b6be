"""Offers, holds and what was arranged, as people read them; pure, from routing's values."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from console import views
from console.catalogue import Words
from directory.model import CareServiceId, SlotId
from directory.snapshot import Snapshot
from events.model import Handoff
from routing import answers, candidates, model, reasons
from routing.mirrored import SourceBooking
from routing.model import AppointmentVerb, Place, Reason, ReferralState, WaitingState
from routing.placements import Placements
from routing.reasons import Told

_SHOWN: Final = 5


def told(reason: Told, words: Words) -> str:
    """Give a reason in the reader's language."""
    return reason.fr if words.language == "fr" else reason.en


def offers(
    offer: model.Offer,
    words: Words,
    *,
    gone: UUID | None = None,
    first: UUID | None = None,
    owners: Mapping[UUID, str] = MappingProxyType({}),
) -> views.Offers:
    """Show the places of an offer.

    Args:
        offer: As ranked.
        words: The reader's.
        owners: Who keeps the diary of each slot that is not kept here.
        gone: A slot that was just lost; left out.
        first: The slot to try next; put on top.
    """
    shaped = answers.of_offer(offer, None)
    spare = answers.of_offer(_with_spare(offer), None).places
    places = [one for one in (*shaped.places, *spare) if gone is None or one.slot_id != gone]
    if first is not None:
        places.sort(key=lambda one: one.slot_id != first)
    chosen = places if gone is not None else list(shaped.places)
    binding = "" if offer.places else _binding(offer, words)
    return views.Offers(
        offer_id=offer.id,
        disposition_id=offer.disposition_id,
        places=tuple(
            msgspec.structs.replace(
                _place(one, at, words), owner=owners.get(one.slot_id or offer.id, "")
            )
            for at, one in enumerate(chosen[:_SHOWN], 1)
        ),
        refused=tuple(
            views.NotOffered(
                name=one.name,
                reason=told(one.reason, words),
                change=" · ".join(told(change, words) for change in one.changes),
            )
            for one in shaped.refused[:_SHOWN]
        ),
        considered=offer.considered,
        refused_total=offer.refused_total,
        binding=binding,
    )


def _with_spare(offer: model.Offer) -> model.Offer:
    return msgspec.structs.replace(offer, places=offer.spare, refused=())


def _binding(offer: model.Offer, words: Words) -> str:
    return binding(candidates.constraint(offer.refused), words, offer.asked_at)


def binding(code: str, words: Words, now: datetime) -> str:
    """Put a binding constraint into words."""
    return told(reasons.tell(Reason(code=code), now, "UTC"), words)


def _place(place: answers.PlaceAnswer, rank: int, words: Words) -> views.Offer:
    return views.Offer(
        rank=rank,
        care_service_id=place.care_service_id,
        slot_id=place.slot_id,
        name=place.name,
        kind=place.kind.value,
        starts_at=place.starts_at,
        zone=place.zone,
        reasons=tuple(told(one, words) for one in place.reasons if one.code != "starts"),
        agreement=place.agreement,
        as_of=place.as_of,
        marked=place.marked,
        percent=None if place.acceptance is None else round(100 * place.acceptance),
        asked=place.asked,
    )


def hold(
    held: model.Hold, offer: model.Offer | None, snapshot: Snapshot | None, owner: str = ""
) -> views.Hold:
    """Show a held place.

    Args:
        held: The hold.
        offer: The offer it was chosen from, when it is known.
        snapshot: Names; also the slot's time when the offer is not known.
        owner: Who keeps its diary; empty when it is kept here.
    """
    choices = () if offer is None else (*offer.places, *offer.spare)
    place = next((one for one in choices if one.slot_id == held.slot_id), None)
    starts = held.until if place is None else place.starts_at
    if place is None:
        starts = _start(snapshot, held) or starts
    return views.Hold(
        hold_id=held.id,
        name=place.name if place is not None else name(snapshot, held.care_service_id),
        starts_at=starts,
        zone=None if place is None else place.zone,
        until=held.until,
        extended=held.extended,
        kind="slot" if place is None else place.kind.value,
        seat=held.seat,
        owner=owner,
    )


def _start(snapshot: Snapshot | None, held: model.Hold) -> datetime | None:
    diaries = {} if snapshot is None else snapshot.diaries
    for diary in diaries.get(CareServiceId(held.care_service_id), ()):
        for slot in diary.slots:
            if slot.id == SlotId(held.slot_id):
                return slot.start
    return None


def name(snapshot: Snapshot | None, care_service_id: UUID) -> str:
    """Give the name of a care service; empty while the directory does not know it."""
    service = None if snapshot is None else snapshot.service(CareServiceId(care_service_id))
    return "" if service is None else service.name


def engagements(
    found: Placements,
    handed: Mapping[UUID, Handoff],
    snapshot: Snapshot | None,
    words: Words,
    now: datetime,
    *,
    sources: Mapping[UUID, views.Source] = MappingProxyType({}),
) -> tuple[views.Engagement, ...]:
    """Show what was arranged for a case, newest first of each kind.

    Args:
        found: Appointments, referrals and waiting entries.
        handed: Handoff of each appointment and referral, by subject.
        snapshot: Names of the receivers.
        words: The reader's.
        now: For the words of a constraint.
        sources: How far editors are with appointments that are booked with them.
    """
    shown = [
        msgspec.structs.replace(
            _appointment(one, handed.get(one.id), snapshot), source=sources.get(one.id)
        )
        for one in found.appointments
    ]
    shown += [_referral(one, handed.get(one.id), snapshot) for one in found.referrals]
    shown += [
        views.Engagement(
            kind="waiting",
            state=one.state.value,
            due_at=one.deadline,
            binding=binding(one.constraint, words, now),
        )
        for one in found.waiting
        if one.state is WaitingState.WAITING
    ]
    return tuple(shown)


def _appointment(
    one: model.Appointment, handed: Handoff | None, snapshot: Snapshot | None
) -> views.Engagement:
    place = None if snapshot is None else snapshot.location(CareServiceId(one.care_service_id))
    return views.Engagement(
        kind="appointment",
        name=name(snapshot, one.care_service_id),
        state=one.state.value,
        starts_at=one.starts_at,
        zone=None if place is None else place.zone,
        due_at=None if handed is None else handed.due_at,
        handoff="" if handed is None else handed.state.value,
    )


def _referral(
    one: model.Referral, handed: Handoff | None, snapshot: Snapshot | None
) -> views.Engagement:
    return views.Engagement(
        kind="referral",
        name=name(snapshot, one.care_service_id),
        state=one.state.value,
        due_at=one.due_at,
        handoff="" if handed is None else handed.state.value,
    )


def source(told: SourceBooking, *, writes: bool) -> views.Source:
    """Show how far an editor is with an appointment.

    Args:
        told: As it stands.
        writes: The reader may write down what they saw there.
    """
    return views.Source(
        appointment_id=told.appointment_id,
        owner=told.source,
        state=told.state.value,
        deadline=told.deadline,
        outcome=told.outcome or "",
        reference=told.reference or "",
        by_hand=told.channel == "link",
        url=told.url or "",
        writes=writes and told.channel == "link" and told.state.value in {"asking", "undoing"},
    )


def placed(found: Placements) -> frozenset[UUID]:
    """Give the dispositions that have their place, or are being asked for one.

    Args:
        found: What was arranged.
    """
    running = {ReferralState.SENT, ReferralState.ACCEPTED, ReferralState.COMPLETED}
    live = model.before(AppointmentVerb.CANCEL)
    booked = (one.disposition_id for one in found.appointments if one.state.value in live)
    sent = (one.disposition_id for one in found.referrals if one.state in running)
    return frozenset((*booked, *sent))


def subjects(found: Placements) -> Iterable[UUID]:
    """Give the appointments and referrals whose handoff is worth showing."""
    return (*(one.id for one in found.appointments), *(one.id for one in found.referrals))


def lost(fields: Mapping[str, object], slots: Sequence[Place]) -> UUID | None:
    """Read the slot to try next from a refusal.

    Args:
        fields: Public fields of the refusal.
        slots: Places of the offer.

    Returns:
        Its id when it is one of the offer's.
    """
    best = fields.get("next_best")
    wanted = str(best.get("slot_id")) if isinstance(best, Mapping) else ""
    return next((one.slot_id for one in slots if str(one.slot_id) == wanted), None)
