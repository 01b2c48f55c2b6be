"""Fairness is counted from the offers that were given: in reach, shown, first, and by lots."""

import asyncio
from datetime import timedelta

import pytest

from kernel import actor, errors
from kernel.actor import Role
from kernel.database import Database, Tx
from routing import fairness
from routing.fairness import Group
from server import cli
from tests.integration.routing.world import OTHER_TERRITORY, World


async def measured(database: Database, asks: actor.Actor) -> tuple[Group, ...]:
    async def read(tx: Tx) -> tuple[Group, ...]:
        return await fairness.measure(tx, asks, timedelta(days=1))

    return await database.run(asks, read)


async def test_equals_share_first_places_as_evenly_as_the_count_allows(world: World) -> None:
    practices = [await world.practice() for _ in range(3)]
    for practice in practices:
        await world.slot(practice, begins_in=timedelta(hours=1))
    for _ in range(6):
        await world.offers((await world.disposition()).id, count=1)
    (group,) = await measured(world.system, actor.system())
    assert (group.offers, group.gini_first) == (6, 0.0)
    assert {(one.in_reach, one.shown, one.first) for one in group.shares} == {(6, 2, 2)}
    assert all(one.lottery == pytest.approx(2.0) for one in group.shares)
    assert {one.care_service_id for one in group.shares} == {
        one.care_service_id for one in practices
    }


async def test_who_is_nearer_stands_above_his_lot(world: World) -> None:
    near, far = await world.practice(), await world.practice(north_km=20)
    for practice in (near, far):
        await world.slot(practice)
    for _ in range(2):
        await world.offers((await world.disposition()).id)
    (group,) = await measured(world.system, actor.system())
    assert [(one.care_service_id, one.first) for one in group.shares] == [
        (near.care_service_id, 2),
        (far.care_service_id, 0),
    ]
    assert group.gini_first == pytest.approx(0.5)
    assert (group.gini_shown, group.gini_lottery) == (0.0, 0.0)


async def test_offers_without_a_place_and_those_of_another_centre_do_not_count(
    world: World,
) -> None:
    await world.offers((await world.disposition()).id)
    assert await measured(world.system, actor.system()) == ()
    await world.slot(await world.practice())
    await world.offers((await world.disposition()).id)
    stranger = await world.actor(Role.SUPERVISOR, OTHER_TERRITORY)
    assert await measured(world.database, stranger) == ()
    assert len(await measured(world.database, await world.actor(Role.SUPERVISOR))) == 1


async def test_a_clinic_may_not_measure(world: World) -> None:
    practice = await world.practice()
    clinic = await world.actor(Role.CLINIC, organisations=(practice.organisation_id,))
    with pytest.raises(errors.Forbidden):
        await measured(world.database, clinic)


async def test_the_command_tells_anyone_who_asks(
    world: World,
    database_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    practice = await world.practice()
    await world.slot(practice)
    await world.offers((await world.disposition()).id)
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    assert await asyncio.to_thread(cli.run, ["routing", "fairness", "--days", "1"]) == 0
    told = capsys.readouterr().out
    assert "1 offers, 1 care services in reach" in told
    assert f"{practice.care_service_id}  first     1  by lots      1.0" in told
