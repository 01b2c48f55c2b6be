"""The `chaos booking` subcommand: places are fought for while workers and PostgreSQL are killed.

Processes of four workers each hold, book, give back, cancel, withdraw and republish slots. Each
second one of them gets SIGKILL, and PostgreSQL ten times in the run. Then what callers were told is
compared with every version that each seat had (`routing.history`), and the tables with each other.
`--sabotage` plants faults in throw-away servers; each must be found.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from kernel.crypto import KeyRing, ensure_master
from kernel.database import open_database
from routing import history
from routing.history import Operation, Wrong
from server import cli
from server.chaos_booking_crowd import ATTEMPTS, SLOTS, STUCK_S, WORKERS, Crowd, Plan
from server.chaos_booking_worker import HOLD_S, PER_DIARY
from server.chaos_booking_world import SABOTAGES, World
from server.child_command import ChildCommand
from server.layout import LOOPBACK, free_port
from server.refusal import Refusal
from server.report import Figure, Report, against_goal, machine, show
from server.stack import Stack, throw_away_home

HTTP_ATTEMPTS: Final = 10_000
SABOTAGE_ATTEMPTS: Final = 3_000
KINDS: Final = ("double", "lost", "phantom", "false_refusal", "refused_but_done", "out_of_order")
WRONG: Final = 1


class Outcome(msgspec.Struct, kw_only=True):
    """What was seen.

    Attributes:
        asked: How many questions of each kind were answered with yes.
        refused: How many answers of each other code there were.
        unknown: Questions that were never answered: who asked was killed.
        wrongs: How often each thing was found that must never be.
        first: Some of them, in words.
        kills: Of processes and of PostgreSQL.
        took_s: Seconds of the run, and of the checker.
    """

    attempts: int
    asked: Mapping[str, int]
    refused: Mapping[str, int]
    unknown: int
    wrongs: Mapping[str, int]
    first: Sequence[str]
    kills: Mapping[str, int]
    took_s: tuple[float, float]

    @property
    def held(self) -> bool:
        """Tell whether nothing was found."""
        return not any(self.wrongs.values())


async def run(
    plan: Plan, dsn: str, admin_dsn: str, master: Path, kill_postgres: Callable[[], Awaitable[None]]
) -> Outcome:
    """Run on a migrated database.

    Args:
        plan: How.
        dsn: Of the service's login.
        admin_dsn: Of a superuser on the same database.
        master: File of the master key.
        kill_postgres: Kills PostgreSQL and waits until it answers.
    """
    admin = await asyncpg.connect(admin_dsn)
    world = World(admin, max(1, plan.slots // PER_DIARY), plan.workers, plan.seed)
    database = await open_database(dsn, "regul_app", 1)
    await world.begin(database, KeyRing(ensure_master(master)))
    await database.close()
    await world.plant(plan.sabotage)
    await admin.execute("analyze")
    with tempfile.TemporaryDirectory(prefix="regul-booking-") as folder:
        crowd = Crowd(world, plan, dsn, master, Path(folder))
        began = time.monotonic()
        try:
            kills = await _fight(crowd, world, plan, admin_dsn, kill_postgres)
        finally:
            await crowd.end()
        took = time.monotonic() - began
        operations = await world.operations(crowd.journals)
    began = time.monotonic()
    wrongs = history.check(await world.versions(), operations, offset=await world.offset())
    checked = time.monotonic() - began
    strayed = await _strayed(world, operations)
    await world.admin.close()
    return _outcome(operations, wrongs, strayed, kills, (took, checked))


async def _fight(
    crowd: Crowd,
    world: World,
    plan: Plan,
    admin_dsn: str,
    kill_postgres: Callable[[], Awaitable[None]],
) -> Mapping[str, int]:
    """Let them fight until enough was asked, with a kill now and then, at least one."""
    await crowd.start_all()
    kills = Counter(process=0, postgres=0)
    due = time.monotonic() + plan.every_s
    moved, seen = time.monotonic(), 0
    while (asked := crowd.count()) < plan.attempts or not kills["process"]:
        await asyncio.sleep(0.05)
        now = time.monotonic()
        if asked > seen:
            moved, seen = now, asked
        if now > moved + STUCK_S:
            raise TimeoutError("nobody asked anything any more")
        if (kills["postgres"] + 0.5) * plan.attempts < asked * plan.postgres_kills:
            await kill_postgres()
            world.admin = await _connected_anew(world.admin, admin_dsn)
            kills["postgres"] += 1
        if now >= due:
            await crowd.kill(world.dice.randrange(len(crowd.journals)))
            kills["process"] += 1
            due = time.monotonic() + plan.every_s
    return kills


async def _connected_anew(
    old: "asyncpg.Connection[asyncpg.Record]", dsn: str
) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect to a PostgreSQL that may still be dying, or not be back yet."""
    old.terminate()
    until = time.monotonic() + STUCK_S
    while True:
        try:
            fresh = await asyncpg.connect(dsn)
            await fresh.fetchval(ASK)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
        else:
            return fresh


async def _strayed(world: World, operations: Mapping[str, Operation]) -> Mapping[str, int]:
    """Compare the tables with each other and with the answers: counts of what does not fit."""
    booked = [one.claim for one in operations.values() if (one.verb, one.result) == ("book", "ok")]
    return {
        "two_appointments": await world.admin.fetchval(COUNT_DOUBLED),
        "booked_without_seat": await world.admin.fetchval(COUNT_WITHOUT_SEAT),
        "lost_appointments": await world.admin.fetchval(COUNT_LOST, booked),
        "not_told_once": await world.admin.fetchval(COUNT_NOT_TOLD_ONCE),
    }


def _outcome(
    operations: Mapping[str, Operation],
    wrongs: Sequence[Wrong],
    strayed: Mapping[str, int],
    kills: Mapping[str, int],
    took_s: tuple[float, float],
) -> Outcome:
    found = Counter(one.kind for one in wrongs)
    yes = Counter(one.verb for one in operations.values() if one.result == "ok")
    no = Counter(one.result for one in operations.values() if one.result not in {"", "ok"})
    return Outcome(
        attempts=len(operations),
        asked=yes,
        refused=no,
        unknown=sum(not one.result for one in operations.values()),
        wrongs={**{kind: found[kind] for kind in KINDS}, **strayed},
        first=[f"{one.kind}: {one.about}" for one in wrongs[:5]],
        kills=kills,
        took_s=took_s,
    )


def report(outcome: Outcome, seed: int) -> Report:
    """Write the figures of a run.

    Args:
        outcome: What was seen.
        seed: Of the run.
    """
    took, checked = outcome.took_s
    return Report(
        name="chaos booking",
        version=cli.version(),
        machine=machine(),
        seed=seed,
        figures=[
            Figure(name="attempts", value=outcome.attempts, unit="questions"),
            Figure(name="rate", value=round(outcome.attempts / took), unit="1/s"),
            *(
                Figure(name=f"done.{verb}", value=count, unit="answers")
                for verb, count in sorted(outcome.asked.items())
            ),
            *(
                Figure(name=f"refused.{code}", value=count, unit="answers")
                for code, count in sorted(outcome.refused.items())
            ),
            Figure(name="unknown", value=outcome.unknown, unit="questions"),
            *(
                Figure(name=f"kills.{name}", value=count, unit="kills")
                for name, count in outcome.kills.items()
            ),
            *(against_goal(name, one, "", "== 0") for name, one in outcome.wrongs.items()),
            Figure(name="checked_rate", value=round(outcome.attempts / checked), unit="1/s"),
        ],
    )


async def on_own_servers(plan: Plan, *, http: int = 0) -> Outcome:
    """Run on a throw-away PostgreSQL that is killed, too.

    Args:
        plan: How.
        http: Processes of the API that are asked; 0: the use cases are.
    """
    with throw_away_home() as home:
        settings = {"REGUL_HOLD_S": str(HOLD_S)}
        async with Stack(
            home, api=False, worker=False, environ={}, settings=settings, say=_quiet
        ) as stack:
            if stack.postgres is None:
                raise Refusal("The embedded PostgreSQL did not start.")
            ports = [free_port() for _ in range(http)]
            await asyncio.gather(*(_serve(stack, port) for port in ports))

            async def kill() -> None:
                stack.kill("postgres")
                await stack.wait_ready("postgres")

            urls = tuple(f"http://{LOOPBACK}:{port}" for port in ports)
            plan = msgspec.structs.replace(plan, urls=urls)
            admin = stack.postgres.dsn(stack.dsn.rpartition("/")[2])
            return await run(plan, stack.dsn, admin, stack.layout.keys / "master.key", kill)


async def _serve(stack: Stack, port: int) -> None:
    """Start one more process of the API."""
    env = {**stack.environment, "REGUL_PORT": str(port)}
    child = ChildCommand(f"api-{port}", ["serve"], layout=stack.layout, env=env, port=port)
    await stack.supervisor.add(child)


def _quiet(_: str) -> None:
    """Kills are what chaos is for."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul chaos booking", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--attempts", type=int, help=f"{ATTEMPTS}; {SABOTAGE_ATTEMPTS} sabotaged")
    parser.add_argument("--workers", type=int, default=WORKERS, help="at once, four a process")
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument(
        "--http",
        type=int,
        nargs="?",
        const=4,
        default=0,
        metavar="N",
        help=f"ask N processes of the API (4), {HTTP_ATTEMPTS} questions, not the use cases",
    )
    parser.add_argument("--seed", type=int, default=61, help="of every choice")
    parser.add_argument(
        "--sabotage",
        nargs="?",
        const="all",
        choices=("all", *SABOTAGES),
        help="plant faults: exit 1 when each was found, 0 when one escaped",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos booking --help`.

    Returns:
        0: every invariant held; 1: one broke, or every planted fault was found.
    """
    options = _parser().parse_args(arguments)
    plan = Plan(
        attempts=options.attempts or (HTTP_ATTEMPTS if options.http else ATTEMPTS),
        workers=options.workers,
        slots=options.slots,
        seed=options.seed,
    )
    if options.sabotage:
        return _sabotaged(plan, options)
    outcome = asyncio.run(on_own_servers(plan, http=options.http))
    show(report(outcome, options.seed), json=options.json)
    return 0 if outcome.held else WRONG


def _sabotaged(plan: Plan, options: argparse.Namespace) -> int:
    figures = []
    for fault in SABOTAGES if options.sabotage == "all" else (options.sabotage,):
        small = msgspec.structs.replace(
            plan,
            attempts=options.attempts or SABOTAGE_ATTEMPTS,
            sabotage=fault,
            postgres_kills=0,
        )
        found = not asyncio.run(on_own_servers(small)).held
        figures.append(Figure(name=f"found.{fault}", value=found, goal="true", met=found))
    told = Report(
        name="chaos booking --sabotage",
        version=cli.version(),
        machine=machine(),
        seed=options.seed,
        figures=figures,
    )
    show(told, json=options.json)
    return WRONG if all(figure.met for figure in figures) else 0


ASK: Final = """
select 1
"""
COUNT_DOUBLED: Final = """
select count(*) from (
    select 1 from routing.appointment where state in ('booked', 'pending')
    group by slot_id, seat having count(*) > 1) d
"""
COUNT_WITHOUT_SEAT: Final = """
select count(*) from routing.appointment a
where a.state = 'booked' and not exists (
    select from directory.seat s
    where s.slot_id = a.slot_id and s.number = a.seat and s.claim = a.claim
        and s.state in ('booked', 'displaced'))
"""
COUNT_LOST: Final = """
select count(*) from unnest($1::uuid[]) as told (claim)
where not exists (select from routing.appointment a where a.claim = told.claim)
"""
# Each hold and each appointment is told in one event, and no event tells of what is not there.
COUNT_NOT_TOLD_ONCE: Final = """
with told as (
    select aggregate_id as id, count(*) as times from events.outbox
    where kind in ('hold.placed', 'appointment.booked') group by aggregate_id),
made as (select id from routing.hold union all select id from routing.appointment)
select count(*) from made full join told using (id)
where told.times is distinct from 1 or made.id is null
"""
