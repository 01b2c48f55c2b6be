"""Builds the snapshot from the database and keeps it fresh from the event feed.

The keeper re-reads whole diaries that an event touches, so that reading an event twice, late or
with others changes nothing; a whole reload now and then heals whatever no event told.
"""

import asyncio
import contextlib
import gc
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from uuid import UUID

import msgspec

from directory import distance, gazetteer, journey_store, open_slots, reading, snapshot
from directory.journeys import Journeys
from directory.model import Schedule
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


class Told(msgspec.Struct, frozen=True):
    """What the database told of the whole directory.

    Attributes:
        position: Feed position that it includes.
        journeys: What a routing engine said of them before.
        slots: As `open_slots.copied` gave them.
    """

    position: int
    rows: Rows
    schedules: Sequence[Schedule]
    journeys: Journeys
    slots: bytes


async def read(tx: Tx) -> Told:
    """Read the whole directory.

    Args:
        tx: Any transaction; directory rows are shared between territories.
    """
    # A million seats are joined in memory of the process: shared memory may be scarce.
    await tx.execute(
        "set local statement_timeout = '120s'; set local work_mem = '128MB';"
        " set local max_parallel_workers_per_gather = 0; set local jit = off"
    )
    # First: what is committed later than this position may be in the rows, never the reverse.
    position = await feed.head(tx)
    places = await tx.fetch(reading.SELECT_LOCATIONS)
    services = await tx.fetch(reading.SELECT_SERVICES)
    diaries = await tx.fetch(reading.SELECT_SCHEDULES, None)
    journeys = await journey_store.read(tx)

    def rows() -> tuple[Rows, Sequence[Schedule]]:
        with _unswept():
            found = Rows(
                locations=reading.locations(places), care_services=reading.care_services(services)
            )
            return found, reading.schedules(diaries)

    # The records become rows while the database still counts seats.
    (found, schedules), slots = await asyncio.gather(
        asyncio.to_thread(rows), open_slots.copied(tx, None)
    )
    return Told(position, found, schedules, journeys, slots)


async def freeze(told: Told, travel: distance.TravelModel | None = None) -> Snapshot:
    """Make the snapshot, off the event loop and outside of any transaction.

    A transaction that stood open meanwhile would be ended by the database for being idle.

    Args:
        told: What was read.
        travel: The territory's journeys.

    Returns:
        A snapshot whose version is a feed position that it includes.
    """

    def frozen() -> Snapshot:
        with _unswept():
            slots = open_slots.pasted(told.slots, told.schedules)
            fresh = snapshot.freeze_rows(told.position, told.rows, told.schedules, slots, travel)
            return fresh.with_journeys(told.journeys)

    return await asyncio.to_thread(frozen)


async def load(tx: Tx, travel: distance.TravelModel | None = None) -> Snapshot:
    """Read and freeze in one transaction: for a directory of a department's size.

    Args:
        tx: Any transaction; directory rows are shared between territories.
        travel: The territory's journeys.
    """
    return await freeze(await read(tx), travel)


@contextlib.contextmanager
def _unswept() -> Iterator[None]:
    """Make many objects without the collector looking at all of them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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
    schedules = reading.schedules(await tx.fetch(reading.SELECT_SCHEDULES, touched))
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
        self._reloading: asyncio.Task[Snapshot] | None = None

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
        """Load, then follow the feed for as long as the process lives.

        A whole reload goes on beside the following: what is published meanwhile is seen at once.
        """
        try:
            while True:
                try:
                    await self._advance(wait=self._snapshot is None)
                except errors.Unavailable as away:
                    logger().warning("database.away", code=away.code)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                await self._bell.wait(_WAIT_S)
        finally:
            if self._reloading is not None:
                self._reloading.cancel()

    async def step(self) -> None:
        """Bring the snapshot up to the head of the feed; load it when it is old or missing."""
        await self._advance(wait=True)

    async def _advance(self, *, wait: bool) -> None:
        """Follow, take in a reload that is done, begin one that is due; wait for it or not."""
        clock_s = asyncio.get_running_loop().time()
        if self._reloading is not None and self._reloading.done():
            await self._take(self._reloading)
        due = self._snapshot is None
        if self._snapshot is not None:
            followed = await self._followed(self._snapshot)
            self._snapshot = followed or self._snapshot
            age_s = clock_s - self._loaded_s
            due = followed is None or age_s > max(RELOAD_S, _RELOAD_SHARE * self._took_s)
            due = due or (self._due and age_s > _SOON_SHARE * self._took_s)
        if due and self._reloading is None:
            self._due = False
            self._reloading = asyncio.create_task(self._reloaded(clock_s))
        if self._reloading is not None and wait:
            await asyncio.wait([self._reloading])
            await self._take(self._reloading)

    async def _take(self, reloading: asyncio.Task[Snapshot]) -> None:
        """Show what was read anew, as far as the feed has come meanwhile; never go back."""
        self._reloading, due, self._due = None, self._due, True
        fresh = reloading.result()
        self._due = due
        fresh = await self._followed(fresh) or fresh
        if self._snapshot is None or fresh.version >= self._snapshot.version:
            self._snapshot = fresh

    async def _followed(self, current: Snapshot) -> Snapshot | None:
        """Give a snapshot at the head of the feed; None when too much happened since."""
        async with self._database.transaction(actor.system()) as tx:
            head = await feed.head(tx)
            territories = await tx.fetchval(SELECT_TERRITORIES) or []
        if head <= current.version:
            return current
        events: list[StoredEvent] = []
        for territory_id in territories:
            async with self._database.transaction(actor.system(territory_id)) as tx:
                found = await feed.read(tx, current.version, MANY)
            if len(found) == MANY:
                return None
            events += found
        self._due = self._due or any(isinstance(one.event, _WIDE) for one in events)
        schedules, slots = touched(event for event in events if event.position <= head)
        async with self._database.transaction(actor.system()) as tx:
            return await refresh(tx, current, head, schedule_ids=schedules, slot_ids=slots)

    async def _reloaded(self, clock_s: float) -> Snapshot:
        if self._snapshot is None:
            # The first search by coordinates need not wait for the file of communes.
            await asyncio.to_thread(gazetteer.nearest, 0.0, 0.0, 1.0)
        async with self._database.transaction(actor.system()) as tx:
            told = await read(tx)
        fresh = await freeze(told)
        self._loaded_s = clock_s
        self._took_s = asyncio.get_running_loop().time() - clock_s
        return fresh


SELECT_TERRITORIES: Final = """
select array_agg(id) from kernel.territory
"""

SELECT_TOUCHED: Final = """
select array_agg(id) from (
    select id from directory.schedule where id = any ($1::uuid[])
    union
    select schedule_id from directory.slot where id = any ($2::uuid[])) as touched (id)
"""
