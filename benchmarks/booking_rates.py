"""Bookings a second: one round trip, many callers together, the long way, and what others do.

All four turn the same live holds into appointments on one PostgreSQL (fsync, row-level security
and encryption on), in one process. The peer is the usual transaction for each request: it locks the
seat with SELECT FOR UPDATE, writes appointment, event and audit record, and no handoff. Over HTTP
whole pairs of hold and booking are asked for, as fast as they go and then at a steady pace.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from benchmarks._booking_world import World
from kernel import crypto, ids
from kernel.database import Tx
from kernel.edge import Edge
from kernel.settings import Settings
from routing import appointments, booking, holds
from routing.appointments import Book
from routing.holds import PlaceHold
from server.client import AwayError, Client, RefusedError
from server.report import Figure, against_goal, percentile

if TYPE_CHECKING:
    from routing.model import Hold

TEXT = "Sonner au deuxième étage, code 42A, prévenir la voisine."
FEW, MANY, LINES = 8, 128, 16
PACE = 100
_EACH = 8
"""Live holds of one actor; ten are allowed."""


class Made(msgspec.Struct):
    """The id of what a write made."""

    id: UUID


class Seen(msgspec.Struct):
    """What one way was seen to do: seconds in all, milliseconds of each, failures."""

    took_s: float = 0.0
    times: list[float] = []
    failed: int = 0

    @property
    def rate(self) -> float:
        """Done a second."""
        return (len(self.times) - self.failed) / self.took_s


def _edge(world: World, held: "Hold | None", number: int) -> Edge:
    actor = world.actors[number // _EACH % len(world.actors)]
    if held is not None:
        actor = msgspec.structs.replace(actor, id=held.actor_id)
    return Edge(
        actor=actor,
        database=world.database,
        keys=world.keys,
        settings=Settings(hold_s=600),
        idempotency_key=str(ids.uuid7()),
        fingerprint=b"{}",
    )


async def _held(world: World, count: int) -> Sequence["Hold"]:
    """Place holds, not measured; opens the keys of their cases as who opened the case has."""

    async def one(number: int) -> "Hold":
        wanted = PlaceHold(slot_id=next(world.slots), disposition_id=next(world.needs))
        return await booking.place(_edge(world, None, number), wanted)

    made: list[Hold] = []
    for start in range(0, count, MANY):
        part = range(start, min(count, start + MANY))
        made += await asyncio.gather(*(one(number) for number in part))
    async with world.database.plain() as connection:
        for held in made:
            key_id = booking.desk_of(world.database).case_key(held.id)
            if key_id is not None:
                await world.keys.open_key(connection, key_id)
    return made


async def _booking(
    world: World, count: int, at_once: int, way: Callable[[Edge, Book], Awaitable[object]]
) -> Seen:
    """Book as many holds, so many at once."""
    await world.admin.execute("analyze")
    seen = Seen(0.0, [])
    left = iter(await _held(world, count))

    async def work() -> None:
        for held in left:
            began = time.perf_counter()
            made = await way(_edge(world, held, 0), Book(hold_id=held.id, instructions=TEXT))
            seen.times.append((time.perf_counter() - began) * 1000)
            seen.failed += made is None

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    seen.took_s = time.perf_counter() - began
    return seen


async def usual(edge: Edge, command: Book) -> object:
    """Book as it is usually done: a transaction for each request, the seat locked first."""

    async def act(tx: Tx) -> UUID:
        row = await tx.fetchrow(PEER_LOCK, command.hold_id)
        key = await edge.keys.open_key(tx, row["key_id"])
        made = ids.uuid7()
        sealed = crypto.seal(key, appointments.INSTRUCTIONS, made, command.instructions or "")
        await tx.execute(PEER_SEAT, command.hold_id)
        await tx.execute(PEER_HOLD, command.hold_id)
        await holds.used(tx, edge.actor.id, command.hold_id)
        await tx.execute(PEER_INSERT, made, command.hold_id, edge.actor.id, row["key_id"], sealed)
        await tx.execute(PEER_EVENT, ids.uuid7(), made, row["territory_id"], row["case_id"],
                         edge.actor.id)  # fmt: skip
        await tx.execute(PEER_AUDIT, edge.actor.id, made, row["case_id"], row["territory_id"])
        return made

    return await edge.database.run(edge.actor, act)


async def measure(world: World, count: int) -> Sequence[Figure]:
    """Measure the four ways.

    Args:
        world: With slots and needs to spend: five times `count`.
        count: Bookings of each way.
    """
    usually = await _booking(world, count, FEW, usual)
    long = await _booking(world, count, FEW, booking.book_long)
    await _booking(world, min(count, 100), FEW, booking.book_plainly)  # plans
    one = await _booking(world, count, FEW, booking.book_plainly)
    together = await _booking(world, count, MANY, booking.book_plainly)
    ratio = {"select_for_update": one.rate / usually.rate, "long_way": one.rate / long.rate}
    return [
        Figure(name="one_trip.rate", value=round(one.rate), unit="1/s", goal=">= 3000",
               met=one.rate >= 3000, against=ratio),
        Figure(name="one_trip.p50", value=percentile(one.times, 0.5), unit="ms"),
        Figure(name="one_trip.p99", value=percentile(one.times, 0.99), unit="ms"),
        against_goal("together.rate", round(together.rate), "1/s", ">= 20000"),
        Figure(name="long_way.rate", value=round(long.rate), unit="1/s"),
        Figure(name="select_for_update.rate", value=round(usually.rate), unit="1/s"),
        against_goal("one_trip.not_plain", one.failed + together.failed, "bookings", "== 0"),
    ]  # fmt: skip


async def over_http(world: World, count: int) -> Sequence[Figure]:
    """Ask for pairs of hold and booking over HTTP: as fast as they go, then at a steady pace.

    Args:
        world: With an API, and slots and needs to spend: twice `count`.
        count: Pairs of each.
    """
    clients = [Client(world.url, str(one.id)) for one in world.actors[:LINES]]
    await _pairs(world, clients, 2 * LINES, 0)
    await world.admin.execute("analyze")
    fast = await _pairs(world, clients, count, 0)
    steady = await _pairs(world, clients, count, PACE)
    for client in clients:
        await client.close()
    return [
        against_goal("http.pairs_rate", round(fast.rate), "1/s", ">= 800"),
        Figure(name="http.pair_p50", value=percentile(fast.times, 0.5), unit="ms"),
        Figure(name="http.steady_rate", value=round(steady.rate), unit="1/s"),
        Figure(name="http.steady_p50", value=percentile(steady.times, 0.5), unit="ms"),
        against_goal("http.steady_p99", percentile(steady.times, 0.99), "ms", "<= 40"),
        against_goal("http.failed", fast.failed + steady.failed, "pairs", "== 0"),
    ]


async def _pairs(world: World, clients: Sequence[Client], count: int, pace: int) -> Seen:
    """Ask for pairs; with a pace, each at its own moment, whatever became of the one before."""
    seen = Seen(0.0, [])
    began = time.perf_counter()

    async def pair(client: Client, due: float) -> None:
        wanted = {"slot_id": str(next(world.slots)), "disposition_id": str(next(world.needs))}
        try:
            held = await client.post("/api/v1/holds", wanted, Made)
            body = {"hold_id": str(held.id), "instructions": TEXT}
            await client.post("/api/v1/appointments", body, Made)
        except (RefusedError, AwayError):
            seen.failed += 1
        seen.times.append((time.perf_counter() - due) * 1000)

    if pace:
        waiting = []
        for number in range(count):
            due = began + number / pace
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            waiting.append(asyncio.create_task(pair(clients[number % len(clients)], due)))
        await asyncio.gather(*waiting)
    else:
        left = iter(range(count))

        async def work(client: Client) -> None:
            for _ in left:
                await pair(client, time.perf_counter())

        await asyncio.gather(*(work(client) for client in clients))
    seen.took_s = time.perf_counter() - began
    return seen


PEER_LOCK = """
select h.territory_id, h.case_id, c.key_id
from directory.seat s join routing.hold h on h.id = s.claim
    join triage.case_file c on c.id = h.case_id
where s.claim = $1 and s.state = 'held' and s.until > kernel.regul_now()
for update of s
"""
PEER_SEAT = """
update directory.seat set state = 'booked', until = null where claim = $1
"""
PEER_HOLD = """
update routing.hold set state = 'booked' where id = $1
"""
PEER_INSERT = """
insert into routing.appointment (id, claim, territory_id, case_id, disposition_id, organisation_id,
    care_service_id, location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at,
    booked_by, key_id, instructions)
select $1, h.id, h.territory_id, h.case_id, h.disposition_id, s.organisation_id, s.care_service_id,
    s.location_id, h.slot_id, h.seat, s.kind, s.modality, h.acuity, 'booked', s.starts_at,
    s.ends_at, $3, $4, $5
from routing.hold h join directory.slot s on s.id = h.slot_id where h.id = $2
"""
PEER_EVENT = """
select events.events_append($1, 'appointment.booked', 'appointment', $2, $3, $4, '{}', $5, '',
    '{"kind": "appointment.booked"}')
"""
PEER_AUDIT = """
select kernel.audit_append($1, 'appointment.book', 'appointment', $2, $3, $4, '', '')
"""
