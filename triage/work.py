"""Triage's background task: overdue re-calls are told. It decides nothing: a read sees them too."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Never

from events import listening
from kernel import actor as actors
from kernel.database import Database, Tx
from triage import recalls

TICK_S: Final = 1.0
"""How often the clock is looked at; what is overdue is told at most this much later."""


def workers(database: Database) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
    """Give triage's tasks by name; each runs for ever and is started again when it fails.

    Args:
        database: Pool under `regul_system`.
    """
    return {"recalls": lambda: _recalls(database)}


async def _recalls(database: Database) -> Never:
    system = actors.system()
    while True:

        async def act(tx: Tx) -> int:
            return await recalls.tell_overdue(tx, system)

        told = await database.run(system, act)
        await listening.pause(0.0 if told else TICK_S)
