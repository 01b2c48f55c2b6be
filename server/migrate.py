"""The `migrate` subcommand: bring a database to this version, once or as often as one likes."""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from kernel import migrate, settings
from server.bootstrap import LOGIN
from server.refusal import Refusal
from server.stack import Stack, default_home

ADMIN: Final = "DATABASE_ADMIN_URL"


async def bring_up(dsn: str, admin_dsn: str) -> list[str]:
    """Create what a superuser must (when there is one), then apply the new migrations.

    Args:
        dsn: Of the service's login.
        admin_dsn: Of a superuser; empty when roles and database exist.

    Returns:
        Names of the files applied now.

    Raises:
        Refusal: The database cannot be reached or used.
    """
    parts = urlsplit(dsn)
    try:
        if admin_dsn:
            await migrate.bootstrap(
                admin_dsn,
                parts.path.lstrip("/"),
                parts.username or LOGIN,
                unquote(parts.password or ""),
            )
        return list(await migrate.migrate(dsn))
    except (migrate.MigrationError, asyncpg.PostgresError) as error:
        raise Refusal(f"The database cannot be migrated: {error}.") from None
    except (OSError, TimeoutError):
        raise Refusal("The database of DATABASE_URL does not answer.") from None


async def embedded() -> None:
    """Migrate the embedded database of this instance and stop it again."""
    async with Stack(default_home(), api=False, worker=False, environ={"NATS_URL": "unused"}):
        pass


def admin_url() -> str:
    """Give the superuser's DSN from the environment or the file it names; empty without one."""
    if path := os.environ.get(f"{ADMIN}_FILE"):
        return Path(path).read_text("utf-8").strip()
    return os.environ.get(ADMIN, "")


def main(arguments: list[str]) -> int:
    """Migrate the database of DATABASE_URL, else the embedded one.

    Args:
        arguments: None but `--help`.
    """
    parser = argparse.ArgumentParser(
        prog="regul migrate",
        description=f"{__doc__} {ADMIN}: a superuser that creates the roles and the database.",
    )
    parser.parse_args(arguments)
    try:
        loaded = settings.load(os.environ)
    except settings.SettingsError as error:
        raise Refusal(f"{error}.") from None
    if loaded.database_url:
        applied = asyncio.run(bring_up(loaded.database_url, admin_url()))
        print(f"{len(applied)} migrations applied")
    else:
        asyncio.run(embedded())
        print("the embedded database is at this version")
    return 0
