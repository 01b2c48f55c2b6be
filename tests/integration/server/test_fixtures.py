"""The fixtures give what every other test relies on: fresh, migrated, restricted, empty."""

import nats
import pytest
from asyncpg import Connection, Record

from kernel.database import Database


async def test_a_test_database_is_migrated(system_database: Database) -> None:
    async with system_database.plain() as connection:
        assert await connection.fetchval("select count(*) from kernel.actor") == 1


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_test_never_sees_what_another_wrote(
    admin: "Connection[Record]", attempt: int
) -> None:
    insert = "insert into kernel.territory values (gen_random_uuid(), 'T', 'T', 'UTC', 'FR')"
    await admin.execute(insert)
    assert await admin.fetchval("select count(*) from kernel.territory") == 1, attempt


async def test_the_service_login_is_restricted(database: Database) -> None:
    async with database.plain() as connection:
        row = await connection.fetchrow(
            "select current_user as role, rolsuper or rolbypassrls as strong"
            " from pg_roles where rolname = session_user"
        )
    assert row is not None
    assert (row["role"], row["strong"]) == ("regul_app", False)


async def test_streams_of_another_test_are_gone(nats_url: str) -> None:
    connection = await nats.connect(nats_url)
    assert await connection.jetstream().streams_info() == []
    await connection.jetstream().add_stream(name="LEFT", subjects=["left.>"])
    await connection.close()


async def test_streams_are_gone_again(nats_url: str) -> None:
    connection = await nats.connect(nats_url)
    assert await connection.jetstream().streams_info() == []
    await connection.close()
