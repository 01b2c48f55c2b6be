"""The live feed of one process: one LISTEN, any number of streams, each with its actor's rights.

Streams follow PostgreSQL positions, never NATS; a stream that breaks goes on after the position it
saw last.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, Literal

from events import feed
from events.listening import Bell, Listener
from events.model import StoredEvent
from kernel import errors
from kernel.actor import Actor
from kernel.database import Database

PAGE: Final = 200
BEAT_S: Final = 10.0
"""How often a stream without news says that it lives."""


class Hub:
    """Gives streams of events; `run` listens."""

    def __init__(self, database: Database) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_app`.
        """
        self._database = database
        self._listener = Listener(database)

    async def run(self) -> None:
        """Listen for as long as the process lives."""
        await self._listener.run()

    def bell(self) -> Bell:
        """Give a bell that rings when there may be news, for those who look by themselves.

        Returns:
            The bell.
        """
        return self._listener.bell()

    async def head(self, actor: Actor) -> int:
        """Give the last position.

        Args:
            actor: Who asks.

        Returns:
            The position from which `follow` gives only what comes.
        """
        async with self._database.transaction(actor) as tx:
            return await feed.head(tx)

    async def follow(
        self, actor: Actor, after: int | None, ended: asyncio.Event
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """Follow the events an actor may see.

        Args:
            actor: Whose rights apply, looked at anew for each page.
            after: Position seen last; None = only what comes from now on.
            ended: Ends the stream cleanly.

        Yields:
            Pages of events in order of positions; an empty page is a sign of life.
        """
        bell = self._listener.bell()
        ending = asyncio.create_task(ended.wait())
        quiet = 0.0
        try:
            while not ended.is_set():
                page, after = await self._page(actor, after)
                if page or quiet >= BEAT_S:
                    quiet = 0.0
                    yield page
                if len(page) < PAGE:
                    quiet += await _pause(bell, ending)
        finally:
            ending.cancel()

    async def _page(
        self, actor: Actor, after: int | None
    ) -> tuple[Sequence[StoredEvent], int | None]:
        """Read a page; a database that is away gives none, and the stream goes on."""
        try:
            async with self._database.transaction(actor) as tx:
                head = await feed.head(tx)
                if after is None or after > head:
                    return (), head
                page = await feed.read(tx, after, PAGE) if head > after else ()
        except errors.Unavailable:
            return (), after
        last = page[-1].position if page else after
        # A page may hold what came after `head` was read; a full one may end before it.
        return page, last if len(page) == PAGE else max(head, last)


async def _pause(bell: Bell, ending: "asyncio.Task[Literal[True]]") -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    ringing = asyncio.create_task(bell.wait())
    try:
        await asyncio.wait({ringing, ending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ringing.cancel()
    return loop.time() - began
