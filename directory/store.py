"""SQL about diaries: schedules, their publications, their slots as shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from directory.consent import SHOWN_TO, Audience, Freshness
from directory.model import (
    CareServiceId,
    Interval,
    LocationId,
    Modality,
    OrganisationId,
    Ownership,
    Schedule,
    ScheduleId,
    Slot,
    SlotId,
    SlotKind,
    Visibility,
)
from kernel.database import Tx


class Diary(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule with whose it is.

    Attributes:
        schedule: The schedule.
        organisation_id: Who publishes it.
        location_id: Where its slots take place.
        territory_id: The centre's territory there.
        zone: IANA zone whose clock the place follows.
    """

    schedule: Schedule
    organisation_id: OrganisationId
    location_id: LocationId
    territory_id: UUID
    zone: str


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication did; the answer to it and to its repetition.

    Attributes:
        slots: Slots in the body.
        added: Slots that are new.
        changed: Slots whose visibility or capacity changed.
        withdrawn: Slots no longer offered.
        displaced: Seats that somebody held or was booked on.
    """

    schedule_id: ScheduleId
    sequence: int
    as_of: datetime
    slots: int
    added: int
    changed: int
    withdrawn: int
    displaced: int


class DiaryView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as its publisher sees it.

    Attributes:
        zone: IANA zone of its wall clock.
        sequence: Number of the last accepted publication; the next one is higher.
        release_before_s: Hold-back of the consent, in seconds before a slot starts.
        release_min: Release time of the consent, minutes after midnight by its wall clock.
        quota_per_day: Most places the centre may have of one local day.
        freshness: `fresh`, `marked` (older than its source should be) or `outdated` (not bookable).
    """

    id: ScheduleId
    care_service_id: CareServiceId
    care_service: str
    service: str
    modalities: tuple[Modality, ...]
    organisation_id: OrganisationId
    location: str
    zone: str
    ownership: Ownership
    source: str
    sequence: int
    as_of: datetime | None
    paused: bool
    release_before_s: int | None
    release_min: int | None
    quota_per_day: int | None
    freshness: Freshness


class SlotView(msgspec.Struct, frozen=True, kw_only=True):
    """A slot as it may be shown, with its seats counted at this moment.

    Attributes:
        free: Seats that can be claimed, expired holds included.
        taken: Seats held or booked.
        displaced: Seats whose patient has to be placed elsewhere.
    """

    id: SlotId
    schedule_id: ScheduleId
    key: str
    kind: SlotKind
    modality: Modality
    visibility: Visibility
    starts_at: datetime
    ends_at: datetime
    capacity: int
    free: int
    taken: int
    displaced: int


async def find_diary(tx: Tx, schedule_id: UUID) -> Diary | None:
    """Find a schedule with whose it is."""
    row = await tx.fetchrow(SELECT_DIARY, schedule_id)
    return None if row is None else _diary(row)


async def diaries(
    tx: Tx, organisation_ids: Sequence[UUID], page: tuple[UUID | None, int]
) -> Sequence[DiaryView]:
    """Give the schedules of organisations, by id.

    Args:
        tx: A transaction.
        organisation_ids: Whose.
        page: Id after which to go on, and how many.
    """
    rows = await tx.fetch(SELECT_DIARIES, list(organisation_ids), *page)
    return [msgspec.convert(dict(row), DiaryView) for row in rows]


async def schedules_of_role(tx: Tx, role_id: UUID) -> Sequence[UUID]:
    """Give the schedules of the care services that a practitioner's role offers, by id."""
    return [row["id"] for row in await tx.fetch(SELECT_OF_ROLE, role_id)]


async def lock_schedule(tx: Tx, schedule_id: UUID) -> datetime:
    """Let nobody else publish this schedule until the transaction ends; give the moment."""
    now: datetime = await tx.fetchval(LOCK_SCHEDULE, schedule_id)
    return now


async def advance(tx: Tx, schedule_id: UUID, sequence: int) -> datetime | None:
    """Set a higher sequence and lock the schedule; None when it is not higher.

    Returns:
        The moment of the publication.
    """
    moment: datetime | None = await tx.fetchval(UPDATE_SEQUENCE, schedule_id, sequence)
    return moment


async def find_publication(
    tx: Tx, schedule_id: UUID, sequence: int
) -> tuple[bytes, Published] | None:
    """Find an earlier publication and the digest of its body."""
    row = await tx.fetchrow(SELECT_PUBLICATION, schedule_id, sequence)
    if row is None:
        return None
    values = dict(row)
    digest: bytes = values.pop("digest")
    return digest, Published(**values)


async def insert_publication(
    tx: Tx, published: Published, window: Interval, digest: bytes, actor_id: UUID
) -> None:
    """Keep what was published, by whom, with what effect."""
    await tx.execute(
        INSERT_PUBLICATION,
        published.schedule_id, published.sequence, digest, actor_id, published.as_of,
        window.start, window.end, published.slots, published.added, published.changed,
        published.withdrawn, published.displaced,
    )  # fmt: skip


async def slots_in_window(tx: Tx, schedule_id: UUID, window: Interval) -> Sequence[Slot]:
    """Give the live slots of a schedule that start in a window, by start then id."""
    rows = await tx.fetch(SELECT_WINDOW, schedule_id, window.start, window.end)
    return [
        Slot(
            id=row["id"], schedule_id=row["schedule_id"], key=row["key"], start=row["starts_at"],
            end=row["ends_at"], kind=SlotKind(row["kind"]), modality=Modality(row["modality"]),
            visibility=Visibility(row["visibility"]), capacity=row["capacity"],
        )
        for row in rows
    ]  # fmt: skip


class StoredSlot(msgspec.Struct, frozen=True, kw_only=True):
    """What changing one slot needs to know; `over` when it has ended."""

    schedule_id: ScheduleId
    interval: Interval
    over: bool
    withdrawn: bool


async def find_slot(tx: Tx, slot_id: UUID) -> StoredSlot | None:
    """Find a slot, withdrawn or not."""
    row = await tx.fetchrow(SELECT_SLOT, slot_id)
    if row is None:
        return None
    return StoredSlot(
        schedule_id=row["schedule_id"],
        interval=Interval(start=row["starts_at"], end=row["ends_at"]),
        over=row["over"],
        withdrawn=row["withdrawn"],
    )


async def displaced_seats(tx: Tx, slot_id: UUID) -> int:
    """Count the displaced seats of a slot."""
    count: int = await tx.fetchval(COUNT_DISPLACED, slot_id)
    return count


async def shown_slots(
    tx: Tx,
    schedule_id: UUID,
    window: Interval,
    audience: Audience,
    page: tuple[UUID | None, int],
) -> Sequence[SlotView]:
    """Give the slots of a schedule that may be shown, by start then id.

    Args:
        tx: A transaction.
        schedule_id: Which schedule.
        window: Slots that start in it.
        audience: On whose behalf; `directory.consent.shows` is the same rule.
        page: Id after which to go on, and how many.
    """
    rows = await tx.fetch(
        SELECT_SHOWN,
        schedule_id,
        window.start,
        window.end,
        sorted(SHOWN_TO[audience]),
        audience is Audience.PUBLISHER,
        *page,
    )
    return [msgspec.convert(dict(row), SlotView) for row in rows]


def _diary(row: asyncpg.Record) -> Diary:
    return Diary(
        schedule=Schedule(
            id=row["id"],
            care_service_id=CareServiceId(row["care_service_id"]),
            ownership=Ownership(row["ownership"]),
            source=row["source"],
            sequence=row["sequence"],
            as_of=row["as_of"],
            paused=row["paused"],
            release_before_s=row["release_before_s"],
            release_min=row["release_min"],
            quota_per_day=row["quota_per_day"],
            zone=row["zone"],
        ),
        organisation_id=row["organisation_id"],
        location_id=row["location_id"],
        territory_id=row["territory_id"],
        zone=row["zone"],
    )


SELECT_DIARY: Final = """
select s.id, s.care_service_id, s.ownership, s.source, s.sequence, s.as_of, s.paused,
    s.release_before_s, s.release_min, s.quota_per_day, c.organisation_id, c.location_id,
    l.territory_id, l.zone
from directory.schedule s
    join directory.care_service c on c.id = s.care_service_id
    join directory.location l on l.id = c.location_id
where s.id = $1
"""

SELECT_DIARIES: Final = """
select s.id, s.care_service_id, c.name as care_service, c.service, c.modalities,
    c.organisation_id, l.name as location, l.zone, s.ownership, s.source, s.sequence, s.as_of,
    s.paused, s.release_before_s, s.release_min, s.quota_per_day,
    case when s.ownership = 'owned' or s.as_of is null then 'fresh'
        when s.as_of + make_interval(secs => a.refused_after_s) <= kernel.regul_now()
            then 'outdated'
        when s.as_of + make_interval(secs => a.marked_after_s) <= kernel.regul_now() then 'marked'
        else 'fresh' end as freshness
from directory.schedule s
    join directory.care_service c on c.id = s.care_service_id
    join directory.location l on l.id = c.location_id
    left join lateral (
        select d.marked_after_s, d.refused_after_s from directory.source_limit d
        where d.source in (s.source, '*') order by d.source = '*' limit 1) a on true
where c.organisation_id = any ($1::uuid[]) and ($2::uuid is null or s.id > $2)
order by s.id
limit $3
"""

SELECT_OF_ROLE: Final = """
select s.id
from directory.schedule s join directory.care_service c on c.id = s.care_service_id
where c.role_id = $1
order by s.id
"""

LOCK_SCHEDULE: Final = """
select kernel.regul_now() from directory.schedule where id = $1 for no key update
"""

UPDATE_SEQUENCE: Final = """
update directory.schedule set sequence = $2, as_of = kernel.regul_now()
where id = $1 and sequence < $2
returning as_of
"""

SELECT_PUBLICATION: Final = """
select digest, schedule_id, sequence, as_of, slots, added, changed, withdrawn, displaced
from directory.publication where schedule_id = $1 and sequence = $2
"""

INSERT_PUBLICATION: Final = """
insert into directory.publication (schedule_id, sequence, digest, actor_id, as_of, starts_at,
    ends_at, slots, added, changed, withdrawn, displaced)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

SELECT_WINDOW: Final = """
select id, schedule_id, key, kind, modality, visibility, starts_at, ends_at, capacity
from directory.slot
where schedule_id = $1 and starts_at >= $2 and starts_at < $3 and withdrawn_at is null
order by starts_at, id
"""


SELECT_SLOT: Final = """
select schedule_id, starts_at, ends_at, ends_at <= kernel.regul_now() as over,
    withdrawn_at is not null as withdrawn
from directory.slot where id = $1
"""

COUNT_DISPLACED: Final = """
select count(*) from directory.seat where slot_id = $1 and state = 'displaced'
"""

# The conditions of directory.consent.refusal, where the rows are.
SELECT_SHOWN: Final = """
with moment as materialized (select kernel.regul_now() as now)
select l.id, l.schedule_id, l.key, l.kind, l.modality, l.visibility, l.starts_at, l.ends_at,
    l.capacity,
    count(*) filter (where s.state = 'free' or (s.state = 'held' and s.until <= moment.now))
        as free,
    count(*) filter (where s.state = 'booked' or (s.state = 'held' and s.until > moment.now))
        as taken,
    count(*) filter (where s.state = 'displaced') as displaced
from directory.slot l join directory.seat s on s.slot_id = l.id, moment
where l.schedule_id = $1 and l.starts_at >= $2 and l.starts_at < $3 and l.withdrawn_at is null
    and ($5 or (l.visibility = any ($4::text[]) and l.starts_at > moment.now
        and directory.directory_refusal(l.id) is null))
    and ($6::uuid is null
        or (l.starts_at, l.id) > (select a.starts_at, a.id from directory.slot a where a.id = $6))
group by l.id
order by l.starts_at, l.id
limit $7
"""
