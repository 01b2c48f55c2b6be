"""The background tasks of every room: what the worker process runs; the only list of them."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from events import workers as events_workers
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.settings import Settings
from routing import work as routing_work
from server import feed_polling, journey_refresh
from server.source_bookings import Asker
from triage import work as triage_work


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A background task.

    Attributes:
        name: Stands in logs and metrics.
        run: Runs for ever; called again after a failure; ends by being cancelled.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


def workers(database: Database, settings: Settings, keys: KeyRing) -> Sequence[Worker]:
    """Give every room's background tasks.

    Args:
        database: Pool under `regul_system`.
        settings: Of this process.
        keys: Opens and seals.
    """
    of_events = events_workers.workers(database, settings, settings.nats_url, keys)
    of_routing = routing_work.workers(database)
    of_triage = triage_work.workers(database)
    return [
        *(Worker(name=f"events.{one.name}", run=one.run) for one in of_events),
        *(Worker(name=f"routing.{name}", run=act) for name, act in of_routing.items()),
        *(Worker(name=f"triage.{name}", run=act) for name, act in of_triage.items()),
        Worker(name="server.source_bookings", run=lambda: Asker(database, settings).run()),
        *_of_journeys(database, settings),
        Worker(name="server.feeds", run=lambda: feed_polling.run(database, settings)),
    ]


def _of_journeys(database: Database, settings: Settings) -> Sequence[Worker]:
    """Give the worker that asks the routing engine; none when there is no engine."""
    router = journey_refresh.router(settings)
    if router is None:
        return ()
    return (Worker(name="server.journeys", run=lambda: journey_refresh.keep(database, router)),)
