"""A dead subscriber slows nobody: 99 others receive as fast with it as without it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from events import dispatcher, sequencer, subscriptions
from events.listening import Bell
from events.subscriptions import NewSubscription
from events.webhook_client import ATTEMPT_S
from events.webhooks import Sender
from kernel.actor import Actor
from kernel.crypto import KeyRing
from kernel.database import Database
from tests.integration.events.receivers import Receiver, receiving
from tests.integration.events.world import World, append_case


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks of two partners, all of which hear of every event; the first may die."""

    database: Database
    system: Database
    world: World
    sender: Sender
    bell: Bell
    receivers: Sequence[Receiver]
    first: UUID

    async def round(self) -> list[float]:
        """Let one event happen; give how long it took to each living one, seconds."""
        living = self.receivers[1:]
        before = [len(one.posts) for one in living]
        await append_case(self.database, self.world, organisations=self.world.organisations)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while await sequencer.step(self.system) or await dispatcher.decide_step(self.system):
            pass
        self.bell.ring()
        async with asyncio.timeout(60):
            while any(len(one.posts) == count for one, count in zip(living, before, strict=True)):
                await asyncio.sleep(0.002)
        return [one.posts[-1].at - began for one in living]

    async def kill(self) -> None:
        """Let the first one take messages and never answer, as if it had just died."""
        self.receivers[0].answer = lambda _: None
        await self._forget("paused_at = null")

    async def bury(self) -> None:
        """Pause the first one and wait until nothing is on its way to it."""
        await self._forget("paused_at = kernel.regul_now()")
        await self.sender.settle()

    async def _forget(self, change: str) -> None:
        async with self.system.plain() as connection:
            await connection.execute(
                f"update events.subscription set {change} where id = $1",  # noqa: S608 - two constants
                self.first,
            )
            await connection.execute(
                "update events.progress set attempts = 0, next_try_at = null,"
                " failing_since = null, failure = null where subscription_id = $1",
                self.first,
            )


@pytest_asyncio.fixture
async def crowd(
    database: Database,
    system_database: Database,
    world: World,
    keys: KeyRing,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Crowd]:
    async with receiving(request.param) as receivers:
        made: list[UUID] = []

        async def subscribe(who: Actor, url: str) -> None:
            wish = NewSubscription(kinds=("case.opened",), delivery="webhook", endpoint=url)
            one = await database.run(
                who, lambda tx: subscriptions.create(tx, who, wish, loopback=True)
            )
            made.append(one.id)

        for index, one in enumerate(receivers):
            await subscribe((world.partner, world.other_partner)[index % 2], one.url)
        sender, bell = Sender(system_database, keys, loopback=True), Bell()
        sending = asyncio.create_task(sender.run(bell))
        async with asyncio.timeout(60):
            while not all(one.posts for one in receivers):
                await asyncio.sleep(0.01)
        while await sequencer.step(system_database) or await dispatcher.decide_step(
            system_database
        ):
            pass
        yield Crowd(
            database=database,
            system=system_database,
            world=world,
            sender=sender,
            bell=bell,
            receivers=receivers,
            first=made[0],
        )
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("crowd", [30], indirect=True)
async def test_events_reach_the_others_while_one_is_dead(crowd: Crowd) -> None:
    await crowd.kill()
    took = [one for _ in range(3) for one in await crowd.round()]
    assert max(took) < ATTEMPT_S / 2  # the attempt hangs all the while
    for one in crowd.receivers[1:]:
        assert one.numbered == [1, 2, 3]


@pytest.mark.nightly
@pytest.mark.parametrize("crowd", [100], indirect=True)
async def test_the_slowest_of_99_are_no_slower_beside_a_dead_one(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.webhook_client.ATTEMPT_S", 1.5)
    without: list[float] = []
    beside: list[float] = []
    for _ in range(3):
        await crowd.round()
    for block in range(10):
        dead = block % 2 == 1
        await (crowd.kill() if dead else crowd.bury())
        for _ in range(6):
            (beside if dead else without).extend(await crowd.round())
    slow, slow_beside = (sorted(one)[int(len(one) * 0.99)] for one in (without, beside))
    print(
        f"p99 of {len(without)}: {slow * 1000:.1f} ms without, {slow_beside * 1000:.1f} ms beside"
        f" a dead one; p50 {sorted(without)[len(without) // 2] * 1000:.1f} and"
        f" {sorted(beside)[len(beside) // 2] * 1000:.1f} ms"
    )
    assert slow_beside <= slow * 1.10
