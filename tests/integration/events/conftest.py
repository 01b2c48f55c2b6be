"""Fixtures of the events room: a small world and a connected bus."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from events import workers
from events.dispatcher import Publisher
from events.jetstream import Bus
from kernel import actor, identity, ids
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup
from kernel.settings import Settings
from server.app import create_app
from server.serve import Server, listen
from tests.integration.events.place import Place
from tests.integration.events.sign_in import Scene, scene_of
from tests.integration.events.world import EXAMPLE, World, key_of


@pytest_asyncio.fixture
async def world(system_database: Database) -> World:
    territory, first, second = ids.uuid7(), ids.uuid7(), ids.uuid7()

    def staff(role: Role) -> Actor:
        return Actor(id=ids.uuid7(), role=role, territory_id=territory)

    def outside(role: Role, organisation: UUID) -> Actor:
        return Actor(id=ids.uuid7(), role=role, organisation_ids=(organisation,))

    made = World(
        territory_id=territory,
        organisations=(first, second),
        care_service_id=ids.uuid7(),
        physician=staff(Role.PHYSICIAN),
        supervisor=staff(Role.SUPERVISOR),
        clinic=outside(Role.CLINIC, first),
        other_clinic=outside(Role.CLINIC, second),
        partner=outside(Role.PARTNER, first),
        other_partner=outside(Role.PARTNER, second),
    )
    async with system_database.transaction(actor.system()) as tx:
        await tx.execute(
            "insert into kernel.territory values ($1, 'T', 'T', 'Europe/Paris', 'FR')", territory
        )
        for one in (
            made.physician,
            made.supervisor,
            made.clinic,
            made.other_clinic,
            made.partner,
            made.other_partner,
        ):
            await tx.execute(
                "insert into kernel.actor (id, role, territory_id, organisation_ids, label,"
                " api_key_hash) values ($1, $2, $3, $4, 'x', $5)",
                one.id,
                one.role.value,
                one.territory_id,
                list(one.organisation_ids),
                identity.digest(key_of(one)),
            )
    return made


@pytest_asyncio.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a connected bus."""
    made = Bus(nats_url, "test")
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(60):
        while not made.connected:
            await asyncio.sleep(0.01)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def publishers(system_database: Database, bus: Bus, keys: KeyRing) -> tuple[Publisher, Publisher]:
    """Give two publishers, as two worker processes would have."""
    return Publisher(system_database, bus, keys), Publisher(system_database, bus, keys)


@pytest.fixture
def example() -> ModuleType:
    """Load examples/subscriber.py as a module."""
    described = importlib.util.spec_from_file_location("example_subscriber", EXAMPLE)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    sys.modules[described.name] = module
    described.loader.exec_module(module)
    return module


@pytest_asyncio.fixture
async def place(
    settings: Settings,
    database: Database,
    system_database: Database,
    keys: KeyRing,
) -> AsyncIterator[Place]:
    """Serve the API and run the workers, all in this process."""
    settings = msgspec.structs.replace(settings, throw_away=True, webhooks_to_loopback=True)
    app = create_app(settings)
    server = Server(app, signals=False)
    database.on_commit = wakeup = Wakeup(database, "regul_feed")
    team = workers.workers(system_database, settings, settings.nats_url, keys)
    tasks = [asyncio.create_task(one.run()) for one in team]
    tasks.append(asyncio.create_task(wakeup.run()))
    with listen("127.0.0.1", 0) as door:
        serving = asyncio.create_task(server.serve(sockets=[door]))
        async with asyncio.timeout(60):
            while not (server.started and app.services.ready):
                assert not serving.done(), serving.exception()
                await asyncio.sleep(0.01)
        yield Place(
            api=f"http://127.0.0.1:{door.getsockname()[1]}",
            bus=f"nats://{settings.nats_url.rpartition('@')[2]}",
        )
        server.stop()
        async with asyncio.timeout(60):
            await serving
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture
async def scene(
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
    settings: Settings,
) -> AsyncIterator[Scene]:
    async with scene_of(database, system_database, world, publishers, bus, settings) as made:
        yield made
