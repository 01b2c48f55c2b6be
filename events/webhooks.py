"""The webhook sender: each subscription in the order of its numbers, none held up by another.

A webhook is claimed by one sender at a time, and has one message on the way. Those that failed the
last time run in a small pool of their own, so that a thousand dead ones take no place from one that
lives.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Final

from events import progress, webhook_address, webhook_store
from events.listening import Bell
from events.webhook_client import Route
from events.webhook_errand import Errand
from events.webhook_store import Due
from kernel import actor, errors, ids
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.telemetry import logger

PLACES: Final[Mapping[bool, int]] = MappingProxyType({False: 200, True: 16})
"""Webhooks served at once: healthy ones, and those that failed the last time."""
_ALARM_EVERY_S: Final = 1.0
_SYSTEM: Final = actor.system()


class Sender:
    """Serves webhooks for as long as `run` runs."""

    def __init__(self, database: Database, keys: KeyRing, *, loopback: bool = False) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_system`.
            keys: Makes pseudonyms and signing keys.
            loopback: Webhooks may go to this machine.
        """
        self._database = database
        self._keys = keys
        self._me = ids.uuid7()
        tls = ssl.create_default_context()
        self._routes = {
            failing: Route(
                resolve=webhook_address.resolver(
                    ThreadPoolExecutor(places, thread_name_prefix="webhook-names")
                ),
                tls=tls,
                loopback=loopback,
            )
            for failing, places in ((False, 32), (True, 4))
        }
        self._running: dict[bool, set[asyncio.Task[None]]] = {False: set(), True: set()}
        self._bell = Bell()

    async def run(self, bell: Bell) -> None:
        """Send for as long as the process lives.

        Args:
            bell: Rings when something was decided.
        """
        self._bell = bell
        looked = 0.0
        try:
            while True:
                started = 0
                with contextlib.suppress(errors.Unavailable):
                    started = await self.step()
                    if time.monotonic() - looked >= _ALARM_EVERY_S:
                        looked = time.monotonic()
                        await self.raise_alarms()
                if not started:
                    await bell.wait()
        finally:
            await self._end()

    async def step(self) -> int:
        """Claim what is due and begin to serve it.

        Returns:
            How many webhooks.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        started = 0
        for failing, running in self._running.items():
            room = PLACES[failing] - len(running)
            if room <= 0:
                continue
            async with self._database.transaction(_SYSTEM) as tx:
                due = await webhook_store.claim(tx, self._me, room, failing=failing)
            for one in due:
                task = asyncio.create_task(self._serve(one))
                running.add(task)
                task.add_done_callback(running.discard)
            started += len(due)
        return started

    async def settle(self) -> None:
        """Wait until everything that was begun is over."""
        while tasks := self._running[False] | self._running[True]:
            await asyncio.wait(tasks)

    async def raise_alarms(self) -> None:
        """Name owners for webhooks that fail.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        async with self._database.transaction(_SYSTEM) as tx:
            raised = await progress.raise_alarms(tx)
        if raised:
            logger().warning("webhook.alarm", count=raised)

    async def _end(self) -> None:
        tasks = self._running[False] | self._running[True]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(errors.Unavailable):
            async with self._database.transaction(_SYSTEM) as tx:
                await webhook_store.release_all(tx, self._me)

    async def _serve(self, due: Due) -> None:
        """Serve one webhook until nothing is left or something fails; never raises."""
        try:
            errand = Errand(self._database, self._keys, self._me, due, self._routes[due.failing])
            if await errand.run():
                self._bell.ring()
        except errors.Unavailable:
            pass  # the claim lapses, and the next number is sent again
        except Exception as error:  # noqa: BLE001 - one webhook's trouble is not the others'
            logger().error(
                "webhook.broken", subscription_id=str(due.id), error=type(error).__name__
            )
