"""The worker that asks registered feeds when they are due, each under a lease: never twice at once.

A run that was interrupted goes on where it was; what two runners could still do at the same moment
(one slept through its lease) is refused batch by batch (`directory.feed_intake`).
"""

import asyncio
from typing import Final, Never
from uuid import UUID

from directory import feed_polls, feed_store
from directory.feed_store import Feed
from events import listening
from kernel import actor as actors
from kernel import errors, telemetry
from kernel.database import Database
from kernel.settings import Settings
from server import feed_runs
from server.feed_sources import Outcome

_EVERY_S: Final = 1.0
_AT_ONCE: Final = 3
"""Feeds taken in at a time by one worker."""
_RENEW_S: Final = feed_polls.LEASE_S / 4
_SYSTEM: Final = actors.system()


async def run(database: Database, settings: Settings) -> Never:
    """Ask feeds for as long as the process lives.

    Args:
        database: Pool under `regul_system`.
        settings: Of this process.
    """
    asking: dict[UUID, asyncio.Task[None]] = {}
    try:
        while True:
            asking = {key: task for key, task in asking.items() if not task.done()}
            for feed_id in await _due(database, _AT_ONCE - len(asking)):
                if feed_id not in asking:
                    asking[feed_id] = asyncio.create_task(_ask(database, settings, feed_id))
            await listening.pause(_EVERY_S)
    finally:
        for task in asking.values():
            task.cancel()


async def _due(database: Database, limit: int) -> tuple[UUID, ...]:
    if limit <= 0:
        return ()
    async with database.transaction(_SYSTEM) as tx:
        return tuple(await feed_polls.due(tx, limit))


async def _ask(database: Database, settings: Settings, feed_id: UUID) -> None:
    """Ask one feed; what goes wrong is kept with it and logged, and stops no other feed."""
    try:
        async with database.transaction(_SYSTEM) as tx:
            (feed,) = await feed_store.feeds(tx, feed_id)
        await take(database, feed, loopback=settings.feeds_from_loopback, only_due=True)
    except errors.RegulError as problem:
        telemetry.logger().warning("feed.failed", code=problem.code)
    except Exception as error:  # noqa: BLE001 - one feed's trouble is no other's
        reason = telemetry.place(error)
        telemetry.logger().error("feed.failed", error=type(error).__name__, reason=reason)


async def take(
    database: Database, feed: Feed, *, loopback: bool, only_due: bool = False, wait_s: float = 0.0
) -> Outcome:
    """Take a feed in under its lease.

    Args:
        database: Pool under `regul_system`.
        feed: Which.
        loopback: It may be fetched from this machine.
        only_due: Not before its time.
        wait_s: Seconds to wait for whoever is at it, or for the lease of one that was killed.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: somebody else is at it, or it was lost.
        kernel.errors.RegulError: It cannot be had or read.
    """
    generation = await _lease(database, feed, 0.0 if only_due else wait_s, only_due=only_due)
    if generation is None:
        raise errors.Conflict("feed_run_elsewhere", "Somebody else is taking this feed in.")
    try:
        done = await _kept(database, feed, generation, loopback=loopback)
    except Exception as error:
        problem = error.code if isinstance(error, errors.RegulError) else "feed_run_broke"
        await _settle(database, feed, generation, problem)
        raise
    await _settle(database, feed, generation, None)
    return done


async def _lease(database: Database, feed: Feed, wait_s: float, *, only_due: bool) -> int | None:
    until = asyncio.get_running_loop().time() + wait_s
    while True:
        async with database.transaction(_SYSTEM) as tx:
            generation = await feed_polls.lease(tx, feed.id, only_due=only_due)
        if generation is not None or asyncio.get_running_loop().time() >= until:
            return generation
        await asyncio.sleep(_EVERY_S / 2)


async def _settle(database: Database, feed: Feed, generation: int, problem: str | None) -> None:
    async with database.transaction(_SYSTEM) as tx:
        await feed_polls.settle(tx, feed.id, generation, problem)


async def _kept(database: Database, feed: Feed, generation: int, *, loopback: bool) -> Outcome:
    """Run while the lease is kept; stop when it was lost."""
    running = asyncio.create_task(feed_runs.run(database, feed, loopback=loopback))
    keeping = asyncio.create_task(_keep(database, feed.id, generation))
    try:
        await asyncio.wait({running, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await keeping
            raise errors.Conflict("feed_run_elsewhere", "Somebody else is taking this feed in.")
        return running.result()
    finally:
        running.cancel()
        keeping.cancel()
        await asyncio.wait({running, keeping})


async def _keep(database: Database, feed_id: UUID, generation: int) -> None:
    """Renew a lease until it is lost."""
    while True:
        await asyncio.sleep(_RENEW_S)
        async with database.transaction(_SYSTEM) as tx:
            if not await feed_polls.renew(tx, feed_id, generation):
                return
