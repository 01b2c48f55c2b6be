"""What the workers last saw of the feed and of NATS; the console says it when it is degraded."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from events import listening, streams
from events.jetstream import Bus, BusAway
from events.relay import Relay
from kernel import actor, errors
from kernel.database import Database, Tx
from kernel.telemetry import logger

EVERY_S: Final = 2.0
FILLING_EVERY_S: Final = 10.0
RELAY: Final = "relay"
_SYSTEM: Final = actor.system()


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """The feed at one moment.

    Attributes:
        waiting: Events that are written and not yet in FEED.
        nats: Whether the relay reaches NATS; None when no relay ever told.
        seen_s: Seconds since a relay last told; None when none ever did.
        filled: How full the fullest stream is, 0 to 1.
    """

    waiting: int
    nats: bool | None
    seen_s: float | None
    filled: float = 0.0


async def run(database: Database, bus: Bus, relay: Relay) -> None:
    """Write down what this process sees, for as long as it lives.

    Args:
        database: Pool under `regul_system`.
        bus: Its connection to NATS.
        relay: Its relay.
    """
    position, looked = 0, 0.0
    filled: Sequence[streams.Filling] = ()
    while True:
        position = relay.position or position
        if bus.connected and time.monotonic() - looked >= FILLING_EVERY_S:
            looked, filled = time.monotonic(), await filling(bus)
        try:
            async with database.transaction(_SYSTEM) as tx:
                await tx.execute(UPSERT_HEALTH, RELAY, bus.connected, position)
                for one in filled:
                    await tx.execute(UPSERT_FILLING, one.stream, one.share)
        except errors.Unavailable:
            pass
        await listening.pause(EVERY_S)


async def filling(bus: Bus) -> Sequence[streams.Filling]:
    """Ask how full the streams are; one that nears its limit is logged as a warning.

    Args:
        bus: The connection.

    Returns:
        Of each stream that answered.
    """
    found = []
    for name in streams.SUBJECTS:
        try:
            info = await bus.stream(name)
        except BusAway:
            continue
        if info is not None:
            found.append(streams.filling(info))
    for one in found:
        if one.share > streams.ALARM_SHARE:
            logger().warning("stream.filling", stream=one.stream, share=round(one.share, 3))
    return found


async def condition(tx: Tx) -> Condition:
    """Read how the feed is doing.

    Args:
        tx: Any connection; no actor's scope is needed.

    Returns:
        The condition.
    """
    row = await tx.fetchrow(SELECT_CONDITION, RELAY)
    return Condition(
        waiting=row["waiting"], nats=row["healthy"], seen_s=row["seen_s"], filled=row["filled"]
    )


UPSERT_HEALTH: Final = """
insert into events.health (component, healthy, position) values ($1, $2, $3)
on conflict (component) do update
set healthy = excluded.healthy, checked_at = kernel.regul_now(),
    position = greatest(health.position, excluded.position)
"""
UPSERT_FILLING: Final = """
insert into events.health (component, healthy, position, filled) values ($1, true, 0, $2)
on conflict (component) do update
set filled = excluded.filled, checked_at = kernel.regul_now()
"""
SELECT_CONDITION: Final = """
select h.healthy,
    extract(epoch from kernel.regul_now() - h.checked_at)::float8 as seen_s,
    (select count(*) from events.pending)
        + greatest(0, (select coalesce(max(position), 0) from events.position)
            - coalesce(h.position, 0)) as waiting,
    coalesce((select max(f.filled) from events.health f), 0)::float8 as filled
from (select $1::text as component) wanted
left join events.health h on h.component = wanted.component
"""
