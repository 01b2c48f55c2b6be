"""What the booking benchmarks stand on: one practice, its slots, decided needs, those who book."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

import asyncpg
import msgspec

from kernel import identity, ids
from kernel.actor import Actor, Role
from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database, open_database
from server.refusal import Refusal
from server.stack import Stack, throw_away_home

TERRITORY = UUID("00000000-0000-7000-8000-0000000b0001")
ORGANISATION = UUID("00000000-0000-7000-8000-0000000b0002")
LOCATION = UUID("00000000-0000-7000-8000-0000000b0003")
CARE_SERVICE = UUID("00000000-0000-7000-8000-0000000b0004")
SCHEDULE = UUID("00000000-0000-7000-8000-0000000b0005")
PEOPLE = 200


class World(msgspec.Struct, kw_only=True):
    """A database with needs and slots to spend.

    Attributes:
        actors: Many: an actor's own holds wait for each other, and there are ten at most.
        url: Of the API; empty without one. An actor's API key is its id.
        needs: Dispositions nobody has placed yet.
        slots: Slots with one free seat each.
    """

    database: Database
    admin: asyncpg.Connection
    keys: KeyRing
    actors: Sequence[Actor]
    needs: Iterator[UUID]
    slots: Iterator[UUID]
    url: str = ""


@contextlib.asynccontextmanager
async def opened(count: int, *, api: bool = False) -> AsyncIterator[World]:
    """Start the servers and write `count` needs and slots."""
    with throw_away_home() as home:
        async with Stack(home, api=api, worker=False, environ={}) as stack:
            if stack.postgres is None:
                raise Refusal("The embedded PostgreSQL did not start.")
            database = await open_database(stack.dsn, "regul_app", 16)
            admin = await asyncpg.connect(stack.postgres.dsn(stack.dsn.rpartition("/")[2]))
            keys = KeyRing(ensure_master(stack.layout.keys / "master.key"))
            try:
                actors = await _people(admin)
                slots = await _slots(admin, count)
                needs = await _needs(database, admin, keys, actors[0], count)
                # A key ring that has opened nothing yet: the process that books is another one.
                fresh = KeyRing(ensure_master(stack.layout.keys / "master.key"))
                yield World(
                    database=database,
                    admin=admin,
                    keys=fresh,
                    actors=actors,
                    needs=iter(needs),
                    slots=iter(slots),
                    url=stack.base_url,
                )
            finally:
                await admin.close()
                await database.close()


async def _people(admin: asyncpg.Connection) -> Sequence[Actor]:
    actors = [
        Actor(id=ids.uuid7(), role=Role.PHYSICIAN, territory_id=TERRITORY) for _ in range(PEOPLE)
    ]
    await admin.execute(
        "insert into kernel.territory (id, code, name, time_zone, country)"
        " values ($1, 'B', 'B', 'Europe/Paris', 'FR')",
        TERRITORY,
    )
    await admin.execute(
        "insert into kernel.actor (id, role, territory_id, label, api_key_hash)"
        " select a, 'physician', $2, 'B', k from unnest($1::uuid[], $3::bytea[]) n (a, k)",
        [one.id for one in actors],
        TERRITORY,
        [identity.digest(str(one.id)) for one in actors],
    )
    await admin.execute(
        "insert into directory.organisation (id, name, kind) values ($1, 'B', 'practice')",
        ORGANISATION,
    )
    await admin.execute(
        "insert into directory.location (id, organisation_id, territory_id, name, lon, lat, zone,"
        " commune, postcode, department)"
        " values ($1, $2, $3, 'B', 2.3, 49.9, 'Europe/Paris', '80021', '80000', '80')",
        LOCATION,
        ORGANISATION,
        TERRITORY,
    )
    await admin.execute(
        "insert into directory.care_service (id, organisation_id, location_id, name, service,"
        " modalities, intake)"
        " values ($1, $2, $3, 'B', 'general_practice', '{office}', 'appointment')",
        CARE_SERVICE,
        ORGANISATION,
        LOCATION,
    )
    await admin.execute(
        "insert into directory.schedule (id, care_service_id, ownership) values ($1, $2, 'owned')",
        SCHEDULE,
        CARE_SERVICE,
    )
    return actors


async def _slots(admin: asyncpg.Connection, count: int) -> Sequence[UUID]:
    slots = [ids.uuid7() for _ in range(count)]
    await admin.execute(
        "insert into directory.slot (id, schedule_id, care_service_id, organisation_id,"
        " location_id, territory_id, key, kind, modality, visibility, starts_at, ends_at, capacity)"
        " select s, $2, $3, $4, $5, $6, s::text, 'slot', 'office', 'PUBLIC',"
        " now() + interval '1 day', now() + interval '25 hours', 1 from unnest($1::uuid[]) s",
        slots,
        SCHEDULE,
        CARE_SERVICE,
        ORGANISATION,
        LOCATION,
        TERRITORY,
    )
    await admin.execute(
        "insert into directory.seat (slot_id, number) select s, 1 from unnest($1::uuid[]) s", slots
    )
    return slots


async def _needs(
    database: Database, admin: asyncpg.Connection, keys: KeyRing, actor: Actor, count: int
) -> Sequence[UUID]:
    opened_keys = [(await keys.create(database, TERRITORY)).id for _ in range(count)]
    cases = [ids.uuid7() for _ in range(count)]
    needs = [ids.uuid7() for _ in range(count)]
    await admin.execute(
        "insert into triage.case_file (id, territory_id, key_id, opened_by, state, decided_at,"
        " responsible_actor_id)"
        " select c, $3, k, $4, 'decided', now(), $4 from unnest($1::uuid[], $2::uuid[]) t(c, k)",
        cases,
        opened_keys,
        TERRITORY,
        actor.id,
    )
    await admin.execute(
        "insert into triage.disposition (id, case_id, territory_id, kind, acuity, service,"
        " decided_by, decided_role)"
        " select d, c, $3, 'INTER', 'U3', 'general_practice', $4, 'physician'"
        " from unnest($1::uuid[], $2::uuid[]) t(d, c)",
        needs,
        cases,
        TERRITORY,
        actor.id,
    )
    await admin.execute("analyze")
    return needs
