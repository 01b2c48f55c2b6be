"""What the workers last saw of the feed and of NATS; the console says it when it is degraded."""

from typing import Final

import msgspec

from events import listening
from events.jetstream import Bus
from events.relay import Relay
from kernel import actor, errors
from kernel.database import Database, Tx

EVERY_S: Final = 2.0
RELAY: Final = "relay"
_SYSTEM: Final = actor.system()


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """The feed at one moment.

    Attributes:
        waiting: Events that are written and not yet in FEED.
        nats: Whether the relay reaches NATS; None when no relay ever told.
        seen_s: Seconds since a relay last told; None when none ever did.
    """

    waiting: int
    nats: bool | None
    seen_s: float | None


async def run(database: Database, bus: Bus, relay: Relay) -> None:
    """Write down what this process sees, for as long as it lives.

    Args:
        database: Pool under `regul_system`.
        bus: Its connection to NATS.
        relay: Its relay.
    """
    position = 0
    while True:
        position = relay.position or position
        try:
            async with database.transaction(_SYSTEM) as tx:
                await tx.execute(UPSERT_HEALTH, RELAY, bus.connected, position)
        except errors.Unavailable:
            pass
        await listening.pause(EVERY_S)


async def condition(tx: Tx) -> Condition:
    """Read how the feed is doing.

    Args:
        tx: Any connection; no actor's scope is needed.

    Returns:
        The condition.
    """
    row = await tx.fetchrow(SELECT_CONDITION, RELAY)
    return Condition(waiting=row["waiting"], nats=row["healthy"], seen_s=row["seen_s"])


UPSERT_HEALTH: Final = """
insert into events.health (component, healthy, position) values ($1, $2, $3)
on conflict (component) do update
set healthy = excluded.healthy, checked_at = kernel.regul_now(),
    position = greatest(health.position, excluded.position)
"""
SELECT_CONDITION: Final = """
select h.healthy,
    extract(epoch from kernel.regul_now() - h.checked_at)::float8 as seen_s,
    (select count(*) from events.pending)
        + greatest(0, (select coalesce(max(position), 0) from events.position)
            - coalesce(h.position, 0)) as waiting
from (select $1::text as component) wanted
left join events.health h on h.component = wanted.component
"""
