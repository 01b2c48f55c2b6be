"""Keeps a background task running: again after each failure, with a pause that grows."""

import asyncio
import os
import random
import threading
import time
from collections.abc import Iterable
from typing import Any, Final, Never

from kernel import errors, telemetry
from kernel.database import Database
from server import metrics
from server.team import Worker

_FAREWELL_S: Final = 1.0
STOP_S: Final = 4.5
"""Seconds after which a process that was told to stop ends by force."""
_CANCEL_AGAIN_S: Final = 0.2
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
STEADY_S: Final = 30.0
"""Seconds after which a worker counts as healthy again and its pause starts small."""


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
                reason=telemetry.place(error),
            )
        metrics.RESTARTS.labels(worker.name).inc()
        if time.monotonic() - began > STEADY_S:
            pause = FIRST_PAUSE_S
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))
        pause = min(LONGEST_PAUSE_S, pause * 2)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    A cancellation can get lost: before Python 3.12 `asyncio.wait_for` swallows one that arrives in
    the moment its inner wait is over.

    Args:
        tasks: What to end.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)


def exit_after(seconds: float) -> None:
    """End this process by force when it has not ended by itself; the last line of defence.

    Args:
        seconds: From now.
    """

    def force() -> None:
        telemetry.logger().error("server.stopping", reason="forced", pid=os.getpid())
        os._exit(1)

    timer = threading.Timer(seconds, force)
    timer.daemon = True
    timer.start()


async def close(database: Database) -> None:
    """Close a pool; connections that do not say goodbye within a second are cut.

    Args:
        database: The pool.
    """
    try:
        await asyncio.wait_for(database.pool.close(), _FAREWELL_S)
    except TimeoutError:
        database.pool.terminate()
