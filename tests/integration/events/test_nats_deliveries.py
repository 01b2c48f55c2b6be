"""What a partner at NATS is sent: tests, pauses, replays, heartbeats; signing in again."""

import asyncio
from functools import partial
from types import ModuleType
from uuid import UUID

import asyncpg
import msgspec
import pytest
from nats.aio.msg import Msg

from events import (
    auth_callout,
    progress,
    subscription_control,
)
from events.dispatcher import Publisher
from events.jetstream import Bus
from events.subscription_control import Replay
from kernel.actor import Actor
from kernel.database import Database, Tx
from tests.integration.events.sign_in import (
    Scene,
    numbers,
    pull,
    settled,
    signed_in,
)
from tests.integration.events.world import World, append_case, key_of, until


async def test_a_test_event_comes_behind_the_last_number_and_takes_none(
    scene: Scene,
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
) -> None:
    who = scene.partner
    first, second = publishers
    await database.run(who, lambda tx: subscription_control.test(tx, who, scene.mine))
    await first.step()
    await append_case(database, world, organisations=who.organisation_ids)
    await settled(system_database)
    await second.look()
    await second.step()  # it learns from OUT alone where the other one stopped
    async with signed_in(scene, scene.mine, key_of(who)) as connection:
        bodies = await pull(connection, scene.mine, scene.mine)
    told = [msgspec.json.decode(one) for one in bodies]
    assert [(one["number"], "test" in one["type"]) for one in told] == [
        (1, False),
        (1, True),
        (2, False),
    ]


async def test_a_pause_holds_back_and_a_replay_begins_anew(
    scene: Scene,
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
) -> None:
    who = scene.partner
    publisher = publishers[0]
    async with signed_in(scene, scene.mine, key_of(who)) as connection:
        assert await numbers(connection, scene.mine) == [1]
        await database.run(who, lambda tx: subscription_control.pause(tx, who, scene.mine))
        for _ in range(2):
            await append_case(database, world, organisations=who.organisation_ids)
        await settled(system_database)
        await publisher.step()
        assert await numbers(connection, scene.mine) == []
        await database.run(who, lambda tx: subscription_control.resume(tx, who, scene.mine))
        await publisher.step()
        assert await numbers(connection, scene.mine) == [2, 3]
        await connection.flush()
        await publisher.observe()
        standing = await database.run(who, lambda tx: progress.standing(tx, who, scene.mine))
        assert (standing.sent_number, standing.confirmed_number, standing.lag) == (3, 3, 0)

        for after, expected in ((0, [1, 2, 3]), (1, [2, 3]), (3, [])):
            wish = Replay(after=after)
            await database.run(who, partial(replayed, who, scene.mine, wish))
            await publisher.step()
            assert (await numbers(connection, scene.mine))[-len(expected) :] == expected
    # Looking after a consumer that began elsewhere changes nothing.
    await publishers[1].look()
    await publishers[1].step()


async def replayed(who: Actor, subscription: UUID, wish: Replay, tx: Tx) -> None:
    await subscription_control.replay(tx, who, subscription, wish)


async def test_a_heartbeat_reaches_the_private_inbox_and_is_not_stored(
    scene: Scene,
    admin: "asyncpg.Connection[asyncpg.Record]",
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
) -> None:
    await admin.execute("update events.subscription set heartbeat_s = 10")
    before = await bus.stream("OUT")
    async with signed_in(scene, scene.mine, key_of(scene.partner)) as connection:
        beats: list[bytes] = []

        async def take(message: Msg) -> None:
            beats.append(message.data)

        await connection.subscribe(f"_INBOX_{scene.mine}.heartbeat.*", cb=take)
        await connection.flush()
        await publishers[0].observe()
        assert beats == []
        await admin.execute(
            "create or replace function kernel.regul_now() returns timestamptz language sql"
            " volatile as $$ select clock_timestamp() + interval '11 seconds' $$"
        )
        await publishers[0].observe()

        async def beaten() -> bool:
            return len(beats) == 1

        await until(beaten, 5)
    told = msgspec.json.decode(beats[0])
    assert (told["type"], told["number"]) == ("regul.subscription.heartbeat", 1)
    after = await bus.stream("OUT")
    assert before is not None
    assert after is not None
    assert after.state.messages == before.state.messages


async def test_the_example_signs_in_again_when_its_grant_ends(
    scene: Scene,
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    monkeypatch: pytest.MonkeyPatch,
    example: ModuleType,
) -> None:
    monkeypatch.setattr(auth_callout, "LASTS_S", 2)
    got: list[int] = []

    async def read() -> None:
        async for message in example.messages(scene.url, key_of(scene.partner), str(scene.mine)):
            got.append(msgspec.json.decode(message.data)["number"])
            await message.ack()

    loop = asyncio.get_running_loop()
    reading = asyncio.create_task(read())
    try:
        over, sent = loop.time() + 4, 1
        while loop.time() < over:
            await append_case(database, world, organisations=scene.partner.organisation_ids)
            await settled(system_database)
            await publishers[0].step()
            sent += 1

            async def received(number: int = sent) -> bool:
                return number in got

            await until(received, 10)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert got == list(range(1, sent + 1))
