"""The directory as a typed graph: for modelling, checking and drawing.

Queries run on frozen arrays (`snapshot`, `links`); property tests compare the two.

Nodes are the ids themselves; attribute `type` says what each is:
    organisation: name, kind          location: name, lon, lat, department
    care_service: name, service, modalities, intake, active, organisation_id, lon, lat
    role: service
Edges are directed; attribute `type` says what each means:
    part_of       organisation -> organisation
    runs          organisation -> care_service
    at            care_service -> location
    staffed_by    care_service -> role
    refers_to     care_service -> care_service: road_m, duration_s (journey of the patient)
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from uuid import UUID

import msgspec
import networkx as nx
import numpy as np

from directory import distance
from directory.model import (
    CareService,
    Location,
    LocationId,
    ReferralLink,
)
from directory.rows import Rows

Graph: TypeAlias = "nx.MultiDiGraph[UUID]"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One inconsistency of the rows: a stable code and the row that shows it."""

    code: str
    row_id: UUID


def build(rows: Rows, model: distance.TravelModel) -> Graph:
    """Build the graph.

    Args:
        rows: The rows; a link or reference to a missing row is left out (see `faults`).
        model: Journey times on `refers_to` edges.

    Returns:
        A directed multigraph with the node and edge types of this module's docstring.
    """
    graph: Graph = nx.MultiDiGraph()
    for body in rows.organisations:
        graph.add_node(body.id, type="organisation", name=body.name, kind=body.kind.value)
    for place in rows.locations:
        graph.add_node(
            place.id,
            type="location",
            name=place.name,
            lon=place.lon,
            lat=place.lat,
            department=place.department,
        )
    for role in rows.roles:
        graph.add_node(role.id, type="role", service=role.service)
    places = {place.id: place for place in rows.locations}
    for service in rows.care_services:
        _add_care_service(graph, service, places)
    for body in rows.organisations:
        if body.parent_id is not None and body.parent_id in graph:
            graph.add_edge(body.id, body.parent_id, type="part_of")
    _add_links(graph, rows.links, model)
    return graph


def _add_care_service(
    graph: Graph, service: CareService, places: Mapping[LocationId, Location]
) -> None:
    place = places.get(service.location_id)
    if place is None:
        return
    graph.add_node(
        service.id,
        type="care_service",
        name=service.name,
        service=service.service,
        modalities=sorted(service.modalities),
        intake=service.intake.value,
        active=service.active,
        organisation_id=service.organisation_id,
        lon=place.lon,
        lat=place.lat,
    )
    graph.add_edge(service.id, place.id, type="at")
    if service.organisation_id in graph:
        graph.add_edge(service.organisation_id, service.id, type="runs")
    if service.role_id is not None and service.role_id in graph:
        graph.add_edge(service.id, service.role_id, type="staffed_by")


def _add_links(graph: Graph, links: Iterable[ReferralLink], model: distance.TravelModel) -> None:
    known = [link for link in links if link.source_id in graph and link.target_id in graph]
    for link in known:
        source, target = graph.nodes[link.source_id], graph.nodes[link.target_id]
        trip = distance.travel(
            source["lon"],
            source["lat"],
            np.array([target["lon"]]),
            np.array([target["lat"]]),
            model,
        )
        graph.add_edge(
            link.source_id,
            link.target_id,
            type="refers_to",
            road_m=float(trip.road_m[0]),
            duration_s=float(trip.duration_s[0]),
        )


def faults(rows: Rows) -> tuple[Fault, ...]:
    """Give what is inconsistent in the rows, in row order.

    Codes: `organisation_unknown`, `location_unknown`, `role_unknown` (a care service points at a
    missing row), `link_dangling` (a referral link's end is missing), `parent_cycle` (an
    organisation is part of itself).
    """
    found: list[Fault] = []
    bodies = {body.id for body in rows.organisations}
    places = {place.id for place in rows.locations}
    roles = {role.id for role in rows.roles}
    services = {service.id for service in rows.care_services}
    for service in rows.care_services:
        if service.organisation_id not in bodies:
            found.append(Fault(code="organisation_unknown", row_id=service.id))
        if service.location_id not in places:
            found.append(Fault(code="location_unknown", row_id=service.id))
        if service.role_id is not None and service.role_id not in roles:
            found.append(Fault(code="role_unknown", row_id=service.id))
    found.extend(
        Fault(code="link_dangling", row_id=link.source_id)
        for link in rows.links
        if link.source_id not in services or link.target_id not in services
    )
    parents = nx.DiGraph(
        (body.id, body.parent_id) for body in rows.organisations if body.parent_id is not None
    )
    found.extend(
        Fault(code="parent_cycle", row_id=node)
        for component in nx.strongly_connected_components(parents)
        for node in sorted(component)
        if len(component) > 1 or parents.has_edge(node, node)
    )
    return tuple(found)
