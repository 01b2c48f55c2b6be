"""Builds the snapshot from the database and keeps it fresh from the event feed.

The keeper re-reads whole diaries that an event touches, so that reading an event twice, late or
with others changes nothing; a whole reload now and then heals whatever no event told.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from directory import distance, open_slots, snapshot
from directory.model import (
    CareService,
    Interval,
    Location,
    OpeningException,
    OpeningHours,
    Ownership,
    Schedule,
)
from directory.rows import Rows
from directory.snapshot import Snapshot
from events import feed
from events.catalogue import PlacesChanged, SourceLimitChanged
from events.listening import Bell
from events.model import StoredEvent
from kernel import actor, errors
from kernel.database import Database, Tx
from kernel.telemetry import logger

MANY: Final = 500
"""More events than this at once: everything is read again instead."""
RELOAD_S: Final = 60.0
"""A whole reload about this often: a hold whose time passed is free without an event."""
_RELOAD_SHARE: Final = 20
"""A reload waits at least this many times as long as the last one took: a national directory is
read again every few minutes, a department's every minute."""
_SOON_SHARE: Final = 2
"""New places are read after at least so many times as long as the last reload took: a feed that
brings thousands does not make every process read without end."""
_WIDE: Final = (PlacesChanged, SourceLimitChanged)
"""Kinds of events that change more than diaries."""
_WAIT_S: Final = 1.0
_AGAIN_S: Final = 0.5


class _Raw(msgspec.Struct, frozen=True):
    """Records as fetched; turned into rows off the event loop."""

    position: int
    locations: Sequence[asyncpg.Record]
    services: Sequence[asyncpg.Record]
    schedules: Sequence[asyncpg.Record]
    slots: bytes


async def load(tx: Tx, travel: distance.TravelModel | None = None) -> Snapshot:
    """Read the whole directory into a snapshot.

    Args:
        tx: Any transaction; directory rows are shared between territories.
        travel: The territory's journeys.

    Returns:
        A snapshot whose version is a feed position that it includes.
    """
    # A million seats are joined in memory of the process: shared memory may be scarce.
    await tx.execute(
        "set local statement_timeout = '120s'; set local work_mem = '128MB';"
        " set local max_parallel_workers_per_gather = 0"
    )
    raw = _Raw(
        # First: what is committed later than this position may be in the rows, never the reverse.
        await feed.head(tx),
        await tx.fetch(SELECT_LOCATIONS),
        await tx.fetch(SELECT_SERVICES),
        await tx.fetch(SELECT_SCHEDULES, None),
        await open_slots.copied(tx, None),
    )
    return await asyncio.to_thread(_freeze, raw, travel)


async def refresh(
    tx: Tx,
    older: Snapshot,
    position: int,
    *,
    schedule_ids: Iterable[UUID] = (),
    slot_ids: Iterable[UUID] = (),
) -> Snapshot:
    """Read the diaries again that changed, and give a snapshot with them.

    Args:
        tx: Any transaction.
        older: What to start from; stays as it is.
        position: Feed position that the changes reach to.
        schedule_ids: Schedules that changed.
        slot_ids: Slots that changed; their schedules are read.
    """
    touched = await tx.fetchval(SELECT_TOUCHED, list(schedule_ids), list(slot_ids))
    if not touched:
        return older.refreshed(position, ())
    schedules = _schedules(await tx.fetch(SELECT_SCHEDULES, touched))
    slots = open_slots.pasted(await open_slots.copied(tx, touched), schedules)
    return older.refreshed_rows(position, schedules, slots)


def touched(events: Iterable[StoredEvent]) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """Give the schedules and the slots whose seats the events may have changed."""
    schedules: set[UUID] = set()
    slots: set[UUID] = set()
    for stored in events:
        if stored.aggregate == "schedule":
            schedules.add(stored.aggregate_id)
        if stored.aggregate == "slot":
            slots.add(stored.aggregate_id)
        for field in ("slot_id", "former_slot_id"):
            slot_id = getattr(stored.event, field, None)
            if isinstance(slot_id, UUID):
                slots.add(slot_id)
    return frozenset(schedules), frozenset(slots)


class Keeper:
    """Holds the snapshot of a process; readers take it without waiting."""

    def __init__(self, database: Database, bell: Bell | None = None) -> None:
        """Prepare; `run` loads and follows.

        Args:
            database: Pool under `regul_app` or `regul_system`.
            bell: Rings when there are new positions; without one the feed is asked every second.
        """
        self._database = database
        self._bell = bell or Bell()
        self._snapshot: Snapshot | None = None
        self._loaded_s = 0.0
        self._due = False
        self._took_s = 0.0

    @property
    def snapshot(self) -> Snapshot:
        """Give the present snapshot.

        Raises:
            kernel.errors.Unavailable: `directory_loading`: none has been read yet.
        """
        if self._snapshot is None:
            raise errors.Unavailable("directory_loading", "The directory is being read.", 1)
        return self._snapshot

    @property
    def ready(self) -> bool:
        """Tell whether a snapshot has been read."""
        return self._snapshot is not None

    async def run(self) -> None:
        """Load, then follow the feed for as long as the process lives."""
        while True:
            try:
                await self.step()
            except errors.Unavailable as away:
                logger().warning("database.away", code=away.code)
                await asyncio.sleep(_AGAIN_S)
                continue
            await self._bell.wait(_WAIT_S)

    async def step(self) -> None:
        """Bring the snapshot up to the head of the feed; load it when it is old or missing."""
        clock_s = asyncio.get_running_loop().time()
        current = self._snapshot
        pause_s = max(RELOAD_S, _RELOAD_SHARE * self._took_s)
        if current is None or clock_s - self._loaded_s > pause_s:
            await self._reload(clock_s)
            return
        async with self._database.transaction(actor.system()) as tx:
            head = await feed.head(tx)
            territories = await tx.fetchval(SELECT_TERRITORIES) or []
        if head <= current.version and not self._due:
            return
        events: list[StoredEvent] = []
        for territory_id in territories:
            async with self._database.transaction(actor.system(territory_id)) as tx:
                found = await feed.read(tx, current.version, MANY)
            if len(found) == MANY:
                await self._reload(clock_s)
                return
            events += found
        self._due = self._due or any(isinstance(one.event, _WIDE) for one in events)
        if self._due and clock_s - self._loaded_s > _SOON_SHARE * self._took_s:
            await self._reload(clock_s)
            return
        schedules, slots = touched(event for event in events if event.position <= head)
        async with self._database.transaction(actor.system()) as tx:
            self._snapshot = await refresh(
                tx, current, head, schedule_ids=schedules, slot_ids=slots
            )

    async def _reload(self, clock_s: float) -> None:
        async with self._database.transaction(actor.system()) as tx:
            self._snapshot = await load(tx)
        self._due = False
        self._loaded_s = clock_s
        self._took_s = asyncio.get_running_loop().time() - clock_s


def _freeze(raw: _Raw, travel: distance.TravelModel | None) -> Snapshot:
    rows = Rows(
        locations=tuple(
            Location(**{**row, "accessibility": frozenset(row["accessibility"])})
            for row in raw.locations
        ),
        care_services=tuple(map(_service, raw.services)),
    )
    schedules = _schedules(raw.schedules)
    slots = open_slots.pasted(raw.slots, schedules)
    return snapshot.freeze_rows(raw.position, rows, schedules, slots, travel)


def _service(row: asyncpg.Record) -> CareService:
    values: dict[str, object] = dict(row)
    openings = str(values.pop("openings"))
    round_the_clock = values.pop("round_the_clock")
    values["hours"] = (
        None if round_the_clock else msgspec.json.decode(openings, type=tuple[OpeningHours, ...])
    )
    values["exceptions"] = msgspec.json.decode(
        str(values["exceptions"] or "[]"), type=tuple[OpeningException, ...]
    )
    moments = iter(row["shifts"] or ())
    values["shifts"] = tuple(
        Interval(start=start, end=end) for start, end in zip(moments, moments, strict=True)
    )
    return msgspec.convert(values, CareService)


def _schedules(records: Iterable[asyncpg.Record]) -> list[Schedule]:
    return [
        Schedule(
            **{
                **row,
                "ownership": Ownership(row["ownership"]),
                "spent": tuple(row["spent"]),
                "absences": tuple(row["absences"]),
            }
        )
        for row in records
    ]


SELECT_TERRITORIES: Final = """
select array_agg(distinct territory_id) from directory.location
"""

SELECT_LOCATIONS: Final = """
select id, organisation_id, territory_id, name, lon, lat, zone, commune, postcode, department,
    accessibility
from directory.location
"""

# Exceptions and shifts are few: they are grouped once, not asked for service by service.
SELECT_SERVICES: Final = """
select c.id, c.organisation_id, c.location_id, c.role_id, c.name, c.service, c.skills,
    c.modalities, c.intake, c.accepts, c.equipment, c.sector, c.min_age_months, c.max_age_months,
    c.languages, c.accessibility, c.coverage_m, c.coverage_communes, c.referral_required,
    c.round_the_clock, c.holidays, c.phone, c.transfer_phone, c.active,
    (select coalesce(json_agg(json_build_object('weekday', h.weekday, 'opens_min', h.opens_min,
            'closes_min', h.closes_min) order by h.weekday, h.opens_min), '[]')::text
        from directory.opening h where h.care_service_id = c.id) as openings,
    e.exceptions, s.shifts
from directory.care_service c
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
    case when s.quota_per_day is null then '{}'::date[]
        else directory.spent_days(s.id, s.quota_per_day, p.zone) end as spent,
    coalesce(b.days, '{}'::date[]) as absences, a.marked_after_s, a.refused_after_s
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

SELECT_TOUCHED: Final = """
select array_agg(id) from (
    select id from directory.schedule where id = any ($1::uuid[])
    union
    select schedule_id from directory.slot where id = any ($2::uuid[])) as touched (id)
"""
