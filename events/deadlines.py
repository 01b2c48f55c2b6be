"""The clock of handoffs: silence becomes overdue, the overdue goes to a human on duty."""

from typing import Final

from events import escalation, listening, receipts
from kernel import actor, errors
from kernel.database import Database
from kernel.telemetry import logger

EVERY_S: Final = 1.0
_SYSTEM: Final = actor.system()


async def run(database: Database) -> None:
    """Look once a second for as long as the process lives; a database that is away is waited for.

    Args:
        database: Pool under `regul_system`.
    """
    while True:
        try:
            moved = await step(database)
        except errors.Unavailable:
            moved = 0
        if moved:
            logger().info("handoff.overdue", count=moved)
        await listening.pause(EVERY_S)


async def step(database: Database) -> int:
    """Make the transitions that are due by the database's clock; repeating it changes nothing.

    Args:
        database: Pool under `regul_system`.

    Returns:
        How many transitions were made.
    """
    async with database.transaction(_SYSTEM) as tx:
        arrived = await receipts.note(tx, _SYSTEM)
        return arrived + await escalation.sweep(tx, _SYSTEM)
