"""Routes of routing: parse, call one use case, shape the answer.

Refusals are problem+json with a stable code: 403, 404, 409 (`slot_taken` and `slot_withdrawn`
carry `next_best`), 410 `hold_expired`, 422, 425, 429 `too_many_holds`.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from directory.snapshot import Snapshot
from kernel.database import Tx
from kernel.edge import Edge
from routing import (
    answers,
    appointments,
    booking,
    candidates,
    holds,
    incoming,
    mirrored,
    notes,
    offers,
    outcomes,
    referrals,
    source_answers,
    waiting,
)
from routing.answers import OfferAnswer
from routing.mirrored import SourceBooking
from routing.model import Appointment, Hold, Offer, Referral, WaitingEntry
from routing.notes import HandoffNote
from routing.rescheduling import Reschedule, reschedule
from triage.library import Library

_OK: Final = 200
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=200, description="Length of a page.")]
After: TypeAlias = Annotated[
    UUID | None, QueryParameter(description="Id of the last one of the page before.")
]


class AppointmentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of appointments, by start."""

    items: tuple[Appointment, ...]


class WaitingPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the waiting list, most urgent and soonest due first."""

    items: tuple[WaitingEntry, ...]


def _with_id(
    act: Callable[[Tx], Awaitable[Any]],
) -> Callable[[Tx], Awaitable[tuple[UUID, Any]]]:
    """Give what was made together with its id, as `edge.once` wants it."""

    async def made(tx: Tx) -> tuple[UUID, Any]:
        answer = await act(tx)
        return answer.id, answer

    return made


def _shape(offer: Offer) -> OfferAnswer:
    constraint = None if offer.places else candidates.constraint(offer.refused)
    return answers.of_offer(offer, constraint)


@post("/offers", summary="Rank places for a disposition", tags=["routing"])
async def ask_offers(
    edge: NamedDependency[Edge],
    snapshot: NamedDependency[Snapshot],
    data: JSONBody[offers.AskOffers],
) -> OfferAnswer:
    """Give ranked places with reasons, and for the near others why not. 404, 422."""
    offer: Offer = await edge.once_if_keyed(
        _with_id(lambda tx: offers.rank(tx, edge.actor, snapshot, data)),
        lambda tx, offer_id: offers.get(tx, edge.actor, offer_id),
    )
    return _shape(offer)


@get("/offers/{offer_id:uuid}", summary="Read an offer as it was given", tags=["routing"])
async def read_offer(edge: NamedDependency[Edge], offer_id: FromPath[UUID]) -> OfferAnswer:
    """Give a former offer. 404 `offer_missing`."""
    return _shape(await edge.run(lambda tx: offers.get(tx, edge.actor, offer_id)))


@post("/holds", summary="Hold a place", tags=["routing"])
async def place_hold(edge: NamedDependency[Edge], data: JSONBody[holds.PlaceHold]) -> Hold:
    """Claim a seat for a limited time. 409 `slot_taken` with `next_best`, 429."""
    return await booking.place(edge, data)


@delete("/holds/{hold_id:uuid}", summary="Give a hold back", tags=["routing"], status_code=_OK)
async def release_hold(edge: NamedDependency[Edge], hold_id: FromPath[UUID]) -> Hold:
    """Free the seat; repeating it changes nothing. 404, 409 `hold_used`."""
    return await edge.run(lambda tx: holds.release(tx, edge.actor, hold_id))


@post(
    "/holds/{hold_id:uuid}/extend",
    summary="Prolong a hold, once",
    tags=["routing"],
    status_code=_OK,
)
async def extend_hold(edge: NamedDependency[Edge], hold_id: FromPath[UUID]) -> Hold:
    """Give the hold its time anew. 409 `hold_extended`, 410 `hold_expired`."""
    hold_s = edge.settings.hold_s
    held: Hold = await edge.once_if_keyed(
        _with_id(lambda tx: holds.extend(tx, edge.actor, hold_id, hold_s=hold_s)), holds.get
    )
    return held


@post("/appointments", summary="Book a held place", tags=["routing"])
async def book(edge: NamedDependency[Edge], data: JSONBody[appointments.Book]) -> Appointment:
    """Turn a hold into an appointment. 409 `slot_withdrawn`, 410 `hold_expired`."""
    return await booking.book(edge, data)


@get("/appointments/{appointment_id:uuid}", summary="Read an appointment", tags=["routing"])
async def read_appointment(
    edge: NamedDependency[Edge], appointment_id: FromPath[UUID]
) -> Appointment:
    """Give an appointment with what its receiver must know. 404 `appointment_missing`."""
    return await edge.run(lambda tx: appointments.get(tx, edge.actor, appointment_id, edge.keys))


@get("/appointments", summary="A clinic's appointments of a day", tags=["routing"])
async def list_appointments(
    edge: NamedDependency[Edge],
    organisation: FromQuery[UUID],
    day: FromQuery[date],
    after: After = None,
    limit: Limit = 100,
) -> AppointmentPage:
    """Give what comes to an organisation on a day of its own calendar. 403."""
    found = await edge.run(
        lambda tx: incoming.page(tx, edge.actor, organisation, day, after=after, limit=limit)
    )
    return AppointmentPage(items=found)


@post(
    "/appointments/{appointment_id:uuid}/cancel",
    summary="Call an appointment off",
    tags=["routing"],
    status_code=_OK,
)
async def cancel_appointment(
    edge: NamedDependency[Edge], appointment_id: FromPath[UUID], data: JSONBody[appointments.Cancel]
) -> Appointment:
    """Free its seat in the same transaction. 404, 409 `appointment_state`."""
    gone: Appointment = await edge.once(
        _with_id(lambda tx: appointments.cancel(tx, edge.actor, appointment_id, data)),
        lambda tx, found: appointments.get(tx, edge.actor, found, edge.keys),
    )
    return gone


@post(
    "/appointments/{appointment_id:uuid}/reschedule",
    summary="Move an appointment to a held place",
    tags=["routing"],
    status_code=_OK,
)
async def reschedule_appointment(
    edge: NamedDependency[Edge], appointment_id: FromPath[UUID], data: JSONBody[Reschedule]
) -> Appointment:
    """Take the new place and free the former at once. 409 `other_disposition`, 410."""
    moved: Appointment = await edge.once(
        _with_id(lambda tx: reschedule(tx, edge.actor, appointment_id, data, edge.keys)),
        lambda tx, found: appointments.get(tx, edge.actor, found, edge.keys),
    )
    return moved


@post(
    "/appointments/{appointment_id:uuid}/outcome",
    summary="Say whether the patient came",
    tags=["routing"],
    status_code=_OK,
)
async def settle_appointment(
    edge: NamedDependency[Edge], appointment_id: FromPath[UUID], data: JSONBody[outcomes.Settle]
) -> Appointment:
    """Settle an appointment. 404, 409 `appointment_state`, `appointment_not_begun`."""
    settled: Appointment = await edge.once_if_keyed(
        _with_id(lambda tx: outcomes.settle(tx, edge.actor, appointment_id, data)),
        lambda tx, found: appointments.get(tx, edge.actor, found, edge.keys),
    )
    return settled


@get(
    "/appointments/{appointment_id:uuid}/source",
    summary="How far the source of a mirrored diary is",
    tags=["routing"],
)
async def read_source(
    edge: NamedDependency[Edge], appointment_id: FromPath[UUID]
) -> source_answers.AtSource:
    """Give what the source said, and `next_best` when it said no or nothing in time. 404."""
    return await edge.run(lambda tx: source_answers.at_source(tx, edge.actor, appointment_id))


@post(
    "/appointments/{appointment_id:uuid}/source",
    summary="Write down what was seen at a source that is booked by link",
    tags=["routing"],
    status_code=_OK,
)
async def record_source(
    edge: NamedDependency[Edge],
    appointment_id: FromPath[UUID],
    data: JSONBody[source_answers.RecordAnswer],
) -> SourceBooking:
    """Confirm, refuse or undo by hand. 404, 409 `source_answer_state`, `source_answers_itself`."""

    async def act(tx: Tx) -> tuple[UUID, SourceBooking]:
        told = await source_answers.record(tx, edge.actor, appointment_id, data)
        return told.appointment_id, told

    told: SourceBooking = await edge.once_if_keyed(act, mirrored.known)
    return told


@post("/referrals", summary="Send a referral", tags=["routing"])
async def send_referral(edge: NamedDependency[Edge], data: JSONBody[referrals.Send]) -> Referral:
    """Ask a receiver to take the patient, with a deadline. 404, 409 `referral_running`."""
    sent: Referral = await edge.once(
        _with_id(lambda tx: referrals.send(tx, edge.actor, data, edge.keys)),
        lambda tx, found: referrals.get(tx, edge.actor, found, edge.keys),
    )
    return sent


@get("/referrals/{referral_id:uuid}", summary="Read a referral", tags=["routing"])
async def read_referral(edge: NamedDependency[Edge], referral_id: FromPath[UUID]) -> Referral:
    """Give a referral with what its receiver must know. 404 `referral_missing`."""
    return await edge.run(lambda tx: referrals.get(tx, edge.actor, referral_id, edge.keys))


@post(
    "/referrals/{referral_id:uuid}/outcome",
    summary="Complete a referral or call it off",
    tags=["routing"],
    status_code=_OK,
)
async def settle_referral(
    edge: NamedDependency[Edge], referral_id: FromPath[UUID], data: JSONBody[referrals.Settle]
) -> Referral:
    """Settle a referral. 403, 404, 409 `referral_state`."""
    settled: Referral = await edge.once_if_keyed(
        _with_id(lambda tx: referrals.settle(tx, edge.actor, referral_id, data)),
        lambda tx, found: referrals.get(tx, edge.actor, found, edge.keys),
    )
    return settled


@post("/waiting-entries", summary="Put a need on the waiting list", tags=["routing"])
async def enter_waiting(edge: NamedDependency[Edge], data: JSONBody[waiting.Enter]) -> WaitingEntry:
    """Give a need without a place an owner and a deadline. 404, 409 `already_waiting`."""
    entry: WaitingEntry = await edge.once(
        _with_id(lambda tx: waiting.enter(tx, edge.actor, data)),
        lambda tx, found: waiting.get(tx, edge.actor, found),
    )
    return entry


@get("/waiting-entries", summary="The waiting list", tags=["routing"])
async def list_waiting(
    edge: NamedDependency[Edge],
    in_state: Annotated[
        Literal["waiting", "placed", "closed"], QueryParameter(name="state")
    ] = "waiting",
    after: After = None,
    limit: Limit = 100,
) -> WaitingPage:
    """Give who waits in the actor's territory, most urgent and soonest due first."""
    found = await edge.run(
        lambda tx: waiting.page(tx, edge.actor, in_state, after=after, limit=limit)
    )
    return WaitingPage(items=found)


@get(
    "/handoffs/{handoff_id:uuid}/note",
    operation_id="ReadHandoffNote",
    summary="Read what the receiver of a handoff must know; read by it, it counts as delivered",
    tags=["routing"],
)
async def read_note(
    edge: NamedDependency[Edge], library: NamedDependency[Library], handoff_id: FromPath[UUID]
) -> HandoffNote:
    """Give the hand-over note: call-back number, complaint, reason and deadline first, then SBAR.

    404 `handoff_missing`, or `case_missing` for who takes part no longer; 410 `key_shredded`.

    Args:
        edge: The request.
        library: Wording of questions and rules.
        handoff_id: Which.
    """
    return await edge.run(lambda tx: notes.read(tx, edge.actor, handoff_id, edge.keys, library))


ROUTES: Final = [
    read_note,
    ask_offers,
    read_offer,
    place_hold,
    release_hold,
    extend_hold,
    book,
    read_appointment,
    list_appointments,
    cancel_appointment,
    reschedule_appointment,
    settle_appointment,
    read_source,
    record_source,
    send_referral,
    read_referral,
    settle_referral,
    enter_waiting,
    list_waiting,
]
"""All routes of the room, mounted under /api/v1."""
