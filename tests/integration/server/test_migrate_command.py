"""`./regul migrate` makes the roles with a superuser's DSN once and needs it no more after that."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from tests.conftest import Servers

ROOT = Path(__file__).resolve().parents[3]


def migrate(**env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "migrate"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )


async def test_migrate_creates_roles_login_and_database_and_repeats(
    servers: Servers, tmp_path: Path
) -> None:
    admin = tmp_path / "admin"
    admin.write_text(servers.postgres.dsn() + "\n")
    dsn = servers.dsn("regul_migrated", "regul_operated", "a secret with %40".replace(" ", "%20"))
    first = migrate(DATABASE_URL=dsn, DATABASE_ADMIN_URL_FILE=str(admin))
    assert first.returncode == 0, first.stderr
    assert not first.stdout.startswith("0 ")
    second = migrate(DATABASE_URL=dsn)
    assert (second.returncode, second.stdout) == (0, "0 migrations applied\n")
    connection = await asyncpg.connect(servers.postgres.dsn())
    await connection.execute("drop database regul_migrated with (force)")
    await connection.close()


def test_a_database_that_is_away_is_one_sentence(servers: Servers) -> None:
    dsn = servers.dsn("regul_migrated").replace(str(servers.postgres.port), "1")
    told = migrate(DATABASE_URL=dsn)
    assert told.returncode == 2
    assert told.stderr == "regul: The database of DATABASE_URL does not answer.\n"


def test_a_wrong_password_is_one_sentence_without_the_password(servers: Servers) -> None:
    told = migrate(DATABASE_URL=servers.dsn("postgres", "postgres", "wrong-password"))
    assert told.returncode == 2
    assert told.stderr.startswith("regul: The database cannot be migrated")
    assert "wrong-password" not in told.stderr
    assert len(told.stderr.splitlines()) == 1
