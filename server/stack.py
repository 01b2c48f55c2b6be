"""A whole Régul as child processes: PostgreSQL, nats-server, API, worker.

`demo` runs one in `.regul/`; `replay`, `bench`, `chaos` and tests run throw-away ones on free
ports. `DATABASE_URL` and `NATS_URL` replace the embedded servers.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kernel.crypto import ensure_master
from server.bootstrap import prepare, prepare_external
from server.child_command import ChildCommand, WorkerCommand
from server.layout import LOOPBACK, Layout
from server.nats_server import NatsServer
from server.postgres_server import PostgresServer
from server.supervisor import Service, Supervisor, tell

EMBEDDED: Final = ("postgres", "nats")
STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def default_home() -> Path:
    """Give the directory of this machine's instance: `.regul` in the clone, else in the cwd."""
    if chosen := os.environ.get("REGUL_HOME"):
        return Path(chosen)
    return Path(os.environ.get("REGUL_ROOT", ".")) / ".regul"


@contextlib.contextmanager
def throw_away_home() -> Iterator[Path]:
    """Give a directory that is removed afterwards, for a stack nobody keeps."""
    home = Path(tempfile.mkdtemp(prefix="regul-"))
    home.chmod(0o755)
    try:
        yield home / ".regul"
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Stack:
    """Everything of one instance, running; use as an async context manager in the main thread.

    Attributes:
        layout: Its directories.
        dsn: The service's DSN (restricted login), once entered.
        nats_url: The service's NATS URL, once entered.
        base_url: Where the API answers, once entered; empty without an API.
        supervisor: Keeps the children running.
    """

    def __init__(
        self,
        home: Path,
        *,
        api: bool = True,
        worker: bool = True,
        api_port: int = 0,
        postgres_port: int = 0,
        nats_port: int = 0,
        throw_away: bool = False,
        environ: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        seed: "Callable[[Stack], Awaitable[None]] | None" = None,
        say: Callable[[str], None] = tell,
    ) -> None:
        """Describe the instance; starts nothing.

        Args:
            home: Its directory.
            api: Start the HTTP service.
            worker: Start the worker.
            api_port: Port of the API; 0 takes the last one or a free one.
            postgres_port: Port of the embedded PostgreSQL; 0 likewise.
            nats_port: Port of the embedded nats-server; 0 likewise.
            throw_away: Give up durability against a crash of the machine.
            environ: Where DATABASE_URL and NATS_URL are looked up; os.environ when None, an
                empty mapping forces embedded servers.
            settings: Settings of the children besides addresses and keys, such as REGUL_DEMO.
            seed: Fills the migrated database before API and worker start.
            say: Receives one line for a person at each restart.
        """
        self._environ = os.environ if environ is None else environ
        self._wanted = {"api": api, "worker": worker}
        self._ports = {"api": api_port, "postgres": postgres_port, "nats": nats_port}
        self._throw_away = throw_away
        self._settings = dict(settings or {})
        self._seed = seed
        self.layout = Layout(home)
        self.supervisor = Supervisor(say)
        self.postgres: PostgresServer | None = None
        self.nats: NatsServer | None = None
        self.dsn = self.nats_url = self.base_url = ""

    async def __aenter__(self) -> Self:
        """Start everything in order; give the running stack.

        Raises:
            Refusal: One plain sentence why it cannot start.
        """
        self.layout.lock()
        try:
            await self._start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything, the last started first."""
        await self.supervisor.stop()
        self.layout.unlock()

    @property
    def embedded(self) -> Sequence[str]:
        """Give the names of the servers that are our own children and may be killed."""
        return [name for name in EMBEDDED if getattr(self, name) is not None]

    @property
    def environment(self) -> dict[str, str]:
        """Give the settings that make another process join this instance."""
        settings = {
            "DATABASE_URL": self.dsn,
            "NATS_URL": self.nats_url,
            "REGUL_KEY_FILE": str(self.layout.keys / "master.key"),
            "REGUL_HOST": LOOPBACK,
            "REGUL_HOME": str(self.layout.home),
        }
        if self.base_url:
            settings["REGUL_PORT"] = self.base_url.rpartition(":")[2]
        if self.nats is not None:
            settings["REGUL_AUTH_CALLOUT_SEED"] = str(self.nats.seed_file)
        if self._throw_away:
            settings["REGUL_THROW_AWAY"] = "1"
        return {**settings, **self._settings}

    def kill(self, name: str) -> None:
        """Kill a child with SIGKILL; the supervisor starts it again.

        Args:
            name: `postgres`, `nats`, `api`, `worker` or a child added later.
        """
        self.supervisor.kill(name)

    async def wait_ready(self, name: str, timeout_s: float = 60.0) -> None:
        """Wait until a child answers (again).

        Args:
            name: Its name.
            timeout_s: How long, in seconds.

        Raises:
            TimeoutError: It does not.
        """
        await self.supervisor.wait_ready(name, timeout_s)

    async def add_child(self, name: str, arguments: Sequence[str]) -> None:
        """Start one more subcommand beside the others and keep it running.

        Args:
            name: Its name for `kill` and its log.
            arguments: The subcommand and its options.
        """
        child = ChildCommand(name, arguments, layout=self.layout, env=self.environment)
        await self.supervisor.add(child)

    async def _start_service(self) -> None:
        if self._wanted["api"]:
            self.base_url = f"http://{LOOPBACK}:{self.layout.port('api', self._ports['api'])}"
        layout, env = self.layout, self.environment
        children: list[Service] = []
        if self._wanted["worker"]:
            children.append(WorkerCommand("worker", ["work"], layout=layout, env=env))
        if self._wanted["api"]:
            port = int(self.base_url.rpartition(":")[2])
            children.append(ChildCommand("api", ["serve"], layout=layout, env=env, port=port))
        await self._add_all(children)

    async def _add_all(self, services: Sequence[Service]) -> None:
        """Start services side by side; the first failure counts once all have ended."""
        adding = [self.supervisor.add(service) for service in services]
        for outcome in await asyncio.gather(*adding, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _start(self) -> None:
        ensure_master(self.layout.keys / "master.key")
        if not self._environ.get("DATABASE_URL"):
            self.postgres = PostgresServer(
                self.layout, port=self._ports["postgres"], throw_away=self._throw_away
            )
        if not self._environ.get("NATS_URL"):
            self.nats = NatsServer(self.layout, port=self._ports["nats"])
        await self._add_all([one for one in (self.nats, self.postgres) if one is not None])
        if self.postgres is None:
            self.dsn = await prepare_external(self._environ["DATABASE_URL"], self.layout)
        else:
            self.dsn = await prepare(self.postgres.dsn(), self.layout)
        self.nats_url = self.nats.url if self.nats else self._environ["NATS_URL"]
        if self._seed is not None:
            await self._seed(self)
        await self._start_service()


async def until_signal() -> None:
    """Wait for Ctrl-C or SIGTERM, without the traceback of either."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in STOPPING:
        loop.add_signal_handler(number, asked.set)
    try:
        await asked.wait()
    finally:
        for number in STOPPING:
            loop.remove_signal_handler(number)
