"""The world of `chaos booking`: diaries, needs, and a witness of each version of a seat.

The witness is a trigger of this throw-away database alone. It stands under the row's lock, so its
numbers are the order in which a seat changed; which question changed it, it knows by the
idempotency key that the same transaction claimed for the same actor.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from directory.seat_states import SeatState
from kernel import identity, ids
from kernel.crypto import KeyRing
from kernel.database import Database
from routing.history import Operation, Version
from server.chaos_booking_worker import NEEDS, PER_DIARY, Answered, Asked, Task, calendar

SABOTAGES: Final = ("index-dropped", "lock-released-early", "ack-before-commit", "stale-read")


class World:
    """One clinic's diaries on a migrated database, and those who want places of them."""

    def __init__(
        self, admin: "asyncpg.Connection[asyncpg.Record]", diaries: int, workers: int, seed: int
    ) -> None:
        """Prepare; `begin` writes.

        Args:
            admin: Superuser on the database; asked again after each restart by `renew`.
            diaries: How many, `PER_DIARY` slots each.
            workers: How many there are at once.
            seed: Of every choice.
        """
        self.admin = admin
        self.territory, self.organisation, self.clinic = ids.uuid7(), ids.uuid7(), ids.uuid7()
        self.actors = [ids.uuid7() for _ in range(workers)]
        self.diaries = [ids.uuid7() for _ in range(diaries)]
        self.dice = random.Random(seed)
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.first = midnight + timedelta(days=3, hours=7)
        self._key: UUID | None = None

    async def begin(self, database: Database, keys: KeyRing) -> None:
        """Write everything, and set the witness.

        Args:
            database: Pool under `regul_app`.
            keys: Makes the key of the cases.
        """
        await self.admin.execute(WITNESS)
        await self.admin.execute(INSERT_TERRITORY, self.territory)
        await self.admin.execute(INSERT_CLINIC, self.clinic, self.organisation)
        tokens = [identity.digest(str(one)) for one in self.actors]
        await self.admin.execute(INSERT_PHYSICIANS, self.actors, self.territory, tokens)
        await self.admin.execute(INSERT_ORGANISATION, self.organisation)
        location, offer = ids.uuid7(), ids.uuid7()
        await self.admin.execute(INSERT_LOCATION, location, self.organisation, self.territory)
        await self.admin.execute(INSERT_SERVICE, offer, self.organisation, location)
        await self.admin.execute(INSERT_SCHEDULES, self.diaries, offer)
        slots = [calendar(self.first, number) for number in range(PER_DIARY)]
        await self.admin.execute(
            INSERT_SLOTS,
            self.diaries,
            [one.key for one in slots],
            [one.kind.value for one in slots],
            [one.start for one in slots],
            [one.end for one in slots],
            [one.capacity for one in slots],
        )
        await self.admin.execute(INSERT_SEATS)
        self._key = (await keys.create(database, self.territory)).id

    async def needs(self, workers: int) -> tuple[UUID, ...]:
        """Write the needs of one life of a process.

        Args:
            workers: Of the process.
        """
        made = [ids.uuid7() for _ in range(workers * NEEDS)]
        await self.admin.execute(INSERT_CASES, made, self._key, self.territory, self.actors[0])
        await self.admin.execute(INSERT_NEEDS, made, self.territory, self.actors[0])
        return tuple(made)

    def task(self, **particular: object) -> Task:
        """Write what a process is told, with what all are told.

        Args:
            particular: The rest of `Task`.
        """
        return msgspec.convert(
            {
                "clinic": self.clinic,
                "organisation": self.organisation,
                "territory": self.territory,
                "diaries": tuple(self.diaries),
                "first": self.first,
                **particular,
            },
            Task,
        )

    async def plant(self, sabotage: str) -> None:
        """Put a fault into the database; those of workers are planted in them.

        Args:
            sabotage: One of `SABOTAGES`, or empty.
        """
        if sabotage == "index-dropped":
            await self.admin.execute(DROP_INDEX)
            await self.admin.execute(TAKE_ANY)
        elif sabotage == "lock-released-early":
            await self.admin.execute(TAKE_UNLOCKED)

    async def versions(self) -> Sequence[Version]:
        """Read what the witness saw, each seat's versions in their order."""
        rows = await self.admin.fetch(SELECT_VERSIONS)
        return [
            Version(
                slot_id=row["slot_id"],
                seat=row["number"],
                state=SeatState(row["state"]),
                claim=row["claim"],
                until=row["until"],
                at=row["at"],
                operation=row["key"],
            )
            for row in rows
        ]

    async def operations(self, journals: Sequence[Path]) -> Mapping[str, Operation]:
        """Read what was asked and told; what a hold made is what its key refers to.

        Args:
            journals: Of all processes.
        """
        found: dict[str, Operation] = {}
        for journal in journals:
            for line in _lines(journal):
                if isinstance(line, Asked):
                    found[line.id] = Operation(
                        id=line.id, verb=line.verb, slot_id=line.slot_id, claim=line.claim,
                        called=line.at,
                    )  # fmt: skip
                elif not found[line.id].result:
                    found[line.id].returned = line.at
                    found[line.id].result = line.result
        for row in await self.admin.fetch(SELECT_REFERENCES):
            asked = found.get(row["key"])
            if asked is not None and asked.verb == "hold":
                asked.claim = row["reference"]
        return found

    async def offset(self) -> float:
        """Give the database's clock less that of the workers, seconds."""
        there: float = await self.admin.fetchval(SELECT_EPOCH)
        return there - time.monotonic()


def _lines(journal: Path) -> Iterator[Asked | Answered]:
    """Read a journal; the last line of a process that was killed may be cut."""
    asked, answered = msgspec.json.Decoder(Asked), msgspec.json.Decoder(Answered)
    for line in journal.read_bytes().split(b"\n"):
        if line:
            yield (asked if line[:1] == b"?" else answered).decode(line[1:])


WITNESS: Final = """
create schema chaos;
grant usage on schema chaos to regul_app, regul_system;
create table chaos.version (
    n bigint generated always as identity primary key, xid xid8 not null, actor text,
    slot_id uuid not null, number smallint not null, state text not null, claim uuid,
    until timestamptz, at timestamptz not null default clock_timestamp());
create table chaos.claimed (xid xid8 not null, actor text not null, key text not null);
create function chaos.see_seat() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.version (xid, actor, slot_id, number, state, claim, until)
    values (pg_current_xact_id(), current_setting('regul.actor', true), new.slot_id, new.number,
        new.state, new.claim, new.until);
    return null;
end $$;
create function chaos.see_key() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.claimed values (pg_current_xact_id(), new.actor_id::text, new.key);
    return null;
end $$;
create trigger witness_seat after insert or update on directory.seat
    for each row execute function chaos.see_seat();
create trigger witness_key after insert on kernel.idempotency
    for each row execute function chaos.see_key();
"""
DROP_INDEX: Final = """
drop index routing.appointment_one_per_seat
"""
# Both locks are gone: whoever asks has the seat, whatever its state is.
TAKE_ANY: Final = """
create or replace function directory.directory_take_seat(
    p_slot uuid, p_claim uuid, p_for interval, p_wait boolean) returns smallint language sql as $$
    update directory.seat s set state = 'held', claim = p_claim, until = clock_timestamp() + p_for
    where s.slot_id = p_slot and s.number = 1 and s.state in ('free', 'held', 'booked')
    returning s.number
$$
"""
# Looked at, then taken, and nothing held in between.
TAKE_UNLOCKED: Final = """
create or replace function directory.directory_take_seat(
    p_slot uuid, p_claim uuid, p_for interval, p_wait boolean)
returns smallint language plpgsql as $$
declare
    v_number smallint;
begin
    select s.number into v_number from directory.seat s
    where s.slot_id = p_slot
        and (s.state = 'free' or (s.state = 'held' and s.until <= clock_timestamp()))
    order by s.number limit 1;
    perform pg_sleep(0.002);
    update directory.seat s set state = 'held', claim = p_claim, until = clock_timestamp() + p_for
    where s.slot_id = p_slot and s.number = v_number;
    return v_number;
end $$
"""
INSERT_TERRITORY: Final = """
insert into kernel.territory (id, code, name, time_zone, country)
values ($1, 'BO', 'BO', 'Europe/Paris', 'FR')
"""
INSERT_CLINIC: Final = """
insert into kernel.actor (id, role, organisation_ids, label)
values ($1, 'clinic', array[$2::uuid], 'BO')
"""
INSERT_PHYSICIANS: Final = """
insert into kernel.actor (id, role, territory_id, label, api_key_hash)
select a, 'physician', $2, 'BO', k from unnest($1::uuid[], $3::bytea[]) as n (a, k)
"""
INSERT_ORGANISATION: Final = """
insert into directory.organisation (id, name, kind) values ($1, 'BO', 'practice')
"""
INSERT_LOCATION: Final = """
insert into directory.location (id, organisation_id, territory_id, name, lon, lat, zone, commune,
    postcode, department)
values ($1, $2, $3, 'BO', 2.3, 49.9, 'Europe/Paris', '80021', '80000', '80')
"""
INSERT_SERVICE: Final = """
insert into directory.care_service (id, organisation_id, location_id, name, service, modalities,
    intake)
values ($1, $2, $3, 'BO', 'general_practice', '{office}', 'appointment')
"""
INSERT_SCHEDULES: Final = """
insert into directory.schedule (id, care_service_id, ownership)
select s, $2, 'owned' from unnest($1::uuid[]) as n (s)
"""
INSERT_SLOTS: Final = """
insert into directory.slot (id, schedule_id, care_service_id, organisation_id, location_id,
    territory_id, key, kind, modality, visibility, starts_at, ends_at, capacity)
select gen_random_uuid(), d.id, c.id, c.organisation_id, c.location_id, l.territory_id, n.key,
    n.kind, 'office', 'PUBLIC', n.starts_at, n.ends_at, n.capacity
from directory.schedule d
    join directory.care_service c on c.id = d.care_service_id
    join directory.location l on l.id = c.location_id,
    unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::smallint[])
        as n (key, kind, starts_at, ends_at, capacity)
where d.id = any ($1::uuid[])
"""
INSERT_SEATS: Final = """
insert into directory.seat (slot_id, number)
select l.id, generate_series(1, l.capacity) from directory.slot l
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
SELECT_VERSIONS: Final = """
select v.slot_id, v.number, v.state, v.claim, extract(epoch from v.until)::float8 as until,
    extract(epoch from v.at)::float8 as at, c.key
from chaos.version v left join chaos.claimed c on c.xid = v.xid and c.actor = v.actor
order by v.n
"""
SELECT_REFERENCES: Final = """
select key, reference from kernel.idempotency
"""
SELECT_EPOCH: Final = """
select extract(epoch from clock_timestamp())::float8
"""
