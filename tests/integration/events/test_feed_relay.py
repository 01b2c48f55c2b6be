"""FEED is a fenced copy: sequence = position, rebuilt whatever happens to it; on real NATS."""

import asyncio
import signal
from pathlib import Path

import nats
import pytest

from events import jetstream, sequencer
from events.jetstream import FEED, Bus, BusAway
from events.listening import Bell
from events.relay import Relay
from kernel import actor
from kernel.database import Database
from server.layout import Layout
from server.nats_server import NatsServer
from tests.integration.events.world import World, append_case, until

SYSTEM = actor.system()


async def fill(database: Database, system_database: Database, world: World, count: int) -> None:
    for _ in range(count):
        await append_case(database, world)
    while await sequencer.step(system_database):
        pass


async def copy_all(relay: Relay) -> None:
    for _ in range(50):
        if not await relay.step() and relay.position is not None:
            return
    pytest.fail("the relay does not come to rest")


def open_to_all(path: Path) -> Path:
    """Let the server's own user pass."""
    path.chmod(0o755)
    return path


async def until_gone(server: NatsServer) -> None:
    async def gone() -> bool:
        return server.process is None or server.process.exit_code() is not None

    await until(gone)


async def stored(bus: Bus, system_database: Database) -> list[int]:
    """Give the sequences in FEED; each must hold the event of that position."""
    info = await bus.stream(FEED)
    assert info is not None
    found = []
    async with system_database.transaction(SYSTEM) as tx:
        rows = await tx.fetch(
            "select p.position, o.event_id from events.position p"
            " join events.outbox o on o.id = p.outbox_id order by 1"
        )
    for row in rows:
        message = await bus.message(FEED, seq=row["position"])
        if message is not None:
            assert (message.headers or {})["Nats-Msg-Id"] == str(row["event_id"])
            found.append(row["position"])
    assert int(info.state.messages) == len(found)
    return found


async def test_sequence_is_position(
    database: Database, system_database: Database, world: World, bus: Bus
) -> None:
    await fill(database, system_database, world, 300)
    await copy_all(Relay(system_database, bus))

    assert await stored(bus, system_database) == list(range(1, 301))


async def test_two_relays_at_once_store_each_event_once_in_order(
    database: Database, system_database: Database, world: World, bus: Bus
) -> None:
    await fill(database, system_database, world, 200)
    first, second = Relay(system_database, bus), Relay(system_database, bus)
    await asyncio.gather(copy_all(first), copy_all(second))

    assert await stored(bus, system_database) == list(range(1, 201))


async def test_a_stale_relay_is_fenced(
    database: Database, system_database: Database, world: World, bus: Bus, nats_url: str
) -> None:
    await fill(database, system_database, world, 3)
    stale = Relay(system_database, bus)
    await copy_all(stale)
    connection = await nats.connect(nats_url)
    await connection.jetstream().publish("feed.case.opened", b"{}")
    await connection.close()
    await fill(database, system_database, world, 2)
    await copy_all(stale)

    assert await stored(bus, system_database) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("what", ["deleted", "emptied", "another past"])
async def test_a_damaged_stream_is_built_again(
    database: Database,
    system_database: Database,
    world: World,
    bus: Bus,
    what: str,
) -> None:
    await fill(database, system_database, world, 20)
    relay = Relay(system_database, bus)
    await copy_all(relay)
    await bus.drop(FEED)
    if what != "deleted":
        await bus.create(FEED, "feed.>", 1)
    if what == "another past":
        context = await bus.context()
        for _ in range(30):
            await context.publish("feed.case.opened", b"{}")
    await fill(database, system_database, world, 5)
    await copy_all(relay)

    assert await stored(bus, system_database) == list(range(1, 26))


async def test_an_idle_relay_notices_a_wiped_stream(
    database: Database, system_database: Database, world: World, bus: Bus
) -> None:
    await fill(database, system_database, world, 4)
    relay = Relay(system_database, bus)
    running = asyncio.create_task(relay.run(Bell()))

    async def complete() -> bool:
        info = await bus.stream(FEED)
        return info is not None and int(info.state.last_seq) == 4

    await until(complete)
    await bus.drop(FEED)
    await until(complete)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_kill_9_of_nats_while_copying_loses_nothing(
    database: Database, system_database: Database, world: World, tmp_path: Path
) -> None:
    server = NatsServer(Layout(open_to_all(tmp_path) / ".regul"))
    server.start()
    await until(server.alive)
    bus = Bus(server.url, "test")
    relay = Relay(system_database, bus)
    tasks = [asyncio.create_task(bus.run()), asyncio.create_task(relay.run(Bell()))]
    try:
        for round_number in range(3):
            await fill(database, system_database, world, 150)

            async def begun(least: int = round_number * 150 + 20) -> bool:
                return (relay.position or 0) >= least

            await until(begun)
            assert server.process is not None
            server.process.signal(signal.SIGKILL)
            await until_gone(server)
            await fill(database, system_database, world, 10)
            server.start()
            await until(server.alive)

        async def complete() -> bool:
            return relay.position == 480

        await until(complete, 30)
        assert await stored(bus, system_database) == list(range(1, 481))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if server.process is not None:
            server.process.stop()


async def test_while_nats_is_away_writing_goes_on(
    database: Database, system_database: Database, world: World
) -> None:
    bus = Bus("nats://127.0.0.1:9", "test")
    connecting = asyncio.create_task(bus.run())
    relay = Relay(system_database, bus)
    await fill(database, system_database, world, 3)
    with pytest.raises(BusAway):
        await relay.step()
    assert not bus.connected
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)


def test_an_old_server_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"2\.14\.3"):
        jetstream.refuse_old("2.14.2")
    jetstream.refuse_old("2.15.1")
