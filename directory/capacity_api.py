"""Routes of beds and emergency places under /api/v1/care-services."""

from typing import Annotated, Final
from uuid import UUID

from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from directory import capacity_reports
from directory.capacity import CapacityKind
from directory.capacity_reports import Capacity, CapacityPage, ChangePage, Said
from kernel import errors
from kernel.edge import Edge

Before = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]


def _kind(text: str) -> CapacityKind:
    """Read the kind of the address.

    Raises:
        kernel.errors.Missing: `capacity_kind_unknown`.
    """
    try:
        return CapacityKind(text)
    except ValueError:
        raise errors.Missing("capacity_kind_unknown", "There is no such kind.") from None


@put(
    "/care-services/{care_service_id:uuid}/capacity/{kind:str}",
    tags=["directory"],
    summary="Report how many beds or places there are and how many are occupied",
)
async def report_capacity(
    edge: NamedDependency[Edge],
    care_service_id: FromPath[UUID],
    kind: FromPath[str],
    data: JSONBody[Said],
) -> Capacity:
    """Report how many beds or places there are and how many are occupied.

    The sequence is higher than that of any earlier report (409 `sequence_not_newer` otherwise,
    nothing changed); the same sequence and body again gives the same answer. Author and cause are
    kept with every report.
    """
    what = _kind(kind)
    return await edge.run(
        lambda tx: capacity_reports.report(tx, edge.actor, care_service_id, what, data)
    )


@get(
    "/care-services/{care_service_id:uuid}/capacity",
    tags=["directory"],
    summary="Give what a care service says of its beds and places, with its age",
)
async def get_capacity(
    edge: NamedDependency[Edge], care_service_id: FromPath[UUID]
) -> CapacityPage:
    """Give what a care service says of its beds and places, with its age."""
    return await edge.run(
        lambda tx: capacity_reports.of_care_service(tx, edge.actor, care_service_id)
    )


@get(
    "/care-services/{care_service_id:uuid}/capacity/{kind:str}/changes",
    tags=["directory"],
    summary="Give the reports of one kind, newest first, with author and cause",
)
async def list_capacity_changes(
    edge: NamedDependency[Edge],
    care_service_id: FromPath[UUID],
    kind: FromPath[str],
    before: Before = None,
    limit: Limit = 50,
) -> ChangePage:
    """Give the reports of one kind, newest first, with author and cause."""
    what = _kind(kind)
    return await edge.run(
        lambda tx: capacity_reports.changes(tx, edge.actor, care_service_id, what, (before, limit))
    )


ROUTES: Final = [report_capacity, get_capacity, list_capacity_changes]
