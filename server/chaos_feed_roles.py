"""The two processes of `chaos feed` that are killed beside the servers: one writes, one receives.

Both begin again where their own record says: the writer asks the database which of its events are
there, the consumer keeps effect and number in one transaction of its own store.
"""

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from events import following, listening
from events.model import StoredEvent
from kernel import errors
from kernel.actor import system
from kernel.database import Database, Tx, open_database
from server import chaos_world
from server.configuration import read_settings

LANES: Final = 8
FOLLOWER: Final = "chaos"
SABOTAGES: Final = ("forgetful-consumer", "shuffling-consumer")
_FAILURES: Final = (NatsError, JetStreamError, errors.RegulError, OSError, TimeoutError)


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """What the two processes are told.

    Attributes:
        world: Where they are.
        size: Events in all.
        seed: Of the events.
        journal: The writer's file: the id of each event that was committed, a line each.
        store: The consumer's own database.
        sabotage: A consumer written wrongly; empty = none.
    """

    world: chaos_world.World
    size: int
    seed: int
    journal: Path
    store: Path
    sabotage: str = ""

    def lane(self, number: int) -> list[chaos_world.Planned]:
        """Give the events of one lane.

        Args:
            number: From 0.
        """
        share, more = divmod(self.size, LANES)
        return chaos_world.planned(self.seed, number, share + (number < more))


def kept(path: Path) -> Roles:
    """Read what the processes are told.

    Args:
        path: Of the file.
    """
    return msgspec.json.decode(path.read_bytes(), type=Roles, dec_hook=lambda _, text: Path(text))


def keep(roles: Roles, path: Path) -> None:
    """Write what the processes are told.

    Args:
        roles: What.
        path: Of the file.
    """
    path.write_bytes(msgspec.json.encode(roles, enc_hook=str))


async def write(roles: Roles) -> None:
    """Write every event, each in a transaction of its own, then wait for ever.

    Args:
        roles: What and where.
    """
    async with chaos_world.writing(read_settings().database_url, LANES) as database:
        with roles.journal.open("a", buffering=1) as journal:

            def told(one: chaos_world.Planned) -> None:
                journal.write(f"{one.id}\n")

            async with asyncio.TaskGroup() as lanes:
                for number in range(LANES):
                    lanes.create_task(_lane(database, roles, number, told))
        await asyncio.Event().wait()


async def _lane(
    database: Database, roles: Roles, number: int, told: Callable[[chaos_world.Planned], None]
) -> None:
    plan = roles.lane(number)
    written = await _patiently(lambda: _written(database, [one.id for one in plan]))
    for one in plan[written:]:
        if await _patiently(partial(_append, database, roles.world, one)):
            told(one)


async def _patiently(act: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - of the act
    while True:
        try:
            return await act()
        except errors.Unavailable:
            await asyncio.sleep(0.05)


async def _written(database: Database, ids: list[UUID]) -> int:
    async with database.transaction(system()) as tx:
        return int(await tx.fetchval(COUNT_WRITTEN, ids))


async def _append(database: Database, world: chaos_world.World, one: chaos_world.Planned) -> bool:
    """Commit one event; False when it was committed before and only its answer was lost."""
    try:
        async with database.transaction(system()) as tx:
            await chaos_world.write(tx, world, one)
    except errors.Conflict:
        return False
    return True


class Effects:
    """The consumer's own store: an effect and the number behind it commit together."""

    def __init__(self, path: Path, *, forgetful: bool = False) -> None:
        """Open it.

        Args:
            path: Of the file.
            forgetful: Sabotage: the number is kept apart, too seldom.
        """
        self._rows = sqlite3.connect(path, isolation_level=None)
        self._rows.execute("pragma synchronous = off")
        self._rows.execute(
            "create table if not exists effect (place integer primary key, number int, id text)"
        )
        self._rows.execute("create table if not exists mark (number int)")
        self._forgetful = forgetful

    def last(self) -> int:
        """Give the number to go on from."""
        table = "mark" if self._forgetful else "effect"
        statement = {"mark": "select max(number) from mark", "effect": _LAST}[table]
        (found,) = self._rows.execute(statement).fetchone()
        return int(found or 0)

    def handle(self, event: Any) -> None:  # noqa: ANN401 - a type of the example's
        """Have the effect of an event.

        Args:
            event: With its number and id.
        """
        self._rows.execute(
            "insert into effect (number, id) values (?, ?)", (event.number, event.id)
        )
        if self._forgetful and event.number % 1000 == 0:
            self._rows.execute("insert into mark values (?)", (event.number,))

    def all(self) -> list[tuple[int, str]]:
        """Give number and id of every effect, in the order in which they were had."""
        return self._rows.execute("select number, id from effect order by place").fetchall()

    def close(self) -> None:
        """Close it."""
        self._rows.close()


async def consume(roles: Roles, api: str, bus: str) -> None:
    """Receive over NATS as the example does, and follow the feed inside Régul.

    Args:
        roles: What and where.
        api: Address of the HTTP service.
        bus: Address of nats-server, without credentials.
    """
    effects = Effects(roles.store, forgetful=roles.sabotage == "forgetful-consumer")
    settings = read_settings()
    database = await open_database(settings.database_url, "regul_system", 4)
    listener = listening.shared(database)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_for_ever(listener.run))
        tasks.create_task(
            _for_ever(lambda: following.follow(database, FOLLOWER, {chaos_world.OPENED: _effect}))
        )
        tasks.create_task(_for_ever(lambda: _subscribe(roles, effects, api, bus)))


async def _effect(tx: Tx, event: StoredEvent) -> None:
    await tx.execute(INSERT_EFFECT, event.event_id, event.aggregate_id, event.version)


async def _subscribe(roles: Roles, effects: Effects, api: str, bus: str) -> None:
    module = chaos_world.example()
    name = str(roles.world.subscription_id)
    subscriber = module.Subscriber(api, chaos_world.KEY, name, effects.handle)
    subscriber.number = effects.last()
    shuffled: list[Any] = []
    async for message in module.messages(bus, chaos_world.KEY, name):
        event = msgspec.json.decode(message.data, type=module.Event)
        if roles.sabotage == "shuffling-consumer":
            shuffled.append(event)
            while len(shuffled) >= 3:  # noqa: PLR2004 - handles three in the wrong order
                effects.handle(shuffled.pop())
            await message.ack()
            continue
        with contextlib.suppress(OSError):  # the API is away: it comes again
            await subscriber.take(event)
            await message.ack()


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except _FAILURES as problem:
            sys.stderr.write(f"{type(problem).__name__}\n")
        await listening.pause(0.2)


_LAST: Final = "select max(number) from effect"
COUNT_WRITTEN: Final = """
select count(*) from events.outbox where event_id = any ($1::uuid[])
"""
INSERT_EFFECT: Final = """
insert into public.chaos_effect (event_id, aggregate_id, version) values ($1, $2, $3)
"""
