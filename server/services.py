"""What the routes of one process stand on: pools, keys, live feed, snapshot.

A database that is away does not stop a start: the door answers 503 until it is back and the
start-up checks have passed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from directory.loading import Keeper
from directory.snapshot import Snapshot
from events.live import Hub
from kernel import errors, telemetry
from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup, open_database
from kernel.settings import Settings
from server import startup
from server.auth import Attempts, Doorkeeper
from server.configuration import WAKE_CHANNEL, master_key
from server.refusal import Refusal
from server.status import Watch
from server.supervision import close, end, keep
from server.team import Worker
from triage import library
from triage.library import Library

_FIRST_TRY_S: Final = 10.0
_RETRY_S: Final = 0.25


class Services:
    """Everything shared by the requests of one process.

    Attributes:
        settings: As read at the start.
        library: The triage protocols.
        keys: Opens and seals.
        doorkeeper: Finds actors.
        attempts: Failed sign-ins.
        drain: Set when the process stops; live streams end then.
        refusal: Why this process must not serve, once known.
        on_refusal: Called when a check refuses after the server has begun to listen.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; opens nothing yet.

        Args:
            settings: As read at the start.

        Raises:
            Refusal: The master key can't be read, or a protocol asks for an unknown code.
        """
        self.settings = settings
        self.library: Library = library.load()
        startup.check_codes(self.library)
        self.keys = KeyRing(master_key(settings))
        self.doorkeeper = Doorkeeper()
        self.attempts = Attempts()
        self.drain = asyncio.Event()
        self.refusal: Refusal | None = None
        self.on_refusal: Callable[[], None] = lambda: None
        self._checked = False
        self._tried = asyncio.Event()
        self._database: Database | None = None
        self._watch: Watch | None = None
        self._hub: Hub | None = None
        self._keeper: Keeper | None = None

    @property
    def ready(self) -> bool:
        """Tell whether the start-up checks have passed."""
        return self._checked

    @property
    def complete(self) -> bool:
        """Tell whether every kind of request can be served: checked, and the directory read."""
        return self._checked and self._keeper is not None and self._keeper.ready

    @property
    def database(self) -> Database:
        """Give the pool under `regul_app`.

        Raises:
            Unavailable: `starting`.
        """
        if self._database is None:
            raise errors.Unavailable("starting", "The service is starting.", 1)
        return self._database

    @property
    def watch(self) -> Watch:
        """Give what tells the service's condition.

        Raises:
            Unavailable: `starting`.
        """
        if self._watch is None:
            raise errors.Unavailable("starting", "The service is starting.", 1)
        return self._watch

    @property
    def hub(self) -> Hub:
        """Give the live feed of this process.

        Raises:
            Unavailable: `starting`.
        """
        if self._hub is None:
            raise errors.Unavailable("starting", "The service is starting.", 1)
        return self._hub

    @property
    def snapshot(self) -> Snapshot:
        """Give the present snapshot of the directory.

        Raises:
            Unavailable: `starting`, `directory_loading`.
        """
        if self._keeper is None:
            raise errors.Unavailable("starting", "The service is starting.", 1)
        return self._keeper.snapshot

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open pools and background tasks; close them at the end.

        Yields:
            Nothing; the service runs.
        """
        database = await open_database(
            self.settings.database_url, "regul_app", self.settings.pool_size
        )
        self._database = database
        self._watch = Watch(database)
        self._hub = Hub(database)
        self._keeper = Keeper(database, self._hub.bell())
        self.doorkeeper.connect(database)
        database.on_commit = wakeup = Wakeup(database, WAKE_CHANNEL)
        tasks = [
            asyncio.create_task(wakeup.run()),
            asyncio.create_task(keep(Worker(name="live", run=self._hub.run))),
            asyncio.create_task(self._warm(self._keeper)),
        ]
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), _FIRST_TRY_S)
            yield
        finally:
            self.drain.set()
            await end(tasks)
            await close(database)

    async def _warm(self, keeper: Keeper) -> None:
        """Run the checks as soon as the database answers, then keep the snapshot fresh."""
        away = False
        while not self._checked:
            try:
                await startup.check_database(self.database, self.settings)
                self._checked = True
            except errors.Unavailable as error:
                if not away:
                    telemetry.logger().warning("database.away", code=error.code)
                away = True
                self._tried.set()
                await asyncio.sleep(_RETRY_S)
            except Refusal as refusal:
                self.refusal = refusal
                self.on_refusal()
                self._tried.set()
                return
        self._tried.set()
        await keep(Worker(name="snapshot", run=keeper.run))
