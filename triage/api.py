"""Routes of calls, cases, the physician's queue and callbacks."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from kernel.actor import require
from kernel.database import Tx
from kernel.edge import Edge
from triage import (
    callbacks,
    calls,
    cases,
    dispositions,
    dossier,
    qualification,
    recording,
    reference,
)
from triage.callbacks import Attempt, ScheduleCallback
from triage.calls import EndCall, Incident, OpenCall, OpenIncident
from triage.cases import CloseCase
from triage.dispositions import Decide, ReflexDispatch
from triage.dossier import CaseView, OpenCase
from triage.library import Library
from triage.model import Call, Callback, Case, Disposition, Stream
from triage.qualification import Qualify, Queue, Take
from triage.recording import Evaluator, RecordedAssessment, RecordFindings

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


def _evaluator(edge: Edge, library: Library) -> Evaluator:
    """Give the protocols of this process under its settings."""
    return Evaluator(library=library, allow_draft=edge.settings.allow_draft_protocols)


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


@post("/cases", operation_id="OpenCase", summary="Open a case and evaluate it", tags=["triage"])
async def open_case(
    edge: NamedDependency[Edge], library: NamedDependency[Library], data: JSONBody[OpenCase]
) -> CaseView:
    """Open a case and evaluate it. 404 `call_missing`; 409 `call_of_another_case`; 422.

    Args:
        edge: The request.
        library: The protocols.
        data: What is known.
    """
    require(edge.actor, "case.open")
    key = await edge.keys.create(edge.database, cases.territory_of(edge.actor))
    evaluator = _evaluator(edge, library)

    async def act(tx: Tx) -> tuple[UUID, CaseView]:
        case = await dossier.open_case(tx, edge.actor, evaluator, data, keys=edge.keys, key=key)
        return case.id, await again(tx, case.id)

    async def again(tx: Tx, case_id: UUID) -> CaseView:
        return await dossier.view(tx, edge.actor, case_id, edge.keys)

    return await edge.once_if_keyed(act, again)


@get(
    "/cases/{case_id:uuid}",
    operation_id="GetCase",
    summary="Read a case with everything the actor may see",
    tags=["triage"],
)
async def get_case(edge: NamedDependency[Edge], case_id: FromPath[UUID]) -> CaseView:
    """Read a case with everything the actor may see. 404 `case_missing`; 410 `key_shredded`.

    Args:
        edge: The request.
        case_id: Which.
    """
    return await edge.run(lambda tx: dossier.view(tx, edge.actor, case_id, edge.keys))


@put(
    "/cases/{case_id:uuid}/findings",
    operation_id="RecordFindings",
    summary="Record answers and evaluate again",
    tags=["triage"],
)
async def record_findings(
    edge: NamedDependency[Edge],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
    data: JSONBody[RecordFindings],
) -> RecordedAssessment:
    """Record answers and evaluate again. 404 `case_missing`; 409 `case_closed`; 422.

    Args:
        edge: The request.
        library: The protocols.
        case_id: Which case.
        data: The answers; those that stand already are replaced.
    """
    evaluator = _evaluator(edge, library)

    async def act(tx: Tx) -> tuple[UUID, RecordedAssessment]:
        recorded = await recording.record(tx, edge.actor, evaluator, case_id, data)
        return recorded.id, recorded

    return await edge.once_if_keyed(act, recording.stored)


@get(
    "/cases/{case_id:uuid}/assessment",
    operation_id="GetAssessment",
    summary="Read the last assessment with its trace",
    tags=["triage"],
)
async def get_assessment(
    edge: NamedDependency[Edge], case_id: FromPath[UUID]
) -> RecordedAssessment:
    """Read the last assessment with its trace. 404 `case_missing`.

    Args:
        edge: The request.
        case_id: Which case.
    """
    return await edge.run(lambda tx: recording.latest(tx, edge.actor, case_id))


@post(
    "/cases/{case_id:uuid}/qualification",
    operation_id="QualifyCase",
    status_code=200,
    summary="Set priority and stream",
    tags=["triage"],
)
async def qualify_case(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[Qualify]
) -> Case:
    """Set priority and stream. 403 `physician_only`; 404; 409 `case_closed`; 422.

    Args:
        edge: The request.
        case_id: Which case.
        data: Priority, stream, and the reason of a milder priority.
    """

    async def act(tx: Tx) -> tuple[UUID, Case]:
        return case_id, await qualification.qualify(tx, edge.actor, case_id, data)

    return await edge.once_if_keyed(act, lambda tx, found: cases.get(tx, edge.actor, found))


@post(
    "/cases/{case_id:uuid}/reflex-dispatch",
    operation_id="DispatchAtOnce",
    summary="Dispatch before medical regulation",
    tags=["triage"],
)
async def dispatch_at_once(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[ReflexDispatch]
) -> Disposition:
    """Dispatch before medical regulation. 403; 404; 409 `dispatch_not_assured`.

    Args:
        edge: The request.
        case_id: Which case.
        data: What leaves.
    """

    async def act(tx: Tx) -> tuple[UUID, Disposition]:
        decided = await dispositions.dispatch(tx, edge.actor, case_id, data, edge.keys)
        return decided.id, decided

    return await edge.once_if_keyed(act, lambda tx, found: dispositions.get(tx, edge.actor, found))


@get(
    "/queues/{stream:str}",
    operation_id="GetQueue",
    summary="Read the cases of a stream that wait for a decision, in working order",
    tags=["triage"],
)
async def get_queue(edge: NamedDependency[Edge], stream: FromPath[Stream]) -> Queue:
    """Read the cases of a stream that wait for a decision, in working order. 403.

    Args:
        edge: The request.
        stream: AMU, SNP, PSY or NEONAT.
    """
    return await edge.run(lambda tx: qualification.queue(tx, edge.actor, stream))


@post(
    "/cases/{case_id:uuid}/take",
    operation_id="TakeCase",
    status_code=200,
    summary="Take a case",
    tags=["triage"],
)
async def take_case(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[Take]
) -> Case:
    """Take a case. 404; 409 `case_taken` with `taken_by`, `case_handed_over`, `case_closed`.

    Args:
        edge: The request.
        case_id: Which case.
        data: From whom, when it is taken over.
    """

    async def act(tx: Tx) -> tuple[UUID, Case]:
        return case_id, await qualification.take(tx, edge.actor, case_id, data)

    return await edge.once_if_keyed(act, lambda tx, found: cases.get(tx, edge.actor, found))


@post(
    "/cases/{case_id:uuid}/dispositions",
    operation_id="Decide",
    summary="Decide what shall be done",
    tags=["triage"],
)
async def decide(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[Decide]
) -> Disposition:
    """Decide what shall be done. 403 `physician_only`; 404; 409; 422; needs Idempotency-Key.

    Args:
        edge: The request.
        case_id: Which case.
        data: The decision.
    """

    async def act(tx: Tx) -> tuple[UUID, Disposition]:
        decided = await dispositions.decide(tx, edge.actor, case_id, data, edge.keys)
        return decided.id, decided

    return await edge.once(act, lambda tx, found: dispositions.get(tx, edge.actor, found))


@post(
    "/cases/{case_id:uuid}/close",
    operation_id="CloseCase",
    status_code=200,
    summary="Close a case",
    tags=["triage"],
)
async def close_case(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[CloseCase]
) -> Case:
    """Close a case. 403 `physician_only`; 404; 409 `case_without_disposition`, `case_closed`.

    Args:
        edge: The request.
        case_id: Which case.
        data: Why.
    """

    async def act(tx: Tx) -> tuple[UUID, Case]:
        return case_id, await cases.close(tx, edge.actor, case_id, data)

    return await edge.once_if_keyed(act, lambda tx, found: cases.get(tx, edge.actor, found))


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
    open_case,
    get_case,
    record_findings,
    get_assessment,
    qualify_case,
    dispatch_at_once,
    get_queue,
    take_case,
    decide,
    close_case,
    schedule_callback,
    attempt_callback,
    list_callbacks,
    *reference.ROUTES,
]
"""Mounted under /api/v1."""
