"""The audit trail: written with the act, seen by its territory only, chained against tampering."""

from uuid import UUID

import asyncpg
import pytest

from kernel import audit, errors, identity
from kernel.actor import Actor, Role, system
from kernel.database import Database
from kernel.identity import Account, Territory

SOMME, ELSEWHERE = UUID(int=80), UUID(int=81)
STAFF = Actor(id=UUID(int=1), role=Role.AUDITOR, territory_id=SOMME, request_id="r-1")
OTHER = Actor(id=UUID(int=2), role=Role.AUDITOR, territory_id=ELSEWHERE)
CASE = UUID(int=5)


@pytest.fixture
async def staff(system_database: Database) -> None:
    async with system_database.transaction(system()) as tx:
        for number, actor in ((SOMME, STAFF), (ELSEWHERE, OTHER)):
            await identity.save_territory(
                tx,
                Territory(
                    id=number, code=str(number), name="x", time_zone="Europe/Paris", country="FR"
                ),
            )
            await identity.save_account(tx, Account(actor=actor, login=str(actor.id)))


async def write(database: Database, count: int) -> None:
    for _ in range(count):
        async with database.transaction(STAFF) as tx:
            await audit.record(tx, STAFF, "case.read", "case", CASE, case_id=CASE)


async def chain(database: Database) -> int:
    async with database.transaction(system()) as tx:
        return await audit.chain(tx)


async def broken_at(database: Database) -> int | None:
    async with database.transaction(system()) as tx:
        return await audit.verify(tx)


async def test_a_case_tells_who_read_it(database: Database, staff: None) -> None:
    await write(database, 2)
    async with database.transaction(STAFF) as tx:
        rows = await audit.of_case(tx, CASE)
    assert [row[2:] for row in rows] == [("case.read", "case", "")] * 2


async def test_another_territory_sees_none_of_it(database: Database, staff: None) -> None:
    await write(database, 1)
    async with database.transaction(OTHER) as tx:
        assert await audit.of_case(tx, CASE) == []
    async with database.plain() as tx:
        assert await tx.fetchval("select count(*) from kernel.audit") == 0


async def test_the_chain_grows_in_order_and_holds(
    database: Database, system_database: Database, staff: None
) -> None:
    await write(database, 3)
    assert await chain(system_database) == 3
    await write(database, 2)
    assert await chain(system_database) == 2
    assert await chain(system_database) == 0
    assert await broken_at(system_database) is None


async def test_rows_are_never_changed_even_by_their_owner(
    owner_database: Database, database: Database, staff: None
) -> None:
    await write(database, 1)
    for statement in (
        "update kernel.audit set detail = 'x'",
        "delete from kernel.audit",
        "truncate kernel.audit cascade",
    ):
        with pytest.raises((asyncpg.PostgresError, errors.Conflict)):
            async with owner_database.plain() as tx:
                await tx.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("update kernel.audit set detail = 'x' where id = 2", 2),
        ("update kernel.audit set actor_id = gen_random_uuid() where id = 3", 3),
        ("update kernel.audit set at = at + interval '1 microsecond' where id = 1", 1),
        (
            "update kernel.audit_chain set hash = '\\x00' where position = 2",
            2,
        ),
        ("delete from kernel.audit_chain where position = 2", 2),
        ("delete from kernel.audit_chain where position = 1", 1),
    ],
    ids=["detail", "actor", "time", "hash", "link", "first"],
)
async def test_tampering_by_a_superuser_is_found(
    database: Database,
    system_database: Database,
    admin: "asyncpg.Connection[asyncpg.Record]",
    staff: None,
    tampering: str,
    found: int,
) -> None:
    await write(database, 4)
    await chain(system_database)
    await admin.execute("set session_replication_role = replica")
    await admin.execute(tampering)
    assert await broken_at(system_database) == found
