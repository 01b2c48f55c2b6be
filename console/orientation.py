"""The orientation column: decisions, ranked places, holds, booking, referral, waiting list."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import deciding, forms, places, sourced, views
from console.reader import Reader
from directory.snapshot import Snapshot
from events import handoffs
from events.model import Handoff
from kernel import errors
from kernel.actor import may
from kernel.database import Tx
from routing import (
    appointments,
    holds,
    mirrored,
    offers,
    placements,
    referrals,
    source_answers,
    waiting,
)
from routing.appointments import Book
from routing.holds import PlaceHold
from routing.model import Offer
from routing.offers import AskOffers
from routing.placements import Placements
from routing.referrals import Send
from routing.waiting import Enter
from triage import dispositions, dossier
from triage.dossier import CaseView
from triage.model import Disposition


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader just did, as far as the column must say it.

    Attributes:
        problem: Code of the refusal.
        gone: Slot that a colleague took first.
        best: The next best slot.
    """

    problem: str = ""
    gone: UUID | None = None
    best: UUID | None = None


async def read(
    tx: Tx, who: Reader, snapshot: Snapshot | None, file: CaseView, asked: Asked | None = None
) -> views.Orientation:
    """Read the column of a case.

    Args:
        tx: The transaction.
        who: The reader.
        snapshot: Names and times of places.
        file: The case as read.
        asked: What was just tried.
    """
    asked = asked or Asked()
    actor, words = who.edge.actor, who.words
    found = await placements.of_case(tx, actor, file.id)
    open_ = _open(file, found)
    ranks = may(actor, "offer.rank")
    offer = await offers.last(tx, actor, open_[0].id) if open_ and ranks else None
    held = next((one for one in found.holds if one.actor_id == actor.id), None)
    if held is None:
        asked = await _lost_since(tx, who, found, offer, asked)
    owners = await sourced.owners(tx, offer, held)
    shown = (
        None
        if offer is None or held is not None
        else places.offers(offer, words, gone=asked.gone, first=asked.best, owners=owners)
    )
    searchable = {one.id for one in open_} if ranks and held is None else set()
    return views.Orientation(
        case_id=file.id,
        page=who.head.page,
        kinds=deciding.kinds(actor, file),
        dispositions=tuple(
            deciding.decision(one, who, searchable=one.id in searchable)
            for one in reversed(file.dispositions)
        ),
        offers=shown,
        hold=None
        if held is None
        else places.hold(held, offer, snapshot, owners.get(held.slot_id, "")),
        engagements=await _arranged(tx, who, found, snapshot),
        lost=asked.gone is not None and asked.problem not in sourced.LOST,
        problem=asked.problem,
        **deciding.proposal(file, who),
    )


async def _lost_since(
    tx: Tx, who: Reader, found: Placements, offer: Offer | None, asked: Asked
) -> Asked:
    """Say which place was lost meanwhile, unless something else has to be said."""
    if asked.problem:
        return asked
    mine = who.edge.actor.id
    gone = next((one for one in found.displaced if one.actor_id == mine), None)
    if gone is not None:
        return Asked(problem="slot_withdrawn", gone=gone.slot_id)
    refused = await sourced.lost(tx, found.appointments, offer)
    if refused is None or asked.gone is not None:
        return asked
    return Asked(problem=refused.reason, gone=refused.slot_id, best=refused.best)


def _open(file: CaseView, found: Placements) -> list[Disposition]:
    """Give the decisions that still need a place, newest first."""
    placed = places.placed(found)
    return [
        one
        for one in reversed(file.dispositions)
        if one.service is not None and one.id not in placed and file.case.state != "closed"
    ]


async def _arranged(
    tx: Tx, who: Reader, found: Placements, snapshot: Snapshot | None
) -> tuple[views.Engagement, ...]:
    """Show what was arranged, with its handoffs and what editors said."""
    handed = await _handed(tx, found)
    told = await sourced.sources(tx, who.edge.actor, found)
    return places.engagements(found, handed, snapshot, who.words, who.head.now, sources=told)


async def _handed(tx: Tx, found: Placements) -> dict[UUID, Handoff]:
    """Find the handoff of each place that was arranged."""
    each = {one: await handoffs.of_subject(tx, one) for one in places.subjects(found)}
    return {one: handoff for one, handoff in each.items() if handoff is not None}


async def _answer(
    who: Reader, snapshot: Snapshot | None, case_id: UUID, asked: Asked | None = None
) -> Response[str]:
    async def act(tx: Tx) -> views.Orientation:
        file = await dossier.view(tx, who.edge.actor, case_id, who.edge.keys)
        return await read(tx, who, snapshot, file, asked)

    return who.fragment("orientation.html", view=await who.edge.run(act))


async def _tried(act: Callable[[], Awaitable[object]]) -> Asked:
    """Run a use case; give what the column must say of its refusal."""
    try:
        await act()
    except errors.Unavailable:
        raise
    except errors.RegulError as refusal:
        return Asked(problem=refusal.code)
    return Asked()


@get(
    ["/poste/{case_id:uuid}/orientation", "/regulation/{case_id:uuid}/orientation"],
    include_in_schema=False,
)
async def part(
    who: NamedDependency[Reader], known: NamedDependency[Snapshot | None], case_id: FromPath[UUID]
) -> Response[str]:
    """Give the column alone, for the live page."""
    return await _answer(who, known, case_id)


@post(
    ["/poste/{case_id:uuid}/decisions", "/regulation/{case_id:uuid}/decisions"],
    include_in_schema=False,
    status_code=200,
)
async def decide(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Record a decision; places are searched at once where it asks for one."""
    command = deciding.command(await forms.read(request))
    edge = who.edge

    async def act(tx: Tx) -> tuple[UUID, Disposition]:
        done = await dispositions.decide(tx, edge.actor, case_id, command, edge.keys)
        if done.service is not None:
            await offers.rank(tx, edge.actor, snapshot, AskOffers(disposition_id=done.id))
        return done.id, done

    async def again(tx: Tx, known: UUID) -> Disposition:
        return await dispositions.get(tx, edge.actor, known)

    return await _answer(who, snapshot, case_id, await _tried(lambda: edge.once(act, again)))


@post(
    ["/poste/{case_id:uuid}/places", "/regulation/{case_id:uuid}/places"],
    include_in_schema=False,
    status_code=200,
)
async def search(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Rank places for a decision anew."""
    command = AskOffers(disposition_id=(await forms.read(request)).id("disposition_id"))
    asked = await _tried(
        lambda: who.edge.run(lambda tx: offers.rank(tx, who.edge.actor, snapshot, command))
    )
    return await _answer(who, snapshot, case_id, asked)


@post(
    ["/poste/{case_id:uuid}/options", "/regulation/{case_id:uuid}/options"],
    include_in_schema=False,
    status_code=200,
)
async def hold(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Hold a place; who comes second gets the next best in its stead."""
    form = await forms.read(request)
    command = PlaceHold(
        slot_id=form.id("slot_id"),
        disposition_id=form.id("disposition_id"),
        offer_id=form.id_or_none("offer_id"),
    )
    edge = who.edge

    async def act(tx: Tx) -> tuple[UUID, object]:
        held = await holds.place(tx, edge.actor, command, hold_s=edge.settings.hold_s)
        return held.id, held

    try:
        await edge.once(act, holds.get)
    except errors.Conflict as refusal:
        return await _answer(who, snapshot, case_id, await _lost(who, command, refusal))
    except errors.Limited as refusal:
        return await _answer(who, snapshot, case_id, Asked(problem=refusal.code))
    return await _answer(who, snapshot, case_id)


async def _lost(who: Reader, command: PlaceHold, refusal: errors.Conflict) -> Asked:
    actor = who.edge.actor

    async def read_offer(tx: Tx) -> Offer | None:
        return await offers.last(tx, actor, command.disposition_id)

    offer = await who.edge.run(read_offer)
    choices = () if offer is None else (*offer.places, *offer.spare)
    return Asked(gone=command.slot_id, best=places.lost(refusal.fields, choices))


@post(
    [
        "/poste/{case_id:uuid}/options/{hold_id:uuid}/{verb:str}",
        "/regulation/{case_id:uuid}/options/{hold_id:uuid}/{verb:str}",
    ],
    include_in_schema=False,
    status_code=200,
)
async def change_hold(
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
    hold_id: FromPath[UUID],
    verb: FromPath[str],
) -> Response[str]:
    """Prolong a hold once, or give it back."""
    edge = who.edge

    async def act(tx: Tx) -> object:
        if verb == "prolonger":
            return await holds.extend(tx, edge.actor, hold_id, hold_s=edge.settings.hold_s)
        if verb == "liberer":
            return await holds.release(tx, edge.actor, hold_id)
        raise errors.Missing("route_unknown", "There is nothing at this address.")

    return await _answer(who, snapshot, case_id, await _tried(lambda: edge.run(act)))


@post(
    ["/poste/{case_id:uuid}/rendez-vous", "/regulation/{case_id:uuid}/rendez-vous"],
    include_in_schema=False,
    status_code=200,
)
async def book(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Turn the hold into an appointment."""
    form = await forms.read(request)
    command = Book(hold_id=form.id("hold_id"), instructions=form.text("note")[:4000] or None)
    edge = who.edge

    async def act(tx: Tx) -> tuple[UUID, object]:
        booked = await appointments.book(tx, edge.actor, command, edge.keys)
        return booked.id, booked

    async def again(tx: Tx, known: UUID) -> object:
        return await appointments.get(tx, edge.actor, known, edge.keys)

    return await _answer(who, snapshot, case_id, await _tried(lambda: edge.once(act, again)))


@post(
    [
        "/poste/{case_id:uuid}/rendez-vous/{appointment_id:uuid}/agenda",
        "/regulation/{case_id:uuid}/rendez-vous/{appointment_id:uuid}/agenda",
    ],
    include_in_schema=False,
    status_code=200,
)
async def record_source(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
    appointment_id: FromPath[UUID],
) -> Response[str]:
    """Write down what was seen at an editor that is booked by link."""
    command = sourced.answer(await forms.read(request))
    edge = who.edge

    async def act(tx: Tx) -> tuple[UUID, object]:
        told = await source_answers.record(tx, edge.actor, appointment_id, command)
        return told.appointment_id, told

    return await _answer(
        who, snapshot, case_id, await _tried(lambda: edge.once(act, mirrored.known))
    )


@post(
    ["/poste/{case_id:uuid}/adressages", "/regulation/{case_id:uuid}/adressages"],
    include_in_schema=False,
    status_code=200,
)
async def refer(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Send a referral to a place without fixed times."""
    form = await forms.read(request)
    command = Send(
        disposition_id=form.id("disposition_id"), care_service_id=form.id("care_service_id")
    )
    edge = who.edge

    async def act(tx: Tx) -> tuple[UUID, object]:
        sent = await referrals.send(tx, edge.actor, command, edge.keys)
        return sent.id, sent

    async def again(tx: Tx, known: UUID) -> object:
        return await referrals.get(tx, edge.actor, known, edge.keys)

    return await _answer(who, snapshot, case_id, await _tried(lambda: edge.once(act, again)))


@post(
    ["/poste/{case_id:uuid}/attente", "/regulation/{case_id:uuid}/attente"],
    include_in_schema=False,
    status_code=200,
)
async def wait(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Put the need on the waiting list; its owner is who asked."""
    command = Enter(disposition_id=(await forms.read(request)).id("disposition_id"))
    edge = who.edge

    async def act(tx: Tx) -> tuple[UUID, object]:
        entry = await waiting.enter(tx, edge.actor, command)
        return entry.id, entry

    async def again(tx: Tx, known: UUID) -> object:
        return await waiting.get(tx, edge.actor, known)

    return await _answer(who, snapshot, case_id, await _tried(lambda: edge.once(act, again)))


ROUTES: Final[list[Any]] = [
    part,
    decide,
    search,
    hold,
    change_hold,
    book,
    record_source,
    refer,
    wait,
]
