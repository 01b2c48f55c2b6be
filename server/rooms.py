"""Which rooms bring routes, pages and workers; the only list of them."""

import importlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.settings import Settings

API_ROOMS: Final = ("events.api", "triage.api", "directory.api", "routing.api")
PAGE_ROOMS: Final = ("console.pages",)


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A background task.

    Attributes:
        name: Stands in logs and metrics.
        run: Runs for ever; called again after a failure; ends by being cancelled.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


def api_routes() -> Sequence[Any]:
    """Give the route handlers of all rooms, to be mounted under /api/v1."""
    return _routes(API_ROOMS)


def page_routes() -> Sequence[Any]:
    """Give the pages and static files, to be mounted at the root."""
    return _routes(PAGE_ROOMS)


def workers(database: Database, settings: Settings, keys: KeyRing) -> Sequence[Worker]:
    """Give every room's background tasks.

    Args:
        database: Pool under `regul_system`.
        settings: Of this process.
        keys: Opens and seals.
    """
    team: list[Worker] = []
    if (events := _module("events.workers")) is not None:
        found = events.workers(database, settings, settings.nats_url, keys)
        team += [Worker(name=f"events.{one.name}", run=one.run) for one in found]
    if (routing := _module("routing.work")) is not None:
        found = routing.workers(database)
        team += [Worker(name=f"routing.{name}", run=act) for name, act in found.items()]
    return team


def _module(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _routes(names: Sequence[str]) -> list[Any]:
    return [route for name in names if (room := _module(name)) for route in room.ROUTES]
