"""A task that runs beside a block and really ends with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

AGAIN_S: Final = 5.0
"""Long enough for an orderly end, such as a connection's, before the cancellation is repeated."""


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine while a block runs; a cancellation that a library swallows is repeated.

    Args:
        work: Runs until it is cancelled; what it raises by itself ends the block's caller.

    Yields:
        Nothing.
    """
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=AGAIN_S)
    if not task.cancelled():
        task.result()
