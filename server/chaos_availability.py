"""The `chaos availability` subcommand: full republications while places are booked.

A clinic's ten diaries are published anew again and again, each time with some slots gone, some
back and some of another size, while others hold, book and give back places of them. Afterwards
the tables are searched: every acknowledged appointment stands on its seat, or was displaced and
its patient waits with an owner; no seat is given twice; each diary is its last accepted word.
"""

import argparse
import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database, open_database
from server import cli
from server.chaos_availability_world import (
    CLAIM_BLINDLY,
    DROP_LOCK,
    FAULTS,
    Notes,
    World,
    planted,
)
from server.refusal import Refusal
from server.report import Figure, Report, against_goal, machine, percentile, show
from server.stack import Stack, throw_away_home

RATE: Final = 10.0
LASTING_S: Final = 60.0
SABOTAGE_S: Final = 6.0
WRONG: Final = 1
_NEEDS_A_SECOND: Final = 250


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        rate: Publications a second that were reached.
        wrongs: How often each thing was found that must never be.
        displaced: Appointments that were called off because their place went away.
    """

    notes: Notes
    rate: float
    wrongs: Mapping[str, int]
    displaced: int


async def run(
    databases: tuple[Database, Database],
    admin: "asyncpg.Connection[asyncpg.Record]",
    keys: KeyRing,
    *,
    seed: int,
    rate: float = RATE,
    lasting_s: float = LASTING_S,
    fault: str | None = None,
) -> Outcome:
    """Run on a migrated database.

    Args:
        databases: Pools under `regul_app` and `regul_system`.
        admin: Superuser on the same database.
        keys: Makes and opens keys.
        seed: Of every choice.
        rate: Full republications a second.
        lasting_s: For how long.
        fault: One of `FAULTS` to plant.
    """
    world = World(*databases, admin, keys, seed)
    with planted(fault):
        await world.begin(round(lasting_s * _NEEDS_A_SECOND))
        if fault == "doubles":
            await admin.execute(DROP_LOCK)
            await admin.execute(CLAIM_BLINDLY)
        reached = await world.run(rate, lasting_s)
    return Outcome(
        notes=world.notes,
        rate=reached,
        wrongs=await _wrongs(admin, world),
        displaced=await admin.fetchval(COUNT_CALLED_OFF),
    )


async def _wrongs(admin: "asyncpg.Connection[asyncpg.Record]", world: World) -> Mapping[str, int]:
    """Count what must never be, by its name."""
    kept = [one.id for one in world.notes.booked if not one.given_back]
    found = {
        "lost": await admin.fetchval(COUNT_LOST, kept),
        "given_back_in_vain": await admin.fetchval(
            COUNT_STILL_LIVE, [one.id for one in world.notes.booked if one.given_back]
        ),
        "doubled_seats": await admin.fetchval(COUNT_DOUBLED),
        "doubled_slots": await admin.fetchval(COUNT_DOUBLED_SLOTS),
        "claims_told_not_once": await admin.fetchval(COUNT_TOLD_NOT_ONCE),
        "wrong_number_of_seats": await admin.fetchval(COUNT_WRONG_ROOM),
        "seats_of_withdrawn_slots": await admin.fetchval(COUNT_LEFT_OPEN),
        "parked_events": await admin.fetchval(COUNT_PARKED),
        "publications_not_told_once": await _untold(admin, world),
        "diaries_not_as_published": await _strayed(admin, world),
    }
    return {name: int(count) for name, count in found.items()}


async def _untold(admin: "asyncpg.Connection[asyncpg.Record]", world: World) -> int:
    """Count accepted publications without exactly one row and one event."""
    rows = await admin.fetch(SELECT_TOLD)
    told = {(row["schedule_id"], row["sequence"]): (row["stored"], row["events"]) for row in rows}
    wanted = {(schedule_id, sequence) for schedule_id, sequence, _ in world.notes.accepted}
    return sum(told.get(one) != (1, 1) for one in wanted | told.keys())


async def _strayed(admin: "asyncpg.Connection[asyncpg.Record]", world: World) -> int:
    """Count diaries that are not their last accepted word."""
    last: dict[UUID, tuple[int, list[tuple[str, datetime, int]]]] = {}
    for schedule_id, sequence, slots in world.notes.accepted:
        if sequence >= last.get(schedule_id, (0, []))[0]:
            said = [(one.key, one.start, one.capacity) for one in slots]
            last[schedule_id] = (sequence, sorted(said))
    wrong = 0
    for schedule_id, (_, said) in last.items():
        rows = await admin.fetch(SELECT_LIVE_SLOTS, schedule_id)
        wrong += sorted(tuple(row) for row in rows) != said
    return wrong


def report(outcome: Outcome, seed: int) -> Report:
    """Write the figures of a run."""
    notes = outcome.notes
    publish, book = notes.publish_ms or [0.0], notes.book_ms or [0.0]
    return Report(
        name="chaos availability",
        version=cli.version(),
        machine=machine(),
        seed=seed,
        figures=[
            Figure(name="publications", value=len(publish), unit="publications"),
            Figure(name="publications_rate", value=round(outcome.rate, 2), unit="1/s"),
            Figure(name="refused_as_old", value=notes.stale, unit="publications"),
            Figure(name="booked", value=len(notes.booked), unit="appointments"),
            Figure(name="refused", value=notes.refused, unit="holds"),
            Figure(name="displaced", value=outcome.displaced, unit="appointments"),
            *(against_goal(name, one, "", "== 0") for name, one in outcome.wrongs.items()),
            Figure(name="publish.p50", value=percentile(publish, 0.5), unit="ms"),
            Figure(name="publish.p99", value=percentile(publish, 0.99), unit="ms"),
            Figure(name="hold_and_book.p50", value=percentile(book, 0.5), unit="ms"),
            Figure(name="hold_and_book.p99", value=percentile(book, 0.99), unit="ms"),
        ],
    )


async def _on_own_servers(
    seed: int, rate: float, lasting_s: float, fault: str | None = None
) -> Outcome:
    with throw_away_home() as home:
        async with Stack(home, api=False, worker=False, environ={}) as stack:
            if stack.postgres is None:
                raise Refusal("The embedded PostgreSQL did not start.")
            database = await open_database(stack.dsn, "regul_app", 14)
            system = await open_database(stack.dsn, "regul_system", 2)
            admin = await asyncpg.connect(stack.postgres.dsn(stack.dsn.rpartition("/")[2]))
            keys = KeyRing(ensure_master(stack.layout.keys / "master.key"))
            try:
                return await run(
                    (database, system), admin, keys,
                    seed=seed, rate=rate, lasting_s=lasting_s, fault=fault,
                )  # fmt: skip
            finally:
                await admin.close()
                await system.close()
                await database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul chaos availability", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--seconds", type=float, help=f"{LASTING_S:g}, or {SABOTAGE_S:g} sabotaged")
    parser.add_argument("--rate", type=float, default=RATE, help="full republications a second")
    parser.add_argument("--seed", type=int, default=41, help="of every choice")
    parser.add_argument(
        "--sabotage",
        nargs="?",
        const="all",
        choices=("all", *FAULTS),
        help="plant faults: exit 1 when each was found, 0 when one escaped",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos availability --help`.

    Returns:
        0: every invariant held; 1: one broke, or every planted fault was found.
    """
    options = _parser().parse_args(arguments)
    if options.sabotage:
        lasting_s = options.seconds or SABOTAGE_S
        figures = []
        for fault in FAULTS if options.sabotage == "all" else (options.sabotage,):
            seen = asyncio.run(_on_own_servers(options.seed, options.rate, lasting_s, fault))
            found = any(seen.wrongs.values())
            figures.append(Figure(name=f"found.{fault}", value=found, goal="true", met=found))
        told = Report(
            name="chaos availability --sabotage", version=cli.version(), machine=machine(),
            seed=options.seed, figures=figures,
        )  # fmt: skip
        show(told, json=options.json)
        return WRONG if all(figure.met for figure in figures) else 0
    outcome = asyncio.run(_on_own_servers(options.seed, options.rate, options.seconds or LASTING_S))
    show(report(outcome, options.seed), json=options.json)
    return WRONG if any(outcome.wrongs.values()) else 0


# An acknowledged appointment: on its own booked seat of a live slot; or called off because its
# place went away, and the patient waits for another one with who had booked it as owner.
COUNT_LOST: Final = """
select count(*) from unnest($1::uuid[]) as told (id)
    left join routing.appointment a on a.id = told.id
where not coalesce(
    (a.state = 'booked' and exists (
        select from directory.seat s join directory.slot l on l.id = s.slot_id
        where s.slot_id = a.slot_id and s.number = a.seat and s.claim = a.claim
            and s.state = 'booked' and l.withdrawn_at is null))
    or (a.state = 'cancelled' and a.cancel_reason = 'slot_displaced' and exists (
        select from routing.waiting_entry w
        where w.disposition_id = a.disposition_id and w.owner_id = a.booked_by
            and w.state = 'waiting' and w.binding_constraint = 'slot_displaced')), false)
"""
COUNT_STILL_LIVE: Final = """
select count(*) from routing.appointment a
where a.id = any ($1::uuid[]) and (a.state <> 'cancelled'
    or exists (select from directory.seat s where s.claim = a.claim))
"""
COUNT_DOUBLED: Final = """
select count(*) from (
    select 1 from routing.appointment where state in ('booked', 'pending')
    group by slot_id, seat having count(*) > 1) d
"""
COUNT_DOUBLED_SLOTS: Final = """
select count(*) from (
    select 1 from directory.slot where withdrawn_at is null
    group by schedule_id, starts_at having count(*) > 1) d
"""
# Every place that went away under somebody is told in one event, and no other.
COUNT_TOLD_NOT_ONCE: Final = """
with told as (
    select jsonb_array_elements_text(payload -> 'claims')::uuid as claim
    from events.outbox where kind = 'slot.displaced'),
counted as (select claim, count(*) as times from told group by claim),
lost as (
    select claim from routing.appointment where cancel_reason = 'slot_displaced'
    union select claim from directory.seat where state = 'displaced')
select count(*) from lost full join counted c using (claim)
where lost.claim is not null and c.times is distinct from 1 or c.times > 1
"""
COUNT_WRONG_ROOM: Final = """
select count(*) from (
    select 1 from directory.slot l join directory.seat s on s.slot_id = l.id
    where l.withdrawn_at is null
    group by l.id, l.capacity
    having count(*) filter (where s.state in ('free', 'held', 'booked')) <> l.capacity) d
"""
COUNT_LEFT_OPEN: Final = """
select count(*) from directory.seat s join directory.slot l on l.id = s.slot_id
where l.withdrawn_at is not null and s.state in ('free', 'held', 'booked')
"""
COUNT_PARKED: Final = """
select count(*) from events.dead_letter
"""
COUNT_CALLED_OFF: Final = """
select count(*) from routing.appointment where cancel_reason = 'slot_displaced'
"""
SELECT_TOLD: Final = """
select p.schedule_id, p.sequence, count(distinct p.sequence) as stored, (
    select count(*) from events.outbox o
    where o.kind = 'availability.published' and o.aggregate_id = p.schedule_id
        and (o.payload ->> 'sequence')::bigint = p.sequence) as events
from directory.publication p group by p.schedule_id, p.sequence
"""
SELECT_LIVE_SLOTS: Final = """
select key, starts_at, capacity::integer from directory.slot
where schedule_id = $1 and withdrawn_at is null
"""
