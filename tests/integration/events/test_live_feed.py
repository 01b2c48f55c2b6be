"""The live feed and the workers together: commit -> sequencer -> stream, with NATS or without."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest_asyncio

from events import health, live, workers
from events.jetstream import FEED, Bus
from events.model import StoredEvent
from kernel import actor
from kernel.actor import Actor
from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup
from kernel.settings import Settings
from tests.integration.events.world import World, append_case, until

SYSTEM = actor.system()


async def keep(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[live.Hub]:
    made = live.Hub(database)
    wakeup = Wakeup(database, "regul_feed")
    database.on_commit = wakeup
    tasks = [asyncio.create_task(made.run()), asyncio.create_task(wakeup.run())]
    yield made
    await keep(tasks)


@pytest_asyncio.fixture
async def running(
    system_database: Database, settings: Settings, keys: KeyRing
) -> AsyncIterator[Sequence[workers.Worker]]:
    team = workers.workers(system_database, settings, settings.nats_url, keys)
    tasks = [asyncio.create_task(one.run()) for one in team]
    yield team
    await keep(tasks)


async def collect(
    hub: live.Hub, who: Actor, after: int | None, count: int, ended: asyncio.Event
) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    async with asyncio.timeout(60):
        async for page in hub.follow(who, after, ended):
            found += page
            if len(found) >= count:
                return found
    return found


async def test_each_stream_gets_what_its_actor_may_see_and_goes_on_after_a_position(
    database: Database,
    world: World,
    hub: live.Hub,
    running: Sequence[workers.Worker],
) -> None:
    assert running
    ended = asyncio.Event()
    streams = [
        asyncio.create_task(collect(hub, who, 0, count, ended))
        for who, count in ((world.physician, 10), (world.clinic, 5), (world.other_clinic, 5))
    ]
    for index in range(10):
        await append_case(database, world, organisations=(world.organisations[index % 2],))
    everything, mine, theirs = await asyncio.gather(*streams)

    assert [one.position for one in everything] == list(range(1, 11))
    assert [one.position for one in mine] == [1, 3, 5, 7, 9]
    assert [one.position for one in theirs] == [2, 4, 6, 8, 10]
    rest = await collect(hub, world.physician, 7, 3, ended)
    assert [one.position for one in rest] == [8, 9, 10]


async def test_a_drain_ends_a_stream_at_once(world: World, hub: live.Hub) -> None:
    ended = asyncio.Event()
    stream = asyncio.create_task(collect(hub, world.physician, 0, 1, ended))
    await asyncio.sleep(0)
    ended.set()
    async with asyncio.timeout(60):
        assert await stream == []


async def test_the_workers_copy_to_feed_and_tell_how_they_are(
    database: Database,
    system_database: Database,
    world: World,
    bus: Bus,
    running: Sequence[workers.Worker],
) -> None:
    assert running
    for _ in range(5):
        await append_case(database, world)

    async def copied() -> bool:
        info = await bus.stream(FEED)
        return info is not None and int(info.state.last_seq) == 5

    await until(copied)

    async def told() -> bool:
        async with system_database.plain() as connection:
            condition = await health.condition(connection)
        return condition.nats is True and condition.waiting == 0

    await until(told)


async def test_without_nats_events_are_sequenced_and_the_condition_says_so(
    database: Database,
    system_database: Database,
    world: World,
    settings: Settings,
    keys: KeyRing,
) -> None:
    team = workers.workers(system_database, settings, "nats://127.0.0.1:9", keys)
    tasks = [asyncio.create_task(one.run()) for one in team]
    for _ in range(3):
        await append_case(database, world)

    async def told() -> bool:
        async with database.plain() as connection:
            condition = await health.condition(connection)
        return condition.nats is False and condition.waiting == 3

    async def sequenced() -> bool:
        async with system_database.plain() as connection:
            return bool(await connection.fetchval("select count(*) = 3 from events.position"))

    await until(sequenced)
    await until(told)
    await keep(tasks)


async def test_an_idle_service_wakes_nobody(
    database: Database,
    system_database: Database,
    world: World,
    hub: live.Hub,
    running: Sequence[workers.Worker],
) -> None:
    assert running
    ended = asyncio.Event()
    stream = asyncio.create_task(collect(hub, world.physician, 0, 2, ended))
    rings = 0
    wakeup = Wakeup(system_database, "regul_feed")

    def count() -> None:
        nonlocal rings
        rings += 1
        wakeup()

    system_database.on_commit = count
    waking = asyncio.create_task(wakeup.run())
    await append_case(database, world)
    await asyncio.sleep(1.0)  # work is done; what follows is idleness, which takes time to watch
    rings = 0
    await asyncio.sleep(2.0)
    assert rings < 40
    ended.set()
    await keep([waking])
    await asyncio.gather(stream)
