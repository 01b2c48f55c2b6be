"""Journeys are asked in the background and kept: no search waits for a routing engine."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from directory import journey_store, loading
from directory.distance import TravelModel
from directory.journeys import ESTIMATE, ROUTER
from directory.snapshot import Snapshot
from interop.osrm import Osrm
from kernel import actor as actors
from kernel import errors
from kernel.database import Database
from kernel.settings import Settings
from server import directory_journeys, journey_refresh
from server.refusal import Refusal
from tests import osrm_engine
from tests.osrm_engine import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    with osrm_engine.running() as one:
        yield one


async def snapshot(system: Database) -> Snapshot:
    async with system.transaction(actors.system()) as tx:
        return await loading.load(tx)


async def known(system: Database) -> journey_store.Known:
    async with system.transaction(actors.system()) as tx:
        return await journey_store.known(tx)


async def test_each_place_is_asked_once_and_again_when_it_moved(
    world: Any, system_database: Database, admin: Any, engine: Engine
) -> None:
    router = Osrm(engine.url)
    places = (await known(system_database)).places
    assert places > 0
    assert await journey_refresh.refresh(system_database, router) == places
    assert await journey_refresh.refresh(system_database, router) == 0
    told = await known(system_database)
    assert (told.asked, list(told.routers)) == (places, [router.name])
    seen = await snapshot(system_database)
    place = next(one for one in seen.locations if one.id in seen.journeys.reaches)
    assert seen.journeys.to(place, 1.0, place.commune).source == ROUTER
    assert seen.journeys.to(place, 1.0, "97411").source == ESTIMATE, "too far to be asked about"
    await admin.execute("update directory.location set lon = lon + 0.01 where id = $1", place.id)
    assert await journey_refresh.refresh(system_database, router) == 1
    await admin.execute("update directory.journey set asked_at = asked_at - interval '31 days'")
    assert await journey_refresh.refresh(system_database, router) == places


async def test_an_engine_that_is_away_changes_nothing(
    world: Any, system_database: Database, admin: Any, engine: Engine
) -> None:
    router = Osrm(engine.url)
    places = await journey_refresh.refresh(system_database, router)
    await admin.execute("update directory.journey set asked_at = asked_at - interval '31 days'")
    engine.mood = "broken"
    with pytest.raises(errors.Unavailable):
        await journey_refresh.refresh(system_database, router)
    assert (await known(system_database)).asked == places
    assert all(
        len(one.communes) for one in (await snapshot(system_database)).journeys.reaches.values()
    )
    engine.mood = "refusing"
    assert await journey_refresh.refresh(system_database, router) == places
    seen = await snapshot(system_database)
    assert not any(len(one.communes) for one in seen.journeys.reaches.values())
    assert await journey_refresh.refresh(system_database, router) == 0, "not again and again"


async def test_the_worker_asks_again_until_the_engine_is_back(
    world: Any, system_database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey_refresh, "AWAY_S", 0.02)
    engine.mood = "broken"
    asking = asyncio.create_task(journey_refresh.keep(system_database, Osrm(engine.url)))
    try:
        async with asyncio.timeout(60):
            while len(engine.asked) < 3:
                await asyncio.sleep(0.02)
            assert (await known(system_database)).asked == 0
            engine.mood = "well"
            while (told := await known(system_database)).asked < told.places:
                await asyncio.sleep(0.02)
        assert not asking.done()
    finally:
        asking.cancel()


async def test_a_territory_has_its_own_estimate(
    world: Any, system_database: Database, admin: Any
) -> None:
    seen = await snapshot(system_database)
    place = seen.locations[0]
    model = TravelModel(detour_factor=2.0, speed_kmh=30.0, fixed_s=0.0)
    for _ in range(2):
        async with system_database.transaction(actors.system()) as tx:
            await journey_store.set_model(tx, place.territory_id, model)
    seen = await snapshot(system_database)
    assert seen.journeys.to(place, 1_000.0, None).duration_s == pytest.approx(240.0)
    with pytest.raises(Exception, match="travel_model_detour_range"):
        await admin.execute("update directory.travel_model set detour_factor = 0.5")


def test_without_an_engine_nobody_asks() -> None:
    assert journey_refresh.router(Settings()) is None
    assert journey_refresh.router(Settings(router_url="http://127.0.0.1:5000")) is not None
    with pytest.raises(Refusal, match="REGUL_ROUTER_URL"):
        journey_refresh.router(Settings(router_url="nonsense"))


async def test_the_command_says_refreshes_and_sets(
    world: Any,
    admin: Any,
    database_dsn: str,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)

    async def run(*words: str) -> int:
        return await asyncio.to_thread(directory_journeys.main, [*words])

    with pytest.raises(Refusal, match="estimated"):
        await run("--refresh")
    monkeypatch.setenv("REGUL_ROUTER_URL", engine.url)
    assert await run("--refresh", "--json") == 0
    told = msgspec.json.decode(capsys.readouterr().out, type=journey_store.Known)
    assert told.asked == told.places > 0
    assert await run() == 0
    assert f"{told.asked} of {told.places} places" in capsys.readouterr().out
    engine.mood = "closed"
    await admin.execute("update directory.journey set asked_at = asked_at - interval '31 days'")
    assert await run("--refresh") == 1
    code = await admin.fetchval("select code from kernel.territory limit 1")
    assert await run("--territory", code, "--detour", "1.4", "--speed", "55", "--fixed", "180") == 0
    row = await admin.fetchrow(
        "select detour_factor, speed_kmh, fixed_s from directory.travel_model"
    )
    assert tuple(row) == (1.4, 55.0, 180.0)
    for wrong in (["--territory", "nowhere"], ["--territory", code, "--detour", "9"]):
        with pytest.raises(Refusal):
            await run(*wrong)
