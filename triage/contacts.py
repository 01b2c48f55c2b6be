"""Routes of calls, incidents and callbacks."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from kernel.actor import require
from kernel.database import Tx
from kernel.edge import Edge
from triage import callbacks, calls, cases
from triage.callbacks import Attempt, ScheduleCallback
from triage.calls import EndCall, Incident, OpenCall, OpenIncident
from triage.model import Call, Callback

# Bounds of a parameter stand in its marker: beside FromQuery msgspec.Meta would be dropped.
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
_PAGE: Final = 100


class CallbackPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of calls owed, earliest due first.

    Attributes:
        callbacks: The page.
        after: Pass it as `after` for the next page; none at the end.
    """

    callbacks: Sequence[Callback]
    after: UUID | None


@post("/calls", operation_id="OpenCall", summary="Write down that a contact began", tags=["triage"])
async def open_call(edge: NamedDependency[Edge], data: JSONBody[OpenCall]) -> Call:
    """Write down that a contact began. 403 `action_not_allowed`, 404 `incident_missing`.

    Args:
        edge: The request.
        data: The contact.
    """
    require(edge.actor, "call.open")
    territory_id = cases.territory_of(edge.actor)
    known = data.caller is not None
    key = await edge.keys.create(edge.database, territory_id) if known else None

    async def act(tx: Tx) -> tuple[UUID, Call]:
        call = await calls.open_call(tx, edge.actor, data, edge.keys, key)
        return call.id, call

    return await edge.once_if_keyed(act, calls.get)


@post(
    "/calls/{call_id:uuid}/end",
    operation_id="EndCall",
    status_code=200,
    summary="End a contact",
    tags=["triage"],
)
async def end_call(
    edge: NamedDependency[Edge], call_id: FromPath[UUID], data: JSONBody[EndCall]
) -> Call:
    """End a contact. 404 `call_missing`, `case_missing`; 409 `call_ended`; 422 `case_needed`.

    Args:
        edge: The request.
        call_id: Which.
        data: What it ended as.
    """

    async def act(tx: Tx) -> tuple[UUID, Call]:
        return call_id, await calls.end_call(tx, edge.actor, call_id, data)

    return await edge.once_if_keyed(act, calls.get)


@post(
    "/incidents",
    operation_id="OpenIncident",
    summary="Open an incident that several calls or patients belong to",
    tags=["triage"],
)
async def open_incident(edge: NamedDependency[Edge], data: JSONBody[OpenIncident]) -> Incident:
    """Open an incident that several calls or patients belong to. 403 `action_not_allowed`.

    Args:
        edge: The request.
        data: Its kind.
    """

    async def act(tx: Tx) -> tuple[UUID, Incident]:
        incident = await calls.open_incident(tx, edge.actor, data)
        return incident.id, incident

    return await edge.once_if_keyed(act, calls.get_incident)


@post("/callbacks", operation_id="ScheduleCallback", summary="Owe a call", tags=["triage"])
async def schedule_callback(
    edge: NamedDependency[Edge], data: JSONBody[ScheduleCallback]
) -> Callback:
    """Owe a call. 404 `case_missing`, `call_missing`; 422 `case_or_call_needed`.

    Args:
        edge: The request.
        data: About what, why, from when.
    """

    async def act(tx: Tx) -> tuple[UUID, Callback]:
        callback = await callbacks.schedule(tx, edge.actor, data)
        return callback.id, callback

    return await edge.once_if_keyed(act, callbacks.get)


@post(
    "/callbacks/{callback_id:uuid}/attempts",
    operation_id="AttemptCallback",
    status_code=200,
    summary="Write down one attempt",
    tags=["triage"],
)
async def attempt_callback(
    edge: NamedDependency[Edge], callback_id: FromPath[UUID], data: JSONBody[Attempt]
) -> Callback:
    """Write down one attempt. 404 `callback_missing`; 409 `callback_settled`.

    Args:
        edge: The request.
        callback_id: Which.
        data: What became of it.
    """

    async def act(tx: Tx) -> tuple[UUID, Callback]:
        return callback_id, await callbacks.attempt(tx, edge.actor, callback_id, data)

    return await edge.once_if_keyed(act, callbacks.get)


@get(
    "/callbacks",
    operation_id="ListCallbacks",
    summary="List the calls that are owed, earliest due first",
    tags=["triage"],
)
async def list_callbacks(
    edge: NamedDependency[Edge],
    after: FromQuery[UUID | None] = None,
    limit: Limit = _PAGE,
) -> CallbackPage:
    """List the calls that are owed, earliest due first. 403; 404 `callback_missing`.

    Args:
        edge: The request.
        after: Id of the last one of the page before.
        limit: At most 200.
    """
    found = await edge.run(lambda tx: callbacks.owed(tx, edge.actor, after, limit))
    return CallbackPage(callbacks=found, after=found[-1].id if len(found) == limit else None)


ROUTES: Final[list[Any]] = [
    open_call,
    end_call,
    open_incident,
    schedule_callback,
    attempt_callback,
    list_callbacks,
]
"""Mounted under /api/v1 by `api`."""
