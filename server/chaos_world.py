"""The world that chaos runs on the feed stand on: one centre, its events known beforehand.

Events are drawn from a seed, ids included, so whoever writes them may be killed and begin again:
an event that is there already is passed over by its id. Each case has ten, in order.
"""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Final
from uuid import UUID, uuid5

import msgspec

from events import catalogue, subscriptions
from kernel import identity, ids
from kernel.actor import Actor, Role, system
from kernel.database import Database, Tx, Wakeup, open_database
from server.background import beside
from server.configuration import WAKE_CHANNEL
from server.stack import Stack

CASE_EVENTS: Final = 10
_AT_ONCE: Final = 500
OPENED: Final = "case.opened"
QUALIFIED: Final = "case.qualified"
CALL: Final = "call.received"
KEY: Final = "rg_chaos_subscriber"
OPERATOR_KEY: Final = "rg_chaos_operator"
_NAMESPACE: Final = UUID("0d6f2f5e-5b4b-4c39-9b44-6d0a1c1f9c11")
_ROOT: Final = Path(os.environ.get("REGUL_ROOT", Path(__file__).resolve().parents[1]))


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there.

    Attributes:
        territory_id: Of the centre.
        actor_id: A supervisor, who subscribes with `KEY`; an operator has `OPERATOR_KEY`.
        subscription_id: Everything that happens to cases and calls, over NATS.
    """

    territory_id: UUID
    actor_id: UUID
    subscription_id: UUID


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One event before it is written.

    Attributes:
        id: Its id.
        case_id: What it is about.
        version: Which of the case's it is, from 1.
    """

    id: UUID
    case_id: UUID
    version: int

    @property
    def kind(self) -> str:
        """Give its kind: a case is opened once, then qualified again and again."""
        return OPENED if self.version == 1 else QUALIFIED


def planned(seed: int, lane: int, count: int) -> list[Planned]:
    """Give the events of one lane, in the order in which they must be written.

    Args:
        seed: Of the run.
        lane: Lanes share no case, so they may be written at the same time.
        count: How many.
    """
    found = []
    for number in range(count):
        case, version = divmod(number, CASE_EVENTS)
        case_id = uuid5(_NAMESPACE, f"{seed}/{lane}/{case}")
        found.append(Planned(id=uuid5(case_id, str(version)), case_id=case_id, version=version + 1))
    return found


async def settle(database: Database) -> World:
    """Put the centre, its staff and the subscription into an empty database.

    Args:
        database: Pool under `regul_system`.
    """
    territory, chief, operator = ids.uuid7(), ids.uuid7(), ids.uuid7()
    actor = Actor(id=chief, role=Role.SUPERVISOR, territory_id=territory)
    async with database.transaction(system()) as tx:
        await tx.execute(INSERT_TERRITORY, territory)
        await tx.execute(INSERT_ACTOR, chief, "supervisor", territory, identity.digest(KEY))
        digest = identity.digest(OPERATOR_KEY)
        await tx.execute(INSERT_ACTOR, operator, "operator", territory, digest)
        wish = subscriptions.NewSubscription(kinds=(OPENED, QUALIFIED, CALL))
        made = await subscriptions.create(tx, actor, wish)
    return World(territory_id=territory, actor_id=chief, subscription_id=made.id)


async def write(tx: Tx, world: World, one: Planned) -> None:
    """Append one planned event, with its own id.

    Args:
        tx: A transaction.
        world: Where.
        one: What.
    """
    fact: catalogue.Event = catalogue.CaseQualified(priority="P1", stream="AMU")
    if one.version == 1:
        fact = catalogue.CaseOpened(complaint="chest_pain")
    await tx.execute(
        APPEND,
        one.id,
        one.kind,
        one.case_id,
        world.territory_id,
        world.actor_id,
        msgspec.json.encode(fact).decode(),
    )


async def write_all(database: Database, world: World, plan: Sequence[Planned]) -> None:
    """Append planned events, many in each transaction.

    Args:
        database: Pool under `regul_system`.
        world: Where.
        plan: What, in order.
    """
    for start in range(0, len(plan), _AT_ONCE):
        async with database.transaction(system()) as tx:
            for one in plan[start : start + _AT_ONCE]:
                await write(tx, world, one)


@asynccontextmanager
async def writing(dsn: str, size: int = 4) -> AsyncIterator[Database]:
    """Open a pool whose commits wake the sequencer, as those of the API do.

    Args:
        dsn: Of the service's login.
        size: Connections.

    Yields:
        The pool under `regul_system`.
    """
    database = await open_database(dsn, "regul_system", size)
    database.on_commit = wakeup = Wakeup(database, WAKE_CHANNEL)
    try:
        async with beside(wakeup.run()):
            yield database
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await database.close()


def bus_of(nats_url: str) -> str:
    """Give a server's address without credentials.

    Args:
        nats_url: The service's own.
    """
    return f"nats://{nats_url.rpartition('@')[2]}"


def example() -> ModuleType:
    """Load `examples/subscriber.py` as it is: the code that a partner copies."""
    known = sys.modules.get(_EXAMPLE)
    if known is not None:
        return known
    described = importlib.util.spec_from_file_location(
        _EXAMPLE, _ROOT / "examples" / "subscriber.py"
    )
    if described is None or described.loader is None:
        raise FileNotFoundError("examples/subscriber.py")
    module = importlib.util.module_from_spec(described)
    sys.modules[_EXAMPLE] = module
    described.loader.exec_module(module)
    return module


def stack(
    home: Path,
    *,
    api: bool = True,
    worker: bool = True,
    nats_url: str = "",
    seed_file: Path | None = None,
) -> Stack:
    """Describe throw-away servers of our own, whatever DATABASE_URL says.

    Args:
        home: Their directory.
        api: With the HTTP service.
        worker: With the workers.
        nats_url: A nats-server that the caller starts and stops; empty = one that is supervised.
        seed_file: Its account seed, to sign partners in.
    """
    settings = {"REGUL_AUTH_CALLOUT_SEED": str(seed_file)} if seed_file else {}
    environ = {"NATS_URL": nats_url} if nats_url else {}
    return Stack(
        home,
        throw_away=True,
        api=api,
        worker=worker,
        environ=environ,
        settings=settings,
        say=_say_nothing,
    )


def _say_nothing(_: str) -> None:
    """Kills are what chaos is for."""


def runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give neighbours of a sequence that do not follow each other.

    Args:
        numbers: Should rise by one.
    """
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            yield before, after


_EXAMPLE: Final = "regul_example_subscriber"

INSERT_TERRITORY: Final = """
insert into kernel.territory (id, code, name, time_zone, country)
values ($1, 'CH', 'Chaos', 'Europe/Paris', 'FR')
"""
INSERT_ACTOR: Final = """
insert into kernel.actor (id, role, territory_id, organisation_ids, label, api_key_hash)
values ($1, $2, $3, '{}', 'Chaos', $4)
"""
APPEND: Final = """
select events.events_append($1, $2, 'case', $3, $4, $3, '{}', $5, '', $6::jsonb)
"""
