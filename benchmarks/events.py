"""From commit to subscriber: latency at 50 events a second, throughput of the relay, and the peers.

Throw-away PostgreSQL and nats-server, both with a sync for every commit and every message; the real
worker in a process of its own. Peers on the same servers in the same run: an outbox that is polled,
JetStream published from the handler (and what a kill -9 loses), NOTIFY alone, and a bare fenced
publish beside the relay. Every event must arrive once, in the order of its position; `--sabotage`
loses one between commit and sequencer (its queue row is deleted) and must be found (exit 1).
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import msgspec
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from benchmarks._events_peers import Peers, paced
from events import feed, sequencer
from events.jetstream import FEED, Bus
from events.model import StoredEvent
from events.relay import Relay, outgoing
from kernel import ids
from kernel.actor import system
from kernel.database import Database
from server import chaos_world, report
from server.background import beside
from server.cli import version
from server.stack import Stack, throw_away_home

RATE = 50
WAIT_S = 60.0
REPEATS = 3


class Received:
    """What a subscriber pulled from OUT: by event, when; and its numbers in order."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.at: dict[UUID, float] = {}
        self.numbers: list[int] = []

    async def run(self, client: Client, subscription: UUID) -> None:
        """Pull for ever, as the example does."""
        stream = client.jetstream()
        while True:
            try:
                pull = await stream.pull_subscribe_bind(consumer=str(subscription), stream="OUT")
                while True:
                    for message in await pull.fetch(1, timeout=1):
                        self._take(msgspec.json.decode(message.data))
                        await message.ack()
            except (NatsError, TimeoutError):
                await asyncio.sleep(0.05)

    def _take(self, body: dict[str, Any]) -> None:
        self.at.setdefault(UUID(body["id"]), time.perf_counter())
        self.numbers.append(body["number"])

    async def until(self, wanted: set[UUID], within_s: float = WAIT_S) -> set[UUID]:
        """Wait until these arrived; give those that did not in time."""
        until = time.perf_counter() + within_s
        while not wanted <= self.at.keys() and time.perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return wanted - self.at.keys()


class OneByOne(Relay):
    """The relay with one message and one sync at a time, as its peer does."""

    async def _store_whole(self, events: Sequence[StoredEvent]) -> int:
        stored = 0
        for one in events:
            stored += self._stored([one], await self._bus.publish([outgoing(one)]))
        return stored


async def latency(stack: Stack, seconds: float, *, sabotage: bool) -> tuple[list[float], int, int]:
    """Commit at 50 events a second; milliseconds from commit to arrival, lost, out of order."""
    async with chaos_world.writing(stack.dsn) as database:
        world = await chaos_world.settle(database)
        client = await nats.connect(stack.nats_url)
        seen = Received()
        plan = iter(chaos_world.planned(80, 0, int(seconds * RATE) + 20))
        committed: dict[UUID, float] = {}

        async def act() -> tuple[int, float]:
            one = next(plan)
            async with database.transaction(system()) as tx:
                await chaos_world.write(tx, world, one)
            committed[one.id] = time.perf_counter()
            return 0, committed[one.id]

        async with beside(seen.run(client, world.subscription_id)):
            await act()
            await seen.until(set(committed))
            warm = set(committed)
            await paced(act, seconds, RATE)
            if sabotage:
                committed[await plant(database, world)] = 0.0
            lost = await seen.until(set(committed), 5 if sabotage else WAIT_S)
        await client.close()
    times = [
        max(0.0, seen.at[one] - at) * 1000
        for one, at in committed.items()
        if one in seen.at and one not in warm
    ]
    order = sum(1 for _ in chaos_world.runs(seen.numbers))
    return times, len(lost), order


async def plant(database: Database, world: chaos_world.World) -> UUID:
    """Commit an event whose queue row is gone before the sequencer sees it."""
    one = chaos_world.Planned(id=ids.uuid7(), case_id=ids.uuid7(), version=1)
    async with database.transaction(system()) as tx:
        await chaos_world.write(tx, world, one)
        await tx.execute(
            "delete from events.pending where outbox_id = "
            "(select id from events.outbox where event_id = $1)",
            one.id,
        )
    return one.id


async def _drained(relay: Relay, head: int) -> float:
    began = time.perf_counter()
    while (relay.position or 0) < head:
        await relay.step()
    return time.perf_counter() - began


async def throughput(stack: Stack, count: int, peers: Peers) -> dict[str, float]:
    """Empty a backlog by batches, then one by one beside a bare fenced publish; events a second."""
    found: dict[str, float] = {}
    single = max(200, count // 20)
    async with chaos_world.writing(stack.dsn) as database:
        world = await chaos_world.settle(database)
        bus = Bus(stack.nats_url, "bench")
        async with beside(bus.run()):
            while not bus.connected:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
            relay: Relay = Relay(database, bus)
            await _more(database, world, 0, count)
            await _drained(relay, 0)
            await relay.step()
            begun = relay.position or 0
            found["batches"] = (count - begun) / await _drained(relay, count)
            ratios, speeds = [], []
            for lane in range(1, REPEATS + 1):
                head = await _more(database, world, lane, single)
                async with database.transaction(system()) as tx:
                    bodies = [
                        outgoing(one).body for one in await feed.read(tx, head - single, single)
                    ]
                bare = await peers.fenced(bodies)
                speed = single / await _drained(
                    _after(OneByOne(database, bus), head - single), head
                )
                ratios.append(speed / bare)
                speeds.append(speed)
            found["one_by_one"] = sorted(speeds)[REPEATS // 2]
            found["ratio"] = sorted(ratios)[REPEATS // 2]
            info = await bus.stream(FEED)
            held = 0 if info is None else int(info.state.messages)
            found["missing"] = head - held
    return found


def _after(relay: Relay, position: int) -> Relay:
    relay.position = position
    return relay


async def _more(database: Database, world: chaos_world.World, lane: int, count: int) -> int:
    """Write and sequence; give the head."""
    await chaos_world.write_all(database, world, chaos_world.planned(80, lane, count))
    while await sequencer.step(database):
        pass
    async with database.transaction(system()) as tx:
        return await feed.head(tx)


async def measure(count: int, seconds: float, *, sabotage: bool) -> tuple[list[report.Figure], int]:
    """Run everything once; give the figures and how many invariants broke."""
    with throw_away_home() as home:
        async with Stack(home, api=False, environ={}) as stack:
            times, lost, order = await latency(stack, seconds, sabotage=sabotage)
    with throw_away_home() as home, TemporaryDirectory() as folder:
        async with Stack(home, api=False, worker=False, environ={}) as stack:
            assert stack.postgres is not None  # noqa: S101 - environ is empty
            peers = Peers(stack.postgres.dsn("regul"), stack.nats_url)
            await peers.prepare()
            rates = await throughput(stack, count, peers)
            polled = await peers.polling(seconds / 2, RATE)
            handled = await peers.handler(seconds / 2, RATE)
            notified = await peers.notify(seconds / 2, RATE)
            written, vanished = await peers.killed_handler(5, Path(folder))
            unheard = await peers.missed_notify(100)
            await peers.close()
    p50, p99 = (report.percentile(times, share) for share in (0.5, 0.99))
    goal = report.against_goal
    figures = [
        msgspec.structs.replace(
            goal("commit_to_subscriber.p50", p50, "ms", "<= 3"),
            against={
                "polling_outbox": p50 / report.percentile(polled, 0.5),
                "publish_in_handler": p50 / report.percentile(handled, 0.5),
                "notify_only": p50 / max(0.01, report.percentile(notified, 0.5)),
            },
        ),
        goal("commit_to_subscriber.p99", p99, "ms", "<= 10"),
        *(
            report.Figure(name=f"{name}.p{int(share * 100)}", value=value, unit="ms")
            for name, those in (
                ("polling_outbox", polled),
                ("publish_in_handler", handled),
                ("notify_only", notified),
            )
            for share in (0.5, 0.99)
            for value in (report.percentile(those, share),)
        ),
        report.Figure(name="publish_in_handler.killed.committed", value=written, unit="events"),
        report.Figure(name="publish_in_handler.killed.lost", value=vanished, unit="events"),
        report.Figure(name="notify_only.listener_away.lost", value=unheard, unit="of 100"),
        report.Figure(name="relay.one_by_one", value=rates["one_by_one"], unit="1/s"),
        goal("relay.one_by_one.of_bare_fenced", rates["ratio"], "share", ">= 0.85"),
        goal("relay.batches", rates["batches"], "1/s", ">= 10000"),
        goal("lost", lost + rates["missing"], "events", "== 0"),
        goal("out_of_order", order, "events", "== 0"),
    ]
    return figures, int(lost + rates["missing"] + order)


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when an event was lost, doubled or out of order."""
    parser = argparse.ArgumentParser(prog="regul bench events", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--events", type=int, default=20000, help="of the backlog")
    parser.add_argument("--seconds", type=float, default=10, help="at 50 events a second")
    options = parser.parse_args(arguments)
    figures, broken = asyncio.run(
        measure(options.events, options.seconds, sabotage=options.sabotage)
    )
    report.show(
        report.Report(
            name="bench events",
            version=version(),
            machine=report.machine(),
            runs=1,
            figures=figures,
        ),
        json=options.json,
    )
    return 1 if broken else 0
