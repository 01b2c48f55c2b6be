"""Migrations: applied once, in order, and never changed afterwards."""

from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from kernel import crypto, errors, migrate
from kernel.actor import system
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.identity import Territory, save_territory


async def test_a_migrated_database_needs_nothing(database_dsn: str, database: Database) -> None:
    assert await migrate.migrate(database_dsn) == []
    async with database.plain() as tx:
        assert await migrate.pending(tx) == []


async def test_a_changed_file_is_refused(
    database_dsn: str, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await admin.execute("update public.regul_migration set digest = 'x' where number = 1")
    with pytest.raises(migrate.MigrationError, match="0001_kernel_foundation"):
        await migrate.migrate(database_dsn)


async def test_a_file_that_is_gone_is_refused(
    database_dsn: str, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await admin.execute(
        "insert into public.regul_migration (number, name, digest) values (9999, 'gone.sql', 'x')"
    )
    with pytest.raises(migrate.MigrationError, match="gone"):
        await migrate.migrate(database_dsn)


async def test_only_what_is_missing_is_listed(
    database: Database, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    last = migrate.files()[-1]
    await admin.execute("delete from public.regul_migration where number = $1", last.number)
    async with database.plain() as tx:
        assert await migrate.pending(tx) == [last.name]


def test_numbers_are_unique_and_files_follow_their_room() -> None:
    files = migrate.files()
    assert [one.number for one in files] == sorted({one.number for one in files})
    root = Path(migrate.__file__).parent.parent
    for one in files:
        room = one.name.split("_")[1]
        assert (root / room / "schema" / one.name).exists(), one.name


async def test_every_table_of_a_patient_forces_row_policies(
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await admin.fetch(
        """
        select n.nspname || '.' || c.relname as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname in ('kernel', 'events', 'triage', 'routing')
            and exists (select from pg_attribute a
                where a.attrelid = c.oid and a.attname = 'case_id' and not a.attisdropped)
            and not (c.relrowsecurity and c.relforcerowsecurity)
        """
    )
    assert [row["name"] for row in rows] == []


async def test_no_table_is_open_to_everybody(
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await admin.fetch(
        """
        select table_schema || '.' || table_name as name
        from information_schema.role_table_grants
        where grantee = 'PUBLIC'
            and table_schema in ('kernel', 'events', 'triage', 'directory', 'routing')
        """
    )
    assert [row["name"] for row in rows] == []


async def test_a_shredded_key_opens_nothing(
    database: Database, system_database: Database, keys: KeyRing, key_file: Path
) -> None:
    territory = Territory(
        id=UUID(int=80), code="80", name="x", time_zone="Europe/Paris", country="FR"
    )
    async with system_database.transaction(system()) as tx:
        await save_territory(tx, territory)
    made = await keys.create(database, territory.id)
    fresh = KeyRing(crypto.read_master(key_file))
    async with database.plain() as tx:
        assert (await fresh.open_key(tx, made.id)).secret == made.secret
    async with system_database.plain() as tx:
        await tx.execute(
            "update kernel.key set wrapped = null, shredded_at = kernel.regul_now() where id = $1",
            made.id,
        )
    again = KeyRing(crypto.read_master(key_file))
    async with database.plain() as tx:
        with pytest.raises(errors.Expired) as refused:
            await again.open_key(tx, made.id)
    assert refused.value.code == "key_shredded"
