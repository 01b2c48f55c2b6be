"""Routes of what becomes of a handoff: escalated by hand, taken, arrived; and who is on duty."""

from typing import Final
from uuid import UUID

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from events import duty, escalation, handoffs
from events.duty import Rota, SetDuty, SetPost
from events.model import Handoff
from kernel.database import Tx
from kernel.edge import Edge


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

    async def act(tx: Tx) -> tuple[UUID, Handoff]:
        raised = await escalation.raise_now(tx, edge.actor, handoff_id)
        return raised.id, raised

    return await edge.once(act, lambda tx, one: handoffs.get(tx, edge.actor, one))


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

    async def act(tx: Tx) -> tuple[UUID, Handoff]:
        taken = await escalation.take(tx, edge.actor, handoff_id)
        return taken.id, taken

    return await edge.once(act, lambda tx, one: handoffs.get(tx, edge.actor, one))


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

    async def act(tx: Tx) -> tuple[UUID, Handoff]:
        there = await handoffs.arrive(tx, edge.actor, handoff_id)
        return there.id, there

    return await edge.once(act, lambda tx, one: handoffs.get(tx, edge.actor, one))


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


ROUTES: Final = [escalate_handoff, take_handoff, arrive_handoff, read_duty, set_duty, set_post]
"""Part of the room's routes, mounted under /api/v1."""
