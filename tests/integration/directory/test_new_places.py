"""New places are searched as soon as they are told, not at the next full reload."""

import asyncio
from typing import Any

import msgspec

from directory import loading, places_told
from directory.model import CareServiceId
from events import sequencer
from kernel import actor as actors
from kernel.database import Database
from tests.integration.directory.feeds import Small, again, register


async def settle(system: Database) -> None:
    while await sequencer.step(system):
        pass


async def test_a_place_that_is_told_is_searched_at_the_next_step(
    admin: Any, database: Database, system_database: Database, world: Any
) -> None:
    keeper = loading.Keeper(database)
    await keeper.step()
    before = len(keeper.snapshot.services)
    new = await admin.fetchval(
        "insert into directory.care_service (id, organisation_id, location_id, name, service,"
        " modalities, intake) select gen_random_uuid(), organisation_id, location_id, 'New',"
        " 'emergency_department', '{office}', 'referral' from directory.care_service returning id"
    )
    async with system_database.transaction(actors.system()) as tx:
        await places_told.tell(tx, actors.system(), [new])
    await settle(system_database)
    async with asyncio.timeout(60):
        while keeper.snapshot.service(CareServiceId(new)) is None:
            await keeper.step()
    assert len(keeper.snapshot.services) == before + 1


async def test_a_feed_tells_the_places_it_brings_once(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await register(system_database, world, small.write())
    await again(system_database, feed)
    await again(system_database, feed)
    rows = await admin.fetch("select payload from events.outbox where kind = 'places.changed'")
    brought = [
        one for row in rows for one in msgspec.json.decode(row["payload"])["care_service_ids"]
    ]
    stored = await admin.fetchval(
        "select count(*) from directory.care_service c join directory.schedule s"
        " on s.care_service_id = c.id where s.ownership = 'mirrored'"
    )
    assert len(brought) == len(set(brought)) == stored > 0
