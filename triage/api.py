"""Routes of cases and the physician's queue; those of calls stand in `contacts`."""

from typing import Any, Final
from uuid import UUID

from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from kernel.actor import require
from kernel.database import Tx
from kernel.edge import Edge
from triage import (
    cases,
    confirmations,
    contacts,
    death_api,
    dispositions,
    dossier,
    qualification,
    recording,
    reference,
)
from triage.cases import CloseCase
from triage.confirmations import AcuityConfirmation, ConfirmAcuity
from triage.dispositions import Decide, ReflexDispatch
from triage.dossier import CaseView, OpenCase
from triage.library import Library
from triage.model import Case, Disposition, Stream
from triage.qualification import Qualify, Queue, Take
from triage.recording import Evaluator, RecordedAssessment, RecordFindings


def _evaluator(edge: Edge, library: Library) -> Evaluator:
    """Give the protocols of this process under its settings."""
    return Evaluator(library=library, allow_draft=edge.settings.allow_draft_protocols)


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

    An answer that can't be is 422 `finding_refused` with `path`, `value`, `reason` and `allowed`.
    An odd one is set aside in `to_confirm` and counts once it is sent again with `confirmed`; the
    others are recorded. A milder level than the one in force waits in `standing.lower`.

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
    "/cases/{case_id:uuid}/acuity-confirmations",
    operation_id="ConfirmAcuity",
    summary="Put in force the milder level that waits",
    tags=["triage"],
)
async def confirm_acuity(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[ConfirmAcuity]
) -> AcuityConfirmation:
    """Put in force the milder level that waits.

    403 `physician_only`; 404 `case_missing`; 409 `assessment_outdated` with `assessment_id`,
    `nothing_to_confirm`, `answers_too_old`, `case_closed`; 422 `reason_missing`.

    Args:
        edge: The request.
        case_id: Which case.
        data: The assessment as it was shown, and why.
    """

    async def act(tx: Tx) -> tuple[UUID, AcuityConfirmation]:
        confirmed = await confirmations.confirm(tx, edge.actor, case_id, data)
        return confirmed.id, confirmed

    return await edge.once_if_keyed(act, confirmations.get)


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


ROUTES: Final[list[Any]] = [
    open_case,
    get_case,
    record_findings,
    get_assessment,
    confirm_acuity,
    qualify_case,
    dispatch_at_once,
    get_queue,
    take_case,
    decide,
    close_case,
    *death_api.ROUTES,
    *contacts.ROUTES,
    *reference.ROUTES,
]
"""Mounted under /api/v1."""
