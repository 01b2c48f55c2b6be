"""The directory at national size on a real PostgreSQL, searched and changed across processes."""

import asyncio
import io
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import msgspec
import numpy as np

from benchmarks._directory_peers import PREPARE_EARTH, SELECT_NEAREST
from benchmarks._france import France, fortnight
from directory import loading, open_slots, seeding, service
from directory.model import CareService, CareServiceId, Interval, Need
from directory.publication import PublishedSlot
from kernel import actor as actors
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database, open_database
from server import accounts
from server.centre import API
from server.client import Client
from server.demo import DEMO
from server.stack import Stack, throw_away_home

SLOTS_EACH = 200
_PATIENCE_S = 120.0


class Served(msgspec.Struct, kw_only=True):
    """What was measured; milliseconds unless said otherwise.

    Attributes:
        seeded_s: Writing the whole world into PostgreSQL.
        loaded_s: Reading it into a snapshot, seconds.
        api_mib: Resident memory of the API process after some searches.
        http: Each search over HTTP.
        sql: Each search by the SQL statement alone.
        published_ms: One clinic's fortnight, all its schedules one after the other.
        visible_s: From the last commit until the other process finds it.
        missing: Published slots that the other process did not show.
    """

    seeded_s: float = 0.0
    loaded_s: float = 0.0
    api_mib: float = 0.0
    http: list[float] = []
    sql: list[float] = []
    published_ms: float = 0.0
    visible_s: float = 0.0
    missing: int = 0


class _ShownPlace(msgspec.Struct, frozen=True):
    care_service_id: UUID
    slots: list[msgspec.Raw]


class _Shown(msgspec.Struct, frozen=True):
    """What is read of an answer of the search."""

    places: list[_ShownPlace]


async def measure(world: France, needs: Sequence[Need], seed: int) -> Served:
    """Run everything on throw-away servers."""
    found = Served()
    with throw_away_home() as home:

        async def fill(stack: Stack) -> None:
            began = time.perf_counter()
            await _fill(stack, world)
            found.seeded_s = time.perf_counter() - began

        async with Stack(home, environ={}, settings=DEMO, seed=fill) as stack:
            operator = Client(stack.base_url, _key(stack, "operator"), patience_s=_PATIENCE_S)
            try:
                await _searches(operator, needs, found, random.Random(seed))
                found.api_mib = _resident_mib()
                async with _opened(stack) as (database, admin):
                    await _statements(admin, needs, found)
                    await _publish(database, operator, world, found)
                    began = time.perf_counter()
                    async with database.transaction(actors.system()) as tx:
                        told = await loading.read(tx)
                    await loading.freeze(told)
                    found.loaded_s = time.perf_counter() - began
            finally:
                await operator.close()
    return found


def _ring(stack: Stack) -> KeyRing:
    return KeyRing(ensure_master(stack.layout.keys / "master.key"))


def _key(stack: Stack, login: str) -> str:
    return accounts.key_of(_ring(stack), login)


@asynccontextmanager
async def _opened(stack: Stack) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    database = await open_database(stack.dsn, "regul_app", 4)
    admin = await _superuser(stack)
    try:
        yield database, admin
    finally:
        await admin.close()
        await database.close()


async def _superuser(stack: Stack) -> asyncpg.Connection:
    if stack.postgres is None:
        raise RuntimeError("the embedded PostgreSQL did not start")
    return await asyncpg.connect(stack.postgres.dsn(stack.dsn.rpartition("/")[2]))


async def _fill(stack: Stack, world: France) -> None:
    """Write the world; foreign keys are not checked row by row, it comes from one hand."""
    database = await open_database(stack.dsn, "regul_system", 1)
    await accounts.ensure(database, _ring(stack), {"clinic": [world.clinic]})
    await database.close()
    admin = await _superuser(stack)
    try:
        await admin.execute("set session_replication_role = replica")
        rows = world.rows
        people = [
            {"id": one.practitioner_id, "rpps": f"8{at:010d}", "family": "X (fictif)", "given": "Y"}
            for at, one in enumerate(rows.roles)
        ]
        for statement, records in (
            (seeding.INSERT_ORGANISATIONS, rows.organisations),
            (seeding.INSERT_LOCATIONS, rows.locations),
            (seeding.INSERT_PRACTITIONERS, people),
            (seeding.INSERT_ROLES, rows.roles),
            (seeding.INSERT_CARE_SERVICES, rows.care_services),
            (seeding.INSERT_SCHEDULES, world.schedules),
        ):
            for part in _parts(records):
                await admin.execute(statement, msgspec.json.encode(part).decode())
        await admin.execute(PAUSE, [one.id for one in world.schedules if one.paused])
        await _copy_slots(admin, world)
        await admin.execute("analyze")
    finally:
        await admin.close()


def _parts(records: Sequence[object]) -> Iterator[Sequence[object]]:
    for at in range(0, len(records), 20_000):
        yield records[at : at + 20_000]


async def _copy_slots(admin: asyncpg.Connection, world: France) -> None:
    sent = np.zeros(len(world.slots), dtype=open_slots.COPIED)
    sent["fields"] = 9
    owners = np.array([one.id.bytes for one in world.schedules], dtype="V16")
    for name in ("id", "schedule_id", "start", "end", "capacity", "free", "kind", "modality",
                 "visibility"):  # fmt: skip
        sent[f"bytes_of_{name}"] = open_slots.COPIED[name].itemsize
        sent[name] = owners[world.slots["diary"]] if name == "schedule_id" else world.slots[name]
    head = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    await admin.execute(CREATE_SENT)
    await admin.copy_to_table(
        "bench_sent", source=io.BytesIO(head + sent.tobytes() + b"\xff\xff"), format="binary"
    )
    await admin.execute(INSERT_SENT_SLOTS)
    await admin.execute(INSERT_SENT_SEATS)


async def _searches(
    operator: Client, needs: Sequence[Need], found: Served, dice: random.Random
) -> None:
    """Wait until the API has read the directory, then search."""
    for number, need in enumerate([needs[0], *needs]):
        query = urlencode(
            {
                "service": need.service,
                "near": f"{need.lon:.5f},{need.lat:.5f}",
                "within_h": 48,
                "age_months": need.age_months,
                "seed": dice.randrange(1 << 30),
            }
        )
        began = time.perf_counter()
        await operator.get(f"{API}/search?{query}")
        if number:
            found.http.append((time.perf_counter() - began) * 1000)


async def _statements(admin: asyncpg.Connection, needs: Sequence[Need], found: Served) -> None:
    await admin.execute(PREPARE_EARTH)
    statement = await admin.prepare(SELECT_NEAREST)
    for need in needs[:50]:
        began = time.perf_counter()
        await statement.fetch(
            need.service, need.lon, need.lat, need.age_months, need.earliest, need.deadline
        )
        found.sql.append((time.perf_counter() - began) * 1000)


async def _publish(database: Database, operator: Client, world: France, found: Served) -> None:
    """Publish the fortnight of the clinic; wait until the API, another process, shows it."""
    now = datetime.now(UTC)
    mine = {one.id: one for one in world.rows.care_services if one.organisation_id == world.clinic}
    schedules = [one for one in world.schedules if one.care_service_id in mine]
    clinic = Actor(
        id=accounts.actor_id("clinic"), role=Role.CLINIC, organisation_ids=(world.clinic,)
    )
    times = fortnight(now, SLOTS_EACH)
    window = Interval(start=times[0][0], end=times[-1][1] + timedelta(minutes=1))
    slots = tuple(
        PublishedSlot(key=f"p{at}", start=start, end=end) for at, (start, end) in enumerate(times)
    )
    commands = [
        service.Publish(schedule_id=one.id, window=window, sequence=1, slots=slots)
        for one in schedules
    ]
    warm = msgspec.structs.replace(commands[0], slots=slots[:1])
    await database.run(clinic, lambda tx: service.publish(tx, clinic, warm))
    commands[0] = msgspec.structs.replace(commands[0], sequence=2)
    began = time.perf_counter()
    for command in commands:
        await database.run(clinic, partial(service.publish, actor=clinic, command=command))
    committed = time.perf_counter()
    found.published_ms = (committed - began) * 1000
    # What is held back for the last day may not be shown yet: that depends on the hour.
    open_ones = {
        one.care_service_id for one in schedules if not one.paused and one.release_before_s is None
    }
    found.missing = await _until_visible(operator, world, mine, open_ones)
    found.visible_s = time.perf_counter() - committed


async def _until_visible(
    operator: Client,
    world: France,
    mine: Mapping[CareServiceId, CareService],
    wanted: AbstractSet[UUID],
) -> int:
    """Ask until every care service of the clinic shows slots; give how many never do."""
    place = next(one for one in world.rows.locations if one.organisation_id == world.clinic)
    query = urlencode({
        "service": next(iter(mine.values())).service, "near": f"{place.lon},{place.lat}",
        "limit": 50, "seed": 1,
    })  # fmt: skip
    end = time.perf_counter() + 10.0
    while True:
        answer = await operator.get(f"{API}/search?{query}", _Shown)
        seen = {one.care_service_id for one in answer.places if one.slots}
        missing = len(wanted - seen)
        if not missing or time.perf_counter() > end:
            return missing
        await asyncio.sleep(0.01)


def _resident_mib() -> float:
    """Give the resident memory of our child that serves the API; 0.0 where /proc is absent."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            status = (folder / "status").read_text()
        except OSError:
            continue
        if b"serve" in command and f"PPid:\t{os.getpid()}\n" in status:
            kib = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            return int(kib.split()[1]) / 1024
    return 0.0


PAUSE = "update directory.schedule set paused = true where id = any ($1::uuid[])"

CREATE_SENT = """
create temporary table bench_sent (id uuid, schedule_id uuid, starts_at timestamptz,
    ends_at timestamptz, capacity smallint, free smallint, kind smallint, modality smallint,
    visibility smallint)
"""

INSERT_SENT_SLOTS = """
insert into directory.slot (id, schedule_id, care_service_id, organisation_id, location_id,
    territory_id, key, kind, modality, visibility, starts_at, ends_at, capacity)
select n.id, n.schedule_id, c.id, c.organisation_id, c.location_id, l.territory_id, n.id::text,
    (array['slot', 'range', 'overbook'])[n.kind + 1],
    (array['office', 'home_visit', 'teleconsultation', 'telephone'])[n.modality + 1],
    (array['PUBLIC', 'PRO', 'SNP', 'CPTS'])[n.visibility + 1], n.starts_at, n.ends_at, n.capacity
from bench_sent n join directory.schedule s on s.id = n.schedule_id
    join directory.care_service c on c.id = s.care_service_id
    join directory.location l on l.id = c.location_id
"""

INSERT_SENT_SEATS = """
insert into directory.seat (slot_id, number) select id, 1 from bench_sent
"""
