"""Routing's background tasks: reactions, waiting entries overdue, lapsed holds, silent sources."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, Never

from events import following, listening
from kernel import actor as actors
from kernel.actor import Actor
from kernel.database import Database, Tx
from routing import holds, reactions, source_answers, waiting

TICK_S: Final = 1.0
"""How often the clock is looked at; a deadline is noticed at most this much later."""
CONSUMER: Final = "routing"
"""Name under which routing follows the feed."""


def workers(database: Database) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
    """Give routing's tasks by name; each runs for ever and is started again when it fails.

    Args:
        database: Pool under `regul_system`.
    """
    return {
        "reactions": lambda: following.follow(database, CONSUMER, reactions.REACTIONS),
        "waiting": lambda: _tick(database, waiting.escalate),
        "lapsed_holds": lambda: _tick(database, holds.tell_lapsed),
        "silent_sources": lambda: _tick(database, source_answers.give_up),
    }


async def _tick(database: Database, step: Callable[[Tx, Actor], Awaitable[int]]) -> Never:
    """Run a step of the system again and again; it is idempotent, several processes may do it."""
    system = actors.system()
    while True:

        async def act(tx: Tx) -> int:
            return await step(tx, system)

        moved = await database.run(system, act)
        await listening.pause(0.0 if moved else TICK_S)
