"""One LISTEN per process: wake-ups without polling; a lost wake-up costs a second, never more."""

import asyncio
import contextlib
import weakref
from typing import Final

from kernel import errors
from kernel.database import FAILURES, Database, Tx
from kernel.telemetry import logger

APPENDED: Final = "regul_feed"
"""Rung by each process after its commits."""
SEQUENCED: Final = "regul_position"
"""Rung by the sequencer, once a batch."""
IDLE_S: Final = 1.0
"""How long anybody waits without a bell; nothing looks more often while idle."""
_AGAIN_S: Final = 0.5


def heed() -> None:
    """End a task that was told to end.

    `asyncio.wait_for` of Python 3.11 (nats-py and asyncpg use it) may swallow a cancellation that
    comes together with its result; a loop that goes on for ever must ask.

    Raises:
        CancelledError: The task was cancelled before.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def pause(seconds: float) -> None:
    """Sleep in a loop that goes on for ever.

    Args:
        seconds: How long.
    """
    heed()
    await asyncio.sleep(seconds)


class Bell:
    """What one follower waits on."""

    def __init__(self) -> None:
        """Begin silent."""
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the follower; returns at once."""
        self._rung.set()

    async def wait(self, timeout_s: float = IDLE_S) -> bool:
        """Wait for the next ring, or for the time to pass.

        Args:
            timeout_s: Seconds.

        Returns:
            Whether it rang.
        """
        heed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        rang = self._rung.is_set()
        self._rung.clear()
        return rang


class Listener:
    """Holds the process' one listening connection and rings the bells."""

    def __init__(self, database: Database) -> None:
        """Prepare; `run` listens.

        Args:
            database: Any pool; one of its connections is kept.
        """
        self._database = database
        self._bells: dict[str, weakref.WeakSet[Bell]] = {
            channel: weakref.WeakSet() for channel in (APPENDED, SEQUENCED)
        }

    def bell(self, channel: str = SEQUENCED) -> Bell:
        """Make a bell.

        Args:
            channel: `SEQUENCED`; `APPENDED` is for the sequencer alone, which commits nothing when
                it finds nothing: anybody else would wake itself with each of its commits.

        Returns:
            The bell; it is forgotten when the caller forgets it.
        """
        bell = Bell()
        self._bells[channel].add(bell)
        return bell

    async def run(self) -> None:
        """Listen for as long as the process lives; a database that is away is waited for."""
        while True:
            try:
                async with self._database.plain() as connection:
                    await self._listen(connection)
            except errors.Unavailable:
                logger().warning("database.away", worker="listener")
                await pause(_AGAIN_S)

    async def _listen(self, connection: Tx) -> None:
        lost = asyncio.Event()

        def ring(_connection: object, _pid: int, channel: str, _payload: object) -> None:
            self._ring(channel)

        def end(_: object) -> None:
            lost.set()

        connection.add_termination_listener(end)
        try:
            for channel in self._bells:
                await connection.add_listener(channel, ring)
                self._ring(channel)
            await lost.wait()
        finally:
            connection.remove_termination_listener(end)
            if not connection.is_closed():
                with contextlib.suppress(*FAILURES):
                    for channel in self._bells:
                        await connection.remove_listener(channel, ring)

    def _ring(self, channel: str) -> None:
        for bell in self._bells[channel]:
            bell.ring()


def shared(database: Database) -> Listener:
    """Give the one listener of a pool; who assembles the process runs it.

    Args:
        database: The pool.

    Returns:
        The same listener at each call. Its bells fall back to `IDLE_S` while nobody runs it.
    """
    known = _LISTENERS.get(database)
    if known is None:
        known = _LISTENERS[database] = Listener(database)
    return known


_LISTENERS: Final[weakref.WeakKeyDictionary[Database, Listener]] = weakref.WeakKeyDictionary()
