"""A small territory for routing's tests: actors, one practice per care service, its slots."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from directory import loading
from events import following, sequencer
from kernel import identity, ids
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing
from kernel.database import Database
from routing import appointments, holds, offers, reactions
from routing.model import Appointment, Hold, Offer
from tests.integration.routing import patients

TERRITORY = UUID("00000000-0000-7000-8000-00000000a001")
OTHER_TERRITORY = UUID("00000000-0000-7000-8000-00000000a002")
AMIENS = (2.2957, 49.8941)
SOON = timedelta(minutes=90)


class Practice(msgspec.Struct, frozen=True, kw_only=True):
    """One care service with everything it needs."""

    organisation_id: UUID
    care_service_id: UUID
    schedule_id: UUID
    location_id: UUID


class World:
    """Builds rows on a fresh database and acts as its people."""

    def __init__(self, database: Database, system: Database, admin: Any, keys: KeyRing) -> None:
        self.database = database
        self.system = system
        self.admin: asyncpg.Connection = admin
        self.keys = keys
        self._numbers = itertools.count(1)

    async def begin(self) -> None:
        """Make the two territories."""
        for number, territory in enumerate((TERRITORY, OTHER_TERRITORY)):
            await self.admin.execute(
                "insert into kernel.territory (id, code, name, time_zone, country)"
                " values ($1, $2, $2, 'Europe/Paris', 'FR')",
                territory,
                f"T{number}",
            )
        self.operator = await self.actor(Role.PHYSICIAN)

    async def actor(
        self,
        role: Role,
        territory_id: UUID | None = TERRITORY,
        organisations: tuple[UUID, ...] = (),
    ) -> Actor:
        """Add an actor."""
        person = Actor(
            id=ids.uuid7(),
            role=role,
            territory_id=None if organisations else territory_id,
            organisation_ids=organisations,
            label="Test",
        )
        await self.admin.execute(
            "insert into kernel.actor (id, role, territory_id, organisation_ids, label,"
            " api_key_hash) values ($1, $2, $3, $4, $5, $6)",
            person.id,
            role.value,
            person.territory_id,
            list(organisations),
            person.label,
            identity.digest(str(person.id)),
        )
        return person

    async def practice(
        self,
        service: str = "general_practice",
        *,
        north_km: float = 5,
        ownership: str = "owned",
        intake: str = "appointment",
    ) -> Practice:
        """Add an organisation with one location, care service and schedule."""
        number = next(self._numbers)
        made = Practice(
            organisation_id=ids.uuid7(),
            care_service_id=ids.uuid7(),
            schedule_id=ids.uuid7(),
            location_id=ids.uuid7(),
        )
        await self.admin.execute(
            "insert into directory.organisation (id, name, kind) values ($1, $2, 'practice')",
            made.organisation_id,
            f"Organisation {number}",
        )
        await self.admin.execute(
            "insert into directory.location (id, organisation_id, territory_id, name, lon, lat,"
            " zone, commune, postcode, department)"
            " values ($1, $2, $3, $4, $5, $6, 'Europe/Paris', '80021', '80000', '80')",
            made.location_id,
            made.organisation_id,
            TERRITORY,
            f"Location {number}",
            AMIENS[0],
            AMIENS[1] + north_km / 111.2,
        )
        await self.admin.execute(
            "insert into directory.care_service (id, organisation_id, location_id, name, service,"
            " modalities, intake) values ($1, $2, $3, $4, $5, '{office}', $6)",
            made.care_service_id,
            made.organisation_id,
            made.location_id,
            f"Care service {number}",
            service,
            intake,
        )
        await self.admin.execute(
            "insert into directory.schedule (id, care_service_id, ownership) values ($1, $2, $3)",
            made.schedule_id,
            made.care_service_id,
            ownership,
        )
        return made

    async def slot(
        self,
        at: Practice,
        *,
        kind: str = "slot",
        capacity: int = 1,
        begins_in: timedelta = SOON,
    ) -> UUID:
        """Publish a slot with its free seats."""
        slot_id = ids.uuid7()
        start = datetime.now(UTC) + begins_in
        await self.admin.execute(
            "insert into directory.slot (id, schedule_id, care_service_id, organisation_id,"
            " location_id, territory_id, key, kind, modality, visibility, starts_at, ends_at,"
            " capacity) values ($1, $2, $3, $4, $5, $6, $7, $8, 'office', 'PUBLIC', $9, $10, $11)",
            slot_id,
            at.schedule_id,
            at.care_service_id,
            at.organisation_id,
            at.location_id,
            TERRITORY,
            str(slot_id),
            kind,
            start,
            start + timedelta(minutes=60),
            capacity,
        )
        await self.admin.execute(
            "insert into directory.seat (slot_id, number) select $1, generate_series(1, $2)",
            slot_id,
            capacity,
        )
        return slot_id

    async def disposition(
        self, acuity: str = "U3", service: str = "general_practice"
    ) -> patients.Decided:
        """Open a case with a decided disposition."""
        return await patients.decide(
            self.database, self.admin, self.keys, self.operator, acuity=acuity, service=service
        )

    async def offers(self, disposition_id: UUID, **wish: Any) -> Offer:
        """Ask for places as the operator, on a snapshot of this moment."""
        asked = offers.AskOffers(disposition_id=disposition_id, **wish)
        async with self.database.transaction(self.operator) as tx:
            return await offers.rank(tx, self.operator, await loading.load(tx), asked)

    async def hold(
        self, slot_id: UUID, disposition_id: UUID, actor: Actor | None = None, hold_s: int = 120
    ) -> Hold:
        """Place a hold as the operator."""
        who = actor or self.operator
        wanted = holds.PlaceHold(slot_id=slot_id, disposition_id=disposition_id)
        return await self.database.run(who, lambda tx: holds.place(tx, who, wanted, hold_s=hold_s))

    async def book(
        self, hold_id: UUID, actor: Actor | None = None, instructions: str | None = None
    ) -> Appointment:
        """Book as the operator."""
        who = actor or self.operator
        wanted = appointments.Book(hold_id=hold_id, instructions=instructions)
        return await self.database.run(
            who, lambda tx: appointments.book(tx, who, wanted, self.keys)
        )

    async def booked(
        self, at: Practice, acuity: str = "U3", kind: str = "slot", **slot: Any
    ) -> Appointment:
        """Publish a slot and book it for a new case."""
        decided = await self.disposition(acuity)
        held = await self.hold(await self.slot(at, kind=kind, **slot), decided.id)
        return await self.book(held.id)

    async def seat(self, slot_id: UUID) -> tuple[str, ...]:
        """Give the states of a slot's seats, by number."""
        rows = await self.admin.fetch(
            "select state from directory.seat where slot_id = $1 order by number", slot_id
        )
        return tuple(row["state"] for row in rows)

    async def lapse(self, hold_id: UUID) -> None:
        """Let a hold's time pass."""
        for statement in (
            "update directory.seat set until = until - interval '1 hour' where claim = $1",
            "update routing.hold set until = until - interval '1 hour' where id = $1",
        ):
            await self.admin.execute(statement, hold_id)

    async def kinds(self, case_id: UUID) -> list[str]:
        """Give the kinds of a case's events of routing and handoffs, in order."""
        rows = await self.admin.fetch(
            "select kind from events.outbox where case_id = $1 and aggregate in ('hold',"
            " 'appointment', 'referral', 'waiting_entry', 'handoff') order by id",
            case_id,
        )
        return [row["kind"] for row in rows]

    async def react(self) -> None:
        """Give positions to what was committed and let routing react, until nothing is left."""
        follower = following.Follower(self.system, "routing", reactions.REACTIONS)
        while await sequencer.step(self.system) or await follower.step():
            pass
        parked = await self.admin.fetch("select reason from events.dead_letter")
        assert not parked, [row["reason"] for row in parked]

    async def waits(self, case_id: UUID) -> list[tuple[str, str, UUID]]:
        """Give constraint, state and owner of a case's waiting entries."""
        rows = await self.admin.fetch(
            "select binding_constraint, state, owner_id from routing.waiting_entry"
            " where case_id = $1 order by id",
            case_id,
        )
        return [tuple(row) for row in rows]

    async def responsible(self, case_id: UUID) -> UUID:
        """Give the one actor or organisation that answers for a case."""
        return await patients.responsible(self.admin, case_id)
