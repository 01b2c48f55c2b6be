"""Routes of what is the same for every patient: protocols and complaints."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from kernel import errors
from kernel.actor import require
from kernel.edge import Edge
from triage import recogniser
from triage.library import Library
from triage.protocol import ProtocolFile, Text


class ProtocolLine(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol of this process; `digest` is the sha256 of its file."""

    id: str
    version: str
    kind: str
    status: str
    title: Text
    digest: str


class ComplaintLine(msgspec.Struct, frozen=True, kw_only=True):
    """One complaint to choose from."""

    code: str
    label: Text
    default_acuity: str


@get(
    "/protocols",
    operation_id="ListProtocols",
    summary="List the protocols of this process",
    tags=["triage"],
)
async def list_protocols(
    edge: NamedDependency[Edge], library: NamedDependency[Library]
) -> list[ProtocolLine]:
    """List the protocols of this process. 403 `action_not_allowed`.

    Args:
        edge: The request.
        library: The protocols.
    """
    require(edge.actor, "protocol.read")
    return [
        ProtocolLine(
            id=one.file.id,
            version=one.file.version,
            kind=one.file.kind,
            status=one.status,
            title=one.file.title,
            digest=one.digest,
        )
        for one in library.protocols
    ]


@get(
    "/protocols/{protocol_id:str}",
    operation_id="GetProtocol",
    summary="Read one protocol: questions, rules, sources, advice, safety net",
    tags=["triage"],
)
async def get_protocol(
    edge: NamedDependency[Edge], library: NamedDependency[Library], protocol_id: FromPath[str]
) -> ProtocolFile:
    """Read one protocol: questions, rules, sources, advice, safety net. 404.

    Args:
        edge: The request.
        library: The protocols.
        protocol_id: Which.
    """
    require(edge.actor, "protocol.read")
    found = library.get(protocol_id)
    if found is None:
        code = "protocol_missing"
        raise errors.Missing(code, "No such protocol.")
    return found.file


@get(
    "/complaints",
    operation_id="ListComplaints",
    summary="List the coded complaints to choose from",
    tags=["triage"],
)
async def list_complaints(edge: NamedDependency[Edge]) -> list[ComplaintLine]:
    """List the coded complaints to choose from. 403 `action_not_allowed`.

    Args:
        edge: The request.
    """
    require(edge.actor, "protocol.read")
    return [
        ComplaintLine(code=one.code, label=one.label, default_acuity=one.default_acuity)
        for one in recogniser.shipped().complaints()
    ]


ROUTES: Final[list[Any]] = [list_protocols, get_protocol, list_complaints]
"""Mounted under /api/v1 by `api`."""
