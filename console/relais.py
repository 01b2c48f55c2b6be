"""The handoff board: who must act by when; answer, escalate, take, call, from the keyboard."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import forms, handover, people, places
from console.catalogue import Words
from console.reader import Reader
from console.views import Board, Column, HandoffCard
from directory.model import CareServiceId
from directory.snapshot import Snapshot
from events import duty, escalation, handoffs
from events.model import UNANSWERED, Handoff, Shelf, State
from kernel import errors, identity
from kernel.actor import Actor, may
from kernel.database import Tx
from kernel.edge import Edge
from routing import waiting
from routing.model import WaitingEntry

COLUMNS: Final[Mapping[str, tuple[State, ...]]] = {
    "overdue": (State.OVERDUE, State.ESCALATED, State.TAKEN),
    "sent": (State.REQUESTED, State.DELIVERED),
    "seen": (State.SEEN,),
    "accepted": (State.ACCEPTED, State.ARRIVED),
    "refused": (State.REFUSED,),
}
"""Columns of the board, what presses first, and the states they gather."""
TO_SEND: Final = "to_send"
"""The column of patients for whom nobody is asked yet: the waiting list."""
_RECEIVER_ACTS: Final = frozenset({State.REQUESTED, State.DELIVERED, State.SEEN})
_VERBS: Final = frozenset({"accept", "refuse", "escalate", "take", "arrive"})


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks, and what is needed to name what they see."""

    actor: Actor
    words: Words
    snapshot: Snapshot
    labels: Mapping[UUID, str]
    now: datetime


_Read: TypeAlias = tuple[_Look, Mapping[State, Shelf], tuple[WaitingEntry, ...], bool | None]


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


async def board(who: Reader, snapshot: Snapshot) -> Board:
    """Read the board as this actor may see it.

    Args:
        who: The reader.
        snapshot: Names and numbers of the receivers.
    """
    actor = who.edge.actor

    async def read(tx: Tx) -> _Read:
        found = await handoffs.board(tx, actor)
        owed: tuple[WaitingEntry, ...] = ()
        if may(actor, "waiting.read") and actor.territory_id is not None:
            owed = await waiting.page(tx, actor, "waiting", None, handoffs.MOST)
        staff = {one.owner_id for one in owed}
        for shelf in found:
            staff |= {one.requested_by for one in shelf.handoffs}
            named = [one.escalated_to_actor_id for one in shelf.handoffs]
            staff |= {one for one in named if one is not None}
        labels = await identity.labels(tx, sorted(staff))
        look = _Look(
            actor=actor, words=who.words, snapshot=snapshot, labels=labels, now=who.head.now
        )
        there = await duty.is_on(tx, actor.id) if may(actor, "duty.set") else None
        return look, {shelf.state: shelf for shelf in found}, owed, there

    look, shelves, owed, on_duty = await who.edge.run(read)
    columns = [_column(look, shelves, code) for code in COLUMNS]
    if actor.territory_id is not None:
        columns.insert(1, Column(code=TO_SEND, cards=tuple(_owed(look, one) for one in owed)))
    return Board(columns=tuple(columns), on_duty=on_duty)


def _column(look: _Look, shelves: Mapping[State, Shelf], code: str) -> Column:
    gathered = [shelves[state] for state in COLUMNS[code] if state in shelves]
    cards = [one for shelf in gathered for one in shelf.handoffs]
    if set(UNANSWERED).issuperset(COLUMNS[code]):
        cards.sort(key=_pressing)
    return Column(
        code=code,
        cards=tuple(_card(look, one) for one in cards),
        more=sum(shelf.total for shelf in gathered) - len(cards),
    )


def _pressing(handoff: Handoff) -> tuple[str, datetime]:
    return (handoff.acuity, handoff.due_at or handoff.requested_at)


def _card(look: _Look, handoff: Handoff) -> HandoffCard:
    service = look.snapshot.service(CareServiceId(handoff.care_service_id))
    open_ = handoff.state in UNANSWERED and handoff.acknowledgement_required
    staff = look.actor.territory_id is not None
    late = handoff.state in {State.OVERDUE, State.ESCALATED}
    held = handoff.state is State.TAKEN
    return HandoffCard(
        id=handoff.id,
        case_id=handoff.case_id,
        state=handoff.state.value,
        subject=handoff.subject_kind,
        acuity=handoff.acuity,
        receiver="" if service is None else service.name,
        due_at=handoff.due_at,
        requested_at=handoff.requested_at,
        required=handoff.acknowledgement_required,
        answerable=answerable(look.actor, handoff),
        reason=handoff.refusal_reason or "",
        who=_who(look, handoff) if open_ else "",
        act_by=(handoff.next_step_at if late else handoff.due_at) if open_ else None,
        level=handoff.level,
        why_late=(handoff.overdue_reason or "") if late or held else "",
        phone=(service.phone or "") if service is not None and staff and open_ else "",
        for_me=escalation.is_for(look.actor, handoff),
        escalatable=open_ and staff and not held and may(look.actor, "handoff.escalate"),
        takable=late and may(look.actor, "handoff.take"),
        note=handoff.state not in {State.REFUSED, State.CANCELLED},
        elsewhere=_elsewhere(look.actor, handoff.case_id) if open_ else "",
    )


def _who(look: _Look, handoff: Handoff) -> str:
    """Name who must act now."""
    if handoff.state in _RECEIVER_ACTS:
        return name_of(look.snapshot, handoff.care_service_id)
    if handoff.state is State.ESCALATED and handoff.escalated_to_role is not None:
        return look.words.code("role", handoff.escalated_to_role)
    known = handoff.escalated_to_actor_id or handoff.requested_by
    return look.labels.get(known, "")


def _owed(look: _Look, entry: WaitingEntry) -> HandoffCard:
    """Show a patient for whom nobody is asked yet."""
    return HandoffCard(
        id=entry.id,
        case_id=entry.case_id,
        state=TO_SEND,
        subject=TO_SEND,
        acuity=entry.acuity,
        what=people.service(entry.service, look.words),
        requested_at=entry.entered_at,
        reason=places.binding(entry.constraint, look.words, look.now),
        who=look.labels.get(entry.owner_id, ""),
        act_by=entry.deadline,
        elsewhere=_elsewhere(look.actor, entry.case_id),
    )


def _elsewhere(actor: Actor, case_id: UUID) -> str:
    """Give the page on which this reader finds another place; empty for who may not."""
    if not may(actor, "referral.send"):
        return ""
    return f"/{'regulation' if actor.role == 'physician' else 'poste'}/{case_id}"


@get("/relais", include_in_schema=False)
async def page(who: NamedDependency[Reader], snapshot: NamedDependency[Snapshot]) -> Response[str]:
    """Show the board."""
    return who.fragment("relais.html", board=await board(who, snapshot))


@get("/relais/tableau", include_in_schema=False)
async def table(who: NamedDependency[Reader], snapshot: NamedDependency[Snapshot]) -> Response[str]:
    """Give the board alone, for the live page."""
    return who.fragment("board.html", board=await board(who, snapshot))


async def answer(edge: Edge, handoff_id: UUID, verb: str, reason: str) -> str:
    """Do what was pressed, once, whatever is pressed twice.

    Args:
        edge: Of the request.
        handoff_id: Which.
        verb: `accept`, `refuse`, `escalate`, `take` or `arrive`.
        reason: Code of a refusal.

    Returns:
        Code of the refusal by the service; empty when it was done.
    """
    if verb not in _VERBS:
        raise errors.Missing("route_unknown", "There is nothing at this address.")

    async def act(tx: Tx) -> tuple[UUID, Handoff]:
        done = await _do(tx, edge.actor, handoff_id, verb, reason)
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


async def _do(tx: Tx, actor: Actor, handoff_id: UUID, verb: str, reason: str) -> Handoff:
    if verb == "refuse":
        return await handoffs.refuse(tx, actor, handoff_id, reason)
    verbs = {
        "accept": handoffs.accept,
        "escalate": escalation.raise_now,
        "take": escalation.take,
        "arrive": handoffs.arrive,
    }
    return await verbs[verb](tx, actor, handoff_id)


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
    return who.fragment("board.html", board=await board(who, snapshot), problem=problem)


@get("/relais/alarmes", include_in_schema=False)
async def alarms(who: NamedDependency[Reader]) -> Response[str]:
    """Say on every page how many patients wait for this reader to take them in hand."""
    count = await who.edge.run(lambda tx: escalation.alarms(tx, who.edge.actor))
    return who.fragment("alarms.html", count=count)


@post("/relais/garde", include_in_schema=False, status_code=200)
async def shift(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
) -> Response[str]:
    """Go on duty, or off: what one had in hand climbs at once."""
    form = await forms.read(request)
    wish = duty.SetDuty(on_duty=form.flag("on_duty"))
    await who.edge.run(lambda tx: duty.put(tx, who.edge.actor, wish))
    return who.fragment("board.html", board=await board(who, snapshot))


@get("/relais/{handoff_id:uuid}/note", include_in_schema=False)
async def note(who: NamedDependency[Reader], handoff_id: FromPath[UUID]) -> Response[str]:
    """Show the hand-over note; opened by its receiver, a named human has seen the handoff."""
    return who.fragment("note.html", note=await handover.read(who, handoff_id))


ROUTES: Final = [page, table, alarms, shift, reply, note]
