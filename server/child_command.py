"""A subcommand of ours as a supervised child: the API, the worker, the demo's live world."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from kernel import database, heartbeat
from server.configuration import WORKER
from server.layout import LOOPBACK, Layout
from server.process import Process

ROOT: Final = Path(__file__).resolve().parent.parent
ASK_S: Final = 2.0
ASK_PATH: Final = "/healthz"
SILENT_S: Final = 15.0


class ChildCommand:
    """One `regul` subcommand as a child process, restarted by the supervisor.

    Attributes:
        name: Its name for the supervisor.
        port: HTTP port that it answers on; 0 when it has none.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        layout: Layout,
        env: Mapping[str, str],
        port: int = 0,
    ) -> None:
        """Describe the child; starts nothing.

        Args:
            name: Its name for the supervisor.
            arguments: The subcommand and its options.
            layout: Directories of the instance.
            env: Settings added to our own environment.
            port: HTTP port that it answers on; 0 when it has none.
        """
        self.name = name
        self.port = port
        self._arguments = arguments
        self._layout = layout
        self._env = dict(os.environ, **env, PYTHONPATH=str(ROOT))
        self._process: Process | None = None
        self._started_s = 0.0

    @property
    def process(self) -> Process | None:
        """Give its process since the last start."""
        return self._process

    def start(self) -> None:
        """Start it without waiting for it."""
        self._started_s = time.monotonic()
        self._process = Process(
            [sys.executable, "-P", "-m", "server.cli", *self._arguments],
            log=self._layout.logs / f"{self.name}.log",
            stop_signal=signal.SIGTERM,
            env=self._env,
            cwd=self._layout.home,
        )

    async def alive(self) -> bool:
        """Ask: any HTTP answer when it has a port, else whether it still runs."""
        if not self.port:
            return self._process is not None and self._process.exit_code() is None
        try:
            async with asyncio.timeout(ASK_S):
                return await self._answers()
        except (OSError, TimeoutError):
            return False

    async def _answers(self) -> bool:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            host = f"{LOOPBACK}:{self.port}"
            ask = f"GET {ASK_PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            writer.write(ask.encode())
            return (await reader.readline()).startswith(b"HTTP/1.1 ")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class WorkerCommand(ChildCommand):
    """The worker: it has no port; its heartbeat in the database is its answer."""

    async def alive(self) -> bool:
        """Ask the database for a heartbeat since the start; a database away blames nobody."""
        if not await super().alive():
            return False
        try:
            connection = await asyncpg.connect(
                self._env["DATABASE_URL"], timeout=ASK_S, server_settings={"role": "regul_system"}
            )
        except database.FAILURES:
            return True
        try:
            beats = {beat.component: beat.age_s for beat in await heartbeat.beats(connection)}
        except database.FAILURES:
            return True
        finally:
            connection.terminate()
        since_start = time.monotonic() - self._started_s
        return beats.get(WORKER, 0.0) < min(since_start, SILENT_S)
