"""A subscription as a stream: resumable by number, silent while paused, over when it ended."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from litestar.response import ServerSentEventMessage

from events import progress, subscription_control, subscription_stream
from events.live import Hub
from events.subscriptions import Subscription
from kernel import errors
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.edge import Edge
from kernel.settings import Settings
from tests.integration.events.test_dispatching import decide_all, subscribe
from tests.integration.events.world import World, append_case


class Listening:
    """A partner's subscription with two events, and what its stream says."""

    def __init__(
        self, database: Database, system: Database, world: World, keys: KeyRing, hub: Hub
    ) -> None:
        self.database, self.system, self.world, self.hub = database, system, world, hub
        self.drain = asyncio.Event()
        self.edge = Edge(actor=world.partner, database=database, keys=keys, settings=Settings())

    async def happen(self) -> None:
        await append_case(self.database, self.world, organisations=self.world.organisations)
        await decide_all(self.system)

    def stream(self, known: Subscription, after: int) -> AsyncIterator[ServerSentEventMessage]:
        return subscription_stream.messages(self.edge, self.hub, known, after, self.drain)


@pytest_asyncio.fixture
async def listening(
    database: Database, system_database: Database, world: World, keys: KeyRing
) -> AsyncIterator[Listening]:
    hub = Hub(database)
    running = asyncio.create_task(hub.run())
    yield Listening(database, system_database, world, keys, hub)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def told(stream: AsyncIterator[ServerSentEventMessage]) -> ServerSentEventMessage:
    async with asyncio.timeout(60):
        while (message := await anext(stream)).comment is not None:
            pass
    return message


async def test_a_stream_goes_on_after_any_number_and_ends_with_its_subscription(
    listening: Listening, database: Database, world: World
) -> None:
    who = world.partner
    known = await subscribe(database, who, delivery="sse")
    for _ in range(3):
        await listening.happen()
    stream = listening.stream(known, 1)
    assert [(await told(stream)).id for _ in range(2)] == ["2", "3"]
    await listening.happen()
    message = await told(stream)
    assert (message.id, message.event) == ("4", "case.opened")

    await database.run(who, lambda tx: subscription_control.pause(tx, who, known.id))
    await listening.happen()
    waiting = asyncio.ensure_future(told(stream))
    done, _ = await asyncio.wait({waiting}, timeout=1.2)
    assert not done
    standing = await database.run(who, lambda tx: progress.standing(tx, who, known.id))
    assert (standing.state, standing.confirmed_number, standing.lag) == ("paused", 4, 1)
    await database.run(who, lambda tx: subscription_control.resume(tx, who, known.id))
    assert (await waiting).id == "5"

    await database.run(who, lambda tx: subscription_control.end(tx, who, known.id))
    assert (await told(stream)).event == "ended"
    assert [one async for one in stream] == []
    with pytest.raises(errors.Conflict) as refusal:
        await database.run(who, lambda tx: subscription_control.resume(tx, who, known.id))
    assert refusal.value.code == "subscription_ended"


async def test_a_drain_asks_the_client_to_come_back(
    listening: Listening, database: Database, world: World
) -> None:
    known = await subscribe(database, world.partner, delivery="sse")
    stream = listening.stream(known, 0)
    await anext(stream)
    listening.drain.set()
    assert (await told(stream)).event == "reconnect"
