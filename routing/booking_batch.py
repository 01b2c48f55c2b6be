"""Requests that come while others are under way share one statement: no timer, so none waits idly.

An item that comes while a lane is free goes at once, alone. While all lanes are busy items gather
by scope, and leave together when one is free. Whoever asked may go away: the statement goes on.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

from kernel import errors

LANES: Final = 2
"""Statements under way at once: one is written while the other waits for the disk."""
MOST: Final = 32
"""Most items of a statement: each has a savepoint, and beyond 64 they slow every reader down."""

Scope = TypeVar("Scope")
Item = TypeVar("Item")
Made = TypeVar("Made")
Act: TypeAlias = Callable[[Scope, Sequence[Item]], Awaitable[Mapping[int, Made]]]


class Gatherer(Generic[Scope, Item, Made]):
    """Sends items of one scope together."""

    def __init__(self, act: Act[Scope, Item, Made], *, lanes: int = LANES) -> None:
        """Prepare.

        Args:
            act: Does the items of one scope in one statement; gives what was made by the number
                of its item, from 0. An item without an entry left nothing behind.
            lanes: Statements under way at once.
        """
        self._act = act
        self._lanes = lanes
        self._waiting: dict[Scope, deque[tuple[Item, asyncio.Future[Made | None]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, scope: Scope, item: Item) -> Made | None:
        """Do one item, together with what else came meanwhile.

        Args:
            scope: Items of different scopes never share a statement.
            item: What is asked.

        Returns:
            What was made; None when the statement left nothing of it behind, or its outcome is
            unknown: ask again under the same idempotency key.
        """
        future: asyncio.Future[Made | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(scope, deque()).append((item, future))
        self._start()
        return await future

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._lanes:
            scope = next(iter(self._waiting))
            queue = self._waiting.pop(scope)
            batch = [queue.popleft() for _ in range(min(MOST, len(queue)))]
            if queue:  # behind the other scopes
                self._waiting[scope] = queue
            task = asyncio.create_task(self._run(scope, batch))
            self._running.add(task)

    async def _run(
        self, scope: Scope, batch: Sequence[tuple[Item, asyncio.Future[Made | None]]]
    ) -> None:
        made: Mapping[int, Made] = {}
        failed: BaseException | None = None
        try:
            made = await self._act(scope, [item for item, _ in batch])
        except errors.RegulError:
            made = {}  # each asks again by itself, and is told what it is
        except Exception as error:  # noqa: BLE001 - whoever asked raises it
            failed = error
        except BaseException as error:
            failed = error
            raise
        finally:
            for number, (_, future) in enumerate(batch):
                _answer(future, made.get(number), failed)
            self._running.discard(_this_task())
            self._start()


def _answer(
    future: asyncio.Future[Made | None], made: Made | None, failed: BaseException | None
) -> None:
    if future.done():
        return  # who asked went away
    if failed is None:
        future.set_result(made)
    elif isinstance(failed, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(failed)


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a statement runs in a task")
    return task
