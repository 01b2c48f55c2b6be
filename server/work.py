"""The `work` subcommand: one process that runs every room's workers, until SIGTERM or Ctrl-C.

Each worker is a coroutine that runs for ever. One that fails is started again after a pause that
grows up to five seconds; the others go on. Several such processes may run: the workers choose
their leaders through the database.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final, Never

from kernel import errors, telemetry
from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup, open_database
from kernel.settings import Settings
from server import metrics, problems, startup
from server.refusal import Refusal
from server.rooms import Worker, workers
from server.serve import read_settings
from server.services import WAKE_CHANNEL, master_key

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
STEADY_S: Final = 30.0
"""Seconds after which a worker counts as healthy again and its pause starts small."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def keep(worker: Worker) -> Never:
    """Run one worker for ever, again after each failure.

    Args:
        worker: What to run.
    """
    pause = FIRST_PAUSE_S
    while True:
        began = time.monotonic()
        telemetry.logger().info("worker.started", worker=worker.name)
        try:
            await worker.run()
            telemetry.logger().warning("worker.stopped", worker=worker.name)
        except Exception as error:  # noqa: BLE001 - the supervisor: logs, counts, starts again
            telemetry.logger().error(
                "worker.failed",
                worker=worker.name,
                error=type(error).__name__,
                code=error.code if isinstance(error, errors.RegulError) else "",
                reason=problems.place(error),
            )
        metrics.RESTARTS.labels(worker.name).inc()
        if time.monotonic() - began > STEADY_S:
            pause = FIRST_PAUSE_S
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))
        pause = min(LONGEST_PAUSE_S, pause * 2)


async def run(team: Sequence[Worker], stop: asyncio.Event) -> None:
    """Run a team of workers until told to stop; cancels them then and waits for them.

    Args:
        team: The workers.
        stop: Set by a signal.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep(worker), name=worker.name) for worker in team]
        await stop.wait()
        for task in tasks:
            task.cancel()


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
        waking.cancel()
        await asyncio.gather(waking, return_exceptions=True)
        await database.close()


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
            await run(workers(database, settings, keys), stop)
    telemetry.logger().info("server.stopping", pid=os.getpid())


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    await work(settings, stop)


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
        runner.run(_until_signal(settings))
    return 0
