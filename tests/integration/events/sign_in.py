"""Partners that sign in at NATS, for the tests of what they may and of what they are sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import nats
from nats.aio.client import Client

from events import (
    dispatcher,
    sequencer,
    subscriptions,
)
from events.auth_callout import Callout
from events.dispatcher import Publisher
from events.jetstream import Bus
from events.subscriptions import NewSubscription
from kernel.actor import Actor
from kernel.database import Database
from kernel.settings import Settings
from tests.integration.events.world import World, append_case

SECOND_OF_SILENCE = 0.5


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Two partners with one message each in OUT."""

    url: str
    mine: UUID
    theirs: UUID
    partner: Actor
    other_partner: Actor


@contextlib.asynccontextmanager
async def scene_of(
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
    settings: Settings,
) -> AsyncIterator[Scene]:
    callout = Callout(system_database, bus, Path(settings.auth_callout_seed))
    answering = asyncio.create_task(callout.run())

    async def subscribe(who: Actor) -> UUID:
        wish = NewSubscription(kinds=("case.opened",))
        return (await database.run(who, lambda tx: subscriptions.create(tx, who, wish))).id

    mine, theirs = await subscribe(world.partner), await subscribe(world.other_partner)
    for organisation in world.organisations:
        await append_case(database, world, organisations=(organisation,))
    while await sequencer.step(system_database) or await dispatcher.decide_step(system_database):
        pass
    await publishers[0].look()
    while await publishers[0].step():
        pass
    address = settings.nats_url.rpartition("@")[2]
    yield Scene(
        url=f"nats://{address}",
        mine=mine,
        theirs=theirs,
        partner=world.partner,
        other_partner=world.other_partner,
    )
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)


@contextlib.asynccontextmanager
async def dialled(
    scene: Scene, user: object, password: str, complaints: list[str]
) -> AsyncIterator[Client]:
    """Connect once; a refusal raises, and leaves no socket behind."""

    async def note(error: Exception) -> None:
        complaints.append(str(error).lower())

    client = Client()
    try:
        await client.connect(
            scene.url,
            user=str(user),
            password=password,
            inbox_prefix=f"_INBOX_{user}".encode(),
            allow_reconnect=False,
            connect_timeout=60,
            error_cb=note,
        )
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def signed_in(
    scene: Scene, user: object, password: str, complaints: list[str] | None = None
) -> AsyncIterator[Client]:
    """Connect; the callout may need a moment to begin answering."""
    heard = [] if complaints is None else complaints
    async with asyncio.timeout(60):
        while True:
            try:
                async with dialled(scene, user, password, heard) as client:
                    pass
                break
            except nats.errors.Error:
                await asyncio.sleep(0.05)
    heard.clear()
    async with dialled(scene, user, password, heard) as client:
        yield client


async def pull(connection: Client, subscription: UUID, user: object) -> list[bytes]:
    context = connection.jetstream()
    puller = await context.pull_subscribe_bind(
        consumer=str(subscription), stream="OUT", inbox_prefix=f"_INBOX_{user}.".encode()
    )
    try:
        messages = await puller.fetch(10, timeout=SECOND_OF_SILENCE)
    except (TimeoutError, nats.errors.TimeoutError):
        return []
    for message in messages:
        await message.ack()
    return [message.data for message in messages]


async def pull_or_raise(connection: Client, subscription: UUID) -> None:
    context = connection.jetstream()
    puller = await context.pull_subscribe_bind(
        consumer=str(subscription), stream="OUT", inbox_prefix=f"_INBOX_{subscription}.".encode()
    )
    await puller.fetch(1, timeout=SECOND_OF_SILENCE)


async def numbers(connection: Client, subscription: UUID) -> list[int]:
    bodies = await pull(connection, subscription, subscription)
    return [msgspec.json.decode(one)["number"] for one in bodies]


async def settled(system_database: Database) -> None:
    while await sequencer.step(system_database) or await dispatcher.decide_step(system_database):
        pass
