"""Migrations: plain SQL files of all rooms on one number line, applied once, in order.

A file is `<room>/schema/NNNN_<room>_<title>.sql`. Each runs in a transaction of its own under
`regul_owner`; its SHA-256 is kept, and a changed or missing file is refused.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

ROOMS: Final = ("kernel", "events", "triage", "directory", "routing")
_ROOT: Final = Path(__file__).resolve().parent.parent
_NAME: Final = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK: Final = 7_304_001
ROLES: Final = ("regul_owner", "regul_app", "regul_system")
OLDEST: Final = 150_000
"""Oldest server_version_num the schema runs on (PostgreSQL 15)."""


class MigrationError(RuntimeError):
    """The files and the database disagree; the message is one plain sentence."""


class Migration(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One file.

    Attributes:
        number: Place on the number line.
        name: File name.
        sql: Its text.
        digest: SHA-256 of its bytes, hexadecimal.
    """

    number: int
    name: str
    sql: str
    digest: str


def files() -> Sequence[Migration]:
    """Read the migrations of all rooms.

    Returns:
        In order of their numbers.

    Raises:
        MigrationError: A wrong name or a number used twice.
    """
    found: dict[int, Migration] = {}
    for room in ROOMS:
        for path in sorted((_ROOT / room / "schema").glob("*.sql")):
            match = _NAME.match(path.name)
            if match is None or int(match[1]) in found:
                message = f"{path.name} is not named NNNN_{room}_title.sql or its number is taken"
                raise MigrationError(message)
            raw = path.read_bytes()
            found[int(match[1])] = Migration(
                number=int(match[1]),
                name=path.name,
                sql=raw.decode(),
                digest=hashlib.sha256(raw).hexdigest(),
            )
    return [found[number] for number in sorted(found)]


async def bootstrap(admin_dsn: str, database: str, login: str, password: str) -> None:
    """Create the roles, the service's login and its database, as a superuser; repeatable.

    Args:
        admin_dsn: DSN of a superuser, on any database.
        database: Name of the database to create.
        login: Login the service will use: a member of the three roles, nothing more.
        password: Its password.

    Raises:
        MigrationError: The server is older than PostgreSQL 15.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        if int(await connection.fetchval("show server_version_num")) < OLDEST:
            message = "the PostgreSQL server is older than version 15"
            raise MigrationError(message)
        for role in ROLES:
            if not await connection.fetchval(ROLE_EXISTS, role):
                await connection.execute(f"create role {_quoted(role)} nologin")
        exists = await connection.fetchval(ROLE_EXISTS, login)
        verb = "alter" if exists else "create"
        secret = await connection.fetchval("select quote_literal($1)", password)
        await connection.execute(
            f"{verb} role {_quoted(login)} login noinherit nosuperuser password {secret}"
        )
        for role in ROLES:
            await connection.execute(f"grant {_quoted(role)} to {_quoted(login)}")
        if not await connection.fetchval(
            "select true from pg_database where datname = $1", database
        ):
            await connection.execute(f"create database {_quoted(database)} owner regul_owner")
    finally:
        await connection.close()


async def migrate(dsn: str) -> Sequence[str]:
    """Apply what is new.

    Args:
        dsn: DSN of a login that is a member of `regul_owner`.

    Returns:
        Names of the files applied now, in order.

    Raises:
        MigrationError: A file that was applied has changed or is gone.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("set role regul_owner")
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await connection.execute(CREATE_MIGRATION)
        applied = {
            row["number"]: (row["name"], row["digest"])
            for row in await connection.fetch(SELECT_MIGRATIONS)
        }
        known = files()
        _compare(applied, known)
        new = [one for one in known if one.number not in applied]
        for one in new:
            async with connection.transaction():
                await connection.execute("set local lock_timeout = '5s'")
                await connection.execute(one.sql)
                await connection.execute(INSERT_MIGRATION, one.number, one.name, one.digest)
        return [one.name for one in new]
    finally:
        await connection.close()


async def pending(connection: asyncpg.Connection) -> Sequence[str]:
    """List the files a database still lacks.

    Args:
        connection: Of any role that may read `regul_migration`.

    Returns:
        File names, in order.
    """
    applied = {row["number"] for row in await connection.fetch(SELECT_MIGRATIONS)}
    return [one.name for one in files() if one.number not in applied]


def _compare(applied: dict[int, tuple[str, str]], known: Sequence[Migration]) -> None:
    digests = {one.number: one.digest for one in known}
    for number, (name, digest) in applied.items():
        if digests.get(number) != digest:
            message = f"migration {name} was applied and has changed since"
            raise MigrationError(message)


def _quoted(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        message = f"{name!r} is no plain database name"
        raise MigrationError(message)
    return f'"{name}"'


ROLE_EXISTS: Final = """
select exists (select from pg_roles where rolname = $1)
"""
CREATE_MIGRATION: Final = """
create table if not exists public.regul_migration (
    number integer primary key, name text not null, digest text not null,
    applied_at timestamptz not null default clock_timestamp());
grant select on public.regul_migration to public
"""
SELECT_MIGRATIONS: Final = """
select number, name, digest from public.regul_migration order by number
"""
INSERT_MIGRATION: Final = """
insert into public.regul_migration (number, name, digest) values ($1, $2, $3)
"""
