"""Seeding the demonstration territory, and a snapshot that follows the feed."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from directory import loading, offers, places, seeding, service, somme
from directory.loading import Keeper
from directory.model import Need
from directory.seed import Seed
from events import sequencer
from events.catalogue import HoldPlaced
from events.model import StoredEvent
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor, Role
from kernel.database import Database
from kernel.ids import uuid7

CLAIM = "select directory.directory_claim($1, $2, interval '5 min')"
TERRITORY = UUID("018f0000-0000-7000-8000-000000000080")


@pytest_asyncio.fixture
async def somme_seed(system_database: Database) -> AsyncIterator[Seed]:
    today = datetime.now(ZoneInfo("Europe/Paris")).date()
    seed = somme.generate(today, TERRITORY)
    async with system_database.transaction(actors.system(TERRITORY)) as tx:
        await tx.execute(
            "insert into kernel.territory (id, code, name, time_zone, country)"
            " values ($1, '80', 'Somme', 'Europe/Paris', 'FR')",
            TERRITORY,
        )
    yield seed


async def write(system: Database, seed: Seed) -> float:
    began = time.perf_counter()
    async with system.transaction(actors.system(TERRITORY)) as tx:
        await seeding.write(tx, seed)
    return time.perf_counter() - began


async def counts(admin: Any) -> tuple[int, int, int]:
    row = await admin.fetchrow(
        "select (select count(*) from directory.care_service),"
        " (select count(*) from directory.slot), (select count(*) from directory.seat)"
    )
    return (row[0], row[1], row[2])


async def test_the_territory_is_seeded_quickly_and_once(
    admin: Any, system_database: Database, somme_seed: Seed
) -> None:
    took = await write(system_database, somme_seed)
    first = await counts(admin)
    assert first == (len(somme_seed.rows.care_services), len(somme_seed.slots), somme_seed.seats)
    assert first[0] >= 400
    assert first[2] >= 20_000
    # The goal is 5 s on a quiet machine; the bound here only catches a change of order.
    assert took < 30.0, f"seeding took {took:.1f} s"
    print(f"seeding {first[2]} seats took {took:.2f} s")
    taken = await admin.fetchval("select id from directory.slot where ends_at > now() limit 1")
    await admin.execute(
        "update directory.seat set state = 'booked', claim = $2 where slot_id = $1 and number = 1",
        taken,
        uuid7(),
    )
    await write(system_database, somme_seed)
    assert await counts(admin) == first
    assert await admin.fetchval("select count(*) from directory.seat where state = 'booked'") == 1
    async with system_database.transaction(actors.system(TERRITORY)) as tx:
        last = await seeding.last_day(tx, TERRITORY)
    assert last == max(
        slot.start.astimezone(ZoneInfo("Europe/Paris")).date() for slot in somme_seed.slots
    )


async def test_the_loaded_snapshot_is_the_seed(
    database: Database, system_database: Database, somme_seed: Seed
) -> None:
    await write(system_database, somme_seed)
    async with database.transaction(actors.system()) as tx:
        found = await loading.load(tx)
        now = await tx.fetchval("select kernel.regul_now()")
    assert {(one.id, shift.start) for one in found.services for shift in one.shifts} == {
        (one.care_service_id, one.starts_at)
        for one in somme_seed.duties.shifts
        if one.ends_at > now
    }
    assert {
        one.id: msgspec.structs.replace(one, shifts=(), exceptions=()) for one in found.services
    } == {one.id: one for one in somme_seed.rows.care_services}
    assert {one.id: one for one in found.locations} == {
        one.id: one
        for one in somme_seed.rows.locations
        if one.id in {service.location_id for service in somme_seed.rows.care_services}
    }
    open_now = {slot.id for slot in somme_seed.slots if slot.start > now}
    loaded = {
        slot.id for diaries in found.diaries.values() for diary in diaries for slot in diary.slots
    }
    assert loaded == open_now
    search = places.territory().search
    need = Need(
        service="general_practice", earliest=now, deadline=now + timedelta(hours=48),
        lon=2.28468, lat=49.89871, age_months=500,
    )  # fmt: skip
    answer = found.search_widening(need, now, search.radius.radii())
    assert len(answer.eligible) >= 5


async def test_an_inconsistent_seed_is_refused(system_database: Database, somme_seed: Seed) -> None:
    torn = msgspec.structs.replace(
        somme_seed, rows=msgspec.structs.replace(somme_seed.rows, locations=())
    )
    with pytest.raises(errors.Invalid) as refused:
        await write(system_database, torn)
    assert refused.value.code == "seed_inconsistent"


async def test_every_code_of_a_care_service_is_shown_with_national_numbers(
    database: Database, system_database: Database, somme_seed: Seed
) -> None:
    await write(system_database, somme_seed)
    reader = Actor(id=uuid7(), role=Role.OPERATOR, territory_id=TERRITORY)
    pharmacies = offers.Search(service="pharmacy", lon=2.3, lat=49.9, limit=3)
    async with database.transaction(reader) as tx:
        found = await service.care_services(tx, reader, pharmacies)
        doctors = await service.care_services(
            tx, reader, offers.Search(service="general_practice", limit=50)
        )
        one = await service.care_service(tx, reader, doctors[0].id)
    assert one == doctors[0]
    assert [place.distance_m for place in found] == sorted(place.distance_m or 0 for place in found)
    assert all((place.organisation_number or "").startswith("1809") for place in found)
    person = next(one for one in doctors if one.practitioner)
    assert (person.practitioner_number or "").startswith("81999")
    assert "(fictif)" in (person.practitioner or "")


async def settle(system: Database) -> None:
    """Give every event its position."""
    while await sequencer.step(system):
        pass


async def test_the_keeper_follows_publications_and_withdrawals(
    admin: Any, database: Database, system_database: Database, world: Any, publish: Any
) -> None:
    keeper = Keeper(database)
    with pytest.raises(errors.Unavailable):
        _ = keeper.snapshot
    await keeper.step()
    before = keeper.snapshot
    need = Need(service="general_practice", earliest=datetime.now(UTC))
    assert before.search(need, need.earliest).eligible == ()
    await publish([world.slot("a"), world.range(3, key="b")])
    await settle(system_database)
    await keeper.step()
    after = keeper.snapshot
    assert after.version > before.version
    (candidate,) = after.search(need, need.earliest).eligible
    assert sorted(slot.free for slot in candidate.slots) == [1, 3]
    slot = await admin.fetchval("select id from directory.slot where key = 'a'")
    await database.run(world.clinic, lambda tx: service.withdraw(tx, world.clinic, slot))
    await settle(system_database)
    await keeper.step()
    (candidate,) = keeper.snapshot.search(need, need.earliest).eligible
    assert [slot.capacity for slot in candidate.slots] == [3]
    assert before.search(need, need.earliest).eligible == ()


async def test_a_refresh_of_a_slot_counts_its_free_seats_again(
    admin: Any, app: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.range(3)])
    slot = await admin.fetchval("select id from directory.slot")
    async with database.transaction(actors.system()) as tx:
        older = await loading.load(tx)
    await app.fetchval(CLAIM, slot, uuid7())
    async with database.transaction(actors.system()) as tx:
        newer = await loading.refresh(tx, older, older.version + 1, slot_ids=[slot])
    free = [found.diaries[world.care_service_id][0].slots[0].free for found in (older, newer)]
    assert free == [3, 2]


def test_events_name_the_slots_and_schedules_they_touch() -> None:
    slot_id, schedule_id = uuid7(), uuid7()
    held = HoldPlaced(
        slot_id=slot_id, seat=1, care_service_id=uuid7(), expires_at=datetime.now(UTC)
    )
    stored = StoredEvent(
        position=1,
        epoch=1,
        event_id=uuid7(),
        kind="hold.placed",
        aggregate="hold",
        aggregate_id=uuid7(),
        version=1,
        territory_id=uuid7(),
        case_id=None,
        organisation_ids=(),
        actor_id=uuid7(),
        correlation_id="",
        occurred_at=datetime.now(UTC),
        event=held,
    )
    diary = msgspec.structs.replace(stored, aggregate="schedule", aggregate_id=schedule_id)
    assert loading.touched([stored, diary]) == (frozenset({schedule_id}), frozenset({slot_id}))


async def test_a_running_keeper_loads_by_itself(database: Database, world: Any) -> None:
    keeper = Keeper(database)
    running = asyncio.create_task(keeper.run())
    async with asyncio.timeout(60):
        while not keeper.ready:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = keeper.snapshot.service(world.care_service_id)
    assert found is not None
    assert found.service == "general_practice"


async def test_what_is_published_during_a_reload_is_seen_before_it_ends(
    admin: Any, database: Database, system_database: Database, world: Any, publish: Any
) -> None:
    keeper = Keeper(database)
    await keeper.step()
    # Only a reload reads the weekly hours: it stands still at this lock, following does not.
    keeper._loaded_s = 0.0
    async with admin.transaction():
        await admin.execute("lock table directory.opening in access exclusive mode")
        running = asyncio.create_task(keeper.run())
        await publish([world.slot("a")])
        await settle(system_database)
        async with asyncio.timeout(60):
            while not keeper.snapshot.diaries.count():
                await asyncio.sleep(0.01)
        assert keeper._reloading is not None
        reloading = keeper._reloading
    await asyncio.wait([reloading])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert reloading.result().version <= keeper.snapshot.version
    assert keeper.snapshot.diaries.count() == 1
