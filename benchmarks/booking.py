"""What one booking costs: with and without forced row-level security, with and without encryption.

Holds and bookings run through the production use cases on a throw-away embedded PostgreSQL (fsync
on). The variants are interleaved and compared round by round, so that a busy machine slows all of
them alike. Then sixteen workers fight for the same seats, and the tables are searched for a seat
given twice or an acknowledged booking that is not there (exit 1). `--sabotage` drops the unique
index and the check of the claim: the double must then be found.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec

from benchmarks import booking_rates
from benchmarks._booking_world import World, opened
from kernel import crypto, errors, ids
from kernel.crypto import KeyRing
from routing import appointments, holds
from server import report
from server.cli import version

TEXT = "Sonner au deuxième étage, code 42A, prévenir la voisine."
WORKERS = 16
VARIANTS = ("full", "without_rls", "without_encryption")


class Times(msgspec.Struct, kw_only=True):
    """Milliseconds of one variant: each hold, each booking, each booking statement alone.

    Attributes:
        rounds: Median booking by round.
        statement_rounds: Median booking statement by round.
    """

    hold: list[float] = []
    book: list[float] = []
    statement: list[float] = []
    rounds: list[float] = []
    statement_rounds: list[float] = []


class UndoError(Exception):
    """Rolls a measured statement back."""


async def one(world: World, times: Times, slot_id: UUID, worker: int = 0) -> UUID:
    """Hold and book one slot; give the appointment."""
    actor = world.actors[worker]
    wanted = holds.PlaceHold(slot_id=slot_id, disposition_id=next(world.needs))
    began = time.perf_counter()
    held = await world.database.run(actor, lambda tx: holds.place(tx, actor, wanted, hold_s=120))
    middle = time.perf_counter()
    command = appointments.Book(hold_id=held.id, instructions=TEXT)
    booked = await world.database.run(
        actor, lambda tx: appointments.book(tx, actor, command, world.keys)
    )
    times.hold.append((middle - began) * 1000)
    times.book.append((time.perf_counter() - middle) * 1000)
    return booked.id


async def statements(world: World, times: Times, count: int) -> None:
    """Seal the text and run the booking statement of one hold again and again, undone each time."""
    actor, slot_id, need = world.actors[0], next(world.slots), next(world.needs)
    wanted = holds.PlaceHold(slot_id=slot_id, disposition_id=need)
    held = await world.database.run(actor, lambda tx: holds.place(tx, actor, wanted, hold_s=120))
    key_id = await world.admin.fetchval(
        "select key_id from triage.case_file where id = $1", held.case_id
    )
    for number in range(count + 3):
        with contextlib.suppress(UndoError):
            async with world.database.transaction(actor) as tx:
                began = time.perf_counter()
                key = await world.keys.open_key(tx, key_id)
                made = ids.uuid7()
                sealed = crypto.seal(key, appointments.INSTRUCTIONS, made, TEXT)
                row = await tx.fetchrow(appointments.BOOK, held.id, made, actor.id, key_id, sealed)
                if number >= 3:
                    times.statement.append((time.perf_counter() - began) * 1000)
                if row is None:
                    raise RuntimeError("the hold was not booked")
                raise UndoError
    await world.database.run(actor, lambda tx: holds.release(tx, actor, held.id))


@contextlib.asynccontextmanager
async def variant(world: World, name: str) -> AsyncIterator[None]:
    """Switch row-level security or encryption off while inside."""
    if name == "without_rls":
        guarded = await world.admin.fetch(
            "select format('%I.%I', n.nspname, c.relname) as name from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace where c.relrowsecurity"
        )
        for row in guarded:
            await world.admin.execute(f"alter table {row['name']} disable row level security")
        try:
            yield
        finally:
            for row in guarded:
                await world.admin.execute(f"alter table {row['name']} enable row level security")
    elif name == "without_encryption":
        sealing = crypto.seal, KeyRing.open_key

        async def no_key(_ring: KeyRing, _tx: object, key_id: UUID) -> crypto.DataKey:
            return crypto.DataKey(id=key_id, secret=b"")

        def plain(key: crypto.DataKey, place: str, row_id: UUID, text: str) -> bytes:
            del key, place, row_id
            return text.encode()

        crypto.seal = plain
        KeyRing.open_key = no_key  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            crypto.seal, KeyRing.open_key = sealing  # type: ignore[method-assign]
    else:
        yield


async def measure(world: World, runs: int, each: int, seed: int) -> dict[str, Times]:
    """Book `each` slots in each variant and round, the order of the variants drawn anew."""
    dice = random.Random(seed)
    times = {name: Times() for name in VARIANTS}
    for name in VARIANTS:  # warm: plans, connections
        async with variant(world, name):
            for _ in range(10):
                await one(world, Times(), next(world.slots))
    for _ in range(runs):
        for name in dice.sample(VARIANTS, len(VARIANTS)):
            mine = times[name]
            async with variant(world, name):
                await one(world, Times(), next(world.slots))
                for _ in range(each):
                    await one(world, mine, next(world.slots))
                await statements(world, mine, each)
            mine.rounds.append(statistics.median(mine.book[-each:]))
            mine.statement_rounds.append(statistics.median(mine.statement[-each:]))
    return times


async def rate(world: World, count: int) -> float:
    """Give hold+book pairs a second over eight connections of one process."""
    slots = [next(world.slots) for _ in range(count)]
    spent = iter(slots)

    async def work(worker: int) -> None:
        for slot_id in spent:
            await one(world, Times(), slot_id, worker)

    began = time.perf_counter()
    await asyncio.gather(*(work(worker) for worker in range(8)))
    return count / (time.perf_counter() - began)


async def sabotage(world: World) -> None:
    """Plant the fault: no second lock, and a claim that looks at nothing."""
    await world.admin.execute("drop index routing.appointment_one_per_seat")
    await world.admin.execute(
        "create or replace function directory.directory_claim(p_slot uuid, p_claim uuid,"
        " p_for interval) returns smallint language sql as $$"
        " update directory.seat s set state = 'held', claim = p_claim, until = now() + p_for"
        " where s.slot_id = p_slot returning s.number $$"
    )


async def fight(world: World, seats: int, attempts: int, seed: int) -> tuple[int, int, int]:
    """Let sixteen workers fight; give appointments, doubles and lost acknowledgements."""
    slots = [next(world.slots) for _ in range(seats)]
    dice = random.Random(seed)
    wishes = iter([slots[dice.randrange(seats)] for _ in range(attempts)])
    told: list[UUID] = []

    async def work(worker: int) -> None:
        for slot_id in wishes:
            with contextlib.suppress(errors.Conflict, errors.Expired):
                told.append(await one(world, Times(), slot_id, worker))

    await asyncio.gather(*(work(worker) for worker in range(WORKERS)))
    doubles: int = await world.admin.fetchval(
        "select count(*) from (select slot_id, seat from routing.appointment"
        " where state <> 'cancelled' group by slot_id, seat having count(*) > 1) d"
    )
    there: int = await world.admin.fetchval(
        "select count(*) from routing.appointment where id = any ($1::uuid[])", told
    )
    return len(told), doubles, len(told) - there


def figures(
    times: dict[str, Times], pairs_per_s: float, fought: tuple[int, int, int]
) -> list[report.Figure]:
    """Write what was measured."""
    full = times["full"]
    booked, doubles, lost = fought
    return [
        report.Figure(name="hold_p50", value=report.percentile(full.hold, 0.5), unit="ms"),
        report.Figure(name="booking_p50", value=report.percentile(full.book, 0.5), unit="ms"),
        report.Figure(name="booking_p99", value=report.percentile(full.book, 0.99), unit="ms"),
        report.Figure(
            name="booking_statement_p50", value=report.percentile(full.statement, 0.5), unit="ms"
        ),
        report.Figure(name="booking_pairs_rate", value=pairs_per_s, unit="1/s"),
        *_ratios("rls", full, times["without_rls"]),
        *_ratios("encryption", full, times["without_encryption"]),
        report.Figure(name="fight_booked", value=booked, unit="appointments"),
        report.against_goal("fight_doubles", doubles, "seats", "== 0"),
        report.against_goal("fight_lost", lost, "appointments", "== 0"),
    ]


def _ratios(name: str, full: Times, peer: Times) -> Sequence[report.Figure]:
    """Give the cost of what the peer goes without: whole transaction, statement alone."""
    return (
        _ratio(f"booking_{name}_ratio", full.rounds, peer.rounds),
        _ratio(f"booking_statement_{name}_ratio", full.statement_rounds, peer.statement_rounds),
    )


def _ratio(name: str, mine: Sequence[float], theirs: Sequence[float]) -> report.Figure:
    rounds = [one / other for one, other in zip(mine, theirs, strict=True)]
    return report.Figure(
        name=name,
        value=statistics.median(rounds),
        unit="times",
        low=min(rounds),
        high=max(rounds),
    )


async def run(options: argparse.Namespace) -> tuple[list[report.Figure], bool]:
    """Measure, then fight; give the figures and whether every invariant held."""
    spent = 3 * 11 + options.runs * 3 * (options.each + 2) + options.pairs
    count = spent + options.attempts + 4 * options.bookings + 100
    if options.http:
        count += 2 * options.http + 4 * booking_rates.LINES
    async with opened(count, api=options.http > 0) as world:
        times = await measure(world, options.runs, options.each, options.seed)
        pairs_per_s = await rate(world, options.pairs)
        rates = [*await booking_rates.measure(world, options.bookings)]
        if options.http:
            rates += await booking_rates.over_http(world, options.http)
        if options.sabotage:
            await sabotage(world)
        fought = await fight(world, options.seats, options.attempts, options.seed)
    found = [*rates, *figures(times, pairs_per_s, fought)]
    return found, fought[1] == 0 and fought[2] == 0


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when a seat was given twice or a booking lost."""
    parser = argparse.ArgumentParser(prog="regul bench booking", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--each", type=int, default=60, help="bookings a variant and round")
    parser.add_argument("--pairs", type=int, default=400, help="pairs for the rate")
    parser.add_argument("--bookings", type=int, default=1000, help="bookings of each way")
    parser.add_argument("--http", type=int, default=1000, help="pairs over HTTP; 0: none")
    parser.add_argument("--seats", type=int, default=60, help="seats fought for")
    parser.add_argument("--attempts", type=int, default=600, help="attempts of the fight")
    options = parser.parse_args(arguments)
    found, sound = asyncio.run(run(options))
    report.show(
        report.Report(
            name="bench booking",
            version=version(),
            machine=report.machine(),
            seed=options.seed,
            runs=options.runs,
            figures=found,
        ),
        json=options.json,
    )
    return 0 if sound else 1
