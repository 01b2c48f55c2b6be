"""Routes of handoffs: who is asked, what they answer, what becomes of it; and who is on duty."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from events import duty, escalation, handoffs
from events.duty import Rota, SetDuty, SetPost
from events.model import Handoff, State
from kernel.database import Tx
from kernel.edge import Edge
from kernel.inputs import Code

_PAGE: Final = 100

# Bounds of a parameter stand in its marker: beside FromQuery msgspec.Meta would be dropped.
Limit = Annotated[int, QueryParameter(ge=1, le=200)]


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who looked or accepted.

    Attributes:
        person: The human behind a partner's system, by that system's identifier; systems must
            name one, people who signed in need not.
    """

    person: Code | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who refused, and why.

    Attributes:
        reason: Code.
        person: As in `Answer`.
    """

    reason: Code
    person: Code | None = None


class HandoffPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of handoffs, oldest first.

    Attributes:
        handoffs: The page.
        after: Pass it as `after` for the next page; none at the end.
    """

    handoffs: Sequence[Handoff]
    after: UUID | None


async def _written(edge: Edge, act: Callable[[Tx], Awaitable[Handoff]]) -> Handoff:
    """Run a write that needs an Idempotency-Key; its repetition reads the handoff again."""

    async def write(tx: Tx) -> tuple[UUID, Handoff]:
        handoff = await act(tx)
        return handoff.id, handoff

    return await edge.once(write, lambda tx, one: handoffs.get(tx, edge.actor, one))


@get(
    "/handoffs",
    operation_id="ListHandoffs",
    summary="List the handoffs the actor may see; its own count as delivered now",
    tags=["events"],
)
async def list_handoffs(
    edge: NamedDependency[Edge],
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    after: FromQuery[UUID | None] = None,
    limit: Limit = _PAGE,
) -> HandoffPage:
    """List the handoffs the actor may see; those to its organisations count as delivered now.

    Args:
        edge: The request.
        in_state: Only these; `state` in the query.
        after: Id of the last one of the page before.
        limit: At most 200.
    """
    found = await edge.run(lambda tx: handoffs.page(tx, edge.actor, in_state, after, limit))
    return HandoffPage(handoffs=found, after=found[-1].id if len(found) == limit else None)


@get(
    "/handoffs/{handoff_id:uuid}",
    operation_id="GetHandoff",
    summary="Read one handoff; read by its receiver it counts as delivered",
    tags=["events"],
)
async def get_handoff(edge: NamedDependency[Edge], handoff_id: FromPath[UUID]) -> Handoff:
    """Read one handoff; read by its receiver it counts as delivered. 404 `handoff_missing`.

    Args:
        edge: The request.
        handoff_id: Which.
    """
    return await edge.run(lambda tx: handoffs.get(tx, edge.actor, handoff_id))


@post(
    "/handoffs/{handoff_id:uuid}/seen",
    operation_id="SeeHandoff",
    status_code=200,
    summary="Say that a named human looked at it",
    tags=["events"],
)
async def see_handoff(
    edge: NamedDependency[Edge], handoff_id: FromPath[UUID], data: JSONBody[Answer]
) -> Handoff:
    """Say that a named human looked at it. 409 `handoff_state`; needs Idempotency-Key.

    Args:
        edge: The request.
        handoff_id: Which.
        data: Who.
    """
    return await _written(
        edge, lambda tx: handoffs.see(tx, edge.actor, handoff_id, person=data.person)
    )


@post(
    "/handoffs/{handoff_id:uuid}/acknowledgements",
    operation_id="AcknowledgeHandoff",
    status_code=200,
    summary="Take responsibility as a named human",
    tags=["events"],
)
async def acknowledge_handoff(
    edge: NamedDependency[Edge], handoff_id: FromPath[UUID], data: JSONBody[Answer]
) -> Handoff:
    """Take responsibility as a named human. 409 `handoff_state`; needs Idempotency-Key.

    Args:
        edge: The request.
        handoff_id: Which.
        data: Who.
    """
    return await _written(
        edge, lambda tx: handoffs.accept(tx, edge.actor, handoff_id, person=data.person)
    )


@post(
    "/handoffs/{handoff_id:uuid}/refusals",
    operation_id="RefuseHandoff",
    status_code=200,
    summary="Refuse with a reason; the sender keeps the patient",
    tags=["events"],
)
async def refuse_handoff(
    edge: NamedDependency[Edge], handoff_id: FromPath[UUID], data: JSONBody[Refusal]
) -> Handoff:
    """Refuse with a reason; the sender keeps the patient. 409 `handoff_state`.

    Args:
        edge: The request.
        handoff_id: Which.
        data: Who and why.
    """
    return await _written(
        edge,
        lambda tx: handoffs.refuse(tx, edge.actor, handoff_id, data.reason, person=data.person),
    )


@post(
    "/handoffs/{handoff_id:uuid}/escalations",
    operation_id="EscalateHandoff",
    status_code=200,
    summary="Tell the next step of the ladder now, without waiting for the clock",
    tags=["events"],
)
async def escalate_handoff(edge: NamedDependency[Edge], handoff_id: FromPath[UUID]) -> Handoff:
    """Tell the next step of the ladder now. 409 `handoff_state`; needs Idempotency-Key.

    Args:
        edge: The request.
        handoff_id: Which.
    """
    return await _written(edge, lambda tx: escalation.raise_now(tx, edge.actor, handoff_id))


@post(
    "/handoffs/{handoff_id:uuid}/takings",
    operation_id="TakeHandoff",
    status_code=200,
    summary="Take an overdue handoff in hand: its actor answers for the patient",
    tags=["events"],
)
async def take_handoff(edge: NamedDependency[Edge], handoff_id: FromPath[UUID]) -> Handoff:
    """Take an overdue handoff in hand. 409 `handoff_state`; needs Idempotency-Key.

    Args:
        edge: The request.
        handoff_id: Which.
    """
    return await _written(edge, lambda tx: escalation.take(tx, edge.actor, handoff_id))


@post(
    "/handoffs/{handoff_id:uuid}/arrivals",
    operation_id="ArriveHandoff",
    status_code=200,
    summary="Say that the patient is there",
    tags=["events"],
)
async def arrive_handoff(edge: NamedDependency[Edge], handoff_id: FromPath[UUID]) -> Handoff:
    """Say that the patient is there. 409 `handoff_state`; needs Idempotency-Key.

    Args:
        edge: The request.
        handoff_id: Which.
    """
    return await _written(edge, lambda tx: handoffs.arrive(tx, edge.actor, handoff_id))


@get(
    "/duty",
    operation_id="ReadDuty",
    summary="Read who is on duty, and the roster",
    tags=["events"],
)
async def read_duty(edge: NamedDependency[Edge]) -> Rota:
    """Read who is on duty in the actor's territory, and who stands on which step of the ladder.

    Args:
        edge: The request.
    """
    return await edge.run(lambda tx: duty.rota(tx, edge.actor))


@put(
    "/duty",
    operation_id="SetDuty",
    summary="Say that one is on duty, or off: what one had in hand climbs at once",
    tags=["events"],
)
async def set_duty(edge: NamedDependency[Edge], data: JSONBody[SetDuty]) -> Rota:
    """Say that somebody is on duty or off. 422 `actor_unknown`, `shift_over`.

    Args:
        edge: The request.
        data: Who, and until when.
    """
    return await edge.run(lambda tx: duty.put(tx, edge.actor, data))


@put(
    "/roster",
    operation_id="SetRosterPost",
    summary="Say who stands on a step of the ladder",
    tags=["events"],
)
async def set_post(edge: NamedDependency[Edge], data: JSONBody[SetPost]) -> Rota:
    """Say who stands on a step of the ladder. 422 `level_unknown`, `post_names_one`.

    Args:
        edge: The request.
        data: The step, and a role or an actor.
    """
    return await edge.run(lambda tx: duty.put_post(tx, edge.actor, data))


ROUTES: Final = [
    list_handoffs,
    get_handoff,
    see_handoff,
    acknowledge_handoff,
    refuse_handoff,
    escalate_handoff,
    take_handoff,
    arrive_handoff,
    read_duty,
    set_duty,
    set_post,
]
"""Part of the room's routes, mounted under /api/v1."""
