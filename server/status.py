"""What works and what is degraded, for load balancers, operators and Prometheus."""

import asyncio
import time
from typing import Any, Final

import msgspec
import prometheus_client
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from events import health as events_health
from events import parking, streams
from kernel import actor, errors, heartbeat
from kernel.database import Database
from kernel.edge import Edge
from kernel.health import Health
from server import metrics
from server.configuration import WORKER

_FRESH_S: Final = 1.0
_SILENT_S: Final = 15.0
_LAG: Final = 1_000
_OK: Final = 200
_AWAY: Final = 503


class Watch:
    """Looks at the service's condition at most once a second, however many ask."""

    def __init__(self, database: Database) -> None:
        """Start with nothing known.

        Args:
            database: Pool under `regul_app`.
        """
        self._database = database
        self._health = Health()
        self._looked = -_FRESH_S
        self._lock = asyncio.Lock()

    async def look(self) -> Health:
        """Give the present condition; never raises for what is away."""
        async with self._lock:
            if time.monotonic() - self._looked >= _FRESH_S:
                self._health = await self._ask()
                self._looked = time.monotonic()
        return self._health

    async def _ask(self) -> Health:
        try:
            async with self._database.plain() as connection:
                beats = {one.component: one for one in await heartbeat.beats(connection)}
                feed = await events_health.condition(connection)
                parked = await parking.any_parked(connection)
        except errors.Unavailable:
            return Health(database="away", degraded=("database_away",))
        worker = beats.get(WORKER)
        bus = feed.nats if feed.seen_s is not None and feed.seen_s <= _SILENT_S else None
        heard = worker.age_s if worker else None
        return health_of(lag=feed.waiting, heard=heard, bus=bus, parked=parked, filled=feed.filled)


def health_of(
    *,
    lag: int | None,
    heard: float | None,
    bus: bool | None,
    parked: bool = False,
    filled: float = 0.0,
) -> Health:
    """Judge what was read; the database has answered.

    Args:
        lag: Events without a position.
        heard: Seconds since the worker process told that it lives; None = never.
        bus: What the relay last said of NATS; None = it never said.
        parked: Some event's effect could not be had and waits for a human.
        filled: How full the fullest stream is, 0 to 1: a full one refuses.
    """
    alive = heard is not None and heard <= _SILENT_S
    degraded: list[str] = []
    if not alive:
        degraded.append("worker_silent")
    if bus is False:
        degraded.append("nats_away")
    if parked:
        degraded.append("reaction_parked")
    if filled > streams.ALARM_SHARE:
        degraded.append("stream_filling")
    if lag is not None and lag > _LAG:
        degraded.append("feed_lagging")
    return Health(
        database="up",
        nats="unknown" if bus is None or not alive else "up" if bus else "away",
        worker="up" if alive else "unknown" if heard is None else "away",
        feed_lag=lag,
        stream_filled=round(filled, 3),
        worker_seen_s=None if heard is None else round(heard, 1),
        degraded=tuple(degraded),
    )


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the two probes."""

    status: str


@get("/status", tags=["status"], summary="What works and what is degraded")
async def status(edge: NamedDependency[Edge], health: NamedDependency[Health]) -> Health:
    """Tell the condition of the database, the bus, the worker and the feed."""
    actor.require(edge.actor, "status.read")
    return health


@get("/healthz", include_in_schema=False)
async def healthz() -> Listening:
    """Tell that this process listens; says nothing of what it depends on."""
    return Listening(status="listening")


@get("/readyz", include_in_schema=False)
async def readyz(request: Request[Any, Any, Any]) -> Response[Listening]:
    """Tell whether this process can serve: checks passed and the database answers."""
    services = request.app.state.services
    health = await services.watch.look()
    if services.complete and health.database == "up":
        return Response(Listening(status="ready"), status_code=_OK)
    return Response(Listening(status="waiting"), status_code=_AWAY, headers={"retry-after": "1"})


@get("/metrics", include_in_schema=False, media_type=MediaType.TEXT)
async def prometheus(
    edge: NamedDependency[Edge], health: NamedDependency[Health]
) -> Response[bytes]:
    """Give the process' metrics in Prometheus' text format, and what it knows of the feed."""
    actor.require(edge.actor, "status.read")
    metrics.FEED_LAG.set(health.feed_lag or 0)
    metrics.STREAM_FILLED.set(health.stream_filled)
    return Response(
        prometheus_client.generate_latest(metrics.REGISTRY),
        media_type=prometheus_client.CONTENT_TYPE_LATEST,
    )


API_ROUTES: Final = [status]
ROUTES: Final = [healthz, readyz, prometheus]
