"""The `chaos handoffs` subcommand: receivers dead, slow or silent; can anybody drop a patient?

Handoffs are asked for, answered or not, through the use cases of the service on a throw-away
database whose clock is moved. Afterwards the record of events is read: each handoff was accepted
or refused by a human in time, or a human was told in time, again and again until one took it;
nobody off duty was told anything; of several receivers asked for one patient one has it.
"""

import argparse
import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from events import ladder
from events.fact import Acuity
from kernel.database import Database, open_database
from server import cli
from server.chaos_handoffs_world import FAULTS, GRID_S, Shift, World
from server.refusal import Refusal
from server.report import Figure, Report, against_goal, machine, show
from server.stack import Stack, throw_away_home

SIZE: Final = 10_000
SABOTAGE_SIZE: Final = 300
WRONG: Final = 1
_GRACE: Final = timedelta(seconds=GRID_S)
_ANSWERS: Final = frozenset({"handoff.accepted", "handoff.refused"})
_RESTS: Final = frozenset({*_ANSWERS, "handoff.taken", "handoff.cancelled", "handoff.completed"})
_HUMANS: Final = frozenset({"clinic", "physician", "supervisor", "operator"})


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a handoff, as the record keeps it."""

    kind: str
    at: datetime
    by: str
    level: int | None
    actor_id: UUID | None
    acuity: Acuity


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """A handoff as the record tells it, and as its row stands at the end."""

    id: UUID
    disposition_id: UUID | None
    state: str
    owner: str
    events: tuple[Told, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        lives: Every handoff.
        shifts: Who said when that they are on duty or off.
        instants: At how many moments something happened.
        took_s: Seconds of the run.
    """

    lives: tuple[Life, ...]
    shifts: tuple[Shift, ...]
    instants: int
    took_s: float


async def run(
    database: Database,
    system: Database,
    admin: "asyncpg.Connection[asyncpg.Record]",
    *,
    size: int,
    seed: int,
    fault: str | None = None,
) -> Outcome:
    """Run handoffs on a migrated database whose clock may be moved.

    Args:
        database: Pool under `regul_app`.
        system: Pool under `regul_system`.
        admin: Superuser on the same database.
        size: How many patients; some are asked of two receivers.
        seed: Of every choice.
        fault: One of `FAULTS` to plant.
    """
    began = time.monotonic()
    world = World(database, system, admin, seed, fault)
    await world.run(size)
    return Outcome(
        lives=await _lives(admin, world.territory_id),
        shifts=tuple(world.shifts),
        instants=world.instants,
        took_s=time.monotonic() - began,
    )


async def _lives(
    admin: "asyncpg.Connection[asyncpg.Record]", territory_id: UUID
) -> tuple[Life, ...]:
    told: dict[UUID, list[Told]] = defaultdict(list)
    for row in await admin.fetch(SELECT_TOLD, territory_id):
        fields: dict[str, Any] = dict(row)
        told[fields.pop("aggregate_id")].append(msgspec.convert(fields, Told))
    return tuple(
        Life(
            id=row["id"],
            disposition_id=row["disposition_id"],
            state=row["state"],
            owner=row["owner"],
            events=tuple(told[row["id"]]),
        )
        for row in await admin.fetch(SELECT_ROWS, territory_id)
    )


def wrongs(outcome: Outcome) -> Mapping[str, int]:
    """Count what must never be, by its name.

    Args:
        outcome: As seen.
    """
    found: Counter[str] = Counter()
    takers: Counter[UUID] = Counter()
    for life in outcome.lives:
        found["dropped_or_late"] += not _in_time(life)
        found["not_climbing"] += not _climbs(life)
        found["told_off_duty"] += _off_duty(life, outcome.shifts)
        found["row_without_its_event"] += f"handoff.{life.state}" != life.events[-1].kind
        found["accepted_by_no_human"] += any(
            one.kind in _ANSWERS and one.by not in _HUMANS for one in life.events
        )
        found["left_unanswered"] += life.events[-1].kind not in _RESTS
        if life.owner == "receiver" and life.disposition_id is not None:
            takers[life.disposition_id] += 1
    found["two_takers"] = sum(count > 1 for count in takers.values())
    return found


def _in_time(life: Life) -> bool:
    """Whether a human answered or was told before the deadlines passed."""
    first = life.events[0]
    delays = ladder.shipped()
    arrived = [one.at for one in life.events if one.kind in {"handoff.delivered", "handoff.seen"}]
    by = first.at + timedelta(seconds=delays.deliver_within_s[first.acuity])
    if arrived and arrived[0] <= by:
        by = first.at + timedelta(seconds=delays.answer_within_s[first.acuity])
    good = {*_ANSWERS, "handoff.escalated"}
    return any(one.kind in good and one.at <= by + _GRACE for one in life.events)


def _climbs(life: Life) -> bool:
    """Whether each step that nobody took was followed by the next in time."""
    steps = ladder.shipped().levels
    for one, after in zip(life.events, (*life.events[1:], None), strict=True):
        if one.kind != "handoff.escalated":
            continue
        wait = steps[(one.level or 1) - 1].wait_s[one.acuity]
        if after is None or after.at > one.at + timedelta(seconds=wait) + _GRACE:
            return False
    return True


def _off_duty(life: Life, shifts: Sequence[Shift]) -> int:
    """Count the steps told by name to somebody who had said before that they are off.

    What was said at that very moment may have been heard before the step or after it.
    """
    wrong = 0
    for one in life.events:
        if one.kind != "handoff.escalated" or one.actor_id is None:
            continue
        own = [each for each in shifts if each.actor_id == one.actor_id]
        before = [each.on_duty for each in own if each.at < one.at]
        there = (not before or before[-1]) or any(each.on_duty for each in own if each.at == one.at)
        wrong += not there
    return wrong


def report(outcome: Outcome, seed: int) -> Report:
    """Put what was seen into the shape of every command.

    Args:
        outcome: As seen.
        seed: Of the run.
    """
    kinds = Counter(one.kind for life in outcome.lives for one in life.events)
    steps = [one for life in outcome.lives for one in life.events if one.kind.endswith("escalated")]
    escalated = sum(any(one.kind.endswith("escalated") for one in life.events) for life in
                    outcome.lives)  # fmt: skip
    bad = wrongs(outcome)
    good = len(outcome.lives) - bad["dropped_or_late"]
    share = 100 * good / max(1, len(outcome.lives))
    return Report(
        name="chaos handoffs",
        version=cli.version(),
        machine=machine(),
        seed=seed,
        figures=[
            Figure(name="handoffs", value=len(outcome.lives), unit="handoffs"),
            against_goal("answered_or_escalated_in_time", share, "%", ">= 100"),
            *(against_goal(name, count, "handoffs", "= 0") for name, count in sorted(bad.items())),
            Figure(name="accepted", value=kinds["handoff.accepted"], unit="handoffs"),
            Figure(name="refused", value=kinds["handoff.refused"], unit="handoffs"),
            Figure(name="escalated", value=escalated, unit="handoffs"),
            Figure(name="steps", value=len(steps), unit="steps"),
            Figure(name="taken_on_duty", value=kinds["handoff.taken"], unit="times"),
            Figure(name="moments", value=outcome.instants, unit="moments"),
            Figure(name="took", value=round(outcome.took_s, 1), unit="s"),
        ],
    )


async def _on_own_servers(size: int, seed: int, fault: str | None = None) -> Outcome:
    with throw_away_home() as home:
        async with Stack(home, api=False, worker=False, environ={}, throw_away=True) as stack:
            if stack.postgres is None:
                raise Refusal("The embedded PostgreSQL did not start.")
            database = await open_database(stack.dsn, "regul_app", 12)
            system = await open_database(stack.dsn, "regul_system", 4)
            admin = await asyncpg.connect(stack.postgres.dsn(stack.dsn.rpartition("/")[2]))
            try:
                return await run(database, system, admin, size=size, seed=seed, fault=fault)
            finally:
                await admin.close()
                await system.close()
                await database.close()


def _sabotaged(size: int, seed: int, wanted: str) -> Report:
    figures = []
    for fault in FAULTS if wanted == "all" else (wanted,):
        outcome = asyncio.run(_on_own_servers(size, seed, fault))
        found = any(wrongs(outcome).values())
        figures.append(Figure(name=f"found.{fault}", value=found, goal="true", met=found))
    return Report(
        name="chaos handoffs --sabotage",
        version=cli.version(),
        machine=machine(),
        seed=seed,
        figures=figures,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul chaos handoffs", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--size", type=int, help=f"patients; {SIZE}, or {SABOTAGE_SIZE} sabotaged")
    parser.add_argument("--seed", type=int, default=81, help="of every choice")
    parser.add_argument(
        "--sabotage",
        nargs="?",
        const="all",
        choices=("all", *FAULTS),
        help="plant faults: exit 1 when each was found, 0 when one escaped",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run handoffs and report.

    Args:
        arguments: See `regul chaos handoffs --help`.

    Returns:
        0: every invariant held; 1: one broke, or every planted fault was found.
    """
    options = _parser().parse_args(arguments)
    if options.sabotage:
        told = _sabotaged(options.size or SABOTAGE_SIZE, options.seed, options.sabotage)
        show(told, json=options.json)
        return WRONG if all(figure.met for figure in told.figures) else 0
    outcome = asyncio.run(_on_own_servers(options.size or SIZE, options.seed))
    show(report(outcome, options.seed), json=options.json)
    return WRONG if any(wrongs(outcome).values()) else 0


SELECT_TOLD: Final = """
select o.aggregate_id, o.kind, o.occurred_at as at, a.role as by,
    (o.payload ->> 'level')::integer as level, (o.payload ->> 'actor_id')::uuid as actor_id,
    o.payload ->> 'acuity' as acuity
from events.outbox o join kernel.actor a on a.id = o.actor_id
where o.aggregate = 'handoff' and o.territory_id = $1
order by o.id
"""
SELECT_ROWS: Final = """
select id, disposition_id, state, owner from events.handoff where territory_id = $1
"""
