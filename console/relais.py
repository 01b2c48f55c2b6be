"""The handoff board: who must act by when; acknowledge and refuse from the keyboard."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import forms
from console.reader import Reader
from console.views import Board, Column, HandoffCard
from directory.model import CareServiceId
from directory.snapshot import Snapshot
from events import handoffs
from events.model import Handoff, Shelf, State
from kernel import errors
from kernel.actor import Actor, may
from kernel.database import Tx
from kernel.edge import Edge

COLUMNS: Final[Mapping[str, tuple[State, ...]]] = {
    "overdue": (State.OVERDUE, State.ESCALATED),
    "requested": (State.REQUESTED,),
    "delivered": (State.DELIVERED,),
    "seen": (State.SEEN,),
    "accepted": (State.ACCEPTED,),
    "refused": (State.REFUSED,),
}
"""Columns of the board, what presses first, and the states they gather."""
UNANSWERED: Final = frozenset(
    {State.REQUESTED, State.DELIVERED, State.SEEN, State.OVERDUE, State.ESCALATED}
)


def answerable(actor: Actor, handoff: Handoff) -> bool:
    """Tell whether this actor may answer: the receiver, or the centre that has them on the phone.

    Args:
        actor: Who looks.
        handoff: As it stands.
    """
    ours = actor.territory_id is not None or handoff.to_organisation_id in actor.organisation_ids
    return ours and may(actor, "handoff.answer") and handoff.state in UNANSWERED


def name_of(snapshot: Snapshot, care_service_id: UUID) -> str:
    """Give the name of a care service; empty when the snapshot does not know it yet."""
    service = snapshot.service(CareServiceId(care_service_id))
    return "" if service is None else service.name


async def board(edge: Edge, snapshot: Snapshot) -> Board:
    """Read the board as this actor may see it.

    Args:
        edge: Of the request.
        snapshot: Names of the receivers.
    """
    actor = edge.actor

    found = await edge.run(lambda tx: handoffs.board(tx, actor))
    shelves = {shelf.state: shelf for shelf in found}
    return Board(columns=tuple(_column(actor, snapshot, shelves, code) for code in COLUMNS))


def _column(actor: Actor, snapshot: Snapshot, shelves: Mapping[State, Shelf], code: str) -> Column:
    gathered = [shelves[state] for state in COLUMNS[code] if state in shelves]
    cards = [one for shelf in gathered for one in shelf.handoffs]
    if UNANSWERED.issuperset(COLUMNS[code]):
        cards.sort(key=_pressing)
    return Column(
        code=code,
        cards=tuple(card(actor, snapshot, one) for one in cards),
        more=sum(shelf.total for shelf in gathered) - len(cards),
    )


def _pressing(handoff: Handoff) -> tuple[str, datetime]:
    return (handoff.acuity, handoff.due_at or handoff.requested_at)


def card(actor: Actor, snapshot: Snapshot, handoff: Handoff) -> HandoffCard:
    """Show one handoff.

    Args:
        actor: Who looks.
        snapshot: Names of the receivers.
        handoff: As it stands.
    """
    return HandoffCard(
        id=handoff.id,
        case_id=handoff.case_id,
        state=handoff.state.value,
        subject=handoff.subject_kind,
        acuity=handoff.acuity,
        receiver=name_of(snapshot, handoff.care_service_id),
        due_at=handoff.due_at,
        requested_at=handoff.requested_at,
        required=handoff.acknowledgement_required,
        answerable=answerable(actor, handoff),
        reason=handoff.refusal_reason or "",
    )


@get("/relais", include_in_schema=False)
async def page(who: NamedDependency[Reader], snapshot: NamedDependency[Snapshot]) -> Response[str]:
    """Show the board."""
    return who.fragment("relais.html", board=await board(who.edge, snapshot))


@get("/relais/tableau", include_in_schema=False)
async def table(who: NamedDependency[Reader], snapshot: NamedDependency[Snapshot]) -> Response[str]:
    """Give the board alone, for the live page."""
    return who.fragment("board.html", board=await board(who.edge, snapshot))


async def answer(edge: Edge, handoff_id: UUID, verb: str, reason: str) -> str:
    """Accept or refuse a handoff once, whatever is pressed twice.

    Args:
        edge: Of the request.
        handoff_id: Which.
        verb: `accept` or `refuse`.
        reason: Code of a refusal.

    Returns:
        Code of the refusal by the service; empty when it was done.
    """
    if verb not in {"accept", "refuse"}:
        raise errors.Missing("route_unknown", "There is nothing at this address.")

    async def act(tx: Tx) -> tuple[UUID, Handoff]:
        if verb == "accept":
            done = await handoffs.accept(tx, edge.actor, handoff_id)
        else:
            done = await handoffs.refuse(tx, edge.actor, handoff_id, reason)
        return done.id, done

    async def again(tx: Tx, known: UUID) -> Handoff:
        return await handoffs.get(tx, edge.actor, known)

    try:
        await edge.once(act, again)
    except errors.Unavailable:
        raise
    except errors.RegulError as refusal:
        return refusal.code
    return ""


@post("/relais/{handoff_id:uuid}/{verb:str}", include_in_schema=False, status_code=200)
async def reply(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
    handoff_id: FromPath[UUID],
    verb: FromPath[str],
) -> Response[str]:
    """Answer a handoff; give the page's part that asked, as it stands now."""
    form = await forms.read(request)
    problem = await answer(who.edge, handoff_id, verb, form.text("reason") or "other")
    return who.fragment("board.html", board=await board(who.edge, snapshot), problem=problem)


ROUTES: Final = [page, table, reply]
