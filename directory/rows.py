"""The directory's rows together: what a graph and a snapshot are built from."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from directory.model import (
    CareService,
    CareServiceId,
    Location,
    Organisation,
    OrganisationId,
    PractitionerId,
    ReferralLink,
    Role,
    RoleId,
)
from directory.rotas import Line


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What a graph or a snapshot is built from: the directory's rows, in any order."""

    organisations: tuple[Organisation, ...] = ()
    locations: tuple[Location, ...] = ()
    roles: tuple[Role, ...] = ()
    care_services: tuple[CareService, ...] = ()
    links: tuple[ReferralLink, ...] = ()


class ZoneRow(msgspec.Struct, frozen=True, kw_only=True):
    """A zone with a rota."""

    id: UUID
    territory_id: UUID
    name: str
    line: Line
    communes: tuple[str, ...]


class ShiftRow(msgspec.Struct, frozen=True, kw_only=True):
    """A care service on call for a zone; half-open, UTC."""

    zone_id: UUID
    starts_at: datetime
    ends_at: datetime
    care_service_id: CareServiceId
    rank: int = 1


class AffiliationRow(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation belongs to a group."""

    member_id: OrganisationId
    group_id: OrganisationId


class SubstitutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A practitioner stands in for that of a role; half-open, UTC."""

    role_id: RoleId
    substitute_id: PractitionerId
    starts_at: datetime
    ends_at: datetime


class ExceptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of one local day of a care service; closed when the span is empty."""

    care_service_id: CareServiceId
    day: date
    opens_min: int = 0
    closes_min: int = 0


class Duties(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call, stands in, is away: what a start adds to the rows for its days."""

    zones: tuple[ZoneRow, ...] = ()
    shifts: tuple[ShiftRow, ...] = ()
    affiliations: tuple[AffiliationRow, ...] = ()
    substitutions: tuple[SubstitutionRow, ...] = ()
    exceptions: tuple[ExceptionRow, ...] = ()
