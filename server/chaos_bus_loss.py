"""`chaos bus-loss`: the bus' files are wiped, cut short or a bit in them flips; is anything lost?

Round after round events are written, nats-server ends, its files are damaged, more events are
written, and it starts again. FEED must then hold every event that PostgreSQL has, OUT every
number, and a subscriber must have handled each once, in order.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from events import deliveries, feed, listening, workers
from events.antientropy import Patrol
from events.jetstream import FEED, OUT, Bus, BusAway
from events.relay import Relay
from kernel import errors
from kernel.actor import system
from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database
from kernel.settings import Settings
from server import chaos_world, cli
from server.background import beside
from server.layout import Layout
from server.nats_server import NatsServer
from server.report import Figure, Report, against_goal, machine, show
from server.stack import throw_away_home

SIZE: Final = 100_000
ROUNDS: Final = 10
BACK_S: Final = 30.0
"""Goal: from the server's start until every copy is whole again."""
PATIENCE_S: Final = 120.0
KINDS: Final = ("wiped", "cut", "flipped")
SABOTAGES: Final = {"trusting-relay": "wiped", "no-patrol": "flipped"}
WRONG: Final = 1
_PAGE: Final = 5000
_FAILURES: Final = (NatsError, JetStreamError, BusAway, errors.Unavailable, OSError, TimeoutError)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was there in the end.

    Attributes:
        events: That PostgreSQL has.
        lost_feed: Of these, not in FEED or another one there.
        lost_out: Numbers that are not in OUT.
        unhandled: Numbers that the subscriber never handled.
        twice: Effects beyond the first.
        out_of_order: Neighbours whose order was wrong.
        back_s: Of each round: damage and seconds until all was whole again.
    """

    events: int
    lost_feed: int
    lost_out: int
    unhandled: int
    twice: int
    out_of_order: int
    back_s: Sequence[tuple[str, float]]

    @property
    def held(self) -> bool:
        """Say whether nothing was lost, doubled or out of order."""
        return not (
            self.lost_feed or self.lost_out or self.unhandled or self.twice or self.out_of_order
        )


def damage(store: Path, kind: str, dice: random.Random) -> None:
    """Damage the files of both streams; the server must not run.

    Args:
        store: Directory of the streams.
        kind: `wiped`, `cut` (the end of a file of messages is gone) or `flipped` (one bit).
        dice: Draws file and place.
    """
    if kind == "wiped":
        shutil.rmtree(store, ignore_errors=True)
        return
    for name in (FEED, OUT):
        blocks = sorted(store.glob(f"**/streams/{name}/msgs/*.blk"))
        if not blocks:
            continue
        block = blocks[-1] if kind == "cut" else dice.choice(blocks)
        content = bytearray(block.read_bytes())
        if kind == "cut":
            del content[len(content) - dice.randrange(1, max(2, len(content) // 2)) :]
        elif content:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        block.write_bytes(content)


class Reader:
    """A subscriber as in the example, which reads what it missed from the record."""

    def __init__(self, database: Database, bus: Bus, world: chaos_world.World) -> None:
        """Prepare; `run` pulls.

        Args:
            database: Pool under `regul_system`: stands for the API.
            bus: The connection.
            world: Whose subscription.
        """
        self.handled: list[int] = []
        self._database = database
        self._bus = bus
        self._id = world.subscription_id

    @property
    def number(self) -> int:
        """Give the last number that was handled."""
        return self.handled[-1] if self.handled else 0

    async def run(self) -> None:
        """Pull for as long as the run lasts; whatever is away is waited for."""
        while True:
            try:
                context = await self._bus.context()
                pull = await context.pull_subscribe_bind(consumer=str(self._id), stream=OUT)
                try:
                    while True:
                        for message in await pull.fetch(200, timeout=1):
                            await self._take(message)
                finally:
                    await pull.unsubscribe()
            except _FAILURES:
                await listening.pause(0.1)

    async def _take(self, message: Any) -> None:  # noqa: ANN401 - nats-py's, or a test's
        number = msgspec.json.decode(message.data, type=chaos_world.example().Event).number
        if number > self.number + 1:
            await self.repair()
        if number == self.number + 1:
            self.handled.append(number)
        await message.ack()

    async def repair(self) -> None:
        """Read what lies behind the last number from the record."""
        async with self._database.transaction(system()) as tx:
            while page := await deliveries.page(tx, self._id, self.number, 500):
                self.handled += [one.number for one in page]


class Run:
    """One run: servers that are damaged, workers that mend, a subscriber that must not notice."""

    def __init__(
        self, database: Database, server: NatsServer, keys: KeyRing, sabotage: str = ""
    ) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_system`, of an empty database; commits wake the sequencer.
            server: A nats-server that runs, not supervised.
            keys: Makes pseudonyms.
            sabotage: `trusting-relay`: it believes what it knew before; `no-patrol`: nobody
                compares; empty = none.
        """
        self._database = database
        self._server = server
        self._keys = keys
        self._sabotage = sabotage
        self._bus = Bus(server.url, "chaos")
        self._patience_s = 4.0 if sabotage else PATIENCE_S

    async def all(self, size: int, rounds: int, seed: int) -> Outcome:
        """Write, damage, wait until mended, and look.

        Args:
            size: How many events in all.
            rounds: How often the files are damaged.
            seed: Of events and damage.
        """
        dice = random.Random(seed)
        world = await chaos_world.settle(self._database)
        plan = chaos_world.planned(seed, 0, size)
        reader = Reader(self._database, self._bus, world)
        kinds = [SABOTAGES[self._sabotage]] if self._sabotage else KINDS
        back: list[tuple[str, float]] = []
        async with AsyncExitStack() as running:
            for work in [*self._team(), self._bus.run, reader.run]:
                await running.enter_async_context(beside(_for_ever(work)))
            share = size // (2 * rounds)
            for number, kind in zip(range(rounds), itertools.cycle(kinds), strict=False):
                here = plan[2 * number * share : (2 * number + 1) * share]
                await chaos_world.write_all(self._database, world, here)
                if number == 0 or self._sabotage:
                    await self._until(lambda: self._whole(reader))
                await self._strike(kind, dice)
                rest = plan[(2 * number + 1) * share : (2 * number + 2) * share]
                await chaos_world.write_all(self._database, world, rest)
                began = time.monotonic()
                self._server.start()
                await self._until(lambda: self._whole(reader))
                back.append((kind, time.monotonic() - began))
            return await self._outcome(reader, back)

    def _team(self) -> list[Callable[[], Any]]:
        settings = Settings(nats_url=self._server.url)
        team = workers.workers(self._database, settings, self._server.url, self._keys)
        wanted = {"listener", "sequencer", "dispatcher", "bus", "publisher", "relay"}
        chosen = [one for one in team if one.name in wanted]
        if self._sabotage == "trusting-relay":
            bus = Bus(self._server.url, "chaos-relay")
            relay = _Trusting(self._database, bus)
            bell = listening.shared(self._database).bell()
            others = [one.run for one in chosen if one.name != "relay"]
            return [*others, bus.run, partial(relay.run, bell)]
        return [one.run for one in chosen]

    async def _strike(self, kind: str, dice: random.Random) -> None:
        process = self._server.process
        if process is not None:
            # After an orderly end the server trusts its index: nobody but us finds the bit.
            process.signal(signal.SIGINT if kind == "flipped" else signal.SIGKILL)
            while process.exit_code() is None:  # noqa: ASYNC110 - a process calls nobody
                await asyncio.sleep(0.01)
        damage(self._server.store, kind, dice)

    async def _until(self, condition: Callable[[], Any]) -> None:
        """Wait, but not for ever: what is missing then is counted as lost."""
        until = time.monotonic() + self._patience_s
        while time.monotonic() < until:
            try:
                if await condition():
                    return
            except _FAILURES:
                pass
            await asyncio.sleep(0.1)

    async def _whole(self, reader: Reader) -> bool:
        async with self._database.transaction(system()) as tx:
            head = await feed.head(tx)
            (outlet,) = await deliveries.outlets(tx)
            if await tx.fetchval(SELECT_WAITING):
                return False
        info = await self._bus.stream(FEED)
        if info is None or int(info.state.last_seq) != head:
            return False
        if reader.number < outlet.last_number or outlet.last_number < head:
            return False
        return not await self._lost_feed() and not await self._lost_out(outlet.last_number)

    async def _lost_feed(self) -> int:
        async with self._database.transaction(system()) as tx:
            recorded = await feed.ids(tx, 1, await feed.head(tx))
        held = await self._held(FEED)
        return sum(held.get(position) != one for position, one in recorded.items())

    async def _lost_out(self, last_number: int) -> int:
        held = {int(one.rpartition(":")[2]) for one in (await self._held(OUT)).values()}
        return last_number - len(held & set(range(1, last_number + 1)))

    async def _held(self, name: str) -> dict[int, str]:
        info = await self._bus.stream(name)
        found: dict[int, str] = {}
        if info is None:
            return found
        first, last = int(info.state.first_seq), int(info.state.last_seq)
        for start in range(first, last + 1, _PAGE):
            found |= await self._bus.ids(name, start, min(_PAGE, last - start + 1))
        return found

    async def _outcome(self, reader: Reader, back: list[tuple[str, float]]) -> Outcome:
        async with self._database.transaction(system()) as tx:
            head = await feed.head(tx)
            (outlet,) = await deliveries.outlets(tx)
        handled = set(reader.handled)
        return Outcome(
            events=head,
            lost_feed=await self._lost_feed(),
            lost_out=await self._lost_out(outlet.last_number),
            unhandled=head - len(handled),
            twice=len(reader.handled) - len(handled),
            out_of_order=sum(1 for _ in chaos_world.runs(reader.handled)),
            back_s=back,
        )


class _Trusting(Relay):
    """A relay as one would write it at first: it knows where it was and never looks back."""

    _known = 0

    async def _resume(self) -> int:
        info = await self._bus.stream(FEED)
        if info is None:
            return await self._make(self._known + 1)
        self._known = max(self._known, int(info.state.last_seq))
        return int(info.state.last_seq)


async def _for_ever(work: Callable[[], Any]) -> None:
    while True:
        try:
            await work()
        except _FAILURES:
            await listening.pause(0.2)


async def _blind(_: Patrol, __: object) -> bool:
    return True


async def run(
    database: Database,
    server: NatsServer,
    keys: KeyRing,
    *,
    size: int,
    rounds: int,
    seed: int,
    sabotage: str = "",
) -> Outcome:
    """Run once.

    Args:
        database: Pool under `regul_system`, of an empty database; commits wake the sequencer.
        server: A nats-server that runs, not supervised; it is killed and damaged.
        keys: Makes pseudonyms.
        size: How many events.
        rounds: How often the files are damaged.
        seed: Of events and damage.
        sabotage: See `Run`.
    """
    look = Patrol.look
    if sabotage == "no-patrol":
        Patrol.look = _blind  # type: ignore[method-assign,assignment]
    try:
        return await Run(database, server, keys, sabotage).all(size, rounds, seed)
    finally:
        Patrol.look = look  # type: ignore[method-assign]


async def started(server: NatsServer) -> None:
    """Start a server and wait until it answers.

    Args:
        server: Ours.
    """
    server.start()
    async with asyncio.timeout(20):
        while not await server.alive():  # noqa: ASYNC110 - nor does a server
            await asyncio.sleep(0.02)


async def _own(options: argparse.Namespace, sabotage: str) -> Outcome:
    with throw_away_home() as home:
        beside_home = home.parent / "bus"
        beside_home.mkdir(mode=0o755)
        server = NatsServer(Layout(beside_home / ".regul"))
        try:
            await started(server)
            async with (
                chaos_world.stack(home, api=False, worker=False, nats_url=server.url) as stack,
                chaos_world.writing(stack.dsn, 8) as database,
            ):
                keys = KeyRing(ensure_master(home.parent / "chaos.key"))
                rounds = 1 if sabotage else options.rounds
                return await run(
                    database,
                    server,
                    keys,
                    size=options.size,
                    rounds=rounds,
                    seed=options.seed,
                    sabotage=sabotage,
                )
        finally:
            if server.process is not None:
                server.process.stop()


def figures(outcome: Outcome) -> list[Figure]:
    """Give what is reported.

    Args:
        outcome: Of a run.
    """
    slowest = {
        kind: max((s for one, s in outcome.back_s if one == kind), default=0.0) for kind in KINDS
    }
    return [
        Figure(name="events", value=outcome.events, unit="events"),
        Figure(name="rounds", value=len(outcome.back_s), unit="rounds"),
        against_goal("lost.feed", outcome.lost_feed, "events", "== 0"),
        against_goal("lost.out", outcome.lost_out, "events", "== 0"),
        against_goal("lost.subscriber", outcome.unhandled, "events", "== 0"),
        against_goal("handled_twice", outcome.twice, "events", "== 0"),
        against_goal("out_of_order", outcome.out_of_order, "events", "== 0"),
        *(
            against_goal(f"whole_again.{kind}", round(seconds, 2), "s", f"< {BACK_S:.0f}")
            for kind, seconds in slowest.items()
        ),
    ]


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos bus-loss --help`.

    Returns:
        0: nothing was lost; 1: something was, or every planted fault was found.
    """
    parser = argparse.ArgumentParser(prog="regul chaos bus-loss", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--size", type=int, default=SIZE, help="events")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times of damage")
    parser.add_argument("--seed", type=int, default=80, help="of events and damage")
    parser.add_argument("--sabotage", nargs="?", const="all", choices=("all", *SABOTAGES))
    options = parser.parse_args(arguments)
    if options.sabotage:
        wanted = tuple(SABOTAGES) if options.sabotage == "all" else (options.sabotage,)
        found = {one: not asyncio.run(_own(options, one)).held for one in wanted}
        told = [Figure(name=f"found.{k}", value=v, goal="true", met=v) for k, v in found.items()]
        code = WRONG if all(found.values()) else 0
    else:
        outcome = asyncio.run(_own(options, ""))
        told, code = figures(outcome), 0 if outcome.held else WRONG
    name = f"chaos bus-loss{' --sabotage' if options.sabotage else ''}"
    report = Report(
        name=name, version=cli.version(), machine=machine(), seed=options.seed, figures=told
    )
    show(report, json=options.json)
    return code


SELECT_WAITING: Final = """
select count(*) from events.pending
"""
