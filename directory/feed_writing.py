"""SQL that writes what a feed brings: locations, care services and mirrored diaries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from directory.feed_offers import Diary, Link, Place, Stored
from directory.feed_store import Feed
from directory.model import Modality, ScheduleId, Slot, SlotId, SlotKind, Visibility
from kernel.database import Tx


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a mirrored diary: its sequence and its live slots to come."""

    sequence: int
    slots: tuple[Stored, ...]


async def upsert_locations(tx: Tx, places: Sequence[Place]) -> None:
    """Write locations, new or changed."""
    rows = [place.location for place in places]
    await tx.execute(UPSERT_LOCATIONS, msgspec.json.encode(rows).decode())


async def upsert_diaries(tx: Tx, feed: Feed, diaries: Sequence[Diary]) -> None:
    """Write care services, new or changed, each with its mirrored schedule."""
    await tx.execute(
        UPSERT_CARE_SERVICES,
        [one.care_service_id for one in diaries],
        feed.organisation_id,
        [one.location_id for one in diaries],
        [one.name for one in diaries],
        [one.service for one in diaries],
        [one.modality.value for one in diaries],
    )
    await tx.execute(
        INSERT_SCHEDULES,
        [one.schedule_id for one in diaries],
        [one.care_service_id for one in diaries],
        feed.publisher,
    )


async def deactivate(tx: Tx, schedule_ids: Sequence[UUID]) -> None:
    """Offer the care services of these schedules no more."""
    await tx.execute(UPDATE_INACTIVE, list(schedule_ids))


async def mirrors(tx: Tx, schedule_ids: Sequence[UUID]) -> Mapping[ScheduleId, Mirror]:
    """Give what is stored of mirrored diaries, slots that are over left out, by schedule."""
    slots: dict[UUID, list[Stored]] = {}
    for row in await tx.fetch(SELECT_MIRRORED, list(schedule_ids)):
        slot = Slot(
            id=SlotId(row["id"]), schedule_id=ScheduleId(row["schedule_id"]), key=row["key"],
            start=row["starts_at"], end=row["ends_at"], kind=SlotKind(row["kind"]),
            modality=Modality(row["modality"]), visibility=Visibility(row["visibility"]),
            capacity=row["capacity"],
        )  # fmt: skip
        slots.setdefault(slot.schedule_id, []).append(Stored(slot=slot, taken=row["taken"]))
    return {
        ScheduleId(row["id"]): Mirror(
            sequence=row["sequence"], slots=tuple(slots.get(row["id"], ()))
        )
        for row in await tx.fetch(SELECT_SEQUENCES, list(schedule_ids))
    }


async def confirm(tx: Tx, schedule_ids: Sequence[UUID], as_of: datetime) -> None:
    """Keep that a source still said the same at a moment; never sets it back."""
    await tx.execute(UPDATE_CONFIRMED, list(schedule_ids), as_of)


async def link(tx: Tx, schedule_id: UUID, links: Sequence[Link]) -> None:
    """Keep where a human books each live slot of a diary; those without a link lose theirs."""
    await tx.execute(
        MERGE_LINKS, schedule_id, [one.key for one in links], [one.start for one in links],
        [one.url for one in links],
    )  # fmt: skip


async def date(tx: Tx, schedule_id: UUID, as_of: datetime) -> None:
    """Say that what was just published is as old as its source says it is."""
    await tx.execute(UPDATE_DATED, schedule_id, as_of)


UPSERT_LOCATIONS: Final = """
insert into directory.location (id, organisation_id, territory_id, name, lon, lat, zone, commune,
    postcode, department)
select id, organisation_id, territory_id, name, lon, lat, zone, commune, postcode, department
from json_populate_recordset(null::directory.location, $1::json)
on conflict (id) do update set name = excluded.name, lon = excluded.lon, lat = excluded.lat,
    zone = excluded.zone, commune = excluded.commune, postcode = excluded.postcode,
    department = excluded.department
"""

UPSERT_CARE_SERVICES: Final = """
insert into directory.care_service (id, organisation_id, location_id, name, service, modalities,
    intake)
select id, $2, location_id, name, service, array[modality], 'appointment'
from unnest($1::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
    as n (id, location_id, name, service, modality)
on conflict (id) do update set location_id = excluded.location_id, name = excluded.name,
    service = excluded.service, modalities = excluded.modalities, active = true
"""

INSERT_SCHEDULES: Final = """
insert into directory.schedule (id, care_service_id, ownership, source)
select id, care_service_id, 'mirrored', $3
from unnest($1::uuid[], $2::uuid[]) as n (id, care_service_id)
on conflict (id) do nothing
"""

UPDATE_INACTIVE: Final = """
update directory.care_service c set active = false
from directory.schedule s where s.id = any ($1::uuid[]) and c.id = s.care_service_id
"""

SELECT_MIRRORED: Final = """
with moment as materialized (select kernel.regul_now() as now)
select l.id, l.schedule_id, l.key, l.kind, l.modality, l.visibility, l.starts_at, l.ends_at,
    l.capacity,
    count(*) filter (where s.state = 'booked' or (s.state = 'held' and s.until > moment.now))
        as taken
from directory.slot l join directory.seat s on s.slot_id = l.id, moment
where l.schedule_id = any ($1::uuid[]) and l.withdrawn_at is null and l.ends_at > moment.now
group by l.id
order by l.schedule_id, l.starts_at, l.id
"""

SELECT_SEQUENCES: Final = """
select id, sequence from directory.schedule where id = any ($1::uuid[])
"""

MERGE_LINKS: Final = """
with wanted as (
    select distinct on (l.id) l.id, n.url
    from unnest($2::text[], $3::timestamptz[], $4::text[]) as n (key, starts_at, url)
        join directory.slot l on l.schedule_id = $1 and l.key = n.key
            and l.starts_at = n.starts_at and l.withdrawn_at is null
    order by l.id, n.url),
dropped as (
    delete from directory.slot_link k using directory.slot l
    where k.slot_id = l.id and l.schedule_id = $1 and l.ends_at > kernel.regul_now()
      and l.id not in (select id from wanted)
    returning k.slot_id)
insert into directory.slot_link (slot_id, url)
select id, url from wanted
on conflict (slot_id) do update set url = excluded.url where slot_link.url <> excluded.url
"""

UPDATE_CONFIRMED: Final = """
update directory.schedule set as_of = $2
where id = any ($1::uuid[]) and (as_of is null or as_of < $2)
"""

UPDATE_DATED: Final = """
update directory.schedule set as_of = least(as_of, $2) where id = $1
"""
