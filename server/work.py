"""The `work` subcommand: one process that runs every room's workers, until SIGTERM or Ctrl-C.

Each worker is a coroutine that runs for ever. One that fails is started again after a pause that
grows up to five seconds; the others go on. Several such processes may run: the workers choose
their leaders through the database.
"""

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from kernel import errors, heartbeat, telemetry
from kernel.actor import system
from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup, open_database
from kernel.settings import Settings
from server import startup
from server.configuration import WAKE_CHANNEL, WORKER, master_key, read_settings
from server.refusal import Refusal
from server.supervision import STOP_S, close, end, exit_after, keep
from server.team import Worker, workers

_BEAT_S: Final = 1.0
_GRACE_S: Final = 2.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run(team: Sequence[Worker], stop: asyncio.Event) -> None:
    """Run a team of workers until told to stop; cancels them then and waits for them.

    Args:
        team: The workers.
        stop: Set by a signal.
    """
    tasks = [asyncio.create_task(keep(worker), name=worker.name) for worker in team]
    try:
        await stop.wait()
    finally:
        await end(tasks)


async def checked(database: Database, settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for the database and pass the start-up checks.

    Args:
        database: Pool under `regul_system`.
        settings: Of this process.
        stop: Ends the waiting.

    Returns:
        False when told to stop before the database came.

    Raises:
        Refusal: A check refused.
    """
    away = False
    while not stop.is_set():
        try:
            await startup.check_database(database, settings)
        except errors.Unavailable as error:
            if not away:
                telemetry.logger().warning("database.away", code=error.code)
            away = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)
        else:
            return True
    return False


@contextlib.asynccontextmanager
async def pool(settings: Settings) -> AsyncIterator[Database]:
    """Open the workers' pool; its commits wake the sequencer.

    Args:
        settings: Of this process.

    Yields:
        The pool under `regul_system`.
    """
    database = await open_database(settings.database_url, "regul_system", settings.pool_size)
    database.on_commit = wakeup = Wakeup(database, WAKE_CHANNEL)
    waking = asyncio.create_task(wakeup.run())
    try:
        yield database
    finally:
        await end([waking])
        await close(database)


async def beat(database: Database) -> None:
    """Say every second that this process lives; a database that is away is waited for.

    Args:
        database: Pool under `regul_system`.
    """
    while True:
        with contextlib.suppress(errors.Unavailable):
            async with database.transaction(system()) as tx:
                await heartbeat.beat(tx, WORKER)
        await asyncio.sleep(_BEAT_S)


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Run every room's workers.

    Args:
        settings: Of this process.
        stop: Set by a signal.

    Raises:
        Refusal: A start-up check refused.
    """
    if settings.nats_url and not await startup.check_nats(settings.nats_url):
        telemetry.logger().warning("nats.away")
    keys = KeyRing(master_key(settings))
    async with pool(settings) as database:
        if await checked(database, settings, stop):
            telemetry.logger().info("server.started", pid=os.getpid())
            beating = Worker(name=WORKER, run=partial(beat, database))
            await run([beating, *workers(database, settings, keys)], stop)
    telemetry.logger().info("server.stopping", pid=os.getpid())


async def until_signal(settings: Settings) -> None:
    """Run the workers until SIGTERM or SIGINT, whatever is away at that moment.

    Args:
        settings: Of this process.

    Raises:
        Refusal: A start-up check refused.
    """
    stop = asyncio.Event()

    def told() -> None:
        exit_after(STOP_S)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told)
    running = asyncio.create_task(work(settings, stop))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({running}, timeout=_GRACE_S)
    await end(task for task in (running, waiting) if not task.done())
    if not running.cancelled():
        running.result()


def main(arguments: list[str]) -> int:
    """Run the workers.

    Args:
        arguments: None but --help.
    """
    argparse.ArgumentParser(prog="regul work", description=__doc__).parse_args(arguments)
    settings = read_settings()
    if not settings.nats_url:
        raise Refusal("NATS_URL is not set: ./regul demo runs a nats-server of its own.")
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signal(settings))
    return 0
