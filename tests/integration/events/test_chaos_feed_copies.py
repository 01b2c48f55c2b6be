"""`chaos subscriber` and `chaos bus-loss` at a small size; each must see a planted fault."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup
from server import chaos_bus_loss, chaos_subscriber
from server.background import beside
from server.layout import Layout
from server.nats_server import NatsServer


@pytest_asyncio.fixture
async def woken(system_database: Database) -> AsyncIterator[Database]:
    """Give the workers' pool; its commits wake the sequencer."""
    system_database.on_commit = wakeup = Wakeup(system_database, "regul_feed")
    async with beside(wakeup.run()):
        yield system_database


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """Give a directory that the server's own user may pass."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest_asyncio.fixture
async def server(open_path: Path) -> AsyncIterator[NatsServer]:
    """Give a nats-server that may be killed and damaged."""
    made = NatsServer(Layout(open_path / ".regul"))
    await chaos_bus_loss.started(made)
    yield made
    if made.process is not None:
        await asyncio.to_thread(made.process.stop)


async def test_the_example_repairs_every_drop_double_and_reorder(
    system_database: Database, keys: KeyRing
) -> None:
    events = await chaos_subscriber.numbered(system_database, keys, 1200, 7)
    faulty = chaos_subscriber.line(1200, 300, 7)
    outcome = await chaos_subscriber.suffer(events, faulty)

    assert sum(outcome.faults.values()) == 300
    assert min(outcome.faults.values()) > 50
    assert outcome.held
    for sabotage in chaos_subscriber.SABOTAGES:
        assert not (await chaos_subscriber.suffer(events, faulty, sabotage)).held


async def test_a_wiped_cut_or_flipped_bus_loses_nothing(
    woken: Database, server: NatsServer, keys: KeyRing
) -> None:
    outcome = await chaos_bus_loss.run(woken, server, keys, size=300, rounds=3, seed=7)

    assert [kind for kind, _ in outcome.back_s] == list(chaos_bus_loss.KINDS)
    assert outcome.events == 300
    assert outcome.held
    assert max(seconds for _, seconds in outcome.back_s) < chaos_bus_loss.BACK_S


@pytest.mark.parametrize(
    "sabotage",
    ["trusting-relay", pytest.param("no-patrol", marks=pytest.mark.nightly)],
)
async def test_a_relay_that_does_not_look_back_is_found_out(
    woken: Database, server: NatsServer, keys: KeyRing, sabotage: str
) -> None:
    outcome = await chaos_bus_loss.run(
        woken, server, keys, size=200, rounds=1, seed=7, sabotage=sabotage
    )

    assert not outcome.held
