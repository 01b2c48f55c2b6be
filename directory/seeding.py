"""Writes a generated territory; writing it again changes nothing that is there.

Each table travels as one JSON parameter that PostgreSQL turns into rows. That is quick enough
(20,000 seats in about a second) and, unlike COPY, lets `on conflict do nothing` make it repeatable.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from directory import identifiers
from directory.identifiers import System
from kernel import errors
from kernel.database import Tx

if TYPE_CHECKING:
    from directory.seed import Seed


async def write(tx: Tx, seed: "Seed") -> None:
    """Write the rows that are missing: existing ids, keys and claims are left alone.

    Args:
        tx: A transaction under `regul_system`; the territory's row exists.
        seed: From `directory.somme.generate`.

    Raises:
        kernel.errors.Invalid: `seed_inconsistent`: a row points at one that is not there, or a
            national number has a wrong check digit.
    """
    _check(seed)
    await tx.execute("set local statement_timeout = '60s'")
    rows = seed.rows
    tables: Sequence[tuple[str, Sequence[msgspec.Struct]]] = (
        (INSERT_ORGANISATIONS, rows.organisations),
        (INSERT_LOCATIONS, rows.locations),
        (INSERT_PRACTITIONERS, seed.practitioners),
        (INSERT_ROLES, rows.roles),
        (INSERT_CARE_SERVICES, rows.care_services),
        (INSERT_OPENINGS, [one for one in rows.care_services if one.hours is not None]),
        (INSERT_REFERRAL_LINKS, rows.links),
        (INSERT_SOURCE_LIMITS, seed.schedules),
        (INSERT_SCHEDULES, seed.schedules),
        (INSERT_SLOTS, seed.slots),
        (INSERT_ZONES, seed.duties.zones),
        (INSERT_SHIFTS, seed.duties.shifts),
        (INSERT_AFFILIATIONS, seed.duties.affiliations),
        (INSERT_SUBSTITUTIONS, seed.duties.substitutions),
        (INSERT_EXCEPTIONS, seed.duties.exceptions),
    )
    for statement, records in tables:
        await tx.execute(statement, msgspec.json.encode(records).decode())


async def last_day(tx: Tx, territory_id: UUID) -> date | None:
    """Give the last local day on which a live slot of a territory starts, or None."""
    found: date | None = await tx.fetchval(SELECT_LAST_DAY, territory_id)
    return found


def _check(seed: "Seed") -> None:
    from directory import graph  # noqa: PLC0415 - a second start asks for the last day only

    broken = graph.faults(seed.rows)
    if broken:
        raise errors.Invalid("seed_inconsistent", reason=broken[0].code)
    numbers = [(System.RPPS, person.rpps) for person in seed.practitioners]
    numbers += [(System.FINESS, body.finess) for body in seed.rows.organisations if body.finess]
    if not all(identifiers.parse(system, value).checked for system, value in numbers):
        raise errors.Invalid("seed_inconsistent", reason="check_digit")


INSERT_ORGANISATIONS: Final = """
insert into directory.organisation (id, name, kind, parent_id, finess, siret)
select id, name, kind, parent_id, finess, siret
from json_populate_recordset(null::directory.organisation, $1::json)
on conflict do nothing
"""

INSERT_LOCATIONS: Final = """
insert into directory.location (id, organisation_id, territory_id, name, lon, lat, zone, commune,
    postcode, department, accessibility)
select id, organisation_id, territory_id, name, lon, lat, zone, commune, postcode, department,
    accessibility
from json_populate_recordset(null::directory.location, $1::json)
on conflict do nothing
"""

INSERT_PRACTITIONERS: Final = """
insert into directory.practitioner (id, rpps, family, given)
select id, rpps, family, given
from json_populate_recordset(null::directory.practitioner, $1::json)
on conflict do nothing
"""

INSERT_ROLES: Final = """
insert into directory.role (id, practitioner_id, organisation_id, location_id, service)
select id, practitioner_id, organisation_id, location_id, service
from json_populate_recordset(null::directory.role, $1::json)
on conflict do nothing
"""

INSERT_CARE_SERVICES: Final = """
insert into directory.care_service (id, organisation_id, location_id, role_id, name, service,
    skills, modalities, intake, accepts, min_age_months, max_age_months, languages, accessibility,
    coverage_m, coverage_communes, referral_required, round_the_clock, phone, active, equipment,
    sector, holidays, transfer_phone)
select n.id, n.organisation_id, n.location_id, n.role_id, n.name, n.service, n.skills,
    n.modalities, n.intake, n.accepts, n.min_age_months, n.max_age_months, n.languages,
    n.accessibility, n.coverage_m, n.coverage_communes, n.referral_required,
    coalesce(json_typeof(r.value -> 'hours'), 'null') = 'null', n.phone, n.active,
    n.equipment, n.sector, n.holidays, n.transfer_phone
from json_array_elements($1::json) r,
    json_populate_record(null::directory.care_service, r.value) n
on conflict do nothing
"""

INSERT_OPENINGS: Final = """
insert into directory.opening (care_service_id, weekday, opens_min, closes_min)
select (r.value ->> 'id')::uuid, h.weekday, h.opens_min, h.closes_min
from json_array_elements($1::json) r,
    json_populate_recordset(null::directory.opening, r.value -> 'hours') h
on conflict do nothing
"""

INSERT_REFERRAL_LINKS: Final = """
insert into directory.referral_link (source_id, target_id)
select source_id, target_id
from json_populate_recordset(null::directory.referral_link, $1::json)
on conflict do nothing
"""

INSERT_SCHEDULES: Final = """
insert into directory.schedule (id, care_service_id, ownership, source, as_of, release_before_s)
select id, care_service_id, ownership, source, kernel.regul_now(), release_before_s
from json_populate_recordset(null::directory.schedule, $1::json)
on conflict do nothing
"""

# Nobody speaks for a seed's editors again: their diaries last as long as their calendar.
INSERT_SOURCE_LIMITS: Final = """
insert into directory.source_limit (source, marked_after_s, refused_after_s)
select distinct source, 30 * 86400, 90 * 86400
from json_populate_recordset(null::directory.schedule, $1::json)
where ownership = 'mirrored'
on conflict do nothing
"""

INSERT_SLOTS: Final = """
with added as (
    insert into directory.slot (id, schedule_id, care_service_id, organisation_id, location_id,
        territory_id, key, kind, modality, visibility, starts_at, ends_at, capacity)
    select n.id, n.schedule_id, s.care_service_id, c.organisation_id, c.location_id,
        l.territory_id, n.key, n.kind, n.modality, n.visibility, n.start, n."end", n.capacity
    from json_to_recordset($1::json) as n (id uuid, schedule_id uuid, key text, kind text,
            modality text, visibility text, start timestamptz, "end" timestamptz,
            capacity smallint)
        join directory.schedule s on s.id = n.schedule_id
        join directory.care_service c on c.id = s.care_service_id
        join directory.location l on l.id = c.location_id
    on conflict do nothing
    returning id, capacity)
insert into directory.seat (slot_id, number)
select added.id, number from added, generate_series(1, added.capacity) as number
"""

INSERT_ZONES: Final = """
insert into directory.coverage_zone (id, territory_id, name, line, communes)
select id, territory_id, name, line, communes
from json_populate_recordset(null::directory.coverage_zone, $1::json)
on conflict do nothing
"""

INSERT_SHIFTS: Final = """
insert into directory.on_call (zone_id, starts_at, ends_at, rank, care_service_id)
select zone_id, starts_at, ends_at, rank, care_service_id
from json_populate_recordset(null::directory.on_call, $1::json)
on conflict do nothing
"""

INSERT_AFFILIATIONS: Final = """
insert into directory.affiliation (member_id, group_id)
select member_id, group_id
from json_populate_recordset(null::directory.affiliation, $1::json)
on conflict do nothing
"""

INSERT_SUBSTITUTIONS: Final = """
insert into directory.substitution (role_id, substitute_id, starts_at, ends_at)
select role_id, substitute_id, starts_at, ends_at
from json_populate_recordset(null::directory.substitution, $1::json)
on conflict do nothing
"""

INSERT_EXCEPTIONS: Final = """
insert into directory.opening_exception (care_service_id, day, opens_min, closes_min)
select care_service_id, day, opens_min, closes_min
from json_populate_recordset(null::directory.opening_exception, $1::json)
on conflict do nothing
"""

SELECT_LAST_DAY: Final = """
select (max(s.starts_at) at time zone (
    select l.zone from directory.location l where l.territory_id = $1 limit 1))::date
from directory.slot s where s.territory_id = $1 and s.withdrawn_at is null
"""
