"""Routes about who is on call, who stands in for whom, and what organisations belong to."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from directory import duties, organisations
from directory.duties import LARGEST, LONGEST_WINDOW, NewZone, OnDuty, Rota, Zone
from directory.inputs import moment as read_moment
from directory.inputs import window as read_window
from directory.model import CareServiceId, Interval
from directory.organisations import Joining, OrganisationView, StandIn, Substitution
from directory.profiles import Phone
from directory.rotas import Line, Shift
from kernel.edge import Edge
from kernel.inputs import Code, UtcTime


class ZoneInput(NewZone, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zone as sent, with all its communes."""


class ShiftInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shift; `phone` where the duty has a number of its own."""

    starts_at: UtcTime
    ends_at: UtcTime
    care_service_id: UUID
    rank: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    phone: Phone | None = None


class RotaInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All shifts of a zone that begin in a window; stored ones that are not here are dropped."""

    starts_at: UtcTime
    ends_at: UtcTime
    shifts: Annotated[tuple[ShiftInput, ...], msgspec.Meta(max_length=LARGEST)]


class SubstituteInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who stands in, by RPPS number, from when until when."""

    rpps: Annotated[str, msgspec.Meta(min_length=11, max_length=20)]
    starts_at: UtcTime
    ends_at: UtcTime


class SubstitutesInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everybody who stands in from now on."""

    substitutions: Annotated[
        tuple[SubstituteInput, ...], msgspec.Meta(max_length=organisations.MOST)
    ]


class JoiningInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group that an organisation belongs to from a day until before another."""

    group_id: UUID
    since: date | None = None
    until: date | None = None


class AffiliationsInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every group that an organisation belongs to."""

    groups: Annotated[tuple[JoiningInput, ...], msgspec.Meta(max_length=organisations.MOST)]


class OnCallNow(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call, zone by zone; a zone without anybody is named too."""

    zones: Sequence[OnDuty]


class Zones(msgspec.Struct, frozen=True, kw_only=True):
    """Zones by line and name."""

    zones: Sequence[Zone]


class Substitutions(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands in now and later, by start."""

    substitutions: Sequence[Substitution]


@get("/on-call", tags=["directory"], summary="Give who is on call, at an instant, for a commune")
async def get_on_call(
    edge: NamedDependency[Edge],
    commune: Annotated[Code | None, QueryParameter()] = None,
    line: FromQuery[Line | None] = None,
    at: FromQuery[datetime | None] = None,
) -> OnCallNow:
    """Give who is on call at an instant (now when left out), for a commune or in every zone."""
    moment = None if at is None else read_moment(at, "at")
    found = await edge.run(lambda tx: duties.on_call(tx, edge.actor, commune, line, moment))
    return OnCallNow(zones=found)


@get("/coverage-zones", tags=["directory"], summary="Give the zones that have a rota")
async def list_zones(edge: NamedDependency[Edge], line: FromQuery[Line | None] = None) -> Zones:
    """Give the zones that have a rota, by line and name."""
    return Zones(zones=await edge.run(lambda tx: duties.zones(tx, edge.actor, line)))


@put(
    "/coverage-zones/{zone_id:uuid}",
    tags=["directory"],
    summary="Set a zone of one's territory; a new id makes a new one",
)
async def set_zone(
    edge: NamedDependency[Edge], zone_id: FromPath[UUID], data: JSONBody[ZoneInput]
) -> Zone:
    """Set a zone of one's territory; a new id makes a new one."""
    return await edge.run(lambda tx: duties.draw(tx, edge.actor, zone_id, data))


@get(
    "/coverage-zones/{zone_id:uuid}/shifts",
    tags=["directory"],
    summary="Give the rota of a zone in a window, with the gaps in which nobody is on call",
)
async def get_rota(
    edge: NamedDependency[Edge],
    zone_id: FromPath[UUID],
    starts_at: FromQuery[datetime],
    ends_at: FromQuery[datetime],
) -> Rota:
    """Give the rota of a zone in a window, with the gaps in which nobody is on call."""
    window = read_window(starts_at, ends_at, LONGEST_WINDOW)
    return await edge.run(lambda tx: duties.rota(tx, edge.actor, zone_id, window))


@put(
    "/coverage-zones/{zone_id:uuid}/shifts",
    tags=["directory"],
    summary="Publish the rota of a zone for a window",
)
async def set_rota(
    edge: NamedDependency[Edge], zone_id: FromPath[UUID], data: JSONBody[RotaInput]
) -> Rota:
    """Publish the rota of a zone for a window; the answer names the gaps it leaves."""
    window = read_window(data.starts_at, data.ends_at, LONGEST_WINDOW)
    shifts = [
        Shift(
            interval=read_window(one.starts_at, one.ends_at, LONGEST_WINDOW),
            care_service_id=CareServiceId(one.care_service_id),
            rank=one.rank,
            phone=one.phone,
        )
        for one in data.shifts
    ]
    return await edge.run(lambda tx: duties.publish(tx, edge.actor, zone_id, window, shifts))


@get(
    "/organisations/{organisation_id:uuid}",
    tags=["directory"],
    summary="Give an organisation with its numbers and what it belongs to",
)
async def get_organisation(
    edge: NamedDependency[Edge], organisation_id: FromPath[UUID]
) -> OrganisationView:
    """Give an organisation with its numbers and what it belongs to."""
    return await edge.run(lambda tx: organisations.organisation(tx, edge.actor, organisation_id))


@put(
    "/organisations/{organisation_id:uuid}/affiliations",
    tags=["directory"],
    summary="Set to which groups an organisation belongs: CPTS, health house, hospital group",
)
async def set_affiliations(
    edge: NamedDependency[Edge], organisation_id: FromPath[UUID], data: JSONBody[AffiliationsInput]
) -> OrganisationView:
    """Set to which groups an organisation belongs."""
    groups = [
        Joining(group_id=one.group_id, since=one.since, until=one.until) for one in data.groups
    ]
    return await edge.run(lambda tx: organisations.join(tx, edge.actor, organisation_id, groups))


@get(
    "/roles/{role_id:uuid}/substitutions",
    tags=["directory"],
    summary="Give who stands in for the practitioner of a role, now and later",
)
async def get_substitutions(edge: NamedDependency[Edge], role_id: FromPath[UUID]) -> Substitutions:
    """Give who stands in for the practitioner of a role, now and later."""
    found = await edge.run(lambda tx: organisations.substitutions(tx, edge.actor, role_id))
    return Substitutions(substitutions=found)


@put(
    "/roles/{role_id:uuid}/substitutions",
    tags=["directory"],
    summary="Set who stands in for the practitioner of a role from now on",
)
async def set_substitutions(
    edge: NamedDependency[Edge], role_id: FromPath[UUID], data: JSONBody[SubstitutesInput]
) -> Substitutions:
    """Set who stands in for the practitioner of a role from now on."""
    wanted = [StandIn(rpps=one.rpps, interval=_interval(one)) for one in data.substitutions]
    found = await edge.run(lambda tx: organisations.stand_in(tx, edge.actor, role_id, wanted))
    return Substitutions(substitutions=found)


def _interval(given: SubstituteInput) -> Interval:
    return read_window(given.starts_at, given.ends_at, 3 * LONGEST_WINDOW)


ROUTES: Final = [
    get_on_call,
    list_zones,
    set_zone,
    get_rota,
    set_rota,
    get_organisation,
    set_affiliations,
    get_substitutions,
    set_substitutions,
]
