"""`chaos feed`: every event once and in order, while everything is killed in turn.

One process writes events, the API takes calls, a subscriber receives over NATS as the example
does, a follower reacts inside Régul. Each second API, worker (sequencer, relay, dispatcher),
consumer, writer, NATS or PostgreSQL gets SIGKILL. In the end the record, FEED, the subscriber's
effects and the follower's effects are compared, event by event.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg

from kernel import errors
from kernel.actor import system
from kernel.database import Database, open_database
from server import chaos_feed_roles, chaos_world, cli
from server.background import beside
from server.chaos_feed_check import Calls, Check, Outcome, figures
from server.chaos_feed_roles import Effects, Roles
from server.report import Figure, Report, machine, show
from server.stack import Stack, throw_away_home

SIZE: Final = 100_000
EVERY_S: Final = 1.0
PAUSE_S: Final = 10.0
STALLED_S: Final = 45.0
"""Without any progress for so long after the last kill, what is missing counts as lost."""
VICTIMS: Final = ("api", "worker", "consumer", "nats", "postgres", "writer")
SABOTAGES: Final = ("lost-event", "gap", *chaos_feed_roles.SABOTAGES)
WRONG: Final = 1


class Killer:
    """Kills one process after the other, each second, whatever the others are doing.

    Attributes:
        kills: Of each process.
    """

    def __init__(self, stack: Stack, every_s: float, journal: Path) -> None:
        """Prepare.

        Args:
            stack: With all victims running.
            every_s: Seconds from one kill to the next.
            journal: The writer's: it must grow from one round of kills to the next.
        """
        self._stack = stack
        self._journal = journal
        self._every_s = every_s
        self.kills = dict.fromkeys(VICTIMS, 0)

    async def each_once(self) -> None:
        """Wait until everybody was killed at least once."""
        while not all(self.kills.values()):  # noqa: ASYNC110 - counts tell nobody
            await asyncio.sleep(0.05)

    async def run(self) -> None:
        """Kill until cancelled; who is still starting is passed over."""
        while True:
            size = self._size()
            for name in VICTIMS:
                with contextlib.suppress(TimeoutError):
                    await self._stack.wait_ready(name, 0.05)
                    await asyncio.sleep(self._every_s)
                    self._stack.kill(name)
                    self.kills[name] += 1
            # On a machine so busy that nobody gets up between two kills, nothing would be shown.
            until = time.monotonic() + PAUSE_S
            while self._size() == size and time.monotonic() < until:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def _size(self) -> int:
        return self._journal.stat().st_size if self._journal.exists() else 0


async def run(size: int, seed: int, every_s: float, sabotage: str = "") -> Outcome:
    """Run once on throw-away servers.

    Args:
        size: Planned events.
        seed: Of the events.
        every_s: Seconds between kills.
        sabotage: `lost-event`: a committed event never gets a position; `gap`: a position
            vanishes; the others are consumers written wrongly; empty = none.
    """
    with throw_away_home() as home:
        async with chaos_world.stack(home) as stack:
            began = time.monotonic()
            roles = await _prepared(stack, size, seed, sabotage)
            killer, calls = Killer(stack, every_s, roles.journal), Calls(stack.base_url)
            database = await open_database(stack.dsn, "regul_system", 4)
            try:
                taking = asyncio.create_task(calls.run())
                async with beside(killer.run()):
                    await _until_written(database, roles)
                    await killer.each_once()
                calls.stop()
                await taking
                for name in VICTIMS:
                    await stack.wait_ready(name)
                await _until_told(database, roles)
                seconds = time.monotonic() - began
                # Who begins again must neither repeat nor miss: one more event shows it.
                stack.kill("consumer")
                await calls.one()
                await _until_told(database, roles)
                await calls.close()
                if sabotage == "gap":
                    await _as_admin(stack, DROP_GUARD, LOSE_POSITION)
                checked = Check(database, roles, calls)
                return await checked.all(stack.nats_url, killer.kills, seconds)
            finally:
                database.pool.terminate()


async def _prepared(stack: Stack, size: int, seed: int, sabotage: str) -> Roles:
    """Settle the world, start writer and consumer."""
    home = stack.layout.home
    async with chaos_world.writing(stack.dsn) as database:
        world = await chaos_world.settle(database)
    await _as_admin(
        stack, CREATE_EFFECT, "grant select, insert on public.chaos_effect to regul_system"
    )
    if sabotage == "lost-event":
        await _as_admin(stack, LOSE_EVENT)
    roles = Roles(
        world=world,
        size=size,
        seed=seed,
        journal=home / "chaos.journal",
        store=home / "chaos.sqlite",
        sabotage=sabotage,
    )
    told = home / "chaos.json"
    chaos_feed_roles.keep(roles, told)
    bus = chaos_world.bus_of(stack.nats_url)
    for role in ("writer", "consumer"):
        arguments = ["chaos", "feed", "--role", role, "--told", str(told)]
        await stack.add_child(role, [*arguments, "--api", stack.base_url, "--bus", bus])
    return roles


async def _as_admin(stack: Stack, *statements: str) -> None:
    """Change what no code of ours may."""
    if stack.postgres is None:
        raise RuntimeError("no server of our own")
    connection = await asyncpg.connect(stack.postgres.dsn("regul"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _until_written(database: Database, roles: Roles) -> None:
    """Wait for the writer, as long as it makes progress."""
    await _progress(database, lambda row: row["written"] >= roles.size)


async def _until_told(database: Database, roles: Roles) -> None:
    """Wait until subscriber and follower have had every effect, or nothing moves any more."""

    def number() -> int:
        with contextlib.closing(Effects(roles.store)) as effects:
            return effects.last()

    def done(row: asyncpg.Record) -> bool:
        told = row["reacted"] >= row["head"] and number() >= row["numbered"]
        return bool(row["waiting"] == 0 and row["numbered"] >= row["head"] and told)

    await _progress(database, done, number)


async def _progress(
    database: Database,
    done: Callable[[asyncpg.Record], bool],
    number: Callable[[], int] = lambda: 0,
) -> None:
    moved, before = time.monotonic(), None
    while time.monotonic() - moved < STALLED_S:
        with contextlib.suppress(errors.Unavailable):
            async with database.transaction(system()) as tx:
                row = await tx.fetchrow(SELECT_PROGRESS)
            if done(row):
                return
            if (row, number()) != before:
                moved, before = time.monotonic(), (row, number())
        await asyncio.sleep(0.25)


def _role(options: argparse.Namespace) -> int:
    roles = chaos_feed_roles.kept(options.told)
    if options.role == "writer":
        asyncio.run(chaos_feed_roles.write(roles))
    asyncio.run(chaos_feed_roles.consume(roles, options.api, options.bus))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul chaos feed", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--size", type=int, default=SIZE, help="events")
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds between kills")
    parser.add_argument("--seed", type=int, default=80, help="of the events")
    parser.add_argument("--sabotage", nargs="?", const="all", choices=("all", *SABOTAGES))
    for hidden in ("--role", "--api", "--bus"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    parser.add_argument("--told", type=Path, help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos feed --help`.

    Returns:
        0: every event once and in order; 1: not, or every planted fault was found.
    """
    options = _parser().parse_args(arguments)
    if options.role:
        return _role(options)
    if options.sabotage:
        wanted = SABOTAGES if options.sabotage == "all" else (options.sabotage,)
        found = {
            one: not asyncio.run(run(options.size, options.seed, options.every, one)).held
            for one in wanted
        }
        told = [Figure(name=f"found.{k}", value=v, goal="true", met=v) for k, v in found.items()]
        code = WRONG if all(found.values()) else 0
    else:
        outcome = asyncio.run(run(options.size, options.seed, options.every))
        told, code = figures(outcome), 0 if outcome.held else WRONG
    name = f"chaos feed{' --sabotage' if options.sabotage else ''}"
    report = Report(
        name=name, version=cli.version(), machine=machine(), seed=options.seed, figures=told
    )
    show(report, json=options.json)
    return code


SELECT_PROGRESS: Final = """
select (select count(*) from events.outbox where aggregate = 'case') as written,
    (select count(*) from events.pending) as waiting,
    (select coalesce(max(position), 0) from events.position) as head,
    (select coalesce(sum(last_number), 0) from events.subscription) as numbered,
    (select coalesce(max(position), 0) from events.consumer where name = 'chaos') as reacted,
    (select count(*) from public.chaos_effect) as effects
"""
CREATE_EFFECT: Final = """
create table public.chaos_effect (event_id uuid, aggregate_id uuid, version integer)
"""
LOSE_EVENT: Final = """
create function public.lose_event() returns trigger language plpgsql as $$
begin
    return case when new.outbox_id = 17 then null else new end;
end $$;
create trigger lose_event before insert on events.pending
    for each row execute function public.lose_event()
"""
DROP_GUARD: Final = """
set session_replication_role = replica
"""
LOSE_POSITION: Final = """
delete from events.position where position = (select max(position) / 2 from events.position)
"""
