"""What works and what is degraded, as told to operators, partners and the console."""

from typing import Literal, TypeAlias

import msgspec

Condition: TypeAlias = Literal["up", "away", "unknown"]
"""`unknown` = not asked yet."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The service's condition at one moment.

    Attributes:
        database: PostgreSQL; without it every journey answers 503.
        nats: The bus; without it every journey goes on and events arrive later.
        worker: The process that sequences, relays and escalates; without it events wait.
        feed_lag: Events written and not yet in the feed; none when the database is away.
        worker_seen_s: Seconds since a worker last told that it lives.
        degraded: Codes of what does not work, empty when all is well: `database_away`,
            `nats_away`, `worker_silent`, `feed_lagging`, `reaction_parked`, `stream_filling`.
        stream_filled: How full the fullest stream of the bus is, 0 to 1; a full one refuses.
    """

    database: Condition = "unknown"
    nats: Condition = "unknown"
    worker: Condition = "unknown"
    feed_lag: int | None = None
    worker_seen_s: float | None = None
    degraded: tuple[str, ...] = ()
    stream_filled: float = 0.0
