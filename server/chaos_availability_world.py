"""A clinic that republishes everything again and again while its places are held and booked.

Publications, holds, bookings and cancellations run through the use cases of the service; routing
reacts to the events meanwhile. What each caller was told is noted, for `server.chaos_availability`.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from directory import seats, service, store
from directory.model import Interval, SlotKind
from directory.publication import PublishedSlot
from events import following, sequencer
from kernel import errors, ids
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing
from kernel.database import Database
from routing import appointments, holds, reactions

FAULTS: Final = ("loses", "doubles", "keeps_silent", "goes_back")
SCHEDULES: Final = 10
SLOTS: Final = 200
WORKERS: Final = 8
PUBLISHERS: Final = 3
LAST_NEEDS: Final = 2
_HOLD_S: Final = 60
_DROPPED: Final = 0.1
_GIVEN_BACK: Final = 0.1
_LATE: Final = 0.15
_ROOMS: Final = (1, 1, 1, 3, 5)


class Booked(msgspec.Struct):
    """An appointment that somebody was told is made; `given_back` once told it is cancelled."""

    id: UUID
    given_back: bool = False


class Notes(msgspec.Struct):
    """What callers were told.

    Attributes:
        booked: Every acknowledged appointment.
        accepted: Every accepted publication: schedule, sequence, its slots.
        publish_ms: Time of each publication.
        book_ms: Time of each hold and booking together.
        refused: Holds or bookings that were refused.
        stale: Publications refused for a sequence that was not newer.
    """

    booked: list[Booked] = []
    accepted: list[tuple[UUID, int, tuple[PublishedSlot, ...]]] = []
    publish_ms: list[float] = []
    book_ms: list[float] = []
    refused: int = 0
    stale: int = 0


class World:
    """One clinic, its diaries, those who book and those who react."""

    def __init__(
        self,
        database: Database,
        system: Database,
        admin: "asyncpg.Connection[asyncpg.Record]",
        keys: KeyRing,
        seed: int,
    ) -> None:
        """Prepare; `begin` writes, `run` acts.

        Args:
            database: Pool under `regul_app`.
            system: Pool under `regul_system`.
            admin: Superuser on the same database.
            keys: Makes and opens the key of the cases.
            seed: Of every choice.
        """
        self._database, self._system, self._admin = database, system, admin
        self._keys = keys
        self._dice = random.Random(seed)
        self._sequences: dict[UUID, int] = {}
        self._open: Sequence[UUID] = ()
        self._ended, self._all_said = asyncio.Event(), asyncio.Event()
        self.territory_id = ids.uuid7()
        organisation = ids.uuid7()
        self._clinic = Actor(id=ids.uuid7(), role=Role.CLINIC, organisation_ids=(organisation,))
        self._physicians = [
            Actor(id=ids.uuid7(), role=Role.PHYSICIAN, territory_id=self.territory_id)
            for _ in range(WORKERS)
        ]
        self.schedules = [ids.uuid7() for _ in range(SCHEDULES)]
        self._needs: Iterator[UUID] = iter(())
        self._last_needs: Sequence[UUID] = ()
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._first = midnight + timedelta(days=2)
        self.window = Interval(start=self._first, end=self._first + timedelta(days=15))
        self.notes = Notes()

    async def begin(self, needs: int) -> None:
        """Write the clinic and as many decided needs, and publish every diary once.

        Args:
            needs: How many, besides those of the last words.
        """
        await self._admin.execute(INSERT_TERRITORY, self.territory_id)
        organisation = self._clinic.organisation_ids[0]
        await self._admin.execute(INSERT_CLINIC, self._clinic.id, organisation)
        await self._admin.execute(
            INSERT_PHYSICIANS, [one.id for one in self._physicians], self.territory_id
        )
        await self._admin.execute(INSERT_ORGANISATION, organisation)
        await self._admin.execute(INSERT_LOCATION, ids.uuid7(), organisation, self.territory_id)
        offers = [ids.uuid7() for _ in self.schedules]
        await self._admin.execute(INSERT_SERVICES, offers, organisation)
        await self._admin.execute(INSERT_SCHEDULES, self.schedules, offers)
        key = await self._keys.create(self._database, self.territory_id)
        made = [ids.uuid7() for _ in range(needs + LAST_NEEDS)]
        await self._admin.execute(
            INSERT_CASES, made, key.id, self.territory_id, self._physicians[0].id
        )
        await self._admin.execute(INSERT_NEEDS, made, self.territory_id, self._physicians[0].id)
        self._last_needs, self._needs = made[:LAST_NEEDS], iter(made[LAST_NEEDS:])
        for schedule_id in self.schedules:
            await self._publish(schedule_id)
        self.notes.publish_ms.clear()

    async def run(self, rate: float, lasting_s: float) -> float:
        """Publish at a rate while places are booked, then let routing react to the end.

        Luck decides which places go away under somebody, so the last words make sure that one did.

        Args:
            rate: Full republications a second, over all diaries.
            lasting_s: For how long.

        Returns:
            Publications a second that were reached.
        """
        await self._see()
        before = len(self.notes.accepted) + self.notes.stale
        reacting = asyncio.create_task(self._react())
        working = [
            asyncio.create_task(one)
            for one in (*(self._work(actor) for actor in self._physicians), self._look())
        ]
        began = time.monotonic()
        try:
            await asyncio.gather(
                *(self._publishing(began, rate / PUBLISHERS, lasting_s) for _ in range(PUBLISHERS))
            )
        finally:
            took = time.monotonic() - began
            self._ended.set()
            await asyncio.gather(*working)
        try:
            await self._last_words()
        finally:
            self._all_said.set()
            await reacting
        return (len(self.notes.accepted) + self.notes.stale - before) / took

    async def _publishing(self, began: float, rate: float, lasting_s: float) -> None:
        for number in range(round(rate * lasting_s)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            await self._publish(self._dice.choice(self.schedules))

    async def _publish(self, schedule_id: UUID) -> None:
        """Publish a fortnight anew: some slots gone, some back, some of another size.

        Now and then it is an older word that comes late, and must be refused.
        """
        sequence = self._sequences.get(schedule_id, 0) + 2
        if sequence > 2 and self._dice.random() < _LATE:  # noqa: PLR2004 - the second and later
            sequence -= 3
        else:
            self._sequences[schedule_id] = sequence
        await self._say(schedule_id, sequence, self._calendar())

    async def _say(
        self, schedule_id: UUID, sequence: int, slots: tuple[PublishedSlot, ...]
    ) -> None:
        command = service.Publish(
            schedule_id=schedule_id, window=self.window, sequence=sequence, slots=slots
        )
        began = time.perf_counter()
        try:
            await self._database.run(
                self._clinic, partial(service.publish, actor=self._clinic, command=command)
            )
        except errors.Conflict:
            self.notes.stale += 1
            return
        self.notes.publish_ms.append((time.perf_counter() - began) * 1000)
        self.notes.accepted.append((schedule_id, sequence, command.slots))

    async def _last_words(self) -> None:
        """Let everything happen that a fault shows by, whatever luck the rest had.

        Two want one place; it goes away under who got it; an older word comes late.
        """
        await self._see()
        slot_id = self._open[0]
        for actor, need in zip(self._physicians, self._last_needs, strict=False):
            with contextlib.suppress(errors.Conflict):
                await self._book(actor, need, slot_id, surely=True)
        row = await self._admin.fetchrow(SELECT_SLOT, slot_id)
        if row is None:
            raise LookupError(slot_id)
        schedule_id, calendar = row["schedule_id"], self._calendar()
        sequence = self._sequences[schedule_id] = self._sequences[schedule_id] + 2
        without = tuple(one for one in calendar if one.key != row["key"])
        await self._say(schedule_id, sequence, without)
        await self._say(schedule_id, sequence - 1, without[1:])

    def _calendar(self) -> tuple[PublishedSlot, ...]:
        made = []
        for number in range(SLOTS):
            if self._dice.random() < _DROPPED:
                continue
            start = self._first + timedelta(days=number // 16, hours=7, minutes=15 * (number % 16))
            room = self._dice.choice(_ROOMS) if number % 4 == 0 else 1
            made.append(
                PublishedSlot(
                    key=f"p{number}",
                    start=start,
                    end=start + timedelta(minutes=15),
                    kind=SlotKind.RANGE if number % 4 == 0 else SlotKind.SLOT,
                    capacity=room,
                )
            )
        return tuple(made)

    async def _look(self) -> None:
        """Keep a list of slots that looked free: some are gone when somebody wants them."""
        while not self._ended.is_set():
            await self._see()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 0.2)

    async def _see(self) -> None:
        self._open = [row["slot_id"] for row in await self._admin.fetch(SELECT_FREE)]

    async def _work(self, actor: Actor) -> None:
        """Hold, book, give back."""
        for need in self._needs:
            if self._ended.is_set():
                return
            try:
                await self._book(actor, need, self._dice.choice(self._open))
            except (errors.Conflict, errors.Expired, errors.Limited):
                self.notes.refused += 1

    async def _book(self, actor: Actor, need: UUID, slot_id: UUID, *, surely: bool = False) -> None:
        wanted = holds.PlaceHold(slot_id=slot_id, disposition_id=need)
        began = time.perf_counter()
        held = await self._database.run(
            actor, lambda tx: holds.place(tx, actor, wanted, hold_s=_HOLD_S)
        )
        if not surely and self._dice.random() < _GIVEN_BACK:
            await self._database.run(actor, lambda tx: holds.release(tx, actor, held.id))
            return
        book = appointments.Book(hold_id=held.id)
        made = await self._database.run(
            actor, lambda tx: appointments.book(tx, actor, book, self._keys)
        )
        self.notes.book_ms.append((time.perf_counter() - began) * 1000)
        told = Booked(made.id)
        self.notes.booked.append(told)
        if not surely and self._dice.random() < _GIVEN_BACK:
            cancel = appointments.Cancel(reason="patient_cancelled")
            await self._database.run(
                actor, lambda tx: appointments.cancel(tx, actor, made.id, cancel)
            )
            told.given_back = True

    async def _react(self) -> None:
        """Number events and react to them until all is over and nothing is left."""
        follower = following.Follower(self._system, "routing", reactions.REACTIONS)
        while True:
            ended = self._all_said.is_set()
            busy = False
            while await sequencer.step(self._system) or await follower.step():
                busy = True
            if ended and not busy:
                return
            await asyncio.sleep(0.02)


async def _silent(*_: object) -> None:
    """Tell nobody."""


_PLANTED: Final = {
    "loses": (
        seats,
        "WITHDRAW_SLOTS",
        seats.WITHDRAW_SLOTS.replace("then 'displaced'", "then 'withdrawn'").replace(
            "then s.claim end", "then null::uuid end"
        ),
    ),
    "keeps_silent": (service, "announce_displaced", _silent),
    "goes_back": (
        store,
        "UPDATE_SEQUENCE",
        store.UPDATE_SEQUENCE.replace("and sequence < $2", "and $2::bigint is not null"),
    ),
}
"""Fault -> what it puts in the place of which name; `doubles` is planted in the database."""


@contextlib.contextmanager
def planted(fault: str | None) -> Iterator[None]:
    """Run with a fault of the publisher's side; with none of its own for others."""
    if fault not in _PLANTED:
        yield
        return
    module, name, value = _PLANTED[fault]
    was = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, was)


DROP_LOCK: Final = """
drop index routing.appointment_one_per_seat
"""
CLAIM_BLINDLY: Final = """
create or replace function directory.directory_claim(p_slot uuid, p_claim uuid, p_for interval)
returns smallint language sql as $$
    update directory.seat s set state = 'held', claim = p_claim, until = now() + p_for
    where s.slot_id = p_slot and s.number = 1 returning s.number
$$
"""
INSERT_TERRITORY: Final = """
insert into kernel.territory (id, code, name, time_zone, country)
values ($1, 'AV', 'AV', 'Europe/Paris', 'FR')
"""
INSERT_CLINIC: Final = """
insert into kernel.actor (id, role, organisation_ids, label)
values ($1, 'clinic', array[$2::uuid], 'AV')
"""
INSERT_PHYSICIANS: Final = """
insert into kernel.actor (id, role, territory_id, label)
select a, 'physician', $2, 'AV' from unnest($1::uuid[]) as n (a)
"""
INSERT_ORGANISATION: Final = """
insert into directory.organisation (id, name, kind) values ($1, 'AV', 'practice')
"""
INSERT_LOCATION: Final = """
insert into directory.location (id, organisation_id, territory_id, name, lon, lat, zone, commune,
    postcode, department)
values ($1, $2, $3, 'AV', 2.3, 49.9, 'Europe/Paris', '80021', '80000', '80')
"""
INSERT_SERVICES: Final = """
insert into directory.care_service (id, organisation_id, location_id, name, service, modalities,
    intake)
select n, $2, l.id, 'AV', 'general_practice', '{office}', 'appointment'
from unnest($1::uuid[]) as n, directory.location l where l.organisation_id = $2
"""
INSERT_SCHEDULES: Final = """
insert into directory.schedule (id, care_service_id, ownership)
select s, c, 'owned' from unnest($1::uuid[], $2::uuid[]) as n (s, c)
"""
# A need and its case bear one id: nothing here tells them apart.
INSERT_CASES: Final = """
insert into triage.case_file (id, territory_id, key_id, opened_by, state, decided_at,
    responsible_actor_id)
select n, $3, $2, $4, 'decided', kernel.regul_now(), $4 from unnest($1::uuid[]) as n
"""
INSERT_NEEDS: Final = """
insert into triage.disposition (id, case_id, territory_id, kind, acuity, service, decided_by,
    decided_role)
select n, n, $2, 'INTER', 'U3', 'general_practice', $3, 'physician' from unnest($1::uuid[]) as n
"""
SELECT_FREE: Final = """
select s.slot_id from directory.seat s join directory.slot l on l.id = s.slot_id
where s.state = 'free' and l.withdrawn_at is null
order by random() limit 400
"""
SELECT_SLOT: Final = """
select schedule_id, key from directory.slot where id = $1
"""
