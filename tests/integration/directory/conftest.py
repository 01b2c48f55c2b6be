"""A small directory on a fresh database: one surgery, one duty surgery, a clinic and a centre."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar, Router
from litestar.di import Provide

from directory import api, loading, seeding, service
from directory.model import (
    CareService,
    CareServiceId,
    Interval,
    Location,
    LocationId,
    Organisation,
    OrganisationId,
    OrganisationKind,
    Schedule,
    ScheduleId,
    SlotKind,
)
from directory.publication import PublishedSlot
from directory.rows import Rows
from directory.seed import Seed
from directory.snapshot import Snapshot
from directory.store import Published
from kernel import actor as actors
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.edge import Edge
from kernel.ids import uuid7
from kernel.settings import Settings
from server import problems
from server.requests import Request
from tests.integration.directory.feeds import Small


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of what every test of this folder starts with."""

    territory_id: UUID
    organisation_id: OrganisationId
    care_service_id: CareServiceId
    schedule_id: ScheduleId
    clinic: Actor
    stranger: Actor
    operator: Actor
    tomorrow: datetime

    def slot(self, key: str = "a", hour: float = 9, **values: object) -> PublishedSlot:
        """Build a slot of tomorrow; a test names what it is about."""
        start = self.tomorrow + timedelta(hours=hour)
        slot = PublishedSlot(key=key, start=start, end=start + timedelta(minutes=15))
        return msgspec.structs.replace(slot, **values)

    def range(self, capacity: int, key: str = "r", **values: object) -> PublishedSlot:
        """Build a range of tomorrow morning."""
        given: dict[str, object] = {"kind": SlotKind.RANGE, "capacity": capacity, **values}
        return self.slot(key, 9, **given)

    @property
    def window(self) -> Interval:
        """Give the whole of tomorrow."""
        return Interval(start=self.tomorrow, end=self.tomorrow + timedelta(days=1))


Publisher = Callable[..., Awaitable[Published]]


async def insert_actor(system: Database, actor: Actor) -> Actor:
    async with system.transaction(actors.system()) as tx:
        await tx.execute(
            "insert into kernel.actor (id, role, territory_id, organisation_ids, label)"
            " values ($1, $2, $3, $4, 'test')",
            actor.id,
            actor.role.value,
            actor.territory_id,
            list(actor.organisation_ids),
        )
    return actor


@pytest_asyncio.fixture
async def world(system_database: Database) -> World:
    """Write the small directory and its actors."""
    territory_id = uuid7()
    async with system_database.transaction(actors.system()) as tx:
        await tx.execute(
            "insert into kernel.territory (id, code, name, time_zone, country)"
            " values ($1, '80', 'Somme', 'Europe/Paris', 'FR')",
            territory_id,
        )
    ours, theirs = OrganisationId(uuid7()), OrganisationId(uuid7())
    place, care, diary = LocationId(uuid7()), CareServiceId(uuid7()), ScheduleId(uuid7())
    seed = Seed(
        rows=Rows(
            organisations=tuple(
                Organisation(id=one, name="Cabinet", kind=OrganisationKind.PRACTICE)
                for one in (ours, theirs)
            ),
            locations=(
                Location(
                    id=place, organisation_id=ours, name="Amiens", lon=2.3, lat=49.9,
                    zone="Europe/Paris", commune="80021", postcode="80000", department="80",
                    territory_id=territory_id,
                ),
            ),
            care_services=(
                CareService(
                    id=care, organisation_id=ours, location_id=place, name="Dr Test",
                    service="general_practice",
                ),
            ),
        ),
        practitioners=(),
        schedules=(Schedule(id=diary, care_service_id=care),),
        slots=(),
    )  # fmt: skip
    async with system_database.transaction(actors.system()) as tx:
        await seeding.write(tx, seed)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return World(
        territory_id=territory_id,
        organisation_id=ours,
        care_service_id=care,
        schedule_id=diary,
        clinic=await insert_actor(
            system_database, Actor(id=uuid7(), role=Role.CLINIC, organisation_ids=(ours,))
        ),
        stranger=await insert_actor(
            system_database, Actor(id=uuid7(), role=Role.CLINIC, organisation_ids=(theirs,))
        ),
        operator=await insert_actor(
            system_database, Actor(id=uuid7(), role=Role.OPERATOR, territory_id=territory_id)
        ),
        tomorrow=midnight + timedelta(days=1),
    )


@pytest.fixture
def publish(database: Database, world: World) -> Publisher:
    """Give a function that publishes tomorrow as the clinic."""

    async def act(
        slots: Sequence[PublishedSlot], sequence: int = 1, actor: Actor | None = None
    ) -> Published:
        command = service.Publish(
            schedule_id=world.schedule_id,
            window=world.window,
            sequence=sequence,
            slots=tuple(slots),
        )
        who = actor or world.clinic
        return await database.run(who, lambda tx: service.publish(tx, who, command))

    return act


@pytest_asyncio.fixture
async def app(database_dsn: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """Give many plain connections under regul_app, each statement committing by itself."""

    async def take_role(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute("set role regul_app")

    pool = await asyncpg.create_pool(database_dsn, min_size=0, max_size=20, init=take_role)
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def small(tmp_path: Path, admin: Any) -> AsyncIterator[Small]:
    yield Small(tmp_path, await admin.fetchval("select kernel.regul_now()"))


class Speaker:
    """Who the next request comes from; a test may change it."""

    def __init__(self, world: Any) -> None:
        self.actor = world.clinic


@pytest.fixture
def speaker(world: Any) -> Speaker:
    return Speaker(world)


@pytest_asyncio.fixture
async def client(
    database: Database, keys: KeyRing, settings: Settings, speaker: Speaker
) -> AsyncIterator[httpx.AsyncClient]:
    async def edge() -> Edge:
        return Edge(actor=speaker.actor, database=database, keys=keys, settings=settings)

    async def snapshot() -> Snapshot:
        async with database.transaction(actors.system()) as tx:
            return await loading.load(tx)

    app = Litestar(
        route_handlers=[Router("/api/v1", route_handlers=api.ROUTES)],
        dependencies={"edge": Provide(edge), "snapshot": Provide(snapshot)},
        exception_handlers=dict(problems.HANDLERS),
        request_class=Request,
        logging_config=None,
    )
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type] # Litestar is an ASGI app
    async with httpx.AsyncClient(transport=transport, base_url="http://regul") as client:
        yield client
