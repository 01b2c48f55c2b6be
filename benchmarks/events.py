"""From commit to subscriber: latency of one event, drain of a backlog, against publish-in-request.

Throw-away PostgreSQL and nats-server and the real worker. The peer publishes each event to
JetStream inside the request and waits for the broker, on the same server: what services do that
have no outbox. Every event must arrive once, in the order of its position; `--sabotage` loses one
between commit and sequencer (its queue row is deleted) and must be found (exit 1).
"""

import argparse
import asyncio
import time
from uuid import UUID

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from events import catalogue, outbox
from kernel import ids
from kernel.actor import Actor, system
from kernel.database import Database, Wakeup, open_database
from server import report
from server.cli import version
from server.stack import Stack, throw_away_home

SINGLE = 200
WAIT_S = 60.0


class Arrivals:
    """What the feed's stream delivered, in order of arrival."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.at: dict[UUID, float] = {}
        self.positions: list[int] = []
        self.more = asyncio.Event()

    async def take(self, message: Msg) -> None:
        """Note one message of FEED."""
        body = msgspec.json.decode(message.data)
        self.at.setdefault(UUID(body["aggregate_id"]), time.perf_counter())
        self.positions.append(body["position"])
        self.more.set()

    async def until(self, wanted: set[UUID], within_s: float = WAIT_S) -> set[UUID]:
        """Wait until these arrived; give those that did not in time."""
        try:
            async with asyncio.timeout(within_s):
                while not wanted <= self.at.keys():
                    self.more.clear()
                    await self.more.wait()
        except TimeoutError:
            pass
        return wanted - self.at.keys()


async def append(database: Database, actor: Actor, territory_id: UUID) -> UUID:
    """Commit one event; give its aggregate."""
    call_id = ids.uuid7()
    async with database.transaction(actor) as tx:
        await outbox.append(
            tx, actor, catalogue.CallReceived(), aggregate_id=call_id, territory_id=territory_id
        )
    return call_id


async def single(database: Database, actor: Actor, territory: UUID, seen: Arrivals) -> list[float]:
    """Commit one event at a time; give milliseconds from commit to arrival."""
    times = []
    for _ in range(SINGLE):
        call_id = await append(database, actor, territory)
        committed = time.perf_counter()
        await seen.until({call_id})
        times.append((seen.at.get(call_id, committed) - committed) * 1000)
    return times


async def peer(client: Client) -> float:
    """Publish one event after another and wait for the broker; give how many a second."""
    context = client.jetstream()
    await context.add_stream(name="PEER", subjects=["peer.>"])
    body = b"x" * 400
    began = time.perf_counter()
    for number in range(SINGLE):
        await context.publish("peer.event", body, headers={"Nats-Msg-Id": str(number)})
    return SINGLE / (time.perf_counter() - began)


async def backlog(
    database: Database, actor: Actor, territory: UUID, seen: Arrivals, count: int
) -> tuple[float, set[UUID]]:
    """Commit many events at once; give events a second to the last arrival, and the lost."""
    began = time.perf_counter()
    made: set[UUID] = set()

    async def some(number: int) -> None:
        for _ in range(number):
            made.add(await append(database, actor, territory))

    await asyncio.gather(*(some(count // 8) for _ in range(8)))
    lost = await seen.until(made)
    return len(made) / (time.perf_counter() - began), lost


async def plant(database: Database, actor: Actor, territory_id: UUID) -> UUID:
    """Commit an event whose queue row is gone before the sequencer sees it."""
    call_id = ids.uuid7()
    async with database.transaction(actor) as tx:
        await outbox.append(
            tx, actor, catalogue.CallReceived(), aggregate_id=call_id, territory_id=territory_id
        )
        await tx.execute(
            "delete from events.pending where outbox_id = "
            "(select id from events.outbox where aggregate_id = $1)",
            call_id,
        )
    return call_id


async def measure(count: int, *, sabotage: bool) -> tuple[list[report.Figure], int]:
    """Run everything once; give the figures and how many invariants broke."""
    with throw_away_home() as home:
        async with Stack(home, api=False, environ={}) as stack:
            database = await open_database(stack.dsn, "regul_system", 10)
            wakeup = Wakeup(database, "regul_feed")
            database.on_commit = wakeup
            waker = asyncio.create_task(wakeup.run())
            territory = ids.uuid7()
            actor = system()
            async with database.transaction(actor) as tx:
                await tx.execute(
                    "insert into kernel.territory values ($1, '80', 'Somme', 'Europe/Paris', 'FR')",
                    territory,
                )
            client = await nats.connect(stack.nats_url)
            seen = Arrivals()
            await client.subscribe("feed.>", cb=seen.take)
            await seen.until({await append(database, actor, territory)})
            times = await single(database, actor, territory, seen)
            in_request = await peer(client)
            rate, lost = await backlog(database, actor, territory, seen, count)
            if sabotage:
                lost |= await seen.until({await plant(database, actor, territory)}, 3)
            waker.cancel()
            await client.close()
            await database.close()
    order = sum(b != a + 1 for a, b in zip(seen.positions, seen.positions[1:], strict=False))
    figures = [
        report.against_goal("commit_to_feed_p50", report.percentile(times, 0.5), "ms", "<= 10"),
        report.against_goal("commit_to_feed_p99", report.percentile(times, 0.99), "ms", "<= 50"),
        report.Figure(
            name="commit_and_feed",
            value=rate,
            unit="1/s",
            against={"publish_in_request": rate / in_request},
        ),
        report.against_goal("lost", len(lost), "events", "== 0"),
        report.against_goal("out_of_order", order, "events", "== 0"),
    ]
    return figures, len(lost) + order


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when an event was lost, doubled or out of order."""
    parser = argparse.ArgumentParser(prog="regul bench events", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--events", type=int, default=4000)
    options = parser.parse_args(arguments)
    figures, broken = asyncio.run(measure(options.events, sabotage=options.sabotage))
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
