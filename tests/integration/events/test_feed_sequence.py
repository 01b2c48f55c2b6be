"""Positions are gapless, in the order of each aggregate, and chained; on real PostgreSQL."""

import asyncio
import random

import asyncpg
import pytest

from events import catalogue, feed, outbox, sequencer
from kernel import actor, errors, ids
from kernel.database import Database
from tests.integration.events.world import World, append_case

SYSTEM = actor.system()


async def sequence_all(database: Database) -> None:
    while await sequencer.step(database):
        pass


async def test_positions_are_gapless_under_concurrent_appends_and_rollbacks(
    database: Database, system_database: Database, world: World
) -> None:
    cases = [ids.uuid7() for _ in range(5)]
    chance = random.Random(7)
    wanted = 0

    async def write(index: int) -> int:
        try:
            async with database.transaction(world.physician) as tx:
                await outbox.append(
                    tx,
                    world.physician,
                    catalogue.CaseQualified(priority="P1", stream="AMU"),
                    aggregate_id=cases[index % len(cases)],
                    territory_id=world.territory_id,
                    case_id=cases[index % len(cases)],
                )
                if chance.random() < 0.3:
                    raise LookupError
        except LookupError:
            return 0
        return 1

    stop = asyncio.Event()

    async def follow() -> None:
        while not stop.is_set():
            if not await sequencer.step(system_database):
                await asyncio.sleep(0)

    followers = [asyncio.create_task(follow()) for _ in range(2)]
    wanted = sum(await asyncio.gather(*(write(index) for index in range(120))))
    stop.set()
    await asyncio.gather(*followers)
    await sequence_all(system_database)

    async with system_database.transaction(SYSTEM) as tx:
        events = await feed.read(tx, 0, 1000)
        broken = await sequencer.verify(tx)
    assert [one.position for one in events] == list(range(1, wanted + 1))
    assert broken is None
    for case in cases:
        versions = [one.version for one in events if one.aggregate_id == case]
        assert versions == list(range(1, len(versions) + 1))


async def test_a_transaction_that_commits_late_is_not_skipped(
    database: Database, system_database: Database, world: World
) -> None:
    async with database.transaction(world.physician) as tx:
        await outbox.append(
            tx,
            world.physician,
            catalogue.CaseOpened(),
            aggregate_id=ids.uuid7(),
            territory_id=world.territory_id,
        )
        await append_case(database, world)
        await sequence_all(system_database)
    await sequence_all(system_database)

    async with system_database.transaction(SYSTEM) as tx:
        assert len(await feed.read(tx, 0, 10)) == 2


async def test_a_changed_event_breaks_the_chain_at_its_position(
    database: Database,
    system_database: Database,
    world: World,
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    for _ in range(3):
        await append_case(database, world)
    await sequence_all(system_database)
    await admin.execute("alter table events.outbox disable trigger outbox_append_only")
    await admin.execute("update events.outbox set kind = 'case.closed' where id = 2")

    async with system_database.transaction(SYSTEM) as tx:
        assert await sequencer.verify(tx) == 2


async def test_events_and_positions_are_never_changed(
    database: Database, owner_database: Database, world: World
) -> None:
    await append_case(database, world)
    for statement in (
        "update events.outbox set kind = 'case.closed'",
        "delete from events.outbox",
        "delete from events.position",
    ):
        with pytest.raises(errors.Conflict):
            async with owner_database.transaction(SYSTEM) as tx:
                await tx.execute(statement)


async def test_another_cluster_begins_a_new_epoch(
    database: Database,
    system_database: Database,
    world: World,
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await append_case(database, world)
    await sequence_all(system_database)
    await admin.execute("update events.epoch set cluster = 'restored from elsewhere'")
    await append_case(database, world)
    await sequence_all(system_database)

    async with system_database.transaction(SYSTEM) as tx:
        assert [one.epoch for one in await feed.read(tx, 0, 10)] == [1, 2]


async def test_free_text_never_enters_an_event(database: Database, world: World) -> None:
    with pytest.raises(ValueError, match="complaint"):
        async with database.transaction(world.physician) as tx:
            await outbox.append(
                tx,
                world.physician,
                catalogue.CaseOpened(complaint="Jeanne Martin, 0612345678"),
                aggregate_id=ids.uuid7(),
                territory_id=world.territory_id,
            )


async def test_an_actor_reads_only_events_of_its_territory_or_organisation(
    database: Database, system_database: Database, world: World
) -> None:
    mine = await append_case(database, world, organisations=(world.organisations[0],))
    await append_case(database, world, organisations=(world.organisations[1],))
    await sequence_all(system_database)

    async with database.transaction(world.clinic) as tx:
        assert [one.case_id for one in await feed.read(tx, 0, 10)] == [mine]
    async with database.transaction(world.physician) as tx:
        assert len(await feed.read(tx, 0, 10)) == 2
