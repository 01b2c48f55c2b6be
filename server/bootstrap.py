"""Bring a database from nothing to this version: roles, restricted login, database, migrations.

The service itself never runs as a superuser. Where only a superuser's DSN is at hand (the embedded
server, a plain PostgreSQL in a test), it is used once here and a restricted login is derived.
"""

from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from kernel import migrate
from server.layout import Layout
from server.refusal import Refusal

LOGIN: Final = "regul"
DATABASE: Final = "regul"
MAINTENANCE: Final = frozenset({"", "postgres", "template0", "template1"})


async def is_superuser(dsn: str) -> bool:
    """Tell whether a DSN signs in as a superuser.

    Args:
        dsn: Of any login.

    Raises:
        Refusal: The database does not let us in.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        raise Refusal(f"Cannot connect to PostgreSQL: {type(error).__name__}.") from None
    try:
        return bool(await connection.fetchval(IS_SUPERUSER))
    finally:
        await connection.close()


def restricted_dsn(admin_dsn: str, password: str) -> tuple[str, str]:
    """Derive the service's DSN from a superuser's: same server, own login, own database.

    Args:
        admin_dsn: Of the superuser; its database is used unless it is a maintenance database.
        password: Of the service's login.

    Returns:
        The DSN and the name of its database.
    """
    parts = urlsplit(admin_dsn)
    named = parts.path.lstrip("/")
    database = DATABASE if named in MAINTENANCE else named
    place = parts.netloc.rpartition("@")[2]
    netloc = f"{LOGIN}:{quote(password, safe='')}@{place}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}")), database


async def prepare(admin_dsn: str, layout: Layout) -> str:
    """Create roles, login and database as a superuser, then migrate.

    Args:
        admin_dsn: Of a superuser.
        layout: Keeps the login's generated password.

    Returns:
        The DSN of the restricted login on the migrated database.

    Raises:
        Refusal: The server is too old or a migration was changed.
    """
    dsn, database = restricted_dsn(admin_dsn, layout.secret("login-password"))
    password = layout.secret("login-password")
    try:
        await migrate.bootstrap(admin_dsn, database, LOGIN, password)
        await own_database(admin_dsn, database)
        await migrate.migrate(dsn)
    except migrate.MigrationError as error:
        raise Refusal(f"The database cannot be used: {error}.") from None
    return dsn


async def own_database(admin_dsn: str, database: str) -> None:
    """Make regul_owner the owner of a database that existed before.

    Args:
        admin_dsn: Of a superuser.
        database: Its name.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        if not await connection.fetchval(IS_OWNED, database):
            name = await connection.fetchval(QUOTE_NAME, database)
            await connection.execute(f"alter database {name} owner to regul_owner")
    finally:
        await connection.close()


async def prepare_external(dsn: str, layout: Layout) -> str:
    """Make an existing PostgreSQL ready and give the DSN that the service signs in with.

    Args:
        dsn: What `DATABASE_URL` holds: a restricted login, or a superuser to derive one with.
        layout: Keeps a derived login's password.

    Raises:
        Refusal: It cannot be reached or used.
    """
    if await is_superuser(dsn):
        return await prepare(dsn, layout)
    try:
        await migrate.migrate(dsn)
    except migrate.MigrationError as error:
        raise Refusal(f"The database cannot be used: {error}.") from None
    except asyncpg.InsufficientPrivilegeError:
        raise Refusal(
            "The login of DATABASE_URL is no member of regul_owner: run ./regul migrate with "
            "DATABASE_ADMIN_URL once."
        ) from None
    return dsn


IS_SUPERUSER: Final = """
select rolsuper from pg_roles where rolname = session_user
"""
IS_OWNED: Final = """
select true from pg_database as d join pg_roles as r on r.oid = d.datdba
where d.datname = $1 and r.rolname = 'regul_owner'
"""
QUOTE_NAME: Final = """
select quote_ident($1)
"""
