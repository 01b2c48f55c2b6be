"""Zones and their rotas as they are kept: published by window, asked about by place and moment."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import msgspec

from directory import gazetteer, places_told, rotas
from directory.model import CareServiceId, Interval
from directory.rotas import Gap, Line, Shift
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx

LONGEST_WINDOW: Final = timedelta(days=366)
LARGEST: Final = 5_000
"""Shifts of one publication."""
_ACTION: Final = "rota.publish"


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """An area with a rota of its own.

    Attributes:
        line: What sort of duty.
        communes: National codes of its communes.
    """

    id: UUID
    name: str
    line: Line
    communes: tuple[str, ...]


class ShiftView(msgspec.Struct, frozen=True, kw_only=True):
    """A shift with who it is; `phone` is where to call."""

    starts_at: datetime
    ends_at: datetime
    rank: int
    care_service_id: UUID
    care_service: str
    organisation_id: UUID
    location: str
    phone: str | None


class Rota(msgspec.Struct, frozen=True, kw_only=True):
    """The shifts of a zone that touch a window, and the stretches of it without anybody."""

    zone: Zone
    shifts: Sequence[ShiftView]
    gaps: Sequence[Gap]


class OnDuty(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call for a zone.

    Attributes:
        now: By rank; empty when nobody is.
        next_starts_at: When the next shift begins; None when none is planned.
    """

    zone: Zone
    now: Sequence[ShiftView]
    next_starts_at: datetime | None


class NewZone(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as it shall be."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    line: Line
    communes: Annotated[frozenset[str], msgspec.Meta(min_length=1, max_length=2_000)]


async def zones(tx: Tx, actor: Actor, line: Line | None = None) -> Sequence[Zone]:
    """Give the zones of every territory that the actor may ask about, by line, name and id."""
    require(actor, "directory.read")
    return [_zone(row) for row in await tx.fetch(SELECT_ZONES, line, None, None)]


async def draw(tx: Tx, actor: Actor, zone_id: UUID, wanted: NewZone) -> Zone:
    """Set a zone of the actor's territory; a new id makes a new one.

    Raises:
        kernel.errors.Forbidden: `action_not_allowed`, `territory_needed`.
        kernel.errors.Missing: `zone_missing`: the id is that of another territory's zone.
        kernel.errors.Invalid: `place_unknown`: no such commune.
        kernel.errors.Conflict: `zone_exists`: another zone of this line has the name.
    """
    require(actor, _ACTION)
    if actor.territory_id is None:
        raise errors.Forbidden("territory_needed", "Zones belong to a territory.")
    known = {one.insee for one in gazetteer.communes()}
    if not wanted.communes <= known:
        raise errors.Invalid("place_unknown", "There is no such commune.")
    try:
        row = await tx.fetchrow(
            UPSERT_ZONE, zone_id, actor.territory_id, wanted.name, wanted.line,
            sorted(wanted.communes),
        )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        raise errors.Conflict("zone_exists", "There is such a zone already.") from error
    if row is None:
        raise errors.Missing("zone_missing")
    await audit.record(tx, actor, _ACTION, "coverage_zone", zone_id, detail=f"line={wanted.line}")
    return _zone(row)


async def publish(
    tx: Tx, actor: Actor, zone_id: UUID, window: Interval, shifts: Sequence[Shift]
) -> Rota:
    """Set the shifts of a zone that begin in a window; whoever is not named is on call no more.

    Args:
        tx: The transaction.
        actor: Of the zone's territory.
        zone_id: Which zone.
        window: Stretch of time that is spoken for.
        shifts: All that begin in it.

    Raises:
        kernel.errors.Forbidden: `action_not_allowed`.
        kernel.errors.Missing: `zone_missing`, `care_service_missing`.
        kernel.errors.Invalid: `shift_outside_window`; `shifts_clash`: two of one rank at once.
    """
    require(actor, _ACTION)
    zone = await _locked(tx, actor, zone_id)
    if any(not window.contains(one.interval.start) for one in shifts):
        raise errors.Invalid("shift_outside_window", "A shift begins within the window.")
    ids = sorted({one.care_service_id for one in shifts})
    if await tx.fetchval(COUNT_SERVICES, ids) != len(ids):
        raise errors.Missing("care_service_missing")
    gone = await tx.fetch(DELETE_SHIFTS, zone_id, window.start, window.end)
    around = await _stored(tx, zone_id, _around(window, shifts))
    if rotas.clash([*around, *shifts]) is not None:
        raise errors.Invalid("shifts_clash", "Two shifts of one rank share a moment.")
    await tx.execute(
        INSERT_SHIFTS, zone_id, [one.interval.start for one in shifts],
        [one.interval.end for one in shifts], [one.rank for one in shifts],
        [one.care_service_id for one in shifts], [one.phone for one in shifts],
    )  # fmt: skip
    said = f"line={zone.line} shifts={len(shifts)} dropped={len(gone)}"
    await audit.record(tx, actor, _ACTION, "coverage_zone", zone_id, detail=said)
    told = {row["care_service_id"] for row in gone} | set(ids)
    await places_told.tell(tx, actor, sorted(told))
    return await _rota(tx, zone, window)


async def rota(tx: Tx, actor: Actor, zone_id: UUID, window: Interval) -> Rota:
    """Give the rota of a zone with its gaps.

    Raises:
        kernel.errors.Missing: `zone_missing`.
    """
    require(actor, "directory.read")
    rows = await tx.fetch(SELECT_ZONES, None, None, zone_id)
    if not rows:
        raise errors.Missing("zone_missing")
    return await _rota(tx, _zone(rows[0]), window)


async def on_call(
    tx: Tx, actor: Actor, commune: str | None, line: Line | None, moment: datetime | None
) -> Sequence[OnDuty]:
    """Give who is on call for a commune (or everywhere) at a moment, by line and zone.

    A zone without anybody is in the answer with nobody in it: silence would hide a hole.

    Args:
        tx: Any transaction.
        actor: Who asks.
        commune: National code; None = every zone.
        line: Only this sort of duty.
        moment: Aware UTC; None = now, by the database's clock.
    """
    require(actor, "directory.read")
    at: datetime = moment or await tx.fetchval(SELECT_NOW)
    found = [_zone(row) for row in await tx.fetch(SELECT_ZONES, line, commune, None)]
    rows = await tx.fetch(SELECT_ON_CALL, [one.id for one in found], at)
    following = {
        row["zone_id"]: row["starts_at"]
        for row in await tx.fetch(SELECT_NEXT, [one.id for one in found], at)
    }
    return [
        OnDuty(
            zone=zone,
            now=[_shift(row) for row in rows if row["zone_id"] == zone.id],
            next_starts_at=following.get(zone.id),
        )
        for zone in found
    ]


async def _locked(tx: Tx, actor: Actor, zone_id: UUID) -> Zone:
    row = await tx.fetchrow(LOCK_ZONE, zone_id, actor.territory_id)
    if row is None:
        raise errors.Missing("zone_missing")
    return _zone(row)


async def _rota(tx: Tx, zone: Zone, window: Interval) -> Rota:
    rows = await tx.fetch(SELECT_SHIFTS, zone.id, window.start, window.end)
    stored = [_interval(row) for row in rows]
    return Rota(zone=zone, shifts=[_shift(row) for row in rows], gaps=rotas.gaps(stored, window))


def _around(window: Interval, shifts: Sequence[Shift]) -> Interval:
    """Give the window with whatever its shifts reach into behind it."""
    return Interval(
        start=window.start, end=max([window.end, *(one.interval.end for one in shifts)])
    )


async def _stored(tx: Tx, zone_id: UUID, window: Interval) -> Sequence[Shift]:
    return [
        _interval(row) for row in await tx.fetch(SELECT_SHIFTS, zone_id, window.start, window.end)
    ]


def _interval(row: asyncpg.Record) -> Shift:
    return Shift(
        interval=Interval(
            start=row["starts_at"].astimezone(UTC), end=row["ends_at"].astimezone(UTC)
        ),
        care_service_id=CareServiceId(row["care_service_id"]),
        rank=row["rank"],
    )


def _zone(row: asyncpg.Record) -> Zone:
    return Zone(
        id=row["id"], name=row["name"], line=Line(row["line"]), communes=tuple(row["communes"])
    )


def _shift(row: asyncpg.Record) -> ShiftView:
    return ShiftView(
        starts_at=row["starts_at"], ends_at=row["ends_at"], rank=row["rank"],
        care_service_id=row["care_service_id"], care_service=row["care_service"],
        organisation_id=row["organisation_id"], location=row["location"], phone=row["phone"],
    )  # fmt: skip


SELECT_NOW: Final = """
select kernel.regul_now()
"""

SELECT_ZONES: Final = """
select id, name, line, communes
from directory.coverage_zone
where ($1::text is null or line = $1) and ($2::text is null or communes @> array[$2])
    and ($3::uuid is null or id = $3)
order by line, name, id
"""

UPSERT_ZONE: Final = """
insert into directory.coverage_zone as z (id, territory_id, name, line, communes)
values ($1, $2, $3, $4, $5)
on conflict (id) do update set name = excluded.name, line = excluded.line,
    communes = excluded.communes
where z.territory_id = excluded.territory_id
returning id, name, line, communes
"""

LOCK_ZONE: Final = """
select id, name, line, communes from directory.coverage_zone
where id = $1 and ($2::uuid is null or territory_id = $2) for no key update
"""

COUNT_SERVICES: Final = """
select count(*) from directory.care_service where id = any ($1::uuid[])
"""

DELETE_SHIFTS: Final = """
delete from directory.on_call
where zone_id = $1 and starts_at >= $2 and starts_at < $3
returning care_service_id
"""

INSERT_SHIFTS: Final = """
insert into directory.on_call (zone_id, starts_at, ends_at, rank, care_service_id, phone)
select $1, starts_at, ends_at, rank, care_service_id, phone
from unnest($2::timestamptz[], $3::timestamptz[], $4::smallint[], $5::uuid[], $6::text[])
    as n (starts_at, ends_at, rank, care_service_id, phone)
"""

SELECT_SHIFTS: Final = """
select d.zone_id, d.starts_at, d.ends_at, d.rank, d.care_service_id, c.name as care_service,
    c.organisation_id, l.name as location, coalesce(d.phone, c.phone) as phone
from directory.on_call d
    join directory.care_service c on c.id = d.care_service_id
    join directory.location l on l.id = c.location_id
where d.zone_id = $1 and d.starts_at < $3 and d.ends_at > $2
order by d.starts_at, d.rank
"""

SELECT_ON_CALL: Final = """
select d.zone_id, d.starts_at, d.ends_at, d.rank, d.care_service_id, c.name as care_service,
    c.organisation_id, l.name as location, coalesce(d.phone, c.phone) as phone
from directory.on_call d
    join directory.care_service c on c.id = d.care_service_id
    join directory.location l on l.id = c.location_id
where d.zone_id = any ($1::uuid[]) and d.starts_at <= $2 and d.ends_at > $2
order by d.zone_id, d.rank, d.starts_at
"""

SELECT_NEXT: Final = """
select zone_id, min(starts_at) as starts_at
from directory.on_call
where zone_id = any ($1::uuid[]) and starts_at > $2
group by zone_id
"""
