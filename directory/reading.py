"""Reads what a snapshot is made of: places, care services and schedules, a nation's in seconds."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import asyncpg
import msgspec

from directory.model import (
    Accepts,
    CareService,
    Holidays,
    Intake,
    Interval,
    Location,
    Modality,
    OpeningException,
    OpeningHours,
    Ownership,
    Schedule,
    Sector,
)

_DIFFERENT: Final = 8192
"""Different sets that are remembered."""


def locations(records: Iterable[asyncpg.Record]) -> tuple[Location, ...]:
    """Give the rows of `SELECT_LOCATIONS`."""
    return tuple(
        Location(
            id=row["id"],
            organisation_id=row["organisation_id"],
            territory_id=row["territory_id"],
            name=row["name"],
            lon=row["lon"],
            lat=row["lat"],
            zone=row["zone"],
            commune=row["commune"],
            postcode=row["postcode"],
            department=row["department"],
            accessibility=_codes(row["accessibility"]),
        )
        for row in records
    )


def care_services(records: Iterable[asyncpg.Record]) -> tuple[CareService, ...]:
    """Give the rows of `SELECT_SERVICES`."""
    return tuple(map(_service, records))


def _service(row: asyncpg.Record) -> CareService:
    sector = row["sector"]
    return CareService(
        id=row["id"],
        organisation_id=row["organisation_id"],
        location_id=row["location_id"],
        role_id=row["role_id"],
        name=row["name"],
        service=row["service"],
        skills=_codes(row["skills"]),
        modalities=_modalities(row["modalities"]),
        intake=Intake(row["intake"]),
        accepts=_accepts(row["accepts"]),
        equipment=_codes(row["equipment"]),
        sector=None if sector is None else Sector(sector),
        min_age_months=row["min_age_months"],
        max_age_months=row["max_age_months"],
        languages=_codes(row["languages"]),
        accessibility=_codes(row["accessibility"]),
        coverage_m=row["coverage_m"],
        coverage_communes=_codes(row["coverage_communes"]),
        referral_required=row["referral_required"],
        hours=None if row["round_the_clock"] else _hours(row["openings"] or "[]"),
        exceptions=_exceptions(row["exceptions"]),
        holidays=Holidays(row["holidays"]),
        shifts=_shifts(row),
        phone=row["phone"],
        transfer_phone=row["transfer_phone"],
        active=row["active"],
    )


def schedules(records: Iterable[asyncpg.Record]) -> list[Schedule]:
    """Give the rows of `SELECT_SCHEDULES`."""
    return [
        Schedule(
            id=row["id"],
            care_service_id=row["care_service_id"],
            ownership=_ownership(row["ownership"]),
            source=row["source"],
            sequence=row["sequence"],
            as_of=row["as_of"],
            paused=row["paused"],
            release_before_s=row["release_before_s"],
            release_min=row["release_min"],
            quota_per_day=row["quota_per_day"],
            zone=row["zone"],
            spent=tuple(row["spent"] or ()),
            absences=tuple(row["absences"] or ()),
            marked_after_s=row["marked_after_s"],
            refused_after_s=row["refused_after_s"],
        )
        for row in records
    ]


@lru_cache(maxsize=_DIFFERENT)
def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=_DIFFERENT)
def _modalities(text: str) -> frozenset[Modality]:
    return frozenset(map(Modality, text.split()))


@lru_cache(maxsize=_DIFFERENT)
def _accepts(text: str) -> frozenset[Accepts]:
    return frozenset(map(Accepts, text.split()))


@lru_cache(maxsize=_DIFFERENT)
def _hours(text: str) -> tuple[OpeningHours, ...]:
    return msgspec.json.decode(text, type=tuple[OpeningHours, ...])


@lru_cache(maxsize=2)
def _ownership(text: str) -> Ownership:
    return Ownership(text)


def _exceptions(text: str | None) -> tuple[OpeningException, ...]:
    if text is None:
        return ()
    return msgspec.json.decode(text, type=tuple[OpeningException, ...])


def _shifts(row: asyncpg.Record) -> tuple[Interval, ...]:
    moments = row["shifts"]
    if moments is None:
        return ()
    ends = iter(moments)
    return tuple(Interval(start=start, end=end) for start, end in zip(ends, ends, strict=True))


SELECT_LOCATIONS: Final = """
select id, organisation_id, territory_id, name, lon, lat, zone, commune, postcode, department,
    array_to_string(accessibility, ' ') as accessibility
from directory.location
"""

# Hours, exceptions and shifts are grouped once, not asked for service by service. Sets come as one
# string each: there are few different ones, so that a look-up replaces reading an array.
SELECT_SERVICES: Final = """
select c.id, c.organisation_id, c.location_id, c.role_id, c.name, c.service,
    array_to_string(c.skills, ' ') as skills, array_to_string(c.modalities, ' ') as modalities,
    c.intake, array_to_string(c.accepts, ' ') as accepts,
    array_to_string(c.equipment, ' ') as equipment, c.sector, c.min_age_months, c.max_age_months,
    array_to_string(c.languages, ' ') as languages,
    array_to_string(c.accessibility, ' ') as accessibility, c.coverage_m,
    array_to_string(c.coverage_communes, ' ') as coverage_communes, c.referral_required,
    c.round_the_clock, c.holidays, c.phone, c.transfer_phone, c.active, o.openings,
    e.exceptions, s.shifts
from directory.care_service c
    left join (
        select h.care_service_id, json_agg(json_build_object('weekday', h.weekday, 'opens_min',
            h.opens_min, 'closes_min', h.closes_min) order by h.weekday, h.opens_min)::text
            as openings
        from directory.opening h
        group by h.care_service_id) o on o.care_service_id = c.id
    left join (
        select x.care_service_id, json_agg(json_build_object('day', x.day, 'opens_min',
            x.opens_min, 'closes_min', x.closes_min) order by x.day, x.opens_min)::text
            as exceptions
        from directory.opening_exception x
        where x.day >= (kernel.regul_now() - interval '2 days')::date
        group by x.care_service_id) e on e.care_service_id = c.id
    left join (
        select d.care_service_id, array_agg(m.moment order by d.starts_at, d.zone_id, m.moment)
            as shifts
        from directory.on_call d, unnest(array[d.starts_at, d.ends_at]) as m (moment)
        where d.ends_at > kernel.regul_now()
        group by d.care_service_id) s on s.care_service_id = c.id
"""

SELECT_SCHEDULES: Final = """
select s.id, s.care_service_id, s.ownership, s.source, s.sequence, s.as_of, s.paused,
    s.release_before_s, s.release_min, s.quota_per_day, p.zone,
    case when s.quota_per_day is not null
        then directory.spent_days(s.id, s.quota_per_day, p.zone) end as spent,
    b.days as absences, a.marked_after_s, a.refused_after_s
from directory.schedule s
    join directory.care_service c on c.id = s.care_service_id
    join directory.location p on p.id = c.location_id
    left join (
        select e.schedule_id, array_agg(d.day order by e.id, d.day) as days
        from directory.absence e, unnest(array[e.since, e.until]) as d (day)
        where e.ended_at is null
            and e.until >= (kernel.regul_now() - interval '2 days')::date
        group by e.schedule_id) b on b.schedule_id = s.id
    left join lateral (
        select d.marked_after_s, d.refused_after_s from directory.source_limit d
        where d.source in (s.source, '*') order by d.source = '*' limit 1) a
        on s.ownership = 'mirrored'
where $1::uuid[] is null or s.id = any ($1)
"""
