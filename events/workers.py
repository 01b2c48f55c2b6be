"""The room's background tasks, for the process that supervises them."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from events import deadlines, dispatcher, health, listening, sequencer
from events.auth_callout import Callout
from events.dispatcher import Publisher
from events.jetstream import Bus
from events.relay import Relay
from events.webhooks import Sender
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.settings import Settings


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A background task.

    Attributes:
        name: Stands in logs.
        run: Runs for ever; may be called again after a failure; ends by being cancelled.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


def workers(
    database: Database, settings: Settings, nats_url: str, keys: KeyRing
) -> Sequence[Worker]:
    """Give the background tasks. Several processes may run them all at the same time.

    Args:
        database: Pool under `regul_system`.
        settings: Of the process.
        nats_url: Of the server; empty = no NATS: the feed is kept in PostgreSQL only.
        keys: Makes pseudonyms.

    Returns:
        The tasks.
    """
    listener = listening.shared(database)
    decided, posted = listener.bell(), listener.bell()
    sender = Sender(database, keys, loopback=settings.webhooks_to_loopback)
    team = [
        Worker(name="listener", run=listener.run),
        Worker(
            name="sequencer",
            run=partial(sequencer.run, database, listener.bell(listening.APPENDED)),
        ),
        Worker(
            name="dispatcher",
            run=partial(dispatcher.decide, database, listener.bell(), decided, posted),
        ),
        Worker(name="webhooks", run=partial(sender.run, posted)),
        Worker(name="deadlines", run=partial(deadlines.run, database)),
    ]
    if nats_url:
        bus = Bus(nats_url, "regul-worker", settings.nats_replicas)
        relay = Relay(database, bus)
        publisher = Publisher(database, bus, keys)
        team += [
            Worker(name="bus", run=bus.run),
            Worker(name="relay", run=partial(relay.run, listener.bell())),
            Worker(name="publisher", run=partial(publisher.run, decided)),
            Worker(name="standings", run=publisher.watch),
            Worker(name="health", run=partial(health.run, database, bus, relay)),
        ]
        if settings.auth_callout_seed:
            callout = Callout(database, bus, Path(settings.auth_callout_seed))
            team.append(Worker(name="callout", run=callout.run))
    return team
