"""What must be true before the first request: each broken rule is one plain sentence, exit 2.

Row-level security means nothing to a superuser, a test clock means nothing to a patient, and a
database that forgets commits makes every promise empty.
"""

import asyncio
import re
from typing import Final

import msgspec
import nats
import nats.errors

from directory import codes
from kernel import migrate
from kernel.database import Database, Tx
from kernel.settings import Settings
from server.refusal import Refusal
from triage.library import Library

OLDEST_NATS: Final = (2, 14, 3)
"""Oldest nats-server. Source: Jepsen's analysis of NATS 2.12.1 and the fixes that followed."""
_NATS_S: Final = 2
CLOCK: Final = "select clock_timestamp()"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says of one role that we run under."""

    name: str
    superuser: bool
    bypasses: bool
    owns: bool


async def check_database(database: Database, settings: Settings) -> None:
    """Check the database that the service is about to trust.

    Args:
        database: Pool under `regul_app`.
        settings: `throw_away` waives durability only.

    Raises:
        Refusal: The first rule that is broken.
        Unavailable: The database is away.
    """
    async with database.plain() as tx:
        await check_logins(tx)
        await check_schema(tx)
        await check_clock(tx)
        if not settings.throw_away:
            await check_durability(tx)


async def check_logins(tx: Tx) -> None:
    """Refuse roles that row-level security does not bind, or that own the tables.

    Args:
        tx: Any connection of the service.

    Raises:
        Refusal: Names the role.
    """
    for row in await tx.fetch(SELECT_LOGINS):
        login = Login(**dict(row))
        if login.superuser:
            raise Refusal(
                f"The database login {login.name} is a superuser: row-level security would not "
                "bind it; run ./regul migrate and use the restricted login."
            )
        if login.bypasses:
            raise Refusal(f"The database login {login.name} has BYPASSRLS: take it away.")
        if login.owns:
            raise Refusal(
                f"The database login {login.name} owns tables: use a login that is only a member "
                "of regul_app, regul_system and regul_owner."
            )


async def check_schema(tx: Tx) -> None:
    """Refuse a database that lacks migrations.

    Args:
        tx: Any connection of the service.

    Raises:
        Refusal: Names the first file.
    """
    if await tx.fetchval(MIGRATIONS_EXIST) is None:
        raise Refusal("The database is empty: run ./regul migrate.")
    missing = await migrate.pending(tx)
    if missing:
        raise Refusal(
            f"The database lacks {len(missing)} migration(s) from {missing[0]} on: "
            "run ./regul migrate."
        )


async def check_clock(tx: Tx) -> None:
    """Refuse a clock that is not the database's own (tests replace `kernel.regul_now`).

    Args:
        tx: Any connection of the service.

    Raises:
        Refusal: The clock was replaced.
    """
    source = await tx.fetchval(SELECT_CLOCK_SOURCE)
    if source is None or re.sub(r"\s+", " ", source).strip() != CLOCK:
        raise Refusal("kernel.regul_now() was replaced in this database: it is a test database.")


async def check_durability(tx: Tx) -> None:
    """Refuse a server that may forget what it has confirmed.

    Args:
        tx: Any connection of the service.

    Raises:
        Refusal: Names the setting.
    """
    for row in await tx.fetch(SELECT_DURABILITY):
        if row["setting"] == "off":
            raise Refusal(
                f"PostgreSQL runs with {row['name']} = off: a confirmed appointment could be "
                "forgotten; turn it on (or set REGUL_THROW_AWAY=1 for data nobody keeps)."
            )


def check_codes(library: Library) -> None:
    """Refuse protocols that ask for a service or skill no directory row can ever offer.

    Args:
        library: The protocols of this process.

    Raises:
        Refusal: Names the protocol and the codes.
    """
    known = codes.load()
    for protocol in library.protocols:
        needs = protocol.file.needs
        unknown = (
            *known.unknown_services(need.service for need in needs),
            *known.unknown_skills(skill for need in needs for skill in need.skills),
        )
        if unknown:
            raise Refusal(
                f"The protocol {protocol.file.id} asks for {', '.join(unknown)}, which is no code "
                "of the directory."
            )


async def check_nats(url: str) -> bool:
    """Check the bus; one that is away is no reason not to start.

    Args:
        url: Of the server.

    Returns:
        True when it answers and is new enough, False when it is away.

    Raises:
        Refusal: It answers and is too old.
    """
    try:
        async with asyncio.timeout(_NATS_S):
            connection = await nats.connect(
                url,
                allow_reconnect=False,
                max_reconnect_attempts=0,
                connect_timeout=_NATS_S,
                error_cb=_quiet,
            )
    except (OSError, TimeoutError, nats.errors.Error):
        return False
    try:
        told = connection.connected_server_version
        if (told.major, told.minor, told.patch) < OLDEST_NATS:
            oldest = ".".join(map(str, OLDEST_NATS))
            raise Refusal(
                f"nats-server {told.major}.{told.minor}.{told.patch} is too old: {oldest}."
            )
    finally:
        await connection.close()
    return True


async def _quiet(_error: Exception) -> None:
    """Keep nats-py from printing: the caller logs."""


SELECT_LOGINS: Final = """
select r.rolname as name, r.rolsuper as superuser, r.rolbypassrls as bypasses,
       r.rolname = 'regul_owner' or exists (
           select from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relowner = r.oid and n.nspname = 'kernel') as owns
from pg_roles r
where r.rolname in (session_user, current_user)
"""
MIGRATIONS_EXIST: Final = """
select to_regclass('public.regul_migration')
"""
SELECT_CLOCK_SOURCE: Final = """
select p.prosrc
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'kernel' and p.proname = 'regul_now' and p.pronargs = 0
"""
SELECT_DURABILITY: Final = """
select name, setting from pg_settings
where name in ('fsync', 'synchronous_commit', 'full_page_writes')
order by name
"""
