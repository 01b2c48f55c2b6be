"""A process of `chaos booking`: its workers hold, book, give back, cancel, withdraw and republish.

It may be killed at any instant. What it asks and what it is told goes to its journal first, a line
each, straight to the system: a line that was written outlives the process. An answer that does not
come is asked for again under the same idempotency key.
"""

import asyncio
import os
import random
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from directory import service
from directory.model import Interval, SlotKind
from directory.publication import PublishedSlot
from kernel import errors, idempotency
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing, read_master
from kernel.database import Database, Tx, open_database
from kernel.edge import Edge
from kernel.settings import Settings
from routing import appointments, holds
from routing.model import Appointment
from server.background import beside
from server.chaos_booking_ways import Made, ToldError, ways

T = TypeVar("T")

LANES: Final = 4
"""Workers of one process: they share its connections, and now and then a statement."""
HOLD_S: Final = 2
NEEDS: Final = 40
"""Needs of one worker of one life of a process."""
KEPT: Final = 24
ROOM: Final = 4
"""Seats of a slot that takes several patients."""
PER_DIARY: Final = 20
_LOOK_EVERY, _LOOK_OFTEN = 150, 10
"""Questions between two looks at the slots: usually, and where trusting a look is the fault."""
_AWAY_S: Final = 0.05
_PUBLISHED: Final = 0.004
_HOT: Final = 0.6
_DROPPED: Final = 0.05
_BOOKED, _RELEASED = 0.7, 0.85
_CUT: Final = 0.25


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What one life of a process is told.

    Attributes:
        name: Of the process and its life; begins each of its keys.
        seed: Of its choices.
        dsn: Of the service's login.
        master: File of the master key.
        journal: Where it writes.
        actors: One for each worker.
        needs: Ids of needs, `NEEDS` for each worker.
        clinic: Who publishes.
        organisation: Of the clinic.
        territory: Where all is.
        diaries: Ids of schedules.
        first: Start of the first slot of each diary.
        urls: Of the API's processes; empty = the use cases are asked.
        sabotage: A worker written wrongly; empty = none.
    """

    name: str
    seed: int
    dsn: str
    master: str
    journal: str
    actors: tuple[UUID, ...]
    needs: tuple[UUID, ...]
    clinic: UUID
    organisation: UUID
    territory: UUID
    diaries: tuple[UUID, ...]
    first: datetime
    urls: tuple[str, ...] = ()
    sabotage: str = ""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """A line of the journal: what is asked now."""

    id: str
    at: float
    verb: str
    slot_id: UUID | None = None
    claim: UUID | None = None


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """A line of the journal: what was told; `result` as in `routing.history`."""

    id: str
    at: float
    result: str


class CutError(Exception):
    """The connection is cut before its commit."""


def calendar(first: datetime, number: int) -> PublishedSlot:
    """Give one slot of a diary as its publisher says it.

    Args:
        first: Start of the diary's first one.
        number: From 0; every fifth takes several patients.
    """
    start = first + timedelta(minutes=20 * number)
    shared = number % 5 == 0
    return PublishedSlot(
        key=f"p{number}",
        start=start,
        end=start + timedelta(minutes=20),
        kind=SlotKind.RANGE if shared else SlotKind.SLOT,
        capacity=ROOM if shared else 1,
    )


def work(task: Task) -> None:
    """Work until told to stop; the main function of the process.

    Args:
        task: What.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_work(task))


async def _work(task: Task) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    database = await open_database(task.dsn, "regul_app", LANES + 2)
    journal = os.open(task.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        lanes = [Lane(task, number, database, journal) for number in range(len(task.actors))]
        async with beside(_not_alone(os.getppid())):
            await asyncio.gather(*(lane.run(ended) for lane in lanes))
    finally:
        os.close(journal)
        await database.close()


async def _not_alone(parent: int) -> None:
    """End at once when who started the process is gone: nobody would ever stop it."""
    while os.getppid() == parent:  # noqa: ASYNC110 - whoever is gone sets no event
        await asyncio.sleep(1)
    os._exit(1)


class Lane:
    """One worker."""

    def __init__(self, task: Task, number: int, database: Database, journal: int) -> None:
        """Prepare.

        Args:
            task: Of the process.
            number: Which worker of it.
            database: Pool under `regul_app`.
            journal: Open for appending.
        """
        self._task, self._database, self._journal = task, database, journal
        self._name, self._count = f"{task.name}.{number}", 0
        self._dice = random.Random(f"{task.seed}/{self._name}")
        self._keys = KeyRing(read_master(Path(task.master)))
        self._actor = Actor(
            id=task.actors[number], role=Role.PHYSICIAN, territory_id=task.territory
        )
        self._clinic = Actor(
            id=task.clinic, role=Role.CLINIC, organisation_ids=(task.organisation,)
        )
        self._ways = ways(task.urls, number, task.actors)
        self._needs = deque(task.needs[number * NEEDS : (number + 1) * NEEDS])
        self._mine: deque[tuple[UUID, UUID | None, UUID, UUID | None]] = deque()
        self._slots: list[tuple[UUID, bool]] = []

    async def run(self, ended: asyncio.Event) -> None:
        """Ask one thing after the other until the end.

        Args:
            ended: Set when it is.
        """
        for row in await self._patiently(lambda: self._read(SELECT_MINE, self._actor.id)):
            self._mine.append((row["id"], row["claim"], row["slot_id"], None))
        every = _LOOK_OFTEN if self._task.sabotage == "stale-read" else _LOOK_EVERY
        while not ended.is_set():
            if self._count % every == 0 or not self._slots:
                rows = await self._patiently(lambda: self._read(SELECT_SLOTS))
                self._slots = [(row["id"], row["open"]) for row in rows]
            chance = self._dice.random()
            if chance < _PUBLISHED:
                await self._publish()
            elif chance < 2 * _PUBLISHED:
                await self._withdraw()
            elif len(self._mine) > self._dice.randint(1, KEPT) or not self._needs:
                await self._cancel()
            else:
                await self._hold()

    async def _hold(self) -> None:
        hot = max(1, len(self._slots) // 20)
        pool = self._slots[:hot] if self._dice.random() < _HOT else self._slots
        (slot_id, looked_open), need = self._dice.choice(pool), self._needs[0]
        if self._task.sabotage == "stale-read" and not looked_open:
            self._ask("hold", slot_id=slot_id)
            self._told("slot_taken")
            return
        wanted = holds.PlaceHold(slot_id=slot_id, disposition_id=need)
        held = await self._do("hold", lambda edge: self._ways.place(edge, wanted), slot_id=slot_id)
        if held is None:
            return
        chance = self._dice.random()
        if chance < _BOOKED:
            await self._book(held.id, slot_id)
        elif chance < _RELEASED and not self._task.urls:  # over HTTP it bears no key
            await self._do("release", lambda edge: _release(edge, held.id), claim=held.id)

    async def _book(self, hold_id: UUID, slot_id: UUID) -> None:
        need = self._needs.popleft()
        command = appointments.Book(hold_id=hold_id)
        if self._task.sabotage == "ack-before-commit":
            booked = await self._too_early(command, slot_id)
        else:
            booked = await self._do(
                "book", lambda edge: self._ways.book(edge, command), slot_id=slot_id, claim=hold_id
            )
        if booked is None:
            self._needs.append(need)
        else:
            self._mine.append((booked.id, hold_id, slot_id, need))

    async def _cancel(self) -> None:
        if not self._mine:
            return
        appointment_id, claim, slot_id, need = self._mine.popleft()
        reason = appointments.Cancel(reason="patient_cancelled")

        done = await self._do(
            "cancel",
            lambda edge: self._ways.cancel(edge, appointment_id, reason),
            slot_id=slot_id,
            claim=claim,
        )
        if done is not None and need is not None:
            self._needs.append(need)

    async def _withdraw(self) -> None:
        slot_id, _ = self._dice.choice(self._slots)

        async def withdraw(edge: Edge) -> UUID:
            async def act(tx: Tx) -> tuple[UUID, UUID]:
                await service.withdraw(tx, edge.actor, slot_id)
                return slot_id, slot_id

            return await edge.once(act, _as_is)

        await self._do("withdraw", withdraw, self._clinic, slot_id=slot_id)

    async def _publish(self) -> None:
        diary = self._dice.choice(self._task.diaries)
        first = self._task.first
        command = service.Publish(
            schedule_id=diary,
            window=Interval(start=first, end=first + timedelta(days=2)),
            sequence=time.time_ns() // 1000,
            slots=tuple(
                calendar(first, number)
                for number in range(PER_DIARY)
                if self._dice.random() >= _DROPPED
            ),
        )

        async def publish(edge: Edge) -> UUID:
            async def act(tx: Tx) -> tuple[UUID, UUID]:
                await service.publish(tx, edge.actor, command)
                return diary, diary

            return await edge.once(act, _as_is)

        await self._do("publish", publish, self._clinic)

    async def _do(
        self,
        verb: str,
        act: Callable[[Edge], Awaitable[T]],
        actor: Actor | None = None,
        **about: UUID | None,
    ) -> T | None:
        """Ask until there is an answer; give it, or None when it is a refusal."""
        self._ask(verb, **about)
        edge = self._edge(actor or self._actor)
        try:
            made = await self._patiently(lambda: act(edge))
        except (errors.RegulError, ToldError) as refusal:
            self._told(refusal.code)
            return None
        self._told("ok")
        return made

    async def _too_early(self, command: appointments.Book, slot_id: UUID) -> Made | None:
        """Say yes before the commit, which then now and then does not come (a planted fault)."""
        self._ask("book", slot_id=slot_id, claim=command.hold_id)
        edge = self._edge(self._actor)

        async def act(tx: Tx) -> tuple[UUID, Appointment]:
            made = await appointments.book(tx, edge.actor, command, edge.keys)
            return made.id, made

        async def first(tx: Tx) -> Appointment:
            made = await idempotency.once(
                tx, edge.actor, edge.idempotency_key, edge.fingerprint, act=act, again=_never
            )
            self._told("ok")
            if self._dice.random() < _CUT:
                raise CutError
            return made

        try:
            return Made((await self._database.run(edge.actor, first)).id)
        except errors.RegulError as refusal:
            self._told(refusal.code)
        except CutError:
            pass
        return None

    def _edge(self, actor: Actor) -> Edge:
        key = f"{self._name}.{self._count}"
        return Edge(
            actor=actor,
            database=self._database,
            keys=self._keys,
            settings=Settings(hold_s=HOLD_S),
            idempotency_key=key,
            fingerprint=key.encode(),
        )

    def _ask(self, verb: str, slot_id: UUID | None = None, claim: UUID | None = None) -> None:
        self._count += 1
        self._write(Asked(f"{self._name}.{self._count}", time.monotonic(), verb, slot_id, claim))

    def _told(self, result: str) -> None:
        self._write(Answered(f"{self._name}.{self._count}", time.monotonic(), result))

    def _write(self, line: Asked | Answered) -> None:
        sign = b"?" if isinstance(line, Asked) else b"!"
        os.write(self._journal, sign + msgspec.json.encode(line) + b"\n")

    async def _patiently(self, act: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await act()
            except (errors.Unavailable, errors.TooEarly):
                await asyncio.sleep(_AWAY_S)

    async def _read(self, statement: str, *values: UUID) -> list[asyncpg.Record]:
        async with self._database.transaction(self._actor) as tx:
            found: list[asyncpg.Record] = await tx.fetch(statement, *values)
        return found


async def _release(edge: Edge, hold_id: UUID) -> UUID:
    async def act(tx: Tx) -> tuple[UUID, UUID]:
        return hold_id, (await holds.release(tx, edge.actor, hold_id)).id

    return await edge.once(act, _as_is)


async def _as_is(_: Tx, reference: UUID) -> UUID:
    return reference


async def _never(_: Tx, reference: UUID) -> Appointment:
    raise LookupError(reference)


SELECT_MINE: Final = """
select id, claim, slot_id from routing.appointment
where booked_by = $1 and state = 'booked' order by id
"""
SELECT_SLOTS: Final = """
select l.id, exists (
    select from directory.seat s where s.slot_id = l.id and s.state = 'free') as open
from directory.slot l where l.withdrawn_at is null order by l.id
"""
