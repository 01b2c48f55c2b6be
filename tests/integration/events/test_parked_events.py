"""A parked event waits for a human, who has it tried again in order, or lets it be."""

import asyncpg
import pytest

from events import parking, sequencer
from events.following import Follower
from events.model import StoredEvent
from kernel import actor, errors, ids
from kernel.database import Database, Tx
from server import parked
from tests.integration.events.world import World, append_case

SYSTEM = actor.system()


class Reaction:
    """Fails for one aggregate until it is mended; notes what it did."""

    def __init__(self, poison: object) -> None:
        self.poison = poison
        self.done: list[tuple[object, int]] = []

    async def __call__(self, _: Tx, event: StoredEvent) -> None:
        if event.aggregate_id == self.poison:
            raise errors.Conflict("cannot_do_it")
        self.done.append((event.aggregate_id, event.version))


async def sequence_all(system_database: Database) -> None:
    while await sequencer.step(system_database):
        pass


async def react_all(follower: Follower) -> None:
    follower._looked = 0.0
    while await follower.step():
        pass


async def test_a_mended_reaction_is_tried_again_in_order_and_the_aggregate_flows(
    database: Database,
    system_database: Database,
    world: World,
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    poison = ids.uuid7()
    reaction = Reaction(poison)
    follower = Follower(system_database, "t", {"case.opened": reaction})
    for _ in range(3):
        await append_case(database, world, case_id=poison)
    await sequence_all(system_database)
    await react_all(follower)
    async with system_database.transaction(SYSTEM) as tx:
        found = await parking.parked(tx)
        assert [one.reason for one in found] == ["cannot_do_it", "behind", "behind"]
        assert str(found[0].event_id) in await parked.listed(tx)
        await parked.replay(tx, [found[0].event_id], "somebody")
    await react_all(follower)
    async with system_database.transaction(SYSTEM) as tx:
        found = await parking.parked(tx)
        assert [(one.tries, one.wanted) for one in found] == [(1, False), (0, False), (0, False)]
        await parked.replay(tx, [], "somebody")

    reaction.poison = None
    await append_case(database, world, case_id=poison)
    await sequence_all(system_database)
    await react_all(follower)
    await append_case(database, world, case_id=poison)
    await sequence_all(system_database)
    await react_all(follower)

    assert reaction.done == [(poison, version) for version in range(1, 6)]
    async with system_database.transaction(SYSTEM) as tx:
        assert not await parking.any_parked(tx)
        assert await parked.listed(tx) == "Nothing is parked.\n"
    told = await admin.fetch("select detail from kernel.audit where action = 'event.replayed'")
    assert {row["detail"] for row in told} == {"somebody"}


async def test_a_dismissed_event_has_no_effect_and_frees_those_behind(
    database: Database, system_database: Database, world: World
) -> None:
    poison = ids.uuid7()
    reaction = Reaction(poison)
    follower = Follower(system_database, "t", {"case.opened": reaction})
    for _ in range(2):
        await append_case(database, world, case_id=poison)
    await sequence_all(system_database)
    await react_all(follower)
    reaction.poison = None
    async with system_database.transaction(SYSTEM) as tx:
        first, _ = await parking.parked(tx)
        await parked.dismiss(tx, first.event_id, "somebody")
        await parked.replay(tx, [], "somebody")
    await react_all(follower)

    assert reaction.done == [(poison, 2)]
    async with system_database.transaction(SYSTEM) as tx:
        with pytest.raises(errors.Missing, match="event not parked"):
            await parked.dismiss(tx, first.event_id, "somebody")
