"""Followers: each event once in effect; a poison event parks its own aggregate only."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from events import following, parking, sequencer
from events.following import Follower
from events.model import StoredEvent
from kernel import actor, errors, ids
from kernel.database import Database, Tx
from tests.integration.events.world import World, append_case

SYSTEM = actor.system()


@pytest_asyncio.fixture
async def effects(owner_database: Database) -> None:
    """Make a table that reactions write into."""
    async with owner_database.transaction(SYSTEM) as tx:
        await tx.execute("create table events.effect (event_id uuid, aggregate_id uuid)")
        await tx.execute("grant select, insert on events.effect to regul_system")


async def note(tx: Tx, event: StoredEvent) -> None:
    await tx.execute(
        "insert into events.effect values ($1, $2)", event.event_id, event.aggregate_id
    )


async def noted(system_database: Database) -> list[UUID]:
    async with system_database.transaction(SYSTEM) as tx:
        rows = await tx.fetch("select aggregate_id from events.effect")
    return [row["aggregate_id"] for row in rows]


async def sequence_all(system_database: Database) -> None:
    while await sequencer.step(system_database):
        pass


async def react_all(follower: Follower) -> None:
    while await follower.step():
        pass


async def test_several_processes_have_each_effect_once_in_order(
    database: Database, system_database: Database, world: World, effects: None
) -> None:
    assert effects is None
    cases = [await append_case(database, world) for _ in range(20)]
    await sequence_all(system_database)
    followers = [Follower(system_database, "t", {"case.opened": note}) for _ in range(3)]
    await asyncio.gather(*(react_all(one) for one in followers))
    await react_all(followers[0])

    assert await noted(system_database) == cases


async def test_an_effect_that_rolls_back_is_made_again(
    database: Database, system_database: Database, world: World, effects: None
) -> None:
    assert effects is None
    case = await append_case(database, world)
    await sequence_all(system_database)
    attempts = 0

    async def fails_twice(tx: Tx, event: StoredEvent) -> None:
        nonlocal attempts
        attempts += 1
        await note(tx, event)
        if attempts < 3:
            raise LookupError

    await react_all(Follower(system_database, "t", {"case.opened": fails_twice}))
    assert attempts == 3
    assert await noted(system_database) == [case]


async def test_a_poison_event_parks_its_aggregate_and_the_rest_flows(
    database: Database, system_database: Database, world: World, effects: None
) -> None:
    assert effects is None
    poison, healthy = ids.uuid7(), ids.uuid7()
    for case in (healthy, poison, healthy, poison, healthy):
        await append_case(database, world, case_id=case)
    await sequence_all(system_database)

    async def refuses(tx: Tx, event: StoredEvent) -> None:
        if event.aggregate_id == poison:
            raise errors.Conflict("cannot_do_it")
        await note(tx, event)

    await react_all(Follower(system_database, "t", {"case.opened": refuses}))

    assert await noted(system_database) == [healthy] * 3
    async with system_database.transaction(SYSTEM) as tx:
        parked = await parking.parked(tx)
    assert [(one.aggregate_id, one.reason) for one in parked] == [
        (poison, "cannot_do_it"),
        (poison, "behind"),
    ]


@pytest.mark.parametrize(
    "trouble",
    [
        errors.Unavailable("row_busy"),
        # What asyncpg says when the server is killed between two statements of a reaction.
        asyncpg.InternalClientError("cannot switch to state 11"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_busy_or_dying_database_parks_nothing(
    database: Database, system_database: Database, world: World, effects: None, trouble: Exception
) -> None:
    assert effects is None
    case = await append_case(database, world)
    await sequence_all(system_database)
    tries = 0

    async def busy_at_first(tx: Tx, event: StoredEvent) -> None:
        nonlocal tries
        tries += 1
        if tries < following.TRIES + 2:
            raise trouble
        await note(tx, event)

    running = asyncio.create_task(
        following.follow(system_database, "t", {"case.opened": busy_at_first})
    )
    async with asyncio.timeout(60):
        while await noted(system_database) != [case]:
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with system_database.transaction(SYSTEM) as tx:
        assert await parking.parked(tx) == []


async def test_kinds_without_a_reaction_are_passed_over(
    database: Database, system_database: Database, world: World
) -> None:
    await append_case(database, world)
    await sequence_all(system_database)
    await react_all(Follower(system_database, "t", {"call.ended": note}))

    async with system_database.transaction(SYSTEM) as tx:
        position = await tx.fetchval("select position from events.consumer where name = 't'")
    assert position == 1
