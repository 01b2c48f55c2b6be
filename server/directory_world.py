"""What questions to the graph are asked of: the directory of the database, or the demonstration."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from directory import links, loading, snapshot
from directory.columns import Diary, OpenSlot
from directory.model import ReferralLink, Slot
from directory.rows import Rows
from directory.snapshot import Snapshot
from kernel import actor
from kernel.database import open_database
from server.configuration import read_settings

DEMO_AT: Final = datetime(2026, 3, 2, 8, 0, tzinfo=ZoneInfo("Europe/Paris"))
"""When the demonstration is asked unless told otherwise: what it answers depends on no clock."""
_DEMO_TERRITORY: Final = UUID(int=80)


class World(msgspec.Struct, frozen=True):
    """A directory to ask.

    Attributes:
        seen: Care services, places, open slots.
        sends: Who may send to whom.
        now: Moment of the question, UTC.
        origin: Where it comes from, for the answer.
    """

    seen: Snapshot
    sends: tuple[ReferralLink, ...]
    now: datetime
    origin: str

    @property
    def frozen(self) -> links.Links:
        """Give the links as arrays."""
        return links.freeze(self.seen, self.sends)

    @property
    def rows(self) -> Rows:
        """Give the rows that the typed graph is built from."""
        places = {place.id: place for place in self.seen.locations}
        return Rows(
            locations=tuple(places.values()), care_services=self.seen.services, links=self.sends
        )


def of(*, demo: bool, at: datetime | None) -> World:
    """Give the directory to ask.

    Args:
        demo: The generated demonstration territory instead of the database.
        at: Moment of the question; the database's clock, or `DEMO_AT`, when None.

    Raises:
        server.refusal.Refusal: No database is named.
    """
    return demonstration(at or DEMO_AT) if demo else asyncio.run(_of_database(at))


@lru_cache(maxsize=2)
def demonstration(at: datetime) -> World:
    """Give the demonstration territory with diaries from the day of a moment; made once."""
    from directory import somme

    seed = somme.generate(at.date(), _DEMO_TERRITORY)
    open_at: dict[UUID, list[OpenSlot]] = {}
    for slot in seed.slots:
        open_at.setdefault(slot.schedule_id, []).append(_open(slot))
    diaries = []
    for schedule in seed.schedules:
        mine = sorted(open_at.get(schedule.id, ()), key=lambda one: (one.start, one.id))
        fresh = msgspec.structs.replace(schedule, as_of=at.astimezone(UTC) - timedelta(hours=1))
        diaries.append(Diary(schedule=fresh, slots=tuple(mine)))
    seen = snapshot.freeze(1, seed.rows, diaries)
    return World(seen, seed.rows.links, at.astimezone(UTC), "demonstration")


def _open(slot: Slot) -> OpenSlot:
    return OpenSlot(
        id=slot.id, schedule_id=slot.schedule_id, start=slot.start, end=slot.end, kind=slot.kind,
        modality=slot.modality, visibility=slot.visibility, capacity=slot.capacity,
        free=slot.capacity,
    )  # fmt: skip


async def _of_database(at: datetime | None) -> World:
    settings = read_settings()
    database = await open_database(settings.database_url, "regul_system", 2)
    try:
        async with database.transaction(actor.system()) as tx:
            seen = await loading.load(tx)
            found = await links.read(tx)
            now = at or await tx.fetchval(SELECT_NOW)
    finally:
        await database.close()
    return World(seen, found, now.astimezone(UTC), "database")


SELECT_NOW: Final = "select kernel.regul_now()"
