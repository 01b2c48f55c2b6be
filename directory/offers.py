"""Care services as the API shows them: SQL and the shape of an answer."""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from directory import identifiers
from directory.identifiers import System
from directory.model import CHILD_BELOW_MONTHS
from kernel.database import Tx


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which care services are wanted.

    Attributes:
        service: Service code, or any.
        organisation_id: Whose, or anybody's.
        lon: With `lat`: nearest first, and `radius_m` applies.
        lat: With `lon`.
        radius_m: Great-circle metres around the place.
        after: Id after which to go on; not with a place.
        limit: Most care services.
    """

    service: str | None = None
    organisation_id: UUID | None = None
    lon: float | None = None
    lat: float | None = None
    radius_m: int | None = None
    after: UUID | None = None
    limit: int = 50


class OpeningView(msgspec.Struct, frozen=True, kw_only=True):
    """Weekly hours in local time: weekday 0 is Monday, minutes after midnight."""

    weekday: int
    opens_min: int
    closes_min: int


class ExceptionView(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of one local day that beat the week; closed when the span is empty."""

    day: date
    opens_min: int
    closes_min: int


class PlaceView(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is: WGS84 degrees, national commune code, IANA zone."""

    id: UUID
    name: str
    lon: float
    lat: float
    commune: str
    postcode: str
    department: str
    zone: str
    accessibility: tuple[str, ...]


class CareServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """One care service with whose it is and where.

    Attributes:
        organisation_number: National number of the organisation with its prefix, when it has one.
        practitioner_number: National number of the practitioner with its prefix.
        practitioner: Name of the practitioner, when it is one person's offer.
        substitute: Who stands in for the practitioner at this moment.
        accepts_children: Some age below fifteen years is taken.
        exceptions: Local days with other hours, past ones left out.
        on_call: It is on call at this moment.
        refers_to: Care services to which it sends patients on.
        schedules: Its diaries.
        openings: Weekly hours; None = round the clock.
        distance_m: Great-circle metres to the place asked about.
    """

    id: UUID
    name: str
    service: str
    intake: str
    organisation_id: UUID
    organisation: str
    location: PlaceView
    active: bool
    referral_required: bool
    min_age_months: int
    skills: tuple[str, ...]
    modalities: tuple[str, ...]
    accepts: tuple[str, ...]
    accepts_children: bool
    equipment: tuple[str, ...]
    holidays: str
    on_call: bool
    languages: tuple[str, ...]
    accessibility: tuple[str, ...]
    schedules: tuple[UUID, ...]
    refers_to: tuple[UUID, ...]
    exceptions: tuple[ExceptionView, ...]
    sector: str | None = None
    role_id: UUID | None = None
    organisation_number: str | None = None
    practitioner: str | None = None
    practitioner_number: str | None = None
    substitute: str | None = None
    max_age_months: int | None = None
    coverage_m: int | None = None
    openings: tuple[OpeningView, ...] | None = None
    phone: str | None = None
    transfer_phone: str | None = None
    distance_m: float | None = None


async def search(tx: Tx, wanted: Search) -> Sequence[CareServiceView]:
    """Give care services by id, or by distance then id when a place is given."""
    rows = await tx.fetch(
        SELECT_CARE_SERVICES, wanted.service, wanted.organisation_id, wanted.lon, wanted.lat,
        wanted.radius_m, wanted.after, wanted.limit, None,
    )  # fmt: skip
    return [_view(row) for row in rows]


async def find(tx: Tx, care_service_id: UUID) -> CareServiceView | None:
    """Find one care service."""
    row = await tx.fetchrow(
        SELECT_CARE_SERVICES, None, None, None, None, None, None, 1, care_service_id
    )
    return None if row is None else _view(row)


def _number(system: System, value: str | None) -> str | None:
    return None if value is None else identifiers.show(identifiers.parse(system, value))


def _view(row: asyncpg.Record) -> CareServiceView:
    openings = None
    if not row["round_the_clock"]:
        openings = msgspec.json.decode(row["openings"], type=tuple[OpeningView, ...])
    return CareServiceView(
        id=row["id"], name=row["name"], service=row["service"], intake=row["intake"],
        organisation_id=row["organisation_id"], organisation=row["organisation"],
        organisation_number=_number(System.FINESS, row["finess"]),
        practitioner=row["practitioner"], practitioner_number=_number(System.RPPS, row["rpps"]),
        location=PlaceView(
            id=row["location_id"], name=row["place"], lon=row["lon"], lat=row["lat"],
            commune=row["commune"], postcode=row["postcode"], department=row["department"],
            zone=row["zone"], accessibility=tuple(row["place_accessibility"]),
        ),
        active=row["active"], referral_required=row["referral_required"],
        min_age_months=row["min_age_months"], max_age_months=row["max_age_months"],
        skills=tuple(row["skills"]), modalities=tuple(row["modalities"]),
        accepts=tuple(row["accepts"]), languages=tuple(row["languages"]),
        accessibility=tuple(row["accessibility"]), schedules=tuple(row["schedules"]),
        accepts_children=row["min_age_months"] < CHILD_BELOW_MONTHS,
        equipment=tuple(row["equipment"]), holidays=row["holidays"], on_call=row["on_call"],
        refers_to=tuple(row["refers_to"]), sector=row["sector"], role_id=row["role_id"],
        substitute=row["substitute"],
        exceptions=msgspec.json.decode(row["exceptions"], type=tuple[ExceptionView, ...]),
        coverage_m=row["coverage_m"], openings=openings, phone=row["phone"],
        transfer_phone=row["transfer_phone"],
        distance_m=row["distance_m"],
    )  # fmt: skip


# Haversine on the mean sphere, as directory.distance.great_circle_m.
SELECT_CARE_SERVICES: Final = """
select c.id, c.name, c.service, c.intake, c.organisation_id, o.name as organisation, o.finess,
    p.given || ' ' || p.family as practitioner, p.rpps, c.location_id, l.name as place, l.lon,
    l.lat, l.commune, l.postcode, l.department, l.zone, l.accessibility as place_accessibility,
    c.active, c.referral_required, c.min_age_months, c.max_age_months, c.skills, c.modalities,
    c.accepts, c.languages, c.accessibility, c.coverage_m, c.round_the_clock, c.phone,
    c.equipment, c.sector, c.holidays, c.transfer_phone, c.role_id,
    exists (select from directory.on_call n where n.care_service_id = c.id
        and n.starts_at <= kernel.regul_now() and n.ends_at > kernel.regul_now()) as on_call,
    array(select k.target_id from directory.referral_link k where k.source_id = c.id
        order by k.target_id) as refers_to,
    (select v.given || ' ' || v.family from directory.substitution u
            join directory.practitioner v on v.id = u.substitute_id
        where u.role_id = c.role_id and u.starts_at <= kernel.regul_now()
            and u.ends_at > kernel.regul_now() order by u.starts_at desc limit 1) as substitute,
    (select coalesce(json_agg(json_build_object('day', x.day, 'opens_min', x.opens_min,
            'closes_min', x.closes_min) order by x.day, x.opens_min), '[]')::text
        from directory.opening_exception x where x.care_service_id = c.id
            and x.day >= (kernel.regul_now() at time zone l.zone)::date) as exceptions,
    array(select s.id from directory.schedule s where s.care_service_id = c.id order by s.id)
        as schedules,
    (select coalesce(json_agg(json_build_object('weekday', h.weekday, 'opens_min', h.opens_min,
            'closes_min', h.closes_min) order by h.weekday, h.opens_min), '[]')::text
        from directory.opening h where h.care_service_id = c.id) as openings,
    d.distance_m
from directory.care_service c
    join directory.organisation o on o.id = c.organisation_id
    join directory.location l on l.id = c.location_id
    left join directory.role r on r.id = c.role_id
    left join directory.practitioner p on p.id = r.practitioner_id,
    lateral (select case when $3::float8 is not null then 2 * 6371008.8 * asin(sqrt(least(1.0,
        sin(radians(l.lat - $4::float8) / 2) ^ 2 + cos(radians($4)) * cos(radians(l.lat))
            * sin(radians(l.lon - $3::float8) / 2) ^ 2))) end as distance_m) d
where ($1::text is null or c.service = $1)
    and ($2::uuid is null or c.organisation_id = $2)
    and ($5::integer is null or d.distance_m <= $5)
    and ($6::uuid is null or c.id > $6)
    and ($8::uuid is null or c.id = $8)
order by d.distance_m, c.id
limit $7
"""
