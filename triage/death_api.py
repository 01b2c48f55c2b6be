"""Routes of deaths: reported, confirmed by a physician, taken back."""

from typing import Final
from uuid import UUID

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from kernel.database import Tx
from kernel.edge import Edge
from triage import deaths
from triage.deaths import DeathReport, ReportDeath, ReverseDeath


@post(
    "/cases/{case_id:uuid}/deaths",
    operation_id="ReportDeath",
    summary="Note that somebody said the patient died; closes nothing",
    tags=["triage"],
)
async def report_death(
    edge: NamedDependency[Edge], case_id: FromPath[UUID], data: JSONBody[ReportDeath]
) -> DeathReport:
    """Note that somebody said the patient died. 409 `death_reported_already`, `case_closed`.

    Args:
        edge: The request.
        case_id: Which case.
        data: Who said so.
    """

    async def act(tx: Tx) -> tuple[UUID, DeathReport]:
        told = await deaths.report(tx, edge.actor, case_id, data)
        return told.id, told

    return await edge.once_if_keyed(act, deaths.get)


@post(
    "/deaths/{report_id:uuid}/confirmations",
    operation_id="ConfirmDeath",
    status_code=200,
    summary="Confirm a reported death as a physician: the case is closed",
    tags=["triage"],
)
async def confirm_death(edge: NamedDependency[Edge], report_id: FromPath[UUID]) -> DeathReport:
    """Confirm a reported death. 403 not a physician; 404; 409 `death_report_settled`.

    Args:
        edge: The request.
        report_id: Which.
    """

    async def act(tx: Tx) -> tuple[UUID, DeathReport]:
        return report_id, await deaths.confirm(tx, edge.actor, report_id)

    return await edge.once_if_keyed(act, deaths.get)


@post(
    "/deaths/{report_id:uuid}/reversals",
    operation_id="ReverseDeath",
    status_code=200,
    summary="Take a reported or confirmed death back: the case is open again",
    tags=["triage"],
)
async def reverse_death(
    edge: NamedDependency[Edge], report_id: FromPath[UUID], data: JSONBody[ReverseDeath]
) -> DeathReport:
    """Take a report or its confirmation back. 403 not a physician; 404; 409.

    Args:
        edge: The request.
        report_id: Which.
        data: Why.
    """

    async def act(tx: Tx) -> tuple[UUID, DeathReport]:
        return report_id, await deaths.reverse(tx, edge.actor, report_id, data)

    return await edge.once_if_keyed(act, deaths.get)


ROUTES: Final = [report_death, confirm_death, reverse_death]
"""Part of the room's routes, mounted under /api/v1."""
